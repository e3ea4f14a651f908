"""Jobs and runs that are removed here and where else they are kept: each job is locked there for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.errors import IngestError, JobBusyError
from cyborg_ingest.facts import ignore
from cyborg_ingest.settings.options import LockSettings
from cyborg_ingest.state.inventory import jobs_in
from cyborg_ingest.state.jobs import all_jobs
from cyborg_ingest.state.remote.session import Session
from cyborg_ingest.state.removal import RUNNING, Ask, Cleaned, clean, forget
from cyborg_ingest.state.turns import Turn
from cyborg_ingest.stop import Stop

if TYPE_CHECKING:
    import contextlib
    from pathlib import Path

    from cyborg_ingest.state.kept import KeptJob


def clean_kept(uri: str, place: Path, ask: Ask) -> Cleaned:
    """As `removal.clean`, of all jobs of an address, whose copies are in a place."""
    if ask.is_dry:
        return clean(place, ask)
    done = Cleaned()
    for job in jobs_in(place):
        try:
            with _held(uri, place, job.id):
                clean(place, ask, done, only=job.id)
        except JobBusyError:
            done.left[job.id] = RUNNING
        except IngestError as error:
            done.left[job.id] = str(error)
    return done


def forget_kept(uri: str, job: KeptJob, place: Path, *, with_runs: bool) -> None:
    """As `removal.forget`. Raises JobBusyError, StateError, UsageError."""
    with _held(uri, place, job.id):
        forget(job, place, with_runs=with_runs)


def _held(uri: str, place: Path, job: str) -> contextlib.AbstractContextManager[Session]:
    turn = Turn(LockSettings(), Stop(), ignore)
    return Session(uri, all_jobs(place) / job, turn, ignore, is_removal=True)
