"""The log of a run: what is said to those who watch is said to it first, behind what was asked for."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from cyborg_ingest import versions
from cyborg_ingest.facts import (
    Began,
    Compared,
    Creating,
    Ended,
    FileSkipped,
    Noted,
    Planned,
    Retrying,
    RowRejected,
    Said,
    Sending,
    Stopping,
    brief,
)
from cyborg_ingest.settings import spelled

if TYPE_CHECKING:
    from cyborg_ingest.facts import Emit, Event
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.state.runlog import RunLog

_WAITING = 1000
"""Facts that are kept for a log that is not open yet, at most."""

_Logged = (
    Planned | Compared | FileSkipped | Creating | Sending | Stopping | Began | Noted | Said | Retrying | RowRejected
)
_LOGGED = (Planned, Compared, FileSkipped, Creating, Sending, Stopping, Began, Noted, Said, Retrying, RowRejected)
"""Not what is told of each batch: the counts at the end say it."""


class Logged:
    """Hands facts on to whoever watches, once the log has them."""

    def __init__(self, emit: Emit, settings: LoadSettings) -> None:
        self._emit = emit
        self._settings = settings
        self._began = _now()
        self._log: RunLog | None = None
        self._waiting: list[tuple[datetime.datetime, _Logged]] = []

    def begin(self, journal: Journal | None) -> None:
        """Where the log is, known once the job is; without a journal there is none."""
        if journal is None:
            return
        self._log = journal.run.log
        asked = {"settings": spelled.values(self._settings), "versions": versions.in_use()}
        self._log.add("started", self._began, asked)
        for time, event in self._waiting:
            _add(self._log, time, event)
        self._waiting.clear()

    def __call__(self, event: Event) -> None:
        """Log a fact, and hand it on."""
        if isinstance(event, _LOGGED):
            now = _now()
            if self._log is not None:
                _add(self._log, now, event)
            elif len(self._waiting) < _WAITING:
                self._waiting.append((now, event))
        self._emit(event)

    def end(self, report: RunReport) -> None:
        """Log how the run ended, before the journal is closed and the log with it."""
        if self._log is not None:
            _add(self._log, _now(), Ended(report))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _add(log: RunLog, time: datetime.datetime, event: _Logged | Ended) -> None:
    log.add(type(event).__name__.lower(), time, brief(event), is_last=isinstance(event, Ended))
