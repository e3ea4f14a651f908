"""Requests whose outcome nobody knows: they may be applied later, over a newer row of the same id.

A time-out or a lost connection leaves such a request, and so does a killed run. Its ids stay in doubt. Where
one of them occurs again, the newer row is remembered, and before the run ends it is read back and sent again
until the index holds it. Until then its batch is not noted as done, so that a run that is killed sends it again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.compare import Row, difference, rows_of
from cyborg_ingest.delivery import without_rows
from cyborg_ingest.errors import ConnectionLostError
from cyborg_ingest.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.model import Batch
    from cyborg_ingest.retry import Gate
    from cyborg_ingest.sender import Settled
    from cyborg_ingest.targets.base import Index

PAUSES = (1.0, 1.0, 2.0, 4.0, 7.0)
"""Seconds between two looks, until all is well for their sum: a request was seen to be applied 12 s late."""

_ROUNDS = 10
_IDS_AT_ONCE = 500


class Doubts:
    """The ids in doubt, and the newest row of those that occurred again."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = set(ids)
        self._newest: dict[str, Row] = {}
        self._provisional: dict[tuple[str, int], RangeSet] = {}
        self._waiting: list[Settled] = []
        self._lock = threading.Lock()

    def add(self, ids: Iterable[str]) -> None:
        """Doubt these; called from any thread."""
        with self._lock:
            self._ids.update(ids)

    def starting(self, batch: Batch) -> None:
        """Look at a batch before it is sent: rows of it may be overtaken by an older request."""
        with self._lock:
            if not self._ids or self._ids.isdisjoint(batch.ids):
                return
            for row in rows_of(batch):
                if row.id in self._ids:
                    self._newest[row.id] = row
            key = batch.part.uri, batch.part.number
            self._provisional.setdefault(key, RangeSet()).add(batch.start, batch.stop)

    def holds_back(self, settled: Settled) -> bool:
        """Whether this acknowledgement must wait for `settle`; if so it is kept."""
        batch = settled.batch
        ranges = self._provisional.get((batch.part.uri, batch.part.number))
        if ranges is None or (batch.start, batch.stop) in ranges.missing(batch.start, batch.stop):
            return False
        self._waiting.append(type(settled)(without_rows(batch), settled.seconds, settled.rejections))
        return True

    def __len__(self) -> int:
        """How many rows an older request may still replace."""
        return len(self._newest)

    def settle(self, index: Index, gate: Gate, tolerance: float, send: Callable[[list[Row]], None]) -> list[Settled]:
        """See that the index holds the newest rows, and goes on to; the acknowledgements that waited for it.

        Raises ConnectionLostError where an older row keeps coming back.
        """
        rounds = _ROUNDS if self._newest else 0
        while rounds and not self._is_quiet(index, gate, tolerance, send):
            rounds -= 1
            if not rounds:
                raise ConnectionLostError(
                    f"Older requests keep replacing newer rows (ids like {next(iter(self._newest))!r}). Run the same "
                    "command again when the service is quiet.",
                    cause="late",
                )
        waited, self._waiting = self._waiting, []
        return waited

    def _is_quiet(self, index: Index, gate: Gate, tolerance: float, send: Callable[[list[Row]], None]) -> bool:
        for pause in (0.0, *PAUSES):
            gate.wait(pause)
            stale = self._stale(index, tolerance)
            if stale:
                send(stale)
                return False
        return True

    def _stale(self, index: Index, tolerance: float) -> list[Row]:
        rows = list(self._newest.values())
        found = []
        for start in range(0, len(rows), _IDS_AT_ONCE):
            some = rows[start : start + _IDS_AT_ONCE]
            stored = {row.id: row for row in index.get([row.id for row in some])}
            found += [row for row in some if difference(row, stored.get(row.id), tolerance)]
        return found


def upsert_rows(index: Index, rows: list[Row]) -> None:
    """Send single rows."""
    index.upsert_binary(
        [row.id for row in rows],
        np.stack([row.vector for row in rows]),
        [row.metadata for row in rows],
        [row.contents for row in rows],
    )
