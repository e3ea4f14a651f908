"""What a store has of jobs, as copies that are looked at: nothing is locked there, and nothing changes.

Who works on a job elsewhere is said beside its copy as somebody here would say it, for as long as it is looked at.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest.errors import StateError
from cyborg_ingest.state import locks
from cyborg_ingest.state.files import kept_in
from cyborg_ingest.state.jobs import RUNS, all_jobs, open_job, open_jobs, writing
from cyborg_ingest.state.remote.copies import copy_place
from cyborg_ingest.state.remote.lease import Lease
from cyborg_ingest.state.remote.pulling import MARK, ReplacedError, drop, is_copy, note_unheard, pull
from cyborg_ingest.state.remote.session import JOBS, place_of
from cyborg_ingest.state.remote.stores import Store

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator
    from pathlib import Path

    from cyborg_ingest.private import Folder
    from cyborg_ingest.state.remote.head import Head

_TRIES = 5
_AT_ONCE = 8
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


def fetch_job(uri: str, folder: Path) -> None:
    """Copy a job, whole, to a folder that is there for now only; none is made where nothing is kept of it."""
    store = Store(uri)
    if Lease(store, place_of(folder.name)).look() is not None:
        with writing(folder), open_job(folder) as own:
            head = _copied(store, own, folder.name)
            if head is not None and head.owner is not None and head.run is not None:
                note_unheard(own)


@contextlib.contextmanager
def copied_jobs(uri: str, state_dir: Path | None) -> Iterator[Path]:
    """A state directory with all jobs of an address, as they are now. Raises StateError, UsageError."""
    store = Store(uri)
    with copy_place(uri, state_dir) as (place, _), contextlib.ExitStack() as until_then:
        names = list(filter(_NAME.fullmatch, store.folders(JOBS)))
        now = _clock(store) if names else None

        def copy(name: str) -> contextlib.ExitStack | None:
            return _looked_at(store, all_jobs(place) / name, now) if now is not None else None

        with writing(place), ThreadPoolExecutor(_AT_ONCE) as several:
            found = dict(zip(names, several.map(copy, names), strict=True))
            for one in filter(None, found.values()):
                until_then.enter_context(one)
            _drop_others(place, {name for name, one in found.items() if one is not None})
        yield place


def _clock(store: Store) -> datetime.datetime:
    """The time by the clock of the store."""
    path = f"clock-{secrets.token_hex(6)}"
    try:
        return store.write(path, b"")
    finally:
        store.remove([path])


def _looked_at(store: Store, folder: Path, now: datetime.datetime) -> contextlib.ExitStack | None:
    """Copy a job, and say who works on it until what is returned is closed; None where there is no such job."""
    found = Lease(store, place_of(folder.name)).seen()
    if found is None or not (found[0].files or found[0].owner):
        return None
    with contextlib.ExitStack() as opened:
        own = opened.enter_context(open_job(folder))
        handle = own.open(locks.LOCK, os.O_RDWR | os.O_CREAT)
        lock = opened.enter_context(locks.Lock(own, handle))
        if locks.has_locked(handle, folder / locks.LOCK):  # else a load of this machine is at it, and knows more
            head, modified = found
            if not is_copy(own, store.uri, head) and _copied(store, own, folder.name, is_looked_at=True) is None:
                return None
            is_held = head.owner is not None and (now - modified).total_seconds() < head.expires
            if head.owner is not None and is_held:
                since = head.owner.since.replace(" UTC", "+00:00")
                lock.say(replace(head.owner, since=since))
                return opened.pop_all()
        return contextlib.ExitStack()


def _copied(store: Store, own: Folder, job: str, *, is_looked_at: bool = False) -> Head | None:
    """Copy a job to its folder, as it was at one moment; None where nothing is kept of it any more."""
    for _ in range(_TRIES):
        head = Lease(store, place_of(job)).look()
        if head is None:
            return None
        with contextlib.suppress(ReplacedError):
            pull(store, place_of(job), own, head.files, is_looked_at=is_looked_at)
            return head
    raise StateError(f"{store.uri}/{place_of(job)} changes faster than it can be read. Run the same command again.")


def _drop_others(place: Path, names: set[str]) -> None:
    """Drop the copies of jobs that are no more."""
    with contextlib.suppress(FileNotFoundError), open_jobs(place) as jobs:
        for name in set(filter(_NAME.fullmatch, jobs.names())) - names:
            with jobs.below(name, make=False) as own:
                if not locks.is_held(own):
                    drop(own, kept_in(own))
                    with contextlib.suppress(OSError):
                        own.drop_folder(RUNS)
                    for one in own.names():
                        if one in {MARK, locks.LOCK}:
                            own.drop(one)
            with contextlib.suppress(OSError):
                jobs.drop_folder(name)
