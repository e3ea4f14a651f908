"""What earlier runs have settled of a Part, as reading is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyborg_ingest.rows.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyborg_ingest.model import Mark, Part

ENDLESS = 1 << 62
"""Behind the last row, where nobody knows which that is."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier run has settled of a Part: these rows, of so many (None: not known).

    `passed` of them were not asked for, as `choice` chose. Rows that are `held` are read once more. Rows that were
    `in_flight` when it ended are missing, but none that is settled has one of their ids. `former` ones were sent, and
    are missing since they are to be sent again. `marks`, of a stream: bytes in which the rows before some row lie.
    """

    rows: RangeSet
    total: int | None
    passed: int = 0
    held: RangeSet = field(default_factory=RangeSet)
    choice: str = ""
    in_flight: RangeSet = field(default_factory=RangeSet)
    former: RangeSet = field(default_factory=RangeSet)
    marks: Mapping[int, Mark] = field(default_factory=dict)

    def bytes_before(self, row: int) -> int:
        """So many bytes of a stream hold all settled rows before this one."""
        ends = [stop for _, stop in self.rows if stop <= row] if self.marks else []
        sizes = (min((mark.size for place, mark in self.marks.items() if place >= end), default=0) for end in ends)
        return max(sizes, default=0)

    def gap(self, total: int | None) -> int | None:
        """The first row that is neither settled nor in flight; None where there is none."""
        for start, stop in self.rows.missing(0, ENDLESS if total is None else total):
            for gap, _ in self.in_flight.missing(start, stop):
                return gap
        return None

    def first_to_read(self, total: int | None) -> int | None:
        """The first row that is missing or held, of a Part of so many; None where all is done."""
        end = ENDLESS if total is None else total
        places = [next(self.rows.missing(0, end), None), next(iter(self.held), None)]
        return min((place[0] for place in places if place is not None), default=None)

    def to_read(self, start: int, stop: int) -> list[tuple[int, int, bool]]:
        """The pieces of [start, stop) that are missing, or (True) held, in order."""
        missing = [(*one, False) for one in self.rows.missing(start, stop)]
        return sorted([*missing, *((*one, True) for one in self.held.within(start, stop))])


def nothing(_part: Part) -> Done:
    """What is done of a Part when nothing is."""
    return Done(RangeSet(), None)
