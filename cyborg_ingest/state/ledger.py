"""What is known of a job: of each Part which rows are done, held, in doubt or rejected, and what is known beside them.

`replay` makes it of the lines of a journal, `compacting` the fewest lines of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.probes import Probes

if TYPE_CHECKING:
    from cyborg_ingest.model import Json, Mark, Part
    from cyborg_ingest.state.cuts import Cut

ENDED = (ExitCode.OK, ExitCode.REJECTED, ExitCode.DIFFERENT)
"""After these a load has ended, and the same command starts anew."""

PartKey = tuple[str, int, int, int, str]

FileKey = tuple[str, str]
"""A file, and its fingerprint."""


def key_of(part: Part) -> PartKey:
    """What tells a Part from others, and from itself once its file has changed."""
    return place_of(part.uri), part.number, part.start, part.stop, part.fingerprint


def file_of(key: PartKey) -> FileKey:
    """The file that a Part belongs to, as it was then."""
    return key[0], key[-1]


def place_of(uri: str) -> str:
    """A source as the journal names it: a path from the root on, since the same command may come from elsewhere."""
    if uri not in {"", "-"} and "://" not in uri and not uri.startswith("/"):
        uri = str(Path(uri).absolute())
    return uri.encode("utf-8", "backslashreplace").decode()  # the journal is JSON, and a name need not be UTF-8


@dataclass(slots=True)
class PartState:
    """What a journal knows of one Part, in rows of the Part."""

    done: RangeSet = field(default_factory=RangeSet)
    """Rows that are not sent again: acknowledged, rejected, or not asked for."""
    held: RangeSet = field(default_factory=RangeSet)
    """Such rows, some of which are sent again: an older request may still replace them."""
    watched: list[tuple[int, int, frozenset[str]]] = field(default_factory=list)
    """(start, stop, ids of these rows that were in doubt before they were sent): those that are."""
    sent: RangeSet = field(default_factory=RangeSet)
    former: RangeSet = field(default_factory=RangeSet)
    """Rows that were sent, and then taken as never sent."""
    rows: int | None = None
    place: int = 0
    """Among the Parts of the plan by which its rows were sent: of two that share an id, the later one's row counts."""
    choice: str = ""
    """How the rows that were asked for were chosen, as `Part.choice`."""
    passed: list[tuple[int, int, int]] = field(default_factory=list)
    """(start, stop, how many of these rows nobody asked for), a range each."""
    rejected: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Row in the Part -> row in the file, reason."""
    marks: dict[int, Mark] = field(default_factory=dict)
    """Of a stream: the row that a range stops before -> bytes in which all rows before that one lie."""

    @property
    def is_marked(self) -> bool:
        """Whether it can be told if the same rows come again from a stream."""
        return max(self.marks, default=0) >= max((stop for _, stop in self.settled), default=0)

    def mark(self, row: int) -> Mark | None:
        """Bytes of a stream in which the rows before this one lie."""
        return self.marks.get(min((stop for stop in self.marks if stop >= row), default=0))

    def trim_marks(self) -> None:
        """Keep the marks of the ranges as they are now."""
        ends = [min((place for place in self.marks if place >= stop), default=0) for _, stop in self.settled]
        self.marks = {place: self.marks[place] for place in ends if place}

    @property
    def in_doubt(self) -> RangeSet:
        """Rows that were sent and never acknowledged: their request may still be applied."""
        open_rows = RangeSet()
        for start, stop in self.sent:
            for gap in self.settled.missing(start, stop):
                open_rows.add(*gap)
        return open_rows

    @property
    def was_sent(self) -> bool:
        """Whether rows of it may be in the index."""
        return bool(self.settled or self.sent or self.stale)

    @property
    def stale(self) -> RangeSet:
        """Rows that are to be sent again: until they are, the former ones lie where they came when they were sent."""
        return RangeSet([gap for start, stop in self.former for gap in self.settled.missing(start, stop)])

    @property
    def settled(self) -> RangeSet:
        """Rows that are done, those that are held among them."""
        return RangeSet([*self.done, *self.held])

    @property
    def passed_rows(self) -> int:
        """How many of the settled rows nobody asked for."""
        return sum(count for _, _, count in self.passed)

    def forget(self, row: int) -> None:
        """Take rows from this one on as never sent; but one whose request may still be applied stays in doubt.

        They lie in the index all the same: should the Part leave the sources before they are sent again, that counts.
        """
        # a range whose rows were not all asked for is forgotten whole, or nobody knows how many were; version 1 kept
        # one number for the whole Part, at [0, 0)
        row = min([row, *(start for start, stop, _ in self.passed if start <= row < stop or start == stop)])
        for start, stop in [*self.settled, *self.sent]:
            if stop > row:
                self.former.add(max(start, row), stop)
        self.sent = self.in_doubt
        for ranges in (self.done, self.held):
            ranges.remove_from(row)
        self.watched = [one for one in self.watched if one[0] < row]
        self.passed = [one for one in self.passed if one[0] < row]
        self.rejected = {place: why for place, why in self.rejected.items() if place < row}
        self.trim_marks()

    def hold(self, start: int, stop: int, ids: frozenset[str]) -> None:
        """Take these rows, all of which are done, as held for those of these ids."""
        taken = RangeSet([(start, stop)])
        self.done = RangeSet([kept for span in self.done for kept in taken.missing(*span)])
        self.held.add(start, stop)
        self.watched.append((start, stop, ids))

    def release(self) -> None:
        """Nothing is in doubt any more: what was held is done."""
        for start, stop in self.held:
            self.done.add(start, stop)
        self.drop_held()

    def drop_held(self) -> None:
        """Take what is held as never sent."""
        self.held, self.watched = RangeSet(), []


@dataclass(slots=True)
class State:
    """A journal, replayed."""

    parts: dict[PartKey, PartState] = field(default_factory=dict)
    cuts: dict[FileKey, Cut] = field(default_factory=dict)
    """Where the Parts are of the files that rows were sent of; of a job that an older release began it is not known."""
    doubts: set[str] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    """64 bits of ids in doubt by requests whose rows the sources have no more."""
    probes: Probes = field(default_factory=Probes)
    facts: Json = field(default_factory=dict)
    ended: int | None = None
    is_open: bool = False
    """Whether it ended with files that could not be loaded: the next run loads those."""
    is_whole: bool = True
    """Whether nothing is missing but a tail; if not, a gap may be more than what was in flight."""
    has_lost_lines: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether it has come to its end, if with files that could not be loaded."""
        return self.ended in ENDED

    @property
    def is_over(self) -> bool:
        """Whether the next run begins anew."""
        return self.has_ended and not self.is_open

    def rejects(self) -> Counter[str]:
        """Rejected rows by reason."""
        return Counter(reason for part in self.parts.values() for _, reason in part.rejected.values())

    def rejected_rows(self) -> set[tuple[str, int]]:
        """The file and the row of each rejected row."""
        return {(key[0], row) for key, part in self.parts.items() for row, _ in part.rejected.values()}
