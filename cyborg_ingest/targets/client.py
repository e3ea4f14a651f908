"""`cyborg_ingest.connect`: the client behind the command line, for programs.

Keys are found as a load finds them, and errors speak of keywords.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest import targets
from cyborg_ingest.errors import ArgumentTypeError
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.hidden import Hidden, hidden, revealed
from cyborg_ingest.settings.keywords import speaking_python
from cyborg_ingest.settings.options import TargetSettings
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.arguments import LONGEST_WAIT, MOST_RETRIES, SHORTEST_WAIT, check_name, check_number
from cyborg_ingest.targets.base import Closing, Connection
from cyborg_ingest.targets.keyring import find_key
from cyborg_ingest.targets.retry import RetryPolicy
from cyborg_ingest.targets.retrying import Patience, RetryingClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.model import CreateOptions, IndexInfo, Json, Match, StoredRow
    from cyborg_ingest.targets import base
    from cyborg_ingest.targets.base import Traffic

Key = bytes | str | os.PathLike[str] | Hidden[bytes]
"""Of an index: its 32 bytes, 64 hex digits, base64 of them, or the Path of a file with any of these."""

_NAMES = {"index_key_file": "key", "api_key_file": "api_key"}
"""What `connect` and `index` call what a load has other keywords for."""


class Index(Closing):
    """One index; `Client.index` gives it. Its methods may be called from several threads.

    Use it as a context manager: closing an embedded index frees its lock.
    """

    def __init__(self, index: base.Index) -> None:
        self._index = index
        self.name = index.name
        """Its name."""
        self.traffic: Traffic = index.traffic
        """Requests, and bytes of rows, that were sent to it."""

    def __repr__(self) -> str:
        return repr(self._index)

    def upsert_binary(
        self,
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None = None,
        contents: list[str | bytes | None] | None = None,
    ) -> None:
        """Insert or replace rows; when it returns, the engine has them on disk.

        `vectors` has the shape (len(ids), dimension); another dtype or byte order is cast to little-endian
        float32. Datetimes in metadata become epoch milliseconds (naive = UTC), bytes contents base64 text. A
        row that is there already is replaced whole: metadata and contents that are not given are gone.

        Raises ArgumentError (a ValueError) where lengths or shapes do not fit or a value is not one that JSON has,
        ArgumentTypeError (a TypeError too) where a type is another, and TargetError (a ValueError) with
        the target's own words where it refuses.
        """
        with speaking_python(_NAMES):
            self._index.upsert_binary(ids, vectors, metadata, contents)

    def describe(self) -> IndexInfo:
        """Its dimension, metric and training. Raises NoIndexError, AccessError."""
        with speaking_python(_NAMES):
            return self._index.describe()

    def count(self) -> int:
        """How many rows it holds."""
        with speaking_python(_NAMES):
            return self._index.count()

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """The rows of these ids, whole, each once, in the order asked for.

        Ids that it does not hold are left out: `{row.id: row for row in index.get(ids)}` tells which. `vector` is a
        float32 array, `metadata` a dict, `contents` text; None where there is none. Bytes that were loaded as contents
        come back as the base64 text that the engines keep of them, as with CyborgDB's own SDK::

            (row,) = index.get(["a"])
            print(row.vector, row.metadata, row.contents)
        """
        with speaking_python(_NAMES):
            return self._index.get(ids)

    def nearest(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int) -> list[tuple[str, float]]:
        """The nearest ids and their distances, nearest first: `query` in one request, without the rows."""
        with speaking_python(_NAMES):
            return self._index.nearest(vector, top_k)

    def query(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int = 10) -> list[Match]:
        """The rows that are nearest to a vector, at most `top_k` of them, nearest first.

        `vector` is an array of shape (dimension,) or a list of numbers. The rows are as `get` has them, and each has
        its `distance`. Raises ArgumentError where the vector is none, TargetError where its dimension is not the
        index's::

            for row in index.query([0.1, 0.2, 0.3, 0.4], top_k=3):
                print(row.distance, row.id, row.metadata, row.contents)
        """
        with speaking_python(_NAMES):
            return self._index.query(vector, top_k)

    def list_ids(self) -> list[str]:
        """The ids of all rows; after a crash of the engine some of rows that it does not have may be among them."""
        with speaking_python(_NAMES):
            return self._index.list_ids()

    def delete_rows(self, ids: Sequence[str]) -> None:
        """Delete the rows of these ids; those that are not there are none the worse for it."""
        with speaking_python(_NAMES):
            self._index.delete_rows(ids)

    def train(self) -> None:
        """Build the inverted lists, which makes queries on a large index fast. Blocks until done."""
        with speaking_python(_NAMES):
            self._index.train()

    def is_training(self) -> bool:
        """Whether it is being trained now, or waits for it."""
        with speaking_python(_NAMES):
            return self._index.is_training()

    def delete(self) -> None:
        """Delete the index with all its rows."""
        with speaking_python(_NAMES):
            self._index.delete()

    def close(self) -> None:
        """Free connections; of an embedded index, its lock too. Safe to call again."""
        self._index.close()


class Client(Closing):
    """A connection to a place that holds indexes; `connect` gives it.

    Use it as a context manager: it closes every index that came from it.
    """

    def __init__(self, client: base.Client, settings: TargetSettings) -> None:
        self._client = client
        self._settings = settings
        self.target = client.target
        """As it is shown: no secret in it."""
        self.is_embedded = client.is_embedded
        """Whether the engine is in this process."""
        self.has_licence = client.has_licence
        """Whether that engine has a licence."""

    def __repr__(self) -> str:
        return f"Client({self.target!r})"

    def index(self, name: str, key: Key | None = None) -> Index:
        """An index by name. Nothing is sent yet: whether it is there shows with the first request.

        `key` is its 32 bytes, 64 hex digits, base64 of them, or the Path of a file with any of these. Without one it is
        looked for as `load` does: CYBORG_INGEST_INDEX_KEY, where systemd or a container delivers it, and where the key
        of an index is kept that was made without one. An index whose key is kept by a KMS needs none.
        """
        given, key = hidden(key), None  # no frame of ours has it as it was given from here on
        with speaking_python(_NAMES):
            return Index(self._client.index(name, self._found(name) if given is None else _parsed(given)))

    def create(self, name: str, key: Key | None, options: CreateOptions) -> Index:
        """Create an index, or complete one whose creation was cut short. Raises IndexExistsError.

        `key` as in `index`; None where `options.kms_name` says who keeps it. `load(..., create=True, key_out=...)`
        makes a key of its own.
        """
        given, key = hidden(key), None  # as in `index`
        with speaking_python(_NAMES):
            return Index(self._client.create(name, None if given is None else _parsed(given), options))

    def _found(self, name: str) -> Hidden[bytes] | None:
        """The key that a load would open the index with."""
        return find_key(self._settings, self.target, check_name(name))

    def list_indexes(self) -> list[str]:
        """The names of all indexes; of a service this needs its root key."""
        with speaking_python(_NAMES):
            return self._client.list_indexes()

    def close(self) -> None:
        """Close every index that came from here. Safe to call again."""
        self._client.close()


def _parsed(given: Hidden[Any]) -> Hidden[bytes]:
    """A key in the form that its caller has."""
    secret = Hidden(keys.given_index_key("key", given))
    KNOWN.add(secret.reveal())
    return secret


def connect(
    target: str,
    api_key: str | bytes | os.PathLike[str] | None = None,
    *,
    ca_cert: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    timeout: float = 300.0,
    connect_timeout: float = 10.0,
    retries: int = 0,
    retry_max_wait: float = 60.0,
) -> Client:
    """A client for `http(s)://host:port`, or embedded for `disk:PATH` and `s3://bucket/prefix`.

    `api_key` is the service's, as text or as the Path of its file; embedded, the engine's licence. Without one it is
    that of the environment, as `load` takes it: CYBORG_INGEST_API_KEY, and CYBORGDB_API_KEY for the licence (none: the
    free tier). The timeouts are in seconds; `timeout` is for the whole of an answer. `retries` says how often a request
    is tried again whose failure may pass, with pauses of at most `retry_max_wait` seconds; by itself never. Use the
    client, and every index from it, as a context manager: closing an embedded index frees its lock. Raises UsageError
    for a target of no known form, ArgumentError for another wrong argument. Whether a service is there shows with the
    first request, which raises TargetError where it is not::

        with cyborg_ingest.connect("disk:./data") as client, client.index("docs", key) as index:
            index.upsert_binary(["a"], np.ones((1, 384), np.float32))
            print(index.query(np.ones(384, np.float32), top_k=3))
    """
    secret = None if api_key is None else Hidden(api_key)
    api_key = None  # no frame of ours has it as text from here on
    for name, value, kinds in (
        ("target", target, (str,)),
        ("ca_cert", ca_cert, (str, os.PathLike, type(None))),
        ("insecure", insecure, (bool,)),
    ):
        if not isinstance(value, kinds):
            raise ArgumentTypeError(f"{name} cannot be {type(value).__name__}")
    check_number("timeout", timeout, SHORTEST_WAIT, LONGEST_WAIT)
    check_number("connect_timeout", connect_timeout, SHORTEST_WAIT, LONGEST_WAIT)
    check_number("retries", retries, 0, MOST_RETRIES)
    check_number("retry_max_wait", retry_max_wait, 0, LONGEST_WAIT)
    with speaking_python(_NAMES):
        embedded = targets.is_embedded(target)
        found = _api_key(embedded=embedded) if secret is None else hidden(keys.given_api_key("api_key", secret))
        KNOWN.add(revealed(found))
        connection = Connection(
            api_key=None if embedded else found,
            licence=found if embedded else None,
            ca_cert=None if ca_cert is None else Path(ca_cert),
            insecure=insecure,
            timeout=timeout,
            connect_timeout=connect_timeout,
        )
        client = targets.connect(target, connection)
    if retries:
        patience = Patience(RetryPolicy(retries, retry_max_wait), Stop(), lambda _retry: None)
        client = RetryingClient(client, patience)
    return Client(client, TargetSettings(target=target))


def _api_key(*, embedded: bool) -> Hidden[str] | None:
    """The key that a load would take."""
    return hidden(os.environ.get(keys.LICENCE_VARIABLE) or None if embedded else keys.api_key(os.environ, None))
