"""A CyborgDB service over HTTP, through requests."""

from __future__ import annotations

import threading
import zlib
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ConnectionLostError, OversizedAnswerError, TooLargeError, UsageError
from cyborg_ingest.model import LARGEST_DIMENSION
from cyborg_ingest.rows.values import MAX_DEPTH, load_json
from cyborg_ingest.settings.hidden import HiddenMapping, hidden, revealed
from cyborg_ingest.settings.scrubbing import Secrets
from cyborg_ingest.targets.answers import check_count, error_of_answer
from cyborg_ingest.targets.arguments import check_key, check_name, check_options, checked, checked_query, distinct_ids
from cyborg_ingest.targets.base import Closing, Querying, Traffic
from cyborg_ingest.targets.body import Asked, Body
from cyborg_ingest.targets.shapes import ParsedAnswer, check_done, index_info, stored_rows
from cyborg_ingest.targets.transport import error_of_transport
from cyborg_ingest.targets.trust import verification
from cyborg_ingest.targets.wire import FOREIGN, Line, TooMuchError, proxies_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.model import CreateOptions, IndexInfo, Json, StoredRow
    from cyborg_ingest.settings.hidden import Hidden
    from cyborg_ingest.targets.base import Connection
    from cyborg_ingest.targets.body import Pieces
    from cyborg_ingest.targets.wire import Answer

_AROUND_ROWS = 8
"""Levels of an answer in which a row's metadata lies, with room to spare."""
_CONTROL_BYTES = 4_000_000
"""The largest answer that has no rows in it: schemas and lists of names are the longest."""

_ROW_BYTES = 32_000_000
"""Metadata and contents that all rows of an answer may have together; more are asked for in smaller numbers."""

_ID_BYTES = 1_000
"""What an id may take in a list of all, on the average."""

_NUMBER_BYTES, _DISTANCE_BYTES = 26, 4_096


class RestClient(Closing):
    """Indexes behind a service at `http(s)://host:port`."""

    is_embedded = False
    has_licence = False

    def __init__(self, target: str, connection: Connection) -> None:
        if target.startswith("http://") and (connection.ca_cert or connection.insecure):
            raise UsageError(f"--ca-cert and --insecure are for https; {target} is plain http.")
        self._verify = verification(connection) if target.startswith("https://") else True
        self.target = target
        self.connection = connection
        self._secrets = Secrets(revealed(connection.api_key))
        # an answer that is not compressed cannot be a bomb
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if connection.api_key is not None and connection.api_key.reveal():
            self._headers["X-API-Key"] = connection.api_key.reveal()
        self._local = threading.local()
        self._lines: list[Line] = []
        self._proxies = proxies_for(target)

    def _line(self) -> Line:
        """The connection of the calling thread."""
        found: Line | None = getattr(self._local, "line", None)
        if found is None:
            timeout = self.connection.connect_timeout, self.connection.timeout
            found = self._local.line = Line(self.target, self._verify, self._headers, timeout)
            self._lines.append(found)
        return found

    def call(
        self, path: str, body: Pieces | None, *, secrets: Secrets | None = None, largest: int = _CONTROL_BYTES
    ) -> Any:
        """One request; the JSON of its answer, which may have so many bytes. Raises TargetError and its kinds."""
        answer = self.answer(path, body, secrets=secrets, largest=largest)
        try:
            # not orjson alone, which makes a float of an integer beyond 64 bits; an answer lies around the rows in it
            return load_json(answer.content, deepest=MAX_DEPTH + _AROUND_ROWS)
        except (ValueError, RecursionError):
            self._line().close()
            raise ConnectionLostError(
                f"{self.target} gave an answer that is not JSON. Is it a CyborgDB service?",
                cause="garbage",
                outcome_unknown=True,
            ) from None

    def answer(
        self, path: str, body: Pieces | None, *, secrets: Secrets | None = None, largest: int = _CONTROL_BYTES
    ) -> Answer:
        """One request, and its answer as it came, if that is 200."""
        line, method = self._line(), "GET" if body is None else "POST"
        try:
            answer = line.ask(method, path, body, largest)
        except TooMuchError:
            raise OversizedAnswerError(
                f"{self.target} answered {path} with more than {largest:,} bytes. Is it a CyborgDB service?",
                cause="garbage",
                outcome_unknown=True,
            ) from None
        except (*FOREIGN, zlib.error) as error:
            raise error_of_transport(self.target, error) from None
        if answer.status != HTTPStatus.OK:
            raise error_of_answer(self.target, answer, secrets or self._secrets, is_proxied=bool(self._proxies))
        return answer

    def said(self, path: str, body: Pieces | None, **options: Any) -> ParsedAnswer:
        """The same, of which the answer is an object."""
        return ParsedAnswer(self.call(path, body, **options), f"{self.target}{path}")

    def index(self, name: str, key: bytes | Hidden[bytes] | None = None) -> RestIndex:
        """An index by name; nothing is sent yet."""
        key = hidden(key)
        return RestIndex(self, check_name(name), check_key(key))

    def create(self, name: str, key: bytes | Hidden[bytes] | None, options: CreateOptions) -> RestIndex:
        """Create an index. Raises IndexExistsError."""
        key = hidden(key)
        check_options(name, options)
        given = {
            "dimension": options.dimension,
            "metric": options.metric,
            "storage_precision": options.storage_precision,
            "kms_name": options.kms_name,
            "metadata_schema": options.metadata_schema,
            "text_fields": options.text_fields,
            "bm25_k1": options.bm25_k1,
            "bm25_b": options.bm25_b,
        }
        index = self.index(name, key)
        body = {name: value for name, value in given.items() if value is not None}
        said = self.said("/v1/indexes/create", Asked(index.named, body), secrets=index.secrets)
        check_done(said, index.secrets, f"{self.target}, create index {name!r},")
        return index

    def list_indexes(self) -> list[str]:
        """The names of all indexes; needs the root key."""
        return self.said("/v1/indexes/list", None).texts("indexes")

    def close(self) -> None:
        """Close the connections of all threads."""
        for line in self._lines:
            line.close()


class RestIndex(Querying):
    """An index behind a service; every thread has a connection of its own."""

    def __init__(self, client: RestClient, name: str, key: Hidden[bytes] | None) -> None:
        self.name = name
        self.traffic = Traffic()
        # lowercase: uppercase hex poisons the service's cache
        self.named = HiddenMapping({"index_name": name, **({"index_key": key.reveal().hex()} if key else {})})
        api_key = client.connection.api_key
        self.secrets = Secrets(revealed(api_key), revealed(key))
        self._client = client
        self._dimension: int | None = None

    def __repr__(self) -> str:
        return f"RestIndex({self.name!r} at {self._client.target})"

    def _call(self, path: str, *, largest: int = _CONTROL_BYTES, **more: Any) -> ParsedAnswer:
        return self._client.said(path, Asked(self.named, more), secrets=self.secrets, largest=largest)

    def _do(self, path: str) -> None:
        """A request that changes the index as a whole."""
        check_done(self._call(path), self.secrets, f"{self._client.target}, index {self.name!r},")

    def upsert_binary(
        self,
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None = None,
        contents: list[str | bytes | None] | None = None,
    ) -> None:
        """See `targets.base.Index`. Without rows nothing is sent."""
        narrow, metadata = checked(ids, vectors, metadata, contents)
        if not ids:
            return
        self._dimension = self._dimension or narrow.shape[1]
        body = Body(self.named, ids, narrow, metadata, contents)
        if len(body) > self._client.connection.max_body:
            raise TooLargeError(
                f"A request of {len(body):,} bytes is larger than {self._client.connection.max_body:,}."
            )
        self.traffic.add(len(body))
        answer = self._client.call("/v1/vectors/upsert_binary", body, secrets=self.secrets)
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise ConnectionLostError(
                f"{self._client.target} answered 200 without saying that the rows are there.",
                cause="garbage",
                outcome_unknown=True,
            )
        check_count(self._client.target, answer.get("message"), len(ids))

    def describe(self) -> IndexInfo:
        """See `targets.base.Index`."""
        info = index_info(self._call("/v1/indexes/describe"), self.secrets)
        self._dimension = info.dimension or None
        return info

    def count(self) -> int:
        """See `targets.base.Index`."""
        return self._call("/v1/vectors/num_vectors").count("result")

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """See `targets.base.Index`. All fields are asked for: a row without any of them would be left out."""
        wanted = distinct_ids(ids)
        largest = _ROW_BYTES + len(wanted) * _NUMBER_BYTES * (self._dimension or LARGEST_DIMENSION)
        try:
            said = self._call(
                "/v1/vectors/get", ids=wanted, include=["vector", "metadata", "contents"], largest=largest
            )
        except (OversizedAnswerError, TooLargeError):
            if len(wanted) <= 1:
                raise
            half = len(wanted) // 2
            return self.get(wanted[:half]) + self.get(wanted[half:])
        return stored_rows(said, set(wanted))

    def list_ids(self) -> list[str]:
        """See `targets.base.Index`."""
        largest = _CONTROL_BYTES + self.count() * _ID_BYTES
        return self._call("/v1/vectors/list_ids", largest=largest).texts("ids")

    def delete_rows(self, ids: Sequence[str]) -> None:
        """See `targets.base.Index`. Without ids nothing is sent."""
        wanted = distinct_ids(ids)
        if wanted:
            said = self._call("/v1/vectors/delete", ids=wanted)
            check_done(said, self.secrets, f"{self._client.target}, index {self.name!r},")

    def nearest(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int) -> list[tuple[str, float]]:
        """See `targets.base.Index`."""
        narrow, most = checked_query(vector, top_k)
        asked = {"query_vectors": narrow.tolist(), "top_k": most, "include": ["distance"]}
        said = self._call("/v1/vectors/query", **asked, largest=_CONTROL_BYTES + most * _DISTANCE_BYTES)
        return [(row.text("id"), row.number("distance")) for row in said.objects("results")]

    def check_writing(self) -> None:
        """Raise AccessError where the API key may not write: a row is deleted that nobody has, and nothing changes."""
        self._call("/v1/vectors/delete", ids=[f"nobody-{token_hex(16)}"])

    def train(self) -> None:
        """See `targets.base.Index`. Needs the root key."""
        self._do("/v1/indexes/train")

    def is_training(self) -> bool:
        """See `targets.base.Index`. Needs the root key."""
        return self.name in self._client.said("/v1/indexes/training-status", None).texts("training_indexes")

    def delete(self) -> None:
        """See `targets.base.Index`. Needs the root key."""
        self._do("/v1/indexes/delete")

    def close(self) -> None:
        """Nothing to free: the connections are the client's."""
