"""What the state directory holds, as far as it can be read: it is looked at, and nothing in it changes.

What cannot be read is not a reason to see nothing of the rest: it has a `fault`, and all else that is known of it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import stat
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import StateError, UntrustedError, UsageError
from cyborg_ingest.state import locks
from cyborg_ingest.state.jobs import DESCRIPTION, RUNS, is_run, open_jobs
from cyborg_ingest.state.journal import JOURNAL, LAST
from cyborg_ingest.state.kept import KeptJob, KeptRun, Standing
from cyborg_ingest.state.pruning import REPORT
from cyborg_ingest.state.rejected import NAME as REJECTED
from cyborg_ingest.state.replay import replayed

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Json
    from cyborg_ingest.private import Folder
    from cyborg_ingest.state.ledger import State

_RUN_TIME = "%Y%m%dT%H%M%SZ"
_LONG_AGO = datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)


def jobs_in(directory: Path) -> list[KeptJob]:
    """All jobs of a state directory, those that were active last first. Raises StateError, UntrustedError."""
    folder = _opened(directory)
    if folder is None:
        return []
    with folder:
        found = [_job(folder, name) for name in _names(folder)]
    return sorted(found, key=lambda one: (one.active or _LONG_AGO, one.id), reverse=True)


def runs_of(job: KeptJob, names: tuple[str, ...], directory: Path) -> list[KeptRun]:
    """What these runs of a job have left, the newest first; of one that is gone by now nothing.

    Raises StateError, UntrustedError.
    """
    folder = _opened(directory) if names else None
    if folder is not None:
        with (
            folder,
            contextlib.suppress(FileNotFoundError),
            folder.below(job.id, make=False) as own,
            own.below(RUNS, make=False) as runs,
        ):
            return sorted((run_in(runs, name) for name in names), key=lambda one: one.started, reverse=True)
    return []


def last_run(job: KeptJob, directory: Path) -> KeptRun | None:
    """The run of a job that counts; None where none is left."""
    return next(iter(runs_of(job, job.last_or_all(is_last=True), directory)), None)


def _opened(directory: Path) -> Folder | None:
    """The folder of all jobs; None where there is none."""
    try:
        return open_jobs(directory)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise StateError(f"The state directory {directory} is not a directory; see --state-dir.") from None
    except OSError as error:
        raise StateError(f"The state directory {directory} cannot be read: {error.strerror or error}.") from None


def _names(folder: Folder) -> list[str]:
    return sorted(name for name in folder.names() if not name.startswith("."))


def _job(jobs: Folder, name: str) -> KeptJob:
    path = str(jobs.path / name)
    try:
        with jobs.below(name, make=False) as own:
            return job_in(own, name)
    except (OSError, UntrustedError) as error:
        return KeptJob(name, path, Standing.UNREADABLE, fault=_words(error))


def job_in(own: Folder, name: str, *, is_ours: bool = False) -> KeptJob:
    """The job of a folder. `is_ours`: this process has its lock. Raises OSError."""
    fault, state, ended = None, None, None
    try:
        state, ended = replayed(own, JOURNAL), replayed(own, LAST)
    except (OSError, UsageError) as error:  # also of a later release, or one that somebody else has made
        fault = _words(error)
    description, unread = _json(own, DESCRIPTION)
    runs = tuple(_run_names(own))
    holders = [] if is_ours else _holders(own)
    may_run = not is_ours and (state is None or state.ended is None)  # a lock that is tried is a moment's obstacle
    is_held = bool(holders) or (may_run and locks.is_held(own))
    return KeptJob(
        id=name,
        folder=str(own.path),
        standing=_standing(state, ended, fault, is_held=is_held),
        runs=runs,
        description=description or {},
        state=state,
        ended=ended,
        active=_active(own, runs),
        size=size_of(own),
        holder=str(holders[0]) if holders else None,
        fault=fault or unread,
    )


def _holders(own: Folder) -> list[locks.Holder]:
    with contextlib.suppress(OSError, UntrustedError):
        return locks.holders(own)
    return []


def _standing(state: State | None, ended: State | None, fault: str | None, *, is_held: bool) -> Standing:
    if is_held:
        return Standing.RUNNING
    if fault is not None:
        return Standing.UNREADABLE
    if state is None:
        return Standing.ENDED if ended is not None else Standing.FORGOTTEN
    if state.is_over:
        return Standing.ENDED
    return Standing.RESUMABLE if state.parts else Standing.FAILED


def _run_names(own: Folder) -> list[str]:
    with contextlib.suppress(OSError, UntrustedError), own.below(RUNS, make=False) as runs:
        return sorted((name for name in runs.names() if is_run(name)), reverse=True)
    return []


def run_in(runs: Folder, name: str) -> KeptRun:
    """What a run has left in its folder."""
    try:
        with runs.below(name, make=False) as own:
            return run_of(own)
    except (OSError, UntrustedError) as error:
        return KeptRun(name, run_time(name), str(runs.path / name), fault=_words(error))


def run_of(own: Folder) -> KeptRun:
    """What is left of a run in this folder. Raises OSError."""
    report, fault = _json(own, REPORT)
    began = run_time(own.path.name)
    return KeptRun(own.path.name, began, str(own.path), size_of(own), REJECTED in own.names(), report, fault)


def run_time(name: str) -> datetime.datetime:
    """When a run began, by its name; of one that no calendar has, long ago."""
    with contextlib.suppress(ValueError):
        return datetime.datetime.strptime(name.partition("-")[0], _RUN_TIME).replace(tzinfo=datetime.timezone.utc)
    return _LONG_AGO


def _json(own: Folder, name: str) -> tuple[Json | None, str | None]:
    """An object of a file; None where there is no file. And what is wrong with it."""
    try:
        data = own.read(name)
        found: Any = None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None, f"{own.path / name} is damaged."
    except (OSError, UntrustedError) as error:
        return None, _words(error)
    if data is not None and not isinstance(found, dict):
        return None, f"{own.path / name} is damaged."
    return found, None


def size_of(folder: Folder) -> int:
    """The bytes of all files in a folder, and in those below it."""
    total = 0
    for name in folder.names():
        with contextlib.suppress(OSError, UntrustedError):
            status = os.stat(name, dir_fd=folder.handle, follow_symlinks=False)
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
            if stat.S_ISDIR(status.st_mode):
                with folder.below(name, make=False) as below:
                    total += size_of(below)
    return total


def _active(own: Folder, runs: tuple[str, ...]) -> datetime.datetime | None:
    times = [run_time(name) for name in runs[:1]]
    for name in (JOURNAL, LAST):
        with contextlib.suppress(OSError):
            changed = os.stat(name, dir_fd=own.handle, follow_symlinks=False).st_mtime
            times.append(datetime.datetime.fromtimestamp(changed, datetime.timezone.utc))
    return max(times, default=None)


def _words(error: Exception) -> str:
    return str(error) if not isinstance(error, OSError) else f"It cannot be read: {error.strerror or error}."
