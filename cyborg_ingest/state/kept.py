"""What is kept of jobs and of their runs, as values; and which of them is meant by an id, whole or its beginning."""

from __future__ import annotations

import contextlib
import difflib
import enum
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError, masked
from cyborg_ingest.state.journal import BEGUN, COMMAND, RUN

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Sequence

    from cyborg_ingest.model import Json
    from cyborg_ingest.state.ledger import State

_SHORTEST = 4
"""Digits of a job's id that are shown at least."""
_SOME, _FEW = 5, 3
_LISTS = {"job": "cyborg-ingest jobs list", "run": "cyborg-ingest runs list --all"}


class Standing(str, enum.Enum):
    """Where a job stands."""

    RUNNING = "running"
    RESUMABLE = "resumable"
    """Its load has not ended, and the same command resumes it."""
    ENDED = "ended"
    FAILED = "failed"
    """Its load has not ended, and has loaded nothing."""
    FORGOTTEN = "forgotten"
    """Its runs are there, and no journal."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """What a run has left. `report` is None where it was killed, still runs, or left one that nobody can read."""

    id: str
    began: datetime.datetime
    folder: str
    size: int = 0
    has_rejected: bool = False
    report: Json | None = None
    fault: str | None = None

    @property
    def started(self) -> str:
        """When it began, as its report has it; its name tells the second."""
        said = self.report.get("started") if self.report else None
        return said if isinstance(said, str) else self.began.isoformat()

    @property
    def status(self) -> str:
        """How it ended, as its report has it."""
        said = self.report.get("status") if self.report else None
        return said if isinstance(said, str) else "unreadable" if self.fault else "unfinished"


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job: what it is made of, where it stands, and the names of its runs, the newest first."""

    id: str
    folder: str
    standing: Standing
    runs: tuple[str, ...] = ()
    description: Json = field(default_factory=dict)
    state: State | None = None
    ended: State | None = None
    """That of the last load that ended."""
    active: datetime.datetime | None = None
    """When something of it was last written."""
    size: int = 0
    holder: str | None = None
    """The process that works on it, as it says itself."""
    fault: str | None = None

    @property
    def current(self) -> State | None:
        """What counts of it: the load that has not ended, or the last one that has."""
        return self.state if self.state is not None else self.ended

    @property
    def is_running(self) -> bool:
        """Whether a process works on it now."""
        return self.standing is Standing.RUNNING

    @property
    def has_ended(self) -> bool:
        """Whether the same command would begin anew, and with all rows."""
        return self.standing in {Standing.ENDED, Standing.FORGOTTEN}

    @property
    def command(self) -> str | None:
        """The command line that resumes it."""
        said = self.current.facts.get(COMMAND) if self.current is not None else None
        return said if isinstance(said, str) else None

    @property
    def name(self) -> str | None:
        """The name that it has in a configuration file."""
        with contextlib.suppress(ValueError):
            words = shlex.split(self.command or "")
            return words[2] if words[1:2] == ["run"] else None
        return None

    @property
    def last(self) -> str | None:
        """The run that counts: of a journal the one that has written to it, else the newest."""
        said = self.current.facts.get(RUN) if self.current is not None else None
        return said if said in self.runs else next(iter(self.runs), None)

    def last_or_all(self, *, is_last: bool) -> tuple[str, ...]:
        """The names of its runs, or of the one that counts."""
        return tuple(filter(None, [self.last])) if is_last else self.runs

    @property
    def rows(self) -> int:
        """The rows that are settled: acknowledged or rejected."""
        parts = self.current.parts.values() if self.current is not None else ()
        return sum(len(part.settled) - part.passed_rows for part in parts)

    @property
    def in_doubt(self) -> int:
        """Rows that were sent and never acknowledged: their request may still be applied."""
        parts = self.state.parts.values() if self.state is not None else ()
        return sum(len(part.in_doubt) for part in parts)

    @property
    def begun(self) -> str | None:
        """When its load began."""
        said = self.current.facts.get(BEGUN) if self.current is not None else None
        return said if isinstance(said, str) else None

    def said(self, name: str) -> str:
        """What its description says, as text without secrets; it may be damaged."""
        found = self.description.get(name)
        return _masked(found) if isinstance(found, str) else ""

    @property
    def sources(self) -> list[str]:
        """Its sources, as typed."""
        found = self.description.get("sources")
        return [_masked(one) for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _masked(text: str) -> str:
    return masked(text) if "://" in text else text


def find_job(jobs: list[KeptJob], word: str) -> KeptJob:
    """The job of this name in the configuration file, or id, or beginning of an id, or of its digits.

    Raises UsageError where there is none, or more than one.
    """
    found = {one.id: one for one in jobs}
    return found[_only(found, word, "job", named=[one.id for one in jobs if one.name == word])]


def find_run(jobs: list[KeptJob], word: str) -> tuple[KeptJob, str]:
    """A run by its id, or the beginning of it, or of the digits at its end; and its job. Raises UsageError."""
    found = {run: job for job in jobs for run in job.runs}
    run = _only(found, word, "run")
    return found[run], run


def _only(ids: Collection[str], word: str, kind: str, named: Sequence[str] = ()) -> str:
    """The one id that is meant by a word. `named`: the ids of those that have it as their name."""
    if word in ids:
        return word
    found = named or [one for one in ids if word and (one.startswith(word) or one.rpartition("-")[2].startswith(word))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"There is no {kind} {word!r} here; `{_LISTS[kind]}` has their ids.{_others(ids, word, kind)}")
    some = ", ".join(sorted(found)[:_SOME]) + (", ..." if len(found) > _SOME else "")
    raise UsageError(f"{word!r} may be {len(found)} {kind}s: {some}. Give more of the id.")


def _others(ids: Collection[str], word: str, kind: str) -> str:
    """Ids that are nearly the word, else those of the last runs, as a sentence."""
    near = difflib.get_close_matches(word, ids, _FEW, 0.8)
    last = sorted(ids, reverse=True)[:_FEW] if kind == "run" else []  # they begin with their time
    some = ", ".join(near or last)
    return some and f" {'Near it' if near else 'The last'}: {some}."


def short_ids(jobs: list[KeptJob]) -> dict[str, str]:
    """The ids of all jobs, as short as they are unique."""
    ids = [one.id for one in jobs]
    short = {}
    for one in ids:
        base = len(one) - len(one.rpartition("-")[2])
        lengths = range(base + _SHORTEST, len(one))
        fits = (n for n in lengths if sum(other.startswith(one[:n]) for other in ids) == 1)
        short[one] = one[: next(fits, len(one))]
    return short
