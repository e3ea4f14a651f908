"""A set of whole numbers as ranges: which rows of a Part are done."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class RangeSet:
    """Half-open ranges [start, stop), kept sorted, apart and merged where they touch."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Put [start, stop) in."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def remove_from(self, start: int) -> None:
        """Take out all from `start` on."""
        kept = bisect_left(self._starts, start)
        del self._starts[kept:], self._stops[kept:]
        if self._stops and self._stops[-1] > start:
            self._stops[-1] = start

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether any of [start, stop) is in the set."""
        return next(self.within(start, stop), None) is not None

    def within(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The parts of [start, stop) that are in the set, in order."""
        if start >= stop:
            return
        for number in range(bisect_right(self._stops, start), len(self._starts)):
            if self._starts[number] >= stop:
                break
            yield max(start, self._starts[number]), min(stop, self._stops[number])

    def missing(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The parts of [start, stop) that are not in the set, in order."""
        for number in range(bisect_right(self._stops, start), len(self._starts)):
            if self._starts[number] >= stop:
                break
            if start < self._starts[number]:
                yield start, self._starts[number]
            start = self._stops[number]
        if start < stop:
            yield start, stop

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._stops, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"
