"""All that a run has left in its folder, read for whoever looks back at it.

What is damaged is no reason to see nothing of the rest: it is among the `faults`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cyborg_ingest.errors import StateError, UntrustedError, UsageError
from cyborg_ingest.private import Folder
from cyborg_ingest.state import inventory, kept
from cyborg_ingest.state.jobs import RUNS, is_run, open_jobs
from cyborg_ingest.state.pruning import REPORT
from cyborg_ingest.state.rejected import first_rejected
from cyborg_ingest.state.runlog import LOG, read_log
from cyborg_ingest.state.samples import NAME as SAMPLES
from cyborg_ingest.state.samples import read_samples, thinned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyborg_ingest.model import Json
    from cyborg_ingest.state.kept import KeptJob, KeptRun
    from cyborg_ingest.state.samples import Sample

MOST_ROWS = 20
"""Rejected rows that are read."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Record:
    """A run, and what it has left; `job` is None where its folder was taken out of that of its job."""

    run: KeptRun
    job: KeptJob | None = None
    said: tuple[Json, ...] = ()
    samples: tuple[Sample, ...] = ()
    rejected: tuple[Json, ...] = ()
    """Of the first rejected rows what is wrong with them."""
    faults: tuple[str, ...] = field(default=())

    def course(self, most: int) -> list[Sample]:
        """How fast it was over time, in so many intervals at most."""
        return thinned(self.samples, most)

    def first(self, event: str) -> Json:
        """The first that was said of a kind; nothing where none was."""
        return next((one for one in self.said if one.get("event") == event), {})


def last_of_all(directory: Path) -> Record:
    """The run that began last. Raises UsageError where there is none, StateError, UntrustedError."""
    jobs = inventory.jobs_in(directory)
    found = [(run, job) for job in jobs for run in job.runs]
    newest = max((run.partition("-")[0] for run, _ in found), default="")
    last = [_record_of(job, run, directory) for run, job in found if run.startswith(newest)]  # of the same second
    if not last:
        raise UsageError(f"There are no runs in {directory}. Where others may be is said by --state-dir.")
    return max(last, key=lambda one: one.run.started)


def find(word: str, directory: Path) -> Record:
    """A run by its id, as far as it is unique, or the last of a job by its name or id.

    Raises UsageError where there is none, or more than one; StateError, UntrustedError.
    """
    jobs = inventory.jobs_in(directory)
    named = next((one for one in jobs if word in {one.name, one.id} and one.last is not None), None)
    job, name = (named, str(named.last)) if named is not None else kept.find_run(jobs, word)
    return _record_of(job, name, directory)


def at(path: Path) -> Record:
    """A run by its folder, or its report. Raises UsageError where it is none, UntrustedError."""
    if not path.exists():
        raise UsageError(f"{path} is not there: name a run by its id, or its folder.")
    folder = (path if path.is_dir() else path.parent).absolute()
    above = folder.parents
    if is_run(folder.name) and folder.parent.name == RUNS and len(above) > 3:  # noqa: PLR2004 - runs, job, jobs, state
        for job in inventory.jobs_in(above[3]):
            if job.id == above[1].name and folder.name in job.runs:
                return _record_of(job, folder.name, above[3])
    try:
        with Folder.root(folder, "name another folder", make=False) as own:
            if not {REPORT, LOG, SAMPLES} & set(own.names()):
                raise UsageError(f"{path} is not the folder of a run: it has neither {REPORT} nor {LOG}.")
            return _read(None, inventory.run_of(own), own)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None


def _record_of(job: KeptJob, name: str, directory: Path) -> Record:
    try:
        with open_jobs(directory) as jobs, jobs.below(job.id, make=False) as own, own.below(RUNS, make=False) as runs:
            run = inventory.run_in(runs, name)
            with runs.below(name, make=False) as folder:
                return _read(job, run, folder)
    except OSError as error:
        raise StateError(f"Run {name} cannot be read: {error.strerror or error}.") from None


def _read(job: KeptJob | None, run: KeptRun, folder: Folder) -> Record:
    faults = [run.fault] if run.fault else []

    def read(name: str, how: Callable[[], list[_T]]) -> tuple[_T, ...]:
        try:
            return tuple(how())
        except OSError as error:
            faults.append(f"{folder.path / name} cannot be read: {error.strerror or error}.")
        except UntrustedError as error:
            faults.append(str(error))
        return ()

    said = read(LOG, lambda: read_log(folder))
    samples = read(SAMPLES, lambda: read_samples(folder))
    rejected = read("rejected.jsonl", lambda: first_rejected(folder, MOST_ROWS))
    return Record(run, job, said, samples, rejected, tuple(faults))
