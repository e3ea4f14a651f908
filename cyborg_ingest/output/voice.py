"""How this process talks on standard error: what is said, and in which form. Every line there is said here.

People see lines with a word at the left; `text` puts the time before each, and `json` makes an object of all that is
said at once. Where standard error is the journal of systemd, each line begins with its priority, and with no time: the
journal has one.
"""

from __future__ import annotations

import datetime
import enum
import os
import sys
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UsageError
from cyborg_ingest.output.labels import LABEL, labelled
from cyborg_ingest.output.streams import is_terminal, reshape_foreign, shown, undecorated
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cyborg_ingest.output.logfile import LogFile

JOURNAL_VARIABLE = "JOURNAL_STREAM"
"""`device:inode` of the stream that systemd gives a service; others that it starts may have it, too."""


class Level(enum.IntEnum):
    """How much it matters, by the numbers of syslog."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


_LEVELS = {"error": Level.ERROR, "stopped": Level.NOTICE, "retry": Level.WARNING, "note": Level.NOTICE}
_EVENTS = {"note": "noted"}
"""The words at the left -> the code of a fact that says the same."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is said: as lines, as one message, and as facts."""

    event: str
    lines: tuple[str, ...]
    message: str | None
    """In one line; None where it is the lines as they are."""
    level: Level = Level.INFO
    facts: Mapping[str, Any] = field(default_factory=dict)
    time: datetime.datetime = field(default_factory=_now)


def stamp(time: datetime.datetime) -> str:
    """A time in UTC, as all logs have it."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


def timed(said: Remark) -> Remark:
    """The same, with the time behind the words at the left: for lines of which only the last is of interest."""
    time = f"{said.time:%Y-%m-%dT%H:%M:%SZ}"
    return replace(said, lines=tuple(f"{line[:LABEL]}{time}  {line[LABEL:]}" for line in said.lines))


def plain(said: Remark) -> list[str]:
    """As people see it."""
    return [shown(line) for line in said.lines]


def stamped(said: Remark) -> list[str]:
    """The same, each line with its time and level."""
    return [f"{stamp(said.time)} {said.level.name:<7} {line}" for line in plain(said)]


def as_json(said: Remark) -> list[str]:
    """One object."""
    import json  # noqa: PLC0415 - `--help` needs none of this

    message = "\n".join(plain(said)).strip() if said.message is None else shown(said.message)
    record = {"time": stamp(said.time), "level": said.level.name.lower(), "event": said.event, "message": message}
    return [json.dumps(KNOWN.scrubbed({**record, **said.facts}), default=str)]


_FORMS: dict[str, Callable[[Remark], list[str]]] = {"auto": plain, "text": stamped, "json": as_json}


class Voice:
    """The form that is used, until another is."""

    def __init__(self, log_format: str = "auto") -> None:
        self.log_format = log_format
        in_journal = _is_journal()
        self._kept_form = as_json if log_format == "json" else stamped
        self._form = plain if in_journal and log_format == "text" else _FORMS[log_format]
        self._has_priorities = in_journal

    @property
    def is_bare(self) -> bool:
        """Whether lines are as people see them, and nothing more."""
        return self._form is plain and not self._has_priorities

    def formed(self, said: Remark) -> list[str]:
        """The lines to print."""
        mark = f"<{said.level.value}>" if self._has_priorities else ""
        return [mark + line for line in self._form(said)]

    def kept(self, said: Remark) -> list[str]:
        """The lines for a file."""
        return self._kept_form(said)


def _is_journal() -> bool:
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get(JOURNAL_VARIABLE) == f"{status.st_dev}:{status.st_ino}"


_current = Voice()
_log: LogFile | None = None


def current() -> Voice:
    """How this process talks now."""
    return _current


def use(log_format: str) -> None:
    """Talk in another form from now on."""
    global _current  # noqa: PLW0603 - standard error is one for the process, too
    _current = Voice(log_format)
    _listen()


def _listen() -> None:
    """Hear what others write to standard error, where it has to look like ours or is kept."""
    reshape_foreign(None if _current.is_bare and _log is None else _foreign)


def log_to(path: Path | None, largest: int = 0, kept: int = 0) -> None:
    """Write all that is said from now on to this file, too, or to none any more. Raises UsageError."""
    global _log  # noqa: PLW0603 - as above
    if _log is not None:
        _log.close()
        _log = None
    if path is not None:
        from cyborg_ingest.output.logfile import LogFile  # noqa: PLC0415 - `--help` needs none of this

        try:
            _log = LogFile(path, largest, kept)
        except OSError as error:
            raise UsageError(f"--log-file {path}: {error.strerror or error}. Name another file.") from None
    _listen()


def _foreign(line: str) -> list[str]:
    """What others write to standard error: Python's warnings, a thread's traceback."""
    if not line:
        return []
    said = Remark("other", (line,), line, Level.WARNING)
    record(said)
    return _current.formed(said)


def say(said: Remark) -> None:
    """Say it."""
    write(_current.formed(said))
    record(said)


def record(said: Remark) -> None:
    """Keep it in the log file, if there is one; that it could not be kept is said once."""
    lines = _current.kept(said) if _log is not None else []
    if _log is not None and lines:
        fault = _log.add(lines)
        if fault is not None:
            text = f"The log file {_log.baseFilename} lacks lines: {fault}. Nothing else changes."
            write(_current.formed(Remark("noted", tuple(labelled("note", text)), text, Level.NOTICE)))


def write(lines: Iterable[str]) -> None:
    """Print lines that have their form; on a terminal they are drawn."""
    out = undecorated(sys.stderr)
    if _current.is_bare and is_terminal(sys.stderr):
        from cyborg_ingest.output.screen import Screen  # noqa: PLC0415 - rich is slow to import, and few need it

        Screen(out).lines(lines)
        return
    out.write("".join(f"{line}\n" for line in lines))
    out.flush()


def tell(label: str, *texts: str, **facts: Any) -> None:
    """Say a line with a word at its left, and lines below it."""
    event, level = _EVENTS.get(label, label), _LEVELS.get(label, Level.INFO)
    say(Remark(event, tuple(labelled(label, *texts)), " ".join(texts), level, facts))


def tell_lines(event: str, *lines: str, level: Level = Level.INFO, **facts: Any) -> None:
    """Say lines as they are."""
    say(Remark(event, lines, None, level, facts))


def tell_traceback() -> None:
    """Say the traceback of the error that is being handled, moved in: no line of it looks like one of ours."""
    text = KNOWN.scrub(traceback.format_exc())
    tell_lines("traceback", *(f"  {line}" for line in text.splitlines()), level=Level.ERROR)
