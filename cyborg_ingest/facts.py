"""Facts: the only thing that travels up while something is done. Numbers and text, never an object that changes.

Whoever watches folds them: a terminal, a log, the counts of the report. Each comes from the thread that does the work
as a whole, in the order in which it happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cyborg_ingest.model import DEFAULT_METRIC, DEFAULT_PRECISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.model import Json, Rejection
    from cyborg_ingest.sources import NotRead


MOST_URIS = 100
"""Sources that are named as JSON, where they are many."""


NOT_ASKED_FOR = "not asked for"
"""How a reason ends of a column that the options leave out."""


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """One source, and which of its columns is what."""

    uri: str
    format: str
    rows: int | None
    """How many it has; None where nobody knows before it is read: then `estimate` is a guess, 0 where there is none."""
    estimate: int
    asked: int | None
    """How many of them are asked for; None where nobody knows: then `asked_estimate` is a guess."""
    asked_estimate: int
    is_estimate_sound: bool
    """Whether guesses go by the bytes of the rows as they stand in the file, and not by compressed ones."""
    is_read_once: bool
    """Whether nothing of it can be read a second time, as of a pipe."""
    dimension: int | None
    roles: Mapping[str, tuple[str, ...]]
    """Role -> columns, as the file names them."""
    columns: Mapping[str, Any]
    """The same, as the options and the report have it."""
    left_out: tuple[str, ...] = ()
    shape: str = ""
    """In which known way rows are in it, in words; "" for the usual one."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why columns are left out, by name."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be read, and where it goes. Comes before anything is sent."""

    target: str
    index: str
    rows: int | None
    """How many are asked for, exactly; None where nobody knows."""
    dimension: int | None
    choices: tuple[str, ...]
    """The options that choose rows, as typed."""
    sources: tuple[PlannedSource, ...]
    not_read: tuple[NotRead, ...] = ()

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {
            "target": self.target,
            "index": self.index,
            "rows": self.rows,
            "dimension": self.dimension,
            "sources": [
                {"uri": one.uri, "format": one.format, "rows": one.rows, "columns": dict(one.columns)}
                for one in self.sources
            ],
            "not_read": [one.to_dict() for one in self.not_read],
        }


@dataclass(frozen=True, slots=True)
class Locked:
    """Nobody else runs this load: it begins. Until then it may have waited for others."""

    def to_dict(self) -> Json:
        """As JSON has it: there is no more to say."""
        return {}


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows of a source that earlier runs have dealt with: so many loaded, and so many rejected, by reason."""

    uri: str
    loaded: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileSkipped:
    """A file, or the rest of it, cannot be read, and the others are loaded all the same. `reason` is a code.

    It is format, columns, dimensions or unreadable.
    """

    uri: str
    reason: str
    text: str

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {"file": self.uri, "reason": self.reason, "text": self.text}


@dataclass(frozen=True, slots=True)
class Files:
    """Some of the sources, and how many rows they have, as far as it is known."""

    uris: tuple[str, ...]
    rows: int | None = None

    def to_dict(self) -> Json:
        """As JSON has it; the first of them by name."""
        return {"files": len(self.uris), "rows": self.rows, "uris": list(self.uris[:MOST_URIS])}


@dataclass(frozen=True, slots=True)
class Compared:
    """The sources beside those of the job's last load that ended, at `since`: in words `when`, None for none.

    Each is in one of `new`, `changed` and `same`; `again` are those of the last that are loaded again all the same.
    `is_left`: a load that was stopped is resumed, and rows of it are still to be loaded.
    """

    since: str | None
    when: str
    new: Files
    changed: Files
    same: Files
    vanished: Files
    again: Files
    is_left: bool = False

    @property
    def is_nothing_new(self) -> bool:
        """Whether all is as it was, and nothing is to be loaded."""
        return not self.is_left and not any(one.uris for one in (self.new, self.changed, self.vanished, self.again))

    def to_dict(self) -> Json:
        """As JSON has it."""
        kinds = ("new", "changed", "same", "vanished", "again")
        return {"since": self.since, **{name: getattr(self, name).to_dict() for name in kinds}}


@dataclass(frozen=True, slots=True)
class Creating:
    """An index is made, or would be: none of this can be changed later. `dimension` None: that of the first row.

    What is None of the others is the engine's default.
    """

    index: str
    dimension: int | None
    metric: str | None
    precision: str | None

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {
            "index": self.index,
            "dimension": self.dimension,
            "metric": self.metric or DEFAULT_METRIC,
            "storage_precision": self.precision or DEFAULT_PRECISION,
        }


@dataclass(frozen=True, slots=True)
class Sending:
    """Rows begin to move."""

    def to_dict(self) -> Json:
        """As JSON has it: there is no more to say."""
        return {}


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of a source that are asked for were read."""

    uri: str
    rows: int


@dataclass(frozen=True, slots=True)
class RowRejected:
    """A row is not loaded."""

    rejection: Rejection

    def to_dict(self) -> Json:
        """As JSON has it: of the row itself nothing but its id's place and what is wrong with it."""
        one = self.rejection
        return {"file": one.uri, "row": one.row, "line": one.line, "reason": one.reason, "detail": one.detail}


@dataclass(frozen=True, slots=True)
class Landed:
    """Rows of one source were acknowledged, in one request of so many seconds, its retries among them."""

    uri: str
    rows: int
    size: int
    """Bytes of the rows themselves, not encoded."""
    seconds: float
    in_flight: int
    """Requests that are still on their way."""
    duplicates: int
    """Rows so far whose id was on its way already, or stood in the same request."""


@dataclass(frozen=True, slots=True)
class Began:
    """Something begins that is done to rows, or to something else, and sends none; what was done before it is over.

    `step` is a code: plan, read, count, verify, compare, train, delete.
    """

    step: str
    rows: int | None = None
    """To how many rows, exactly; None where nobody knows: then `estimate` is a guess, 0 where there is none."""
    estimate: int = 0
    unit: str = "row"
    """What it is done to, if not to rows."""

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {"step": self.step, f"{self.unit}s": self.rows, "estimate": self.estimate}


@dataclass(frozen=True, slots=True)
class Advanced:
    """It was done to so many more of them. `wrong`: of all so far those that are not as they should be."""

    rows: int
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the user should know, though nothing failed."""

    text: str

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class Said:
    """The command that makes the rows says something on standard error: a line of it."""

    text: str

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed and will be tried again after `pause` seconds. `cause` is a code, as the report counts it.

    It will be try number `attempt` (from 1) of at most `most` of that request.
    """

    cause: str
    error: str
    pause: float
    attempt: int
    most: int

    def to_dict(self) -> Json:
        """As JSON has it."""
        pause = round(self.pause, 3)
        return {
            "cause": self.cause,
            "error": self.error,
            "pause": pause,
            "attempt": self.attempt,
            "attempts": self.most,
        }


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop was asked for: so many requests that are on their way are waited for, at most so many seconds."""

    requests: int
    seconds: float
    is_interrupt: bool
    """Whether somebody asks for it at the keyboard."""

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {"requests": self.requests, "seconds": round(self.seconds, 1)}


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over, well or not."""

    report: RunReport

    def to_dict(self) -> Json:
        """As JSON has it."""
        return self.report.to_dict()


_OF_THE_END = ("status", "exit_code", "retry", "rows", "index_count", "verify", "error")
_MOST_SOURCES = 100


def brief(event: Event) -> Json:
    """A fact in words and numbers, as logs have it; of a row that is rejected never its content."""
    if isinstance(event, Planned):
        uris = [one.uri for one in event.sources[:_MOST_SOURCES]]
        more = len(event.sources) - len(uris)
        told = {"target": event.target, "index": event.index, "rows": event.rows, "sources": uris}
        return {**told, **({"more_sources": more} if more else {})}
    if isinstance(event, Ended):
        return {name: getattr(event.report, name) for name in _OF_THE_END}
    if isinstance(event, Skipped | Read | Landed | Advanced):
        return {}  # the counts at the end say it
    return event.to_dict()


Event = (
    Planned
    | Locked
    | Skipped
    | FileSkipped
    | Compared
    | Creating
    | Sending
    | Read
    | RowRejected
    | Landed
    | Began
    | Advanced
    | Noted
    | Said
    | Retrying
    | Stopping
    | Ended
)
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The display of a library call: none."""
