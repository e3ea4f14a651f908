"""Jobs and runs are removed when somebody asks for it, by age or by name; each job is locked for that.

Kept are what can be resumed and rejected rows, which are nowhere else, unless they are asked for by name; and what a
process works on, or nobody can read, in any case.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cyborg_ingest.errors import JobBusyError, StateError, UntrustedError
from cyborg_ingest.state.inventory import job_in, jobs_in, run_in
from cyborg_ingest.state.jobs import DESCRIPTION, RUNS, open_jobs
from cyborg_ingest.state.kept import KeptJob, KeptRun, Standing
from cyborg_ingest.state.locks import LOCK
from cyborg_ingest.state.pruning import REPORT, remove_run
from cyborg_ingest.state.rejected import NAME as REJECTED
from cyborg_ingest.state.turns import lock_job

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator
    from pathlib import Path

    from cyborg_ingest.private import Folder

RUNNING = "a load is running"

_NO_LEDGER = {LOCK, DESCRIPTION, REPORT, REJECTED}
"""Files in the folder of a job that are not what it has loaded; earlier releases kept the last two there."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be removed: what was last active `before`. `is_dry`: nothing, it is only looked at."""

    before: datetime.datetime
    resumable: bool = False
    rejected: bool = False
    is_dry: bool = False


@dataclass(slots=True)
class Cleaned:
    """What was removed, or would be: jobs whole, runs of others, and bytes. `left`: what was not, by job, and why."""

    jobs: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    bytes: int = 0
    left: dict[str, str] = field(default_factory=dict)


def clean(directory: Path, ask: Ask, done: Cleaned | None = None, *, only: str | None = None) -> Cleaned:
    """Remove what is old of all jobs, or of one of them, and add it to what is `done`.

    Raises StateError, UntrustedError where the state directory cannot be read.
    """
    done = done or Cleaned()
    for job in jobs_in(directory):
        if only not in {None, job.id}:
            continue
        why = RUNNING if job.is_running else None
        if job.standing is Standing.UNREADABLE:
            why = f"it cannot be read: {job.fault}"
        try:
            if why is None:
                with _held(job, directory) as (jobs, own):
                    now = replace(job_in(own, job.id, is_ours=True), size=job.size)  # without the word of our own lock
                    why = _clean_job(jobs, own, now, ask, done)
        except JobBusyError:
            why = RUNNING
        except (StateError, UntrustedError) as error:
            why = str(error)
        if why is not None:
            done.left[job.id] = why
    return done


def forget(job: KeptJob, directory: Path, *, with_runs: bool) -> None:
    """Remove what is known of the rows that a job has loaded; `with_runs`: and all that its runs have left.

    Raises JobBusyError, StateError, UntrustedError.
    """
    with _held(job, directory) as (jobs, own):
        _drop_files(own, _NO_LEDGER)
        left = [one for one in job.runs if not (with_runs and _drop_run(own, one))]
        if not left:
            _drop_job(jobs, own, job.id)


@contextlib.contextmanager
def _held(job: KeptJob, directory: Path) -> Iterator[tuple[Folder, Folder]]:
    """The folder of all jobs, and that of one of them, which is locked."""
    try:
        with open_jobs(directory) as jobs, jobs.below(job.id, make=False) as own, lock_job(own):
            yield jobs, own
    except OSError as error:
        raise StateError(f"{job.folder} cannot be changed: {error.strerror or error}.") from None


def _clean_job(jobs: Folder, own: Folder, job: KeptJob, ask: Ask, done: Cleaned) -> str | None:
    """Remove what is old of a job; why something of it is left that is old."""
    is_old = job.active is None or job.active < ask.before
    is_resumable = job.standing is Standing.RESUMABLE and not ask.resumable
    old = [one for one in _runs(own, job) if one.began < ask.before and not (is_resumable and one.id == job.last)]
    going = [one for one in old if ask.rejected or not one.has_rejected]
    gone = [one for one in going if _drop_run(own, one.id, is_dry=ask.is_dry)]
    if is_old and not is_resumable and len(gone) == len(job.runs) and (ask.rejected or REJECTED not in own.names()):
        done.jobs.append(job.id)
        done.bytes += job.size
        if not ask.is_dry:
            _drop_job(jobs, own, job.id)
        return None
    done.runs += [one.id for one in gone]
    done.bytes += sum(one.size for one in gone)
    if len(gone) < len(going):
        return "there are files in its runs that are not theirs"
    if len(going) < len(old) or (is_old and REJECTED in own.names()):
        return "it has rejected rows (--with-rejected removes them)"
    return "it can be resumed (--with-resumable removes it)" if is_old and is_resumable else None


def _runs(own: Folder, job: KeptJob) -> list[KeptRun]:
    if not job.runs:
        return []
    with own.below(RUNS, make=False) as runs:
        return [run_in(runs, one) for one in job.runs]


def _drop_run(own: Folder, name: str, *, is_dry: bool = False) -> bool:
    """Remove a run with its rejected rows; whether it is gone, or would be."""
    with own.below(RUNS, make=False) as runs:
        return remove_run(runs, name, also={REJECTED}, is_dry=is_dry)


def _drop_files(own: Folder, kept: set[str]) -> None:
    for name in own.names():
        is_file = stat.S_ISREG(os.stat(name, dir_fd=own.handle, follow_symlinks=False).st_mode)
        if is_file and name not in kept:
            own.drop(name)


def _drop_job(jobs: Folder, own: Folder, name: str) -> None:
    """Remove the folder of a job that has no runs; who waits for its lock meanwhile finds that it is gone."""
    _drop_files(own, {LOCK})
    with contextlib.suppress(OSError):  # there may be more in it than runs
        own.drop_folder(RUNS)
    own.drop(LOCK)
    with contextlib.suppress(OSError):  # somebody begins the job anew at this moment
        jobs.drop_folder(name)
