"""Facts as they are said: by `wording`, and with what matters of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.facts import (
    Compared,
    Creating,
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
from cyborg_ingest.output.labels import LABEL
from cyborg_ingest.output.voice import Level, Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.facts import Event
    from cyborg_ingest.tally import Step, Tally

_LEVELS = {
    Noted: Level.NOTICE,
    Stopping: Level.NOTICE,
    Retrying: Level.WARNING,
    RowRejected: Level.WARNING,
    FileSkipped: Level.WARNING,
}
_LINES: dict[type, Callable[[Any], str]] = {
    Creating: wording.creating,
    Stopping: wording.stopping,
    FileSkipped: wording.skipped,
    Said: wording.said,
    Noted: wording.note,
    Retrying: wording.retry,
    RowRejected: wording.rejection,
}
"""Facts that are said in one line."""
_OF_ENDS = {ExitCode.OK: Level.INFO, ExitCode.REJECTED: Level.WARNING}


def said(event: Event, *, has_figures: bool = True, singly: bool = False) -> Remark | None:
    """A fact as it is said; None of one that is not.

    `has_figures`: a run that has ended has something to show. `singly`: each file has a line, not folders.
    """
    code = type(event).__name__.lower()
    if isinstance(event, Planned):
        lines = wording.plan(event, singly=singly)
    elif isinstance(event, Compared):
        lines = wording.compared(event)
    elif isinstance(event, Ended):
        lines = reported.summary(event.report, singly=singly) if has_figures else []
        level = _OF_ENDS.get(ExitCode(event.report.exit_code), Level.ERROR)
        return Remark(code, tuple(lines), _joined(lines) or event.report.status, level, brief(event))
    elif type(event) in _LINES:
        line = _LINES[type(event)](event)
        facts = {} if isinstance(event, Noted | Said) else brief(event)
        return Remark(code, (line,), line[LABEL:], _LEVELS.get(type(event), Level.INFO), facts)
    else:
        return None
    return Remark(code, tuple(lines), _joined(lines), Level.INFO, brief(event))


def progress(watched: Tally | Step) -> Remark:
    """How far it is."""
    lines = howfar.progress(watched)
    return Remark("progress", tuple(lines), _joined(lines), Level.INFO, howfar.progress_facts(watched))


def _joined(lines: Iterable[str]) -> str:
    return "; ".join(" ".join(line.split()) for line in lines)
