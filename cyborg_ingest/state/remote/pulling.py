"""A job's folder as a head of it says: what is there already is not fetched again.

The journals are removed first and written last, so that one that was interrupted here claims nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cyborg_ingest.errors import StateError
from cyborg_ingest.state.files import folder_of, kept_in
from cyborg_ingest.state.ids import NAME as IDS
from cyborg_ingest.state.jobs import RUNS
from cyborg_ingest.state.journal import JOURNAL, LAST, UNHEARD
from cyborg_ingest.state.lines import line_of
from cyborg_ingest.state.remote.pushing import DATA, is_same

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cyborg_ingest.private import Folder
    from cyborg_ingest.state.remote.head import Files, Head, Segment
    from cyborg_ingest.state.remote.stores import Found, Store

MARK = "copied.json"
"""Beside the files: of which head they are a copy, or what was made of one since."""

_AT_ONCE = 8


class ReplacedError(Exception):
    """An object is gone that a head names: there is a newer one."""


def is_copy(folder: Folder, uri: str, head: Head | None) -> bool:
    """Whether what is in the folder began as this head says, which is still the last one."""
    return head is not None and copied(folder, uri) == head.nonce


def copied(folder: Folder, uri: str) -> str | None:
    """The nonce of the head that the files of a folder are a copy of, in the state of this address."""
    with contextlib.suppress(ValueError, RecursionError, AttributeError, TypeError):
        found = json.loads(folder.read(MARK) or b"{}")
        nonce = found.get("nonce") if found.get("uri") == uri else None
        return nonce if isinstance(nonce, str) else None
    return None


def mark(folder: Folder, uri: str, head: Head) -> None:
    """Note it."""
    folder.replace(MARK, json.dumps({"uri": uri, "nonce": head.nonce}).encode())


def note_unheard(folder: Folder) -> None:
    """Note in a copy of the journal that its run may have gone on behind what it says, and was not heard of since."""
    with contextlib.suppress(FileNotFoundError):
        handle = folder.open(JOURNAL, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(handle, "ab") as out:
            out.write(line_of({"facts": {UNHEARD: 1}}))


def pull(store: Store, place: str, folder: Folder, files: Files, *, is_looked_at: bool = False) -> None:
    """Make a folder what these files say. Raises OSError of it; ReplacedError, StateError, UsageError.

    `is_looked_at`: as far as it can be seen; of the ids, which may be many, there is their size alone.
    """
    fetch = Fetch(store, place)
    with contextlib.suppress(FileNotFoundError):
        folder.drop(MARK)
    wanted = [name for name in files if not _is_there(folder, name, files[name])]
    first = [name for name in (JOURNAL, LAST) if name in wanted or name not in files]
    drop(folder, [*first, *(name for name in kept_in(folder) if name not in files)])
    ends = [name for name in wanted if name in {JOURNAL, LAST}]
    others = [name for name in wanted if name not in ends]
    if is_looked_at and IDS in others:
        others.remove(IDS)
        _hollow(folder, sum(one.size for one in files[IDS]))
    with ThreadPoolExecutor(_AT_ONCE) as several:
        list(several.map(lambda name: fetch(folder, name, files[name]), others))
    for name in sorted(ends):  # `ended.jsonl` before `journal.jsonl`
        fetch(folder, name, files[name])


def drop(folder: Folder, names: Collection[str]) -> None:
    """Remove files, and folders of runs of which nothing is left."""
    for name in names:
        with contextlib.suppress(FileNotFoundError), folder_of(folder, name) as (own, last):
            own.drop(last)
    with contextlib.suppress(FileNotFoundError), folder.below(RUNS, make=False) as runs:
        for run in {name.split("/")[1] for name in names if "/" in name}:
            with contextlib.suppress(OSError):
                runs.drop_folder(run)


def _is_there(folder: Folder, name: str, segments: tuple[Segment, ...]) -> bool:
    with contextlib.suppress(FileNotFoundError), folder_of(folder, name) as (own, last):
        handle = own.open(last)
        try:
            return is_same(handle, segments)
        finally:
            os.close(handle)
    return False


def _hollow(folder: Folder, size: int) -> None:
    with folder.replacing(IDS) as handle:
        os.ftruncate(handle, size)


class Fetch:
    """Fetches files of a job."""

    def __init__(self, store: Store, place: str) -> None:
        self._store = store
        self._place = place

    def __call__(self, folder: Folder, name: str, segments: tuple[Segment, ...]) -> None:
        """Write a file, whole or not at all."""
        with (
            folder_of(folder, name, make=True) as (own, last),
            own.replacing(last) as handle,
        ):
            written = 0.0
            with os.fdopen(os.dup(handle), "wb") as out:
                for one in self._found(name, segments):
                    out.write(one.data)
                    written = max(written, one.modified.timestamp())
            os.utime(handle, (written, written))  # by it is known when something was last done

    def _found(self, name: str, segments: tuple[Segment, ...]) -> Iterator[Found]:
        for one in segments:
            found = self._store.read(f"{self._place}/{DATA}/{one.key}")
            if found is None:
                raise ReplacedError(name)
            if (len(found.data), zlib.crc32(found.data)) != (one.size, one.checksum):
                raise StateError(
                    f"{self._store.uri}/{self._place}/{DATA}/{one.key} is damaged. Remove {self._place} there: then "
                    "all rows of the job are sent again."
                )
            yield found
