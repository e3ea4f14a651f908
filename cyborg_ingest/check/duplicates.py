"""Ids that occur more than once, counted exactly in bounded memory.

The first look keeps 64 bits of each id. Where two are equal, a second look at the sources compares the ids
themselves and finds their rows; there is none where no two are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.check.places import RowPlace
from cyborg_ingest.errors import SourceChangedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from cyborg_ingest.model import Batch

KEPT_HASHES = 25_000_000
"""Ids that are compared, at most: 8 bytes each, 200 MB. Later ones are not."""

KEPT_IDS = 1_000_000
"""Ids that a second look holds at once; where more are in question, it looks again for the others."""

_SHOWN = 20

Look = Callable[[], Iterable["Batch"]]
"""Reads the same rows once more, in the same order."""

hash_of: Callable[[str], int] = hash
"""64 bits of an id; Python's own is keyed anew in every process, so that no file can be made to collide."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An id, its first row, and one that has it again."""

    id: str
    first: RowPlace
    again: RowPlace

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"id": self.id, "first": self.first.to_dict(), "again": self.again.to_dict()}


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows whose id an earlier row has. `is_exact`: the ids themselves were compared, not only 64 bits of each."""

    count: int
    compared: int
    not_compared: int
    is_exact: bool = True
    examples: tuple[Duplicate, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "count": self.count,
            "compared": self.compared,
            "not_compared": self.not_compared,
            "is_exact": self.is_exact,
            "examples": [one.to_dict() for one in self.examples],
        }


class Ids:
    """64 bits of each id, in the order of the rows."""

    def __init__(self) -> None:
        # the system hands out what is written to, so a small source costs little
        self._hashes = np.empty(KEPT_HASHES, np.int64)
        self._kept = 0
        self._rows = 0

    def add(self, ids: list[str]) -> None:
        """Keep the hashes of some more rows, while there is room."""
        some = ids[: len(self._hashes) - self._kept]
        self._hashes[self._kept : self._kept + len(some)] = _hashes(some)
        self._kept += len(some)
        self._rows += len(ids)

    def duplicates(self, again: Look) -> Duplicates:
        """Compare them; afterwards nothing more can be added. A source that is gone is counted by hash alone.

        So is one that gives other rows the second time: a stream that was read gives none, and no error.
        """
        seen = self._hashes[: self._kept]
        first_look = _Looked(self._kept, int(seen.sum()))
        seen.sort()  # in place: a copy would be as large again
        equal = seen[1:] == seen[:-1]
        extra = int(np.count_nonzero(equal))
        equal[1:] &= ~equal[:-1]  # the first of each run, so that every hash in question is there once
        candidates = seen[1:][equal]
        self._hashes = seen = np.empty(0, np.int64)
        left = self._rows - self._kept
        if not extra:
            return Duplicates(0, self._kept, left)
        turns = -(-(extra + len(candidates)) // KEPT_IDS)
        try:
            found = _Compared()
            for turn in range(turns):
                _compare(again, first_look, candidates, (turn, turns), found)
        except SourceChangedError:
            raise
        except SourceError:
            return Duplicates(extra, self._kept, left, is_exact=False)
        return Duplicates(found.count, self._kept, left, examples=tuple(found.examples))


@dataclass(slots=True)
class _Compared:
    count: int = 0
    examples: list[Duplicate] = field(default_factory=list)


def _hashes(ids: list[str]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(hash_of, ids), np.int64, len(ids))


@dataclass(frozen=True, slots=True)
class _Looked:
    """How many rows a look saw, and the sum of their hashes: what tells whether another look saw the same."""

    rows: int
    sum: int


def _compare(
    again: Look, looked: _Looked, candidates: npt.NDArray[np.int64], turn: tuple[int, int], found: _Compared
) -> None:
    """Compare one share of the ids in question, each with all that are equal to it."""
    first: dict[str, RowPlace] = {}
    for identity, place in _in_question(again, looked, candidates, turn):
        known = first.setdefault(identity, place)
        if known is not place:
            found.count += 1
            found.examples.append(Duplicate(identity, known, place))
            if len(found.examples) > 2 * _SHOWN:
                _keep_first(found)
    _keep_first(found)


def _keep_first(found: _Compared) -> None:
    found.examples = sorted(found.examples, key=lambda one: one.again.number)[:_SHOWN]


def _in_question(
    again: Look, looked: _Looked, candidates: npt.NDArray[np.int64], turn: tuple[int, int]
) -> Iterator[tuple[str, RowPlace]]:
    """Of the rows that were looked at, those whose hash is a candidate: id and place.

    Raises SourceError where these are not the rows of the first look.
    """
    number, total = 0, np.int64(0)
    for batch in again():
        ids = batch.ids[: looked.rows - number]
        hashes = _hashes(ids)
        total = np.add.reduce(hashes, initial=total)  # it wraps around, as the sum over all does
        slots = np.minimum(np.searchsorted(candidates, hashes), len(candidates) - 1)
        for offset in np.flatnonzero(candidates[slots] == hashes).tolist():
            identity = ids[offset]
            if zlib.crc32(identity.encode()) % turn[1] == turn[0]:
                yield identity, _place(batch, offset, number + offset)
        number += len(ids)
        if number >= looked.rows:
            break
    if _Looked(number, int(total)) != looked:
        raise SourceError("The sources give other rows the second time.")


def _place(batch: Batch, offset: int, number: int) -> RowPlace:
    row = int(batch.rows[offset]) - batch.start + batch.first_row
    return RowPlace(batch.part.uri, row, None if batch.lines is None else int(batch.lines[offset]), number)
