"""What the records of a journal mean: the state that they lead to.

A line that fails, whose checksum or whose types do not hold, is passed over: each record only adds to what is known,
so that its loss sends rows again and never claims one. What takes back (`PartState.forget`) is never appended: the
file is written anew.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UsageError
from cyborg_ingest.model import Mark
from cyborg_ingest.state.cuts import as_spans
from cyborg_ingest.state.ledger import PartState, State, place_of
from cyborg_ingest.state.lines import record_of
from cyborg_ingest.state.probes import Probe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Json
    from cyborg_ingest.private import Folder

VERSION = 2
"""Of the records. Version 1 had no checksums; it is read, and written anew as version 2."""


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
            record = record_of(line, has_checksums=has_checksums)
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


def _apply_former(_state: State, numbers: dict[int, PartState], record: Json) -> None:
    number, start, stop = _span(record["former"])
    numbers[number].former.add(start, stop)


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
    state.late.clear()


def _apply_late(state: State, _numbers: dict[int, PartState], record: Json) -> None:
    state.late.update([_whole(one) for one in record["late"]])


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
    "former": _apply_former,
    "rows": _apply_rows,
    "drop": _apply_drop,
    "doubt": _apply_doubt,
    "released": _apply_released,
    "late": _apply_late,
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
