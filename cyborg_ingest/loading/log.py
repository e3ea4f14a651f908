"""The log of a run: what is said to those who watch is said to it first."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from cyborg_ingest.facts import (
    Began,
    Compared,
    Ended,
    FileSkipped,
    Noted,
    Planned,
    Retrying,
    RowRejected,
    Said,
    Sending,
)

if TYPE_CHECKING:
    from cyborg_ingest.facts import Emit, Event
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.model import Json
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.state.runlog import RunLog

_WAITING = 1000
"""Facts that are kept for a log that is not open yet, at most."""

_Logged = Planned | Compared | FileSkipped | Sending | Began | Noted | Said | Retrying | RowRejected
_LOGGED = (Planned, Compared, FileSkipped, Sending, Began, Noted, Said, Retrying, RowRejected)
"""Not what is told of each batch: the counts at the end say it."""

_OF_THE_END = ("status", "exit_code", "retry", "rows", "index_count", "verify", "error")


class Logged:
    """Hands facts on to whoever watches, once the log has them."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._log: RunLog | None = None
        self._waiting: list[tuple[datetime.datetime, _Logged]] = []

    def begin(self, journal: Journal | None) -> None:
        """Where the log is, known once the job is; without a journal there is none."""
        if journal is None:
            return
        self._log = journal.log
        for time, event in self._waiting:
            _add(self._log, time, event)
        self._waiting.clear()

    def __call__(self, event: Event) -> None:
        """Log a fact, and hand it on."""
        if isinstance(event, _LOGGED):
            now = datetime.datetime.now(datetime.timezone.utc)
            if self._log is not None:
                _add(self._log, now, event)
            elif len(self._waiting) < _WAITING:
                self._waiting.append((now, event))
        self._emit(event)

    def end(self, report: RunReport) -> None:
        """Log how the run ended, before the journal is closed and the log with it."""
        if self._log is not None:
            _add(self._log, datetime.datetime.now(datetime.timezone.utc), Ended(report))


def _add(log: RunLog, time: datetime.datetime, event: _Logged | Ended) -> None:
    log.add(type(event).__name__.lower(), time, _facts(event), is_last=isinstance(event, Ended))


def _facts(event: _Logged | Ended) -> Json:
    """A fact in words and numbers; of a row that is rejected never its content."""
    if isinstance(event, Planned):
        uris = [one.uri for one in event.sources]
        return {"target": event.target, "index": event.index, "rows": event.rows, "sources": uris}
    if isinstance(event, Ended):
        return {name: getattr(event.report, name) for name in _OF_THE_END}
    return event.to_dict()
