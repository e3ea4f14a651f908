"""Which files of a job's folder are its state: what is copied where it is kept elsewhere too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UntrustedError
from cyborg_ingest.state.ids import NAME as IDS
from cyborg_ingest.state.jobs import DESCRIPTION, RUNS, is_run
from cyborg_ingest.state.journal import JOURNAL, LAST
from cyborg_ingest.state.pruning import REPORT
from cyborg_ingest.state.rejected import NAME as REJECTED
from cyborg_ingest.state.runlog import LOG
from cyborg_ingest.state.samples import NAME as SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.private import Folder

OWN = (JOURNAL, LAST, IDS, DESCRIPTION)
OF_A_RUN = (REJECTED, REPORT, LOG, SAMPLES)


def is_kept(name: str) -> bool:
    """Whether a file of this name, with that of its run before it, is part of a job's state."""
    parts = name.split("/")
    if len(parts) == 1:
        return name in OWN
    return len(parts) == 3 and parts[0] == RUNS and is_run(parts[1]) and parts[2] in OF_A_RUN  # noqa: PLR2004


def kept_in(folder: Folder) -> list[str]:
    """The files of a job's folder that are its state: the journal first, which all others have to go along with."""
    there = set(folder.names())
    return [*(name for name in OWN if name in there), *_of_runs(folder, there)]


def _of_runs(folder: Folder, there: set[str]) -> Iterator[str]:
    if RUNS not in there:
        return
    with folder.below(RUNS, make=False) as runs:
        for run in sorted(filter(is_run, runs.names())):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, UntrustedError):
                with runs.below(run, make=False) as own:
                    names = set(own.names())
                yield from (f"{RUNS}/{run}/{name}" for name in OF_A_RUN if name in names)


@contextlib.contextmanager
def folder_of(folder: Folder, name: str, *, make: bool = False) -> Iterator[tuple[Folder, str]]:
    """The folder that a file of a job is in, opened, and its name there. Raises FileNotFoundError."""
    *above, last = name.split("/")
    with contextlib.ExitStack() as opened:
        own = folder
        for one in above:
            own = opened.enter_context(own.below(one, make=make))
        yield own, last
