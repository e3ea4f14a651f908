"""Facts as they are said: by `wording`, and with what matters of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.facts import (
    Compared,
    Ended,
    FileSkipped,
    Noted,
    Planned,
    Retrying,
    RowRejected,
    Said,
    Stopping,
    brief,
)
from cyborg_ingest.output import howfar, reported, wording
from cyborg_ingest.output.voice import LABEL, Level, Remark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.facts import Event
    from cyborg_ingest.tally import Step, Tally

_LEVELS = {
    Noted: Level.NOTICE,
    Stopping: Level.NOTICE,
    Retrying: Level.WARNING,
    RowRejected: Level.WARNING,
    FileSkipped: Level.WARNING,
}
_OF_ENDS = {ExitCode.OK: Level.INFO, ExitCode.REJECTED: Level.WARNING}


def said(event: Event, *, has_figures: bool = True) -> Remark | None:
    """A fact as it is said; None of one that is not. `has_figures`: a run that has ended has something to show."""
    code = type(event).__name__.lower()
    if isinstance(event, Planned):
        lines = wording.plan(event)
    elif isinstance(event, Compared):
        lines = wording.compared(event)
    elif isinstance(event, Ended):
        lines = reported.summary(event.report) if has_figures else []
        level = _OF_ENDS.get(ExitCode(event.report.exit_code), Level.ERROR)
        return Remark(code, tuple(lines), _joined(lines) or event.report.status, level, brief(event))
    elif isinstance(event, Noted | Said | Retrying | RowRejected | FileSkipped | Stopping):
        line = _line(event)
        facts = {} if isinstance(event, Noted | Said) else brief(event)
        return Remark(code, (line,), line[LABEL:], _LEVELS.get(type(event), Level.INFO), facts)
    else:
        return None
    return Remark(code, tuple(lines), _joined(lines), Level.INFO, brief(event))


def progress(watched: Tally | Step) -> Remark:
    """How far it is."""
    lines = howfar.progress(watched)
    return Remark("progress", tuple(lines), _joined(lines), Level.INFO, howfar.progress_facts(watched))


def _line(event: Noted | Said | Retrying | RowRejected | FileSkipped | Stopping) -> str:
    if isinstance(event, Stopping):
        return wording.stopping(event)
    if isinstance(event, FileSkipped):
        return wording.skipped(event)
    if isinstance(event, Said):
        return wording.said(event)
    if isinstance(event, Noted):
        return wording.note(event)
    return wording.retry(event) if isinstance(event, Retrying) else wording.rejection(event)


def _joined(lines: Iterable[str]) -> str:
    return "; ".join(" ".join(line.split()) for line in lines)
