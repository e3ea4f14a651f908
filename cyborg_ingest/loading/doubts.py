"""Requests whose outcome nobody knows: they may be applied later, over a newer row of the same id.

A time-out or a lost connection leaves such a request, and so does a killed run. Its ids stay in doubt, in the journal
too once its own rows have landed: until then the journal has them as sent, and that says the same. Where one of them
occurs again, its last acknowledged row is remembered, and before the run ends it is read back and sent again until the
index holds it. Until then the journal holds the batch: a later run reads it once more.
"""

from __future__ import annotations

import threading
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.errors import ConnectionLostError
from cyborg_ingest.rows.compare import Row, difference, rows_of
from cyborg_ingest.rows.idhashes import among, hashes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.model import Batch, StoredRow
    from cyborg_ingest.rows.ranges import RangeSet
    from cyborg_ingest.stop import Stop

PAUSES = (1.0, 1.0, 2.0, 4.0, 7.0)
"""Seconds between two looks, until all is well for their sum: a request was seen to be applied 12 s late."""

_ROUNDS = 10
_IDS_AT_ONCE = 500


class Doubts:
    """The ids in doubt, and the last acknowledged row of those that occurred again. Threads may share it.

    `late` are 64 bits each of more ids in doubt, of rows that the sources have no more.
    """

    def __init__(self, ids: Iterable[str] = (), late: Iterable[int] = ()) -> None:
        self._ids = set(ids)
        self._late = np.array(sorted(late), np.uint64)
        self._unnoted: set[str] = set()
        """Those of which the journal does not know yet."""
        self._newest: dict[str, Row] = {}
        self._watched: dict[tuple[str, int], list[tuple[int, int, set[str]]]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many rows an older request may still replace."""
        return len(self._newest)

    def add(self, ids: Iterable[str]) -> None:
        """Doubt these."""
        with self._lock:
            self._doubt(ids)

    def _doubt(self, ids: Iterable[str]) -> None:
        new = set(ids) - self._ids
        self._ids |= new
        self._unnoted |= new

    def to_note(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that are in doubt, and that the journal has to know of from now on."""
        with self._lock:
            found = self._unnoted.intersection(ids) if self._unnoted else set()
            self._unnoted -= found
        return found

    def starting(self, batch: Batch, unheard: RangeSet) -> None:
        """Look at a batch before it is sent.

        An older request may replace a row whose id is in doubt by then. `unheard` are the rows of the batch's Part that
        such a run sent: a row of the batch behind them may be newer than one of theirs.
        """
        with self._lock:
            if len(self._late):
                self._doubt(compress(batch.ids, among(hashes_of(batch.ids), self._late).tolist()))
            if unheard.overlaps(batch.start, batch.stop):
                watched = self._in_order(batch, unheard)
            else:
                watched = self._ids.intersection(batch.ids) if self._ids else set()
            if watched:
                key = batch.part.uri, batch.part.number
                self._watched.setdefault(key, []).append((batch.start, batch.stop, watched))

    def _in_order(self, batch: Batch, unheard: RangeSet) -> set[str]:
        watched: set[str] = set()
        for identity, row in zip(batch.ids, batch.rows.tolist(), strict=True):
            if identity in self._ids:
                watched.add(identity)
            if unheard.overlaps(row, row + 1):
                self._doubt([identity])
        return watched

    def landed(self, batch: Batch) -> set[str]:
        """Note the rows of a batch that the index has taken; the ids of those that an older request may replace."""
        key = batch.part.uri, batch.part.number
        overlapping = [one for one in self._watched.get(key, ()) if one[0] < batch.stop and batch.start < one[1]]
        if not overlapping:
            return set()
        watched = set[str]().union(*(ids for _, _, ids in overlapping))
        for row in rows_of(batch):
            if row.id in watched:  # a copy: it must not keep the whole batch in memory
                self._newest[row.id] = Row(row.id, row.vector.copy(), row.metadata, row.contents)
        self._watched[key] = [one for one in self._watched[key] if one[:2] != (batch.start, batch.stop)]
        return watched

    def settle(
        self,
        fetch: Callable[[list[str]], list[StoredRow]],
        send: Callable[[list[Row]], None],
        stop: Stop,
        tolerance: float,
    ) -> bool:
        """See that the index holds the newest rows, and keeps them; False where the stop ended the wait.

        Raises ConnectionLostError where an older row keeps coming back.
        """
        for _ in range(_ROUNDS):
            stale = self._watch(fetch, stop, tolerance)
            if stale is None:
                return False
            if not stale:
                return True
            for start in range(0, len(stale), _IDS_AT_ONCE):
                send(stale[start : start + _IDS_AT_ONCE])
        raise ConnectionLostError(
            f"Older requests keep replacing newer rows (ids like {next(iter(self._newest))!r}). Run the same "
            "command again when the service is quiet.",
            cause="late",
        )

    def _watch(self, fetch: Callable[[list[str]], list[StoredRow]], stop: Stop, tolerance: float) -> list[Row] | None:
        """The first rows that are seen to be replaced; none if all is well all the time, None if stopped."""
        for pause in (0.0, *PAUSES) if self._newest else ():
            if not stop.passes(pause):
                return None
            stale = self._stale(fetch, tolerance)
            if stale:
                return stale
        return []

    def _stale(self, fetch: Callable[[list[str]], list[StoredRow]], tolerance: float) -> list[Row]:
        rows = list(self._newest.values())
        found = []
        for start in range(0, len(rows), _IDS_AT_ONCE):
            some = rows[start : start + _IDS_AT_ONCE]
            stored = {row.id: row for row in fetch([row.id for row in some])}
            found += [row for row in some if difference(row, stored.get(row.id), tolerance)]
        return found
