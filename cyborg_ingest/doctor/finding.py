"""What is said of one thing: whether it is well, and what to do if it is not."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ExitCode, IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Level(str, enum.Enum):
    """How well it is. `SKIP`: it could not be looked at, or is not asked for."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is the exit code that a load would have on a failure."""

    subject: str
    level: Level
    text: str
    remedy: str = ""
    code: ExitCode = ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: value for name, value in asdict(self).items() if name != "code"}


def ok(subject: str, text: str) -> Finding:
    """It is well."""
    return Finding(subject, Level.OK, text)


def warn(subject: str, text: str, remedy: str = "") -> Finding:
    """A load would work, and something is to be done all the same."""
    return Finding(subject, Level.WARN, text, remedy)


def fail(subject: str, text: str, remedy: str = "", *, code: ExitCode = ExitCode.USAGE) -> Finding:
    """A load would fail."""
    return Finding(subject, Level.FAIL, text, remedy, code)


def skip(subject: str, text: str) -> Finding:
    """It is not looked at."""
    return Finding(subject, Level.SKIP, text)


def of_error(subject: str, error: IngestError) -> Finding:
    """What an error says, which names the next step itself; another process that works with it is not a failure."""
    level = Level.WARN if error.exit_code is ExitCode.BUSY else Level.FAIL
    return Finding(subject, level, str(error), code=error.exit_code)


def looked_at(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a look finds, of which an error is one finding more."""
    try:
        yield from look()
    except IngestError as error:
        yield of_error(subject, error)


def exit_code(found: Iterable[Finding]) -> ExitCode:
    """2 where something has to be changed here, else 3 where something fails, else 0."""
    codes = {one.code for one in found if one.level is Level.FAIL}
    if not codes:
        return ExitCode.OK
    return ExitCode.USAGE if ExitCode.USAGE in codes else ExitCode.FAILED
