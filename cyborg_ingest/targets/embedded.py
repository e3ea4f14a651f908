"""The engine in this process: `disk:PATH` and `s3://bucket/prefix`, through cyborgdb_core.

`engine_errors` says what its errors mean.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import (
    AccessError,
    IndexExistsError,
    IndexKeyError,
    MissingExtraError,
    NoIndexError,
    TargetError,
    UsageError,
)
from cyborg_ingest.model import IndexInfo, StoredRow
from cyborg_ingest.rows.values import contents_text
from cyborg_ingest.settings.hidden import hidden, revealed
from cyborg_ingest.settings.scrubbing import Secrets
from cyborg_ingest.targets import engine_log
from cyborg_ingest.targets.arguments import check_key, check_name, check_options, checked, checked_query, distinct_ids
from cyborg_ingest.targets.base import Closing, Querying, Traffic
from cyborg_ingest.targets.engine_errors import Border
from cyborg_ingest.targets.engine_storage import path_of, storage_of
from cyborg_ingest.targets.terms import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import CreateOptions, Json
    from cyborg_ingest.settings.hidden import Hidden
    from cyborg_ingest.targets.base import Connection


def core() -> Any:
    """The module cyborgdb_core. Raises MissingExtraError."""
    try:
        import cyborgdb_core  # noqa: PLC0415 - an extra
        from cyborgdb_core import cyborgdb_core as library  # noqa: PLC0415 - the same
    except ImportError as error:
        raise MissingExtraError(
            f"The embedded engine is not installed ({error}). Install it with pip install 'cyborg-ingest[embedded]', "
            "or load through a service with --target http://HOST:PORT."
        ) from None
    engine_log.mute(library.__file__)
    return cyborgdb_core


class EmbeddedClient(Closing):
    """Indexes in a directory or a bucket, without a server.

    An index on disk is locked for this process from its first use until `close`. A bucket has no lock: two
    processes that write to one index there lose rows silently.
    """

    is_embedded = True

    def __init__(self, target: str, connection: Connection) -> None:
        self.target = target
        self.secrets = Secrets(revealed(connection.licence))
        self.has_licence = connection.licence is not None and bool(connection.licence.reveal())
        self._connection = connection
        self._indexes: list[EmbeddedIndex] = []
        self._client: Any = None
        self._lock = threading.Lock()
        self._core = core()
        with Border(target, self.secrets):
            self._storage = storage_of(self._core, target, self.secrets)

    def index(self, name: str, key: bytes | Hidden[bytes] | None = None) -> EmbeddedIndex:
        """An index by name; it is opened by its first use."""
        key = hidden(key)
        found = EmbeddedIndex(self, check_name(name), check_key(key))
        self._indexes.append(found)
        return found

    def engine(self, *, create: bool = False) -> Any:
        """The engine's client. Opening one creates its directory, so that is left to `create`."""
        with self._lock:
            if self._client is None:
                path = path_of(self.target)
                if path is not None and not create and not path.is_dir():
                    raise NoIndexError(f"There is no directory {path}, so there is no index in it.")
                with Border(self.target, self.secrets):
                    licence = self._connection.licence
                    self._client = self._core.Client(api_key=revealed(licence) or "", storage_config=self._storage)
            return self._client

    def create(self, name: str, key: bytes | Hidden[bytes] | None, options: CreateOptions) -> EmbeddedIndex:
        """Create an index in two steps, envelope and index, or the one that is missing after a kill.

        Raises IndexExistsError where both are there.
        """
        key = hidden(key)
        check_options(name, options)
        if options.kms_name:
            raise UsageError("--kms-name needs a service: the embedded engine has no KMS.")
        index = self.index(name, key)
        if key is None:
            raise AccessError(f"Index {name!r} needs a key of 32 bytes.")
        engine = self.engine(create=True)
        with index.border("creating it"):
            has_envelope = self._has_envelope(name)
            if not has_envelope:
                envelope = self._core.KMSBlob(provider="none", version=1, created_at=int(time.time()))
                self._core.create_index_kms(self._storage, name, envelope)
            if name in engine.list_indexes():
                if has_envelope:
                    raise IndexExistsError(f"Index {name!r} is in {self.target} already.")
            else:
                engine.create_index(name, key.reveal(), **_create_arguments(options))
        return index

    def refuse_kms(self, name: str) -> None:
        """Raise AccessError for an index whose key nobody can give."""
        self._has_envelope(name)

    def _has_envelope(self, name: str) -> bool:
        try:
            envelope = self._core.get_index_kms(self._storage, name)
        except ValueError as error:
            if "No KMS blob exists" in str(error):
                return False
            raise
        if envelope.provider != "none":
            raise AccessError(
                f"The key of index {name!r} is kept by a KMS ({envelope.provider}): only a service can open it."
            )
        return True

    def delete(self, name: str, index: Any, key: Hidden[bytes] | None) -> None:
        """Delete an index, and the envelope that a service looks for."""
        index.delete_index(index_key=revealed(key) or b"")
        self._core.delete_index_kms(self._storage, name)

    def list_indexes(self) -> list[str]:
        """The names of all indexes; none where the directory does not exist."""
        path = path_of(self.target)
        if path is not None and not path.is_dir():
            return []
        with Border(f"{self.target}, listing its indexes", self.secrets):
            return list(map(str, self.engine().list_indexes()))

    def close(self) -> None:
        """Close every index, which frees their locks."""
        for index in self._indexes:
            index.close()
        self._indexes.clear()
        self._client = None


def _create_arguments(options: CreateOptions) -> dict[str, Any]:
    given = {
        "dimension": options.dimension,
        "metric": options.metric,
        "storage_precision": options.storage_precision,
        "metadata_schema": None if options.metadata_schema is None else dict(options.metadata_schema),
        "text_fields": None if options.text_fields is None else list(options.text_fields),
        "bm25_k1": options.bm25_k1,
        "bm25_b": options.bm25_b,
    }
    return {name: value for name, value in given.items() if value is not None}


class EmbeddedIndex(Querying):
    """An index of the engine; its handle is shared by all threads."""

    def __init__(self, client: EmbeddedClient, name: str, key: Hidden[bytes] | None) -> None:
        self.name = name
        self.traffic = Traffic()
        self._client = client
        self._key = key
        client.secrets.add(revealed(key))
        self._handle: Any = None
        self._closed = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"EmbeddedIndex({self.name!r} in {self._client.target})"

    def _engine(self) -> Any:
        with self._lock:
            if self._closed:
                raise TargetError(f"Index {self.name!r} is closed.")
            if self._handle is None:
                engine = self._client.engine()
                if self.name not in engine.list_indexes():
                    raise NoIndexError(missing(self.name, self._client.target))
                self._client.refuse_kms(self.name)
                if self._key is None:
                    raise IndexKeyError(
                        f"Index {self.name!r} needs its key: set CYBORG_INGEST_INDEX_KEY, or give --index-key-file."
                    )
                self._handle = engine.load_index(self.name, self._key.reveal())
            return self._handle

    def border(self, doing: str) -> Border:
        """Around every call of the engine: its errors become ours and say what was being done."""
        return Border(f"{self._client.target}, index {self.name!r}, {doing}", self._client.secrets)

    def upsert_binary(
        self,
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None = None,
        contents: list[str | bytes | None] | None = None,
    ) -> None:
        """See `targets.base.Index`. Rows of vectors alone take the engine's fast form."""
        narrow, metadata = checked(ids, vectors, metadata, contents)
        if not ids:
            return
        is_bare = (metadata is None or not any(metadata)) and (contents is None or not any(contents))
        rows = (ids, narrow) if is_bare else (_items(ids, narrow, metadata, contents),)
        with self.border(f"upserting {len(ids):,} rows"):
            self._engine().upsert(*rows, index_key=revealed(self._key))
        self.traffic.add(0)

    def describe(self) -> IndexInfo:
        """See `targets.base.Index`."""
        with self.border("describing it"):
            engine = self._engine()
            config = engine.index_config()
            return IndexInfo(
                name=self.name,
                dimension=int(engine.dimension),
                metric=self._client.secrets.scrub(str(engine.metric)),
                is_trained=bool(engine.is_trained()),
                n_lists=int(engine.n_lists),
                metadata_schema=self._client.secrets.scrubbed(dict(config.get("metadata_schema") or {})),
                bm25=self._client.secrets.scrubbed(config.get("bm25")),
            )

    def count(self) -> int:
        """See `targets.base.Index`."""
        with self.border("counting its rows"):
            return int(self._engine().get_num_vectors(index_key=revealed(self._key)))

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """See `targets.base.Index`."""
        asked = distinct_ids(ids)
        with self.border(f"getting {len(asked):,} rows"):
            return [
                StoredRow(
                    id=row["id"],
                    vector=np.array(row["vector"], np.float32) if len(row.get("vector", ())) else None,
                    metadata=row.get("metadata") or None,
                    contents=_text(row.get("contents")),
                )
                for row in self._engine().get(asked, index_key=revealed(self._key))
            ]

    def list_ids(self) -> list[str]:
        """See `targets.base.Index`."""
        with self.border("listing its ids"):
            return list(map(str, self._engine().list_ids(index_key=revealed(self._key))))

    def delete_rows(self, ids: Sequence[str]) -> None:
        """See `targets.base.Index`."""
        wanted = distinct_ids(ids)
        if wanted:
            with self.border(f"deleting {len(wanted):,} rows"):
                self._engine().delete(wanted, index_key=revealed(self._key))

    def nearest(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int) -> list[tuple[str, float]]:
        """See `targets.base.Index`."""
        narrow, most = checked_query(vector, top_k)
        with self.border("querying it"):
            found = self._engine().query(narrow, top_k=most, include=["distance"], index_key=revealed(self._key))
            return [(row["id"], float(row["distance"])) for row in found]

    def train(self) -> None:
        """See `targets.base.Index`."""
        with self.border("training it"):
            self._engine().train(index_key=revealed(self._key))

    def is_training(self) -> bool:
        """See `targets.base.Index`. Training blocks, so nobody is left who could ask."""
        return False

    def delete(self) -> None:
        """See `targets.base.Index`."""
        with self.border("deleting it"):
            self._client.delete(self.name, self._engine(), self._key)
        self.close()

    def close(self) -> None:
        """Drop the handle: the lock lives as long as it."""
        with self._lock:
            self._handle = None
            self._closed = True


def _items(
    ids: list[str],
    vectors: npt.NDArray[np.float32],
    metadata: list[Json | None] | None,
    contents: list[str | bytes | None] | None,
) -> list[Json]:
    """Rows as the engine takes them: numpy vectors (a list costs four times as much), no absent contents."""
    items: list[Json] = [{"id": identity, "vector": vector} for identity, vector in zip(ids, vectors, strict=True)]
    for item, value in zip(items, metadata or (), strict=False):
        if value:
            item["metadata"] = value
    for item, content in zip(items, contents or (), strict=False):
        if content:
            item["contents"] = contents_text(content)
    return items


def _text(contents: bytes | str | None) -> str | bytes | None:
    if not contents:
        return None
    if isinstance(contents, str):
        return contents
    try:
        return contents.decode()
    except UnicodeDecodeError:
        return contents
