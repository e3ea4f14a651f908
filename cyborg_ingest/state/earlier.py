"""What earlier runs of a job have left, read before this one begins: nothing in its folder is written or locked."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError
from cyborg_ingest.state.ids import Ids
from cyborg_ingest.state.jobs import open_job, reading
from cyborg_ingest.state.journal import BEGUN, JOURNAL, LAST, OUTDATED
from cyborg_ingest.state.memory import Memory
from cyborg_ingest.state.replay import replayed

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.state.ledger import State


@dataclass(frozen=True, slots=True)
class Earlier:
    """`begun`: when the load began that was stopped and would be resumed.

    `rows`: how many the job's last load that ended had. None where there is no such load; or where the
    release that began it did not note when.
    """

    begun: datetime.datetime | None = None
    rows: int | None = None


def earlier_runs(folder: Path, *, restart: bool) -> Earlier:
    """What is in the folder of a job. Raises StateError, UntrustedError; UsageError where a later release wrote it."""
    try:
        current, ended = _states(folder, restart=restart)
    except FileNotFoundError:
        return Earlier()
    is_stopped = current is not None and bool(current.parts) and not current.has_ended and not restart
    begun = current.facts.get(BEGUN) if current is not None and is_stopped else None
    return Earlier(_time(begun), None if ended is None else _rows(ended))


class Remembered(Memory):
    """What a journal of the job would begin with, for a run that keeps none: nothing is written or locked.

    Raises as `earlier_runs` does, and FileNotFoundError where there is no such job.
    """

    def __init__(self, folder: Path, *, restart: bool, is_resumed: bool) -> None:
        super().__init__()
        self.folder = folder
        current, self._last = _states(folder, restart=restart)
        with reading(folder), open_job(folder, make=False) as job:
            self.ids = Ids(job, is_read=True)
        if restart:
            self.ids.forget()
        if current is not None and current.parts and not current.is_over and is_resumed and not restart:
            self.state, self.resumed = current, True
        elif current is not None and not current.has_ended and (OUTDATED in current.facts or current.has_lost_lines):
            self.state.facts[OUTDATED] = True

    def last_ended(self) -> State | None:
        """As the folder had it when it was read."""
        return self._last

    def close(self) -> None:
        """Let go of what is open."""
        self.ids.close()


def _states(folder: Path, *, restart: bool) -> tuple[State | None, State | None]:
    """What the last run has left, and the last load that ended: they are the same where that run ended it."""
    current = None
    with reading(folder), open_job(folder, make=False) as job:
        with contextlib.suppress(*([UsageError] if restart else [])):  # it is forgotten, whatever it says
            current = replayed(job, JOURNAL)
        return current, current if current is not None and current.has_ended else replayed(job, LAST)


def _rows(state: State) -> int:
    """The rows that a load was asked for, all of which are settled when it has ended."""
    return sum(len(part.settled) - part.passed_rows for part in state.parts.values())


def _time(begun: object) -> datetime.datetime | None:
    """When that was, in UTC; None of whatever else a line holds."""
    with contextlib.suppress(ValueError):
        found = datetime.datetime.fromisoformat(str(begun))
        return found if found.tzinfo is not None else None
    return None
