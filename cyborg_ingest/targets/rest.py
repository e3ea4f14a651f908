"""A CyborgDB service over HTTP, through requests."""

from __future__ import annotations

import os
import threading
import time
import warnings
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from cyborg_ingest.errors import ConnectionLostError, TooLargeError, UsageError
from cyborg_ingest.model import IndexInfo, StoredRow
from cyborg_ingest.targets.answers import Secrets, check_count, error_of_answer, error_of_transport
from cyborg_ingest.targets.arguments import checked
from cyborg_ingest.targets.base import Closing, Traffic
from cyborg_ingest.targets.body import Body
from cyborg_ingest.values import load_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import CreateOptions, Json
    from cyborg_ingest.targets.base import Connection

_IDLE_SECONDS = 4.0
"""The service closes a kept-alive connection after 5 s; one older than this is not used again."""


class _Line:
    """One thread's connection, made anew when it has been idle for too long."""

    def __init__(self, target: str, verify: bool | str, headers: dict[str, str]) -> None:
        self._target = target
        self._verify = verify
        self._headers = headers
        self._used = 0.0
        self._session: requests.Session | None = None

    def request(
        self, method: str, path: str, body: bytes | Body | None, timeout: tuple[float, float]
    ) -> requests.Response:
        """Send one request; the body of the answer is read when this returns."""
        try:
            return self._fresh().request(method, self._target + path, data=body, timeout=timeout, allow_redirects=False)
        except requests.RequestException:
            self.close()  # what is left of the connection may hold half an answer
            raise
        finally:
            self._used = time.monotonic()

    def _fresh(self) -> requests.Session:
        if self._session is not None and time.monotonic() - self._used > _IDLE_SECONDS:
            self.close()
        if self._session is None:
            session = self._session = requests.Session()
            session.headers.update(self._headers)
            # The environment is asked once: with each request it takes a third of the request's time. `.netrc`,
            # which would be sent as authentication, is not read at all
            session.trust_env = False
            session.proxies.update(get_environ_proxies(self._target))
            session.verify = self._verify
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0))
        return self._session

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _verification(connection: Connection) -> bool | str:
    """Whose certificates are trusted: those asked for by option, else by the environment, else the usual."""
    if connection.insecure:
        return False
    bundle = connection.ca_cert or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return str(bundle) if bundle else True


class RestClient(Closing):
    """Indexes behind a service at `http(s)://host:port`."""

    is_embedded = False

    def __init__(self, target: str, connection: Connection) -> None:
        if target.startswith("http://") and (connection.ca_cert or connection.insecure):
            raise UsageError(f"--ca-cert and --insecure are for https; {target} is plain http.")
        if connection.ca_cert and not connection.ca_cert.is_file():
            raise UsageError(f"--ca-cert {connection.ca_cert}: no such file.")
        if connection.insecure:  # asked for by name, so a warning with each connection helps nobody
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        self.target = target
        self.connection = connection
        self._secrets = Secrets(connection.api_key)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if connection.api_key:
            self._headers["X-API-Key"] = connection.api_key
        self._local = threading.local()
        self._lines: list[_Line] = []

    def _line(self) -> _Line:
        """The connection of the calling thread."""
        found: _Line | None = getattr(self._local, "line", None)
        if found is None:
            found = self._local.line = _Line(self.target, _verification(self.connection), self._headers)
            self._lines.append(found)
        return found

    def call(self, path: str, body: bytes | Body | None, *, secrets: Secrets | None = None) -> Any:
        """One request; the JSON of its answer. Raises TargetError and its kinds."""
        secrets = secrets or self._secrets
        timeout = (self.connection.connect_timeout, self.connection.timeout)
        line = self._line()
        try:
            answer = line.request("GET" if body is None else "POST", path, body, timeout)
        except requests.RequestException as error:
            raise error_of_transport(self.target, error) from None
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            line.close()  # after an unhandled 500 the service hangs up without saying so
        if answer.status_code != HTTPStatus.OK:
            raise error_of_answer(self.target, answer, secrets)
        try:
            return load_json(answer.content)  # orjson alone makes a float of an integer beyond 64 bits
        except ValueError:
            line.close()
            raise ConnectionLostError(
                f"{self.target} answered with what is no JSON. Is it a CyborgDB service?",
                cause="garbage",
                outcome_unknown=True,
            ) from None

    def index(self, name: str, key: bytes | None = None) -> RestIndex:
        """An index by name; nothing is sent yet."""
        return RestIndex(self, name, key)

    def create(self, name: str, key: bytes | None, options: CreateOptions) -> RestIndex:
        """Create an index. Raises IndexExistsError."""
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
        self.call("/v1/indexes/create", orjson.dumps({**index.named, **body}), secrets=index.secrets)
        return index

    def list_indexes(self) -> list[str]:
        """The names of all indexes; needs the root key."""
        return list(self.call("/v1/indexes/list", None)["indexes"])

    def close(self) -> None:
        """Close the connections of all threads."""
        for line in self._lines:
            line.close()


class RestIndex(Closing):
    """An index behind a service; every thread has a connection of its own."""

    def __init__(self, client: RestClient, name: str, key: bytes | None) -> None:
        self.name = name
        self.traffic = Traffic()
        self.named: dict[str, str] = {"index_name": name}
        if key is not None:
            self.named["index_key"] = key.hex()  # lowercase: uppercase hex poisons the service's cache
        self.secrets = Secrets(client.connection.api_key, key)
        self._client = client

    def __repr__(self) -> str:
        return f"RestIndex({self.name!r} at {self._client.target})"

    def _call(self, path: str, **more: Any) -> Any:
        return self._client.call(path, orjson.dumps({**self.named, **more}), secrets=self.secrets)

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
        found = self._call("/v1/indexes/describe")
        return IndexInfo(
            name=found["index_name"],
            dimension=found["dimension"],
            metric=found["metric"],
            is_trained=found["is_trained"],
            n_lists=found["n_lists"],
            metadata_schema=found.get("metadata_schema") or {},
            bm25=found.get("bm25"),
        )

    def count(self) -> int:
        """See `targets.base.Index`."""
        return int(self._call("/v1/vectors/num_vectors")["result"])

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """See `targets.base.Index`. All fields are asked for: a row without any of them would be left out."""
        include = ["vector", "metadata", "contents"]
        found = self._call("/v1/vectors/get", ids=list(dict.fromkeys(ids)), include=include)["results"]
        return [
            StoredRow(
                id=row["id"],
                vector=np.array(row["vector"], np.float32) if row.get("vector") else None,
                metadata=row.get("metadata") or None,
                contents=row.get("contents") or None,
            )
            for row in found
        ]

    def query(self, vector: npt.NDArray[np.float32], top_k: int) -> list[tuple[str, float]]:
        """See `targets.base.Index`."""
        numbers = np.asarray(vector, np.float32).tolist()
        found = self._call("/v1/vectors/query", query_vectors=numbers, top_k=top_k, include=["distance"])["results"]
        return [(row["id"], float(row["distance"])) for row in found]

    def train(self) -> None:
        """See `targets.base.Index`. Needs the root key."""
        self._call("/v1/indexes/train")

    def is_training(self) -> bool:
        """See `targets.base.Index`. Needs the root key."""
        return self.name in self._client.call("/v1/indexes/training-status", None)["training_indexes"]

    def delete(self) -> None:
        """See `targets.base.Index`. Needs the root key."""
        self._call("/v1/indexes/delete")

    def close(self) -> None:
        """Nothing to free: the connections are the client's."""
