"""Old runs of a job are removed when the next one begins, which holds the job's lock.

Kept are the newest runs, those of the last days, and whatever their age those with rejected rows, which are nowhere
else. Nothing that a run has not left itself is removed, and what cannot be removed is not a reason to fail.
"""

from __future__ import annotations

import contextlib
import datetime
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UntrustedError
from cyborg_ingest.state.jobs import is_run
from cyborg_ingest.state.runlog import LOG
from cyborg_ingest.state.samples import NAME as SAMPLES

if TYPE_CHECKING:
    from collections.abc import Collection

    from cyborg_ingest.private import Folder

KEPT_RUNS = 20
KEPT_DAYS = 30

MOST_RUNS = 1000
"""Of the last days, too: a command that fails every minute leaves more of them."""

_A_TIME = 1000
"""Folders that one run removes at most: the load is not to wait for it."""

REPORT = "report.json"
_OURS = {REPORT, LOG, SAMPLES}


def prune_runs(runs: Folder, spared: Collection[str], now: datetime.datetime) -> None:
    """Remove what is too old of the runs in this folder, but for the `spared`."""
    names = sorted((name for name in runs.names() if is_run(name)), reverse=True)
    oldest = f"{now - datetime.timedelta(days=KEPT_DAYS):%Y%m%dT%H%M%SZ}"
    old = [name for place, name in enumerate(names) if place >= KEPT_RUNS and (name < oldest or place >= MOST_RUNS)]
    for name in [one for one in reversed(old) if one not in spared][:_A_TIME]:
        with contextlib.suppress(OSError, UntrustedError):
            remove_run(runs, name)


def remove_run(runs: Folder, name: str, *, also: Collection[str] = (), is_dry: bool = False) -> bool:
    """Remove the folder of a run, unless there is more in it than what a run leaves, and `also`.

    Whether it is gone, or would be: `is_dry` removes nothing. Raises OSError, UntrustedError.
    """
    with runs.below(name, make=False) as run:
        found = run.names()
        if not all(one in _OURS or one in also or _is_left_over(one) for one in found):
            return False
        if is_dry:
            return True
        for one in found:
            run.drop(one)
    runs.drop_folder(name)
    return True


def _is_left_over(name: str) -> bool:
    """What was being written when its run was killed."""
    return name.endswith(".new") and name.startswith(tuple(f".{one}." for one in _OURS))
