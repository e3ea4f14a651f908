"""What an engine has to offer; `rest.py` and `embedded.py` are the two that do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cyborg_ingest.model import Match, StoredRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Self

    from cyborg_ingest.model import CreateOptions, IndexInfo, Json
    from cyborg_ingest.settings.hidden import Hidden

FREE_TIER_ROWS = 1_000_000
"""Items per index without a licence (measured: exactly this many are allowed)."""

MAX_BODY = 10_000_000
"""Bytes of a request; above this the service's memory grows by eleven times the body (measured)."""

AUTO_TRAIN_ROWS = 65_536
"""Above this the service trains an index by itself; the embedded engine never does."""


_AT_ONCE = 1_000
"""Rows that are asked for together."""


@dataclass(slots=True)
class Traffic:
    """Requests and bytes that left this process for an index; counted from any thread."""

    requests: int = 0
    wire_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, wire_bytes: int) -> None:
        """Count one request of so many bytes."""
        with self._lock:
            self.requests += 1
            self.wire_bytes += wire_bytes


class Closing:
    """A context manager that closes itself."""

    def close(self) -> None:
        """Free what is held; safe to call again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Querying(Closing):
    """Rows by their nearness, for whatever finds ids and gets rows."""

    def nearest(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int) -> list[tuple[str, float]]:
        """See `Index`."""
        raise NotImplementedError

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """See `Index`."""
        raise NotImplementedError

    def query(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int = 10) -> list[Match]:
        """See `Index`. A query gives no vectors and contents, so the rows are got by their ids."""
        near = self.nearest(vector, top_k)
        ids = [identity for identity, _ in near]
        rows = {
            row.id: row for start in range(0, len(ids), _AT_ONCE) for row in self.get(ids[start : start + _AT_ONCE])
        }
        return [
            _match(rows.get(identity) or StoredRow(identity, None, None, None), distance) for identity, distance in near
        ]


def _match(row: StoredRow, distance: float) -> Match:
    """One that has nothing but an id is found too: zero vectors are, and rows that were deleted meanwhile."""
    return Match(row.id, row.vector, row.metadata, row.contents, distance)


class Index(Protocol):
    """One index. All methods may be called from several threads."""

    name: str
    traffic: Traffic

    def upsert_binary(
        self,
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None = None,
        contents: list[str | bytes | None] | None = None,
    ) -> None:
        """Insert or replace rows; when it returns, the engine has them on disk. The contract is `client.Index`'s."""
        ...

    def describe(self) -> IndexInfo:
        """Dimension, metric and training. Raises NoIndexError, AccessError."""
        ...

    def count(self) -> int:
        """How many rows the index holds."""
        ...

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """The rows of these ids that exist, whole, each once, in the order asked for."""
        ...

    def list_ids(self) -> list[str]:
        """The ids of all rows; after a crash of the engine some of rows that it does not have may be among them."""
        ...

    def delete_rows(self, ids: Sequence[str]) -> None:
        """Delete the rows of these ids; those that are not there are none the worse for it."""
        ...

    def nearest(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int) -> list[tuple[str, float]]:
        """The nearest ids and their distances, nearest first; in one request, without their rows."""
        ...

    def query(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int = 10) -> list[Match]:
        """The rows that are nearest, as `get` has them, each with its distance; nearest first."""
        ...

    def train(self) -> None:
        """Build the inverted lists, which makes queries on a large index fast. Blocks until done."""
        ...

    def is_training(self) -> bool:
        """Whether it is being trained now, or waits for it."""
        ...

    def delete(self) -> None:
        """Delete the index with all its rows."""
        ...

    def close(self) -> None:
        """Free connections; of an embedded index, its lock too."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Client(Protocol):
    """A connection to a place that holds indexes."""

    target: str
    """As it is shown: no secret in it."""
    is_embedded: bool
    has_licence: bool
    """Whether the engine in this process has one; of a service's nothing is known."""

    def index(self, name: str, key: bytes | Hidden[bytes] | None = None) -> Index:
        """An index by name. `key`: its 32 bytes; None where a KMS holds it. Nothing is sent yet."""
        ...

    def create(self, name: str, key: bytes | Hidden[bytes] | None, options: CreateOptions) -> Index:
        """Create an index, or complete one whose creation was cut short. Raises IndexExistsError."""
        ...

    def list_indexes(self) -> list[str]:
        """The names of all indexes."""
        ...

    def close(self) -> None:
        """Close every index that came from here."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a target.

    `timeout` is in seconds, for an answer to a request; `connect_timeout` for the connection.
    """

    api_key: Hidden[str] | None = None
    licence: Hidden[str] | None = None
    ca_cert: Path | None = None
    insecure: bool = False
    timeout: float = 300.0
    connect_timeout: float = 10.0
    max_body: int = MAX_BODY
