"""What a journal says: its records, a checksum on each line, and the state that they lead to.

A line is the CRC-32 of a JSON object as eight hex digits, a blank, and the object. A line that fails, whose checksum
or whose types do not hold, is passed over: each record only adds to what is known, so that its loss sends rows again
and never claims one. What takes back (`PartState.forget`) is never appended: the file is written anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from cyborg_ingest.errors import ExitCode, UsageError
from cyborg_ingest.model import Mark
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.cuts import as_spans
from cyborg_ingest.state.probes import Probe, Probes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Json, Part
    from cyborg_ingest.private import Folder
    from cyborg_ingest.state.cuts import Cut

VERSION = 2
"""Of the lines. Version 1 had no checksums; it is read, and written anew as version 2."""

ENDED = (ExitCode.OK, ExitCode.REJECTED, ExitCode.DIFFERENT)
"""After these a load has ended, and the same command starts anew."""

_CHECKSUM = 8

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
    def settled(self) -> RangeSet:
        """Rows that are done, those that are held among them."""
        return RangeSet([*self.done, *self.held])

    @property
    def passed_rows(self) -> int:
        """How many of the settled rows nobody asked for."""
        return sum(count for _, _, count in self.passed)

    def forget(self, row: int) -> None:
        """Take rows from this one on as never sent; but one whose request may still be applied stays in doubt."""
        # a range whose rows were not all asked for is forgotten whole, or nobody knows how many were; version 1 kept
        # one number for the whole Part, at [0, 0)
        row = min([row, *(start for start, stop, _ in self.passed if start <= row < stop or start == stop)])
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
    probes: Probes = field(default_factory=Probes)
    facts: Json = field(default_factory=dict)
    ended: int | None = None
    is_open: bool = False
    """Whether it ended with files that could not be loaded: the next run goes on with those."""
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


def line_of(record: Json) -> bytes:
    """A record as a line, its newline included."""
    try:
        body = orjson.dumps(record)
    except TypeError:  # the name of a file that is not UTF-8
        body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def replay(lines: Iterable[bytes]) -> State:
    """The state that these lines lead to. Raises UsageError where a later release wrote them."""
    state = State()
    numbers: dict[int, PartState] = {}
    has_checksums, is_torn = True, False
    for number, line in enumerate(lines):
        if not line:
            continue
        if number == 0 and line.startswith(b"{"):  # version 1, which did not note what is held
            has_checksums = state.is_whole = False
        try:
            record = _record(line, has_checksums=has_checksums)
            _check_version(record)
            apply(state, numbers, record)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            is_torn = True
        else:
            state.has_lost_lines = state.has_lost_lines or is_torn
    state.is_whole = state.is_whole and not state.has_lost_lines
    if not state.is_whole:  # an id in doubt may be among what was lost: what was held for its sake is not known
        for part in state.parts.values():
            part.drop_held()
    return state


def replayed(folder: Folder, name: str) -> State | None:
    """What a journal says, read line by line: of a large load they are many. None where there is none.

    Raises as `replay` does, and OSError.
    """
    with contextlib.suppress(FileNotFoundError), os.fdopen(folder.open(name), "rb") as file:
        return replay(line.rstrip(b"\n") for line in file)
    return None


def _record(line: bytes, *, has_checksums: bool) -> Json:
    if has_checksums:
        checksum, line = line[:_CHECKSUM], line[_CHECKSUM + 1 :]
        if int(checksum, 16) != zlib.crc32(line):
            raise ValueError("the checksum does not hold")
    try:
        record = orjson.loads(line)
    except ValueError:
        record = json.loads(line)
    if not isinstance(record, dict):
        raise TypeError("no record")
    return record


def _check_version(record: Json) -> None:
    if "begin" in record and _whole(record["begin"]) > VERSION:
        raise UsageError(
            f"The journal was written by a later release (its version is {record['begin']}, this release knows "
            f"{VERSION}). Continue with that release, or load everything again with --restart."
        )


def apply(state: State, numbers: dict[int, PartState], record: Json) -> None:
    """Add a record to the state. Raises ValueError, TypeError or KeyError, and adds nothing, where it is not one."""
    for name, add in _KINDS.items():
        if name in record:
            add(state, numbers, record)
            return
    raise ValueError("an unknown record")


def _apply_part(state: State, numbers: dict[int, PartState], record: Json) -> None:
    number, uri, place, start, stop, fingerprint = record["part"]
    place, start, stop = map(_whole, (place, start, stop))
    _texts([uri, fingerprint, record.get("choice", "")])
    number, at = _whole(number), _whole(record.get("at", number))  # an older release notes no place
    if "cut" in record:
        state.cuts[place_of(uri), fingerprint] = as_spans(record["cut"])
    part = state.parts.setdefault((place_of(uri), place, start, stop, fingerprint), PartState())
    part.choice = record.get("choice", "")
    part.place = at
    numbers[number] = part


def _apply_ack(state: State, numbers: dict[int, PartState], record: Json) -> None:
    number, start, stop = _span(record["ack"])
    rejected: dict[int, tuple[int, str]] = {}
    for row, file_row, reason in record.get("rej", ()):
        rejected[_whole(row)] = (_whole(file_row), _texts([reason])[0])
    passed, probe, mark = _whole(record.get("passed", 0)), None, None
    if "mark" in record:
        size, digest = record["mark"]
        mark = Mark(_whole(size), *_texts([digest]))
    if "probe" in record:
        probe = Probe(*_texts(record["probe"]))
    held = frozenset(_texts(record.get("held", [])))
    part = numbers[number]
    (part.held if "held" in record else part.done).add(start, stop)
    if held:
        part.watched.append((start, stop, held))
    part.rejected.update(rejected)
    if mark is not None:
        part.marks[stop] = mark
        part.trim_marks()
    if passed:
        part.passed.append((start, stop, passed))
    if probe is not None:
        state.probes.add(probe, keep=bool(record.get("keep")))


def _apply_sent(_state: State, numbers: dict[int, PartState], record: Json) -> None:
    number, start, stop = _span(record["sent"])
    numbers[number].sent.add(start, stop)


def _apply_rows(_state: State, numbers: dict[int, PartState], record: Json) -> None:
    number, rows = map(_whole, record["rows"])
    numbers[number].rows = rows


def _apply_drop(state: State, _numbers: dict[int, PartState], record: Json) -> None:
    state.probes.drop(_texts(record["drop"]))


def _apply_doubt(state: State, _numbers: dict[int, PartState], record: Json) -> None:
    ids = _texts(record["doubt"])
    state.doubts.update(ids)
    state.probes.drop(ids)  # an older request may replace them


def _apply_released(state: State, _numbers: dict[int, PartState], _record: Json) -> None:
    for part in state.parts.values():
        part.release()
    state.doubts.clear()


def _apply_facts(state: State, _numbers: dict[int, PartState], record: Json) -> None:
    state.facts.update(record["facts"])


def _apply_end(state: State, _numbers: dict[int, PartState], record: Json) -> None:
    state.ended, state.is_open = _whole(record["end"]), bool(record.get("open"))


def _apply_begin(_state: State, _numbers: dict[int, PartState], _record: Json) -> None:
    """Each journal begins with it, and has it nowhere else: its version was looked at before."""


_KINDS = {
    "part": _apply_part,
    "ack": _apply_ack,
    "sent": _apply_sent,
    "rows": _apply_rows,
    "drop": _apply_drop,
    "doubt": _apply_doubt,
    "released": _apply_released,
    "facts": _apply_facts,
    "end": _apply_end,
    "begin": _apply_begin,
}


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value


def _span(value: Any) -> tuple[int, int, int]:
    number, start, stop = map(_whole, value)
    if start > stop:
        raise ValueError("the range is turned round")
    return number, start, stop


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"{value!r} is not a list of texts")
    return value
