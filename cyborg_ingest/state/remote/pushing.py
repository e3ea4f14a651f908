"""A job's folder as the store has it: only what was added since is sent, as an object more.

The journal is looked at first, up to a whole line, and all other files after it. What it says depends on what they
held when it was written, so that a copy made in this order is one that the job could have left when it was killed.
Objects that a file is made of are put together as they become many, each at least twice as large as the next: so they
stay few, and no byte is sent more often than their number.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.errors import StateError, UsageError
from cyborg_ingest.state.files import folder_of, kept_in
from cyborg_ingest.state.journal import JOURNAL
from cyborg_ingest.state.remote.head import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.private import Folder
    from cyborg_ingest.state.remote.head import Files
    from cyborg_ingest.state.remote.stores import Store

LARGEST = 4 << 20
"""Bytes of an object, at most."""
DATA = "data"

_TAIL = 1 << 16


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was sent: which one it was, its size then, and when it was written."""

    identity: tuple[int, int]
    size: int
    written: int


class Pushed:
    """What of a folder is in the store already. All methods raise OSError of the folder, and what a store raises.

    `between` is done between two objects: to send them may take long.
    """

    def __init__(
        self, store: Store, place: str, folder: Folder, files: Files, between: Callable[[], object] = lambda: None
    ) -> None:
        self._store = store
        self._place = place
        self._folder = folder
        self._between = between
        self.noted_files: Files = files
        """As the head has them."""
        self._sent: Files = dict(files)
        """What is in the store, whether a head names it yet or not."""
        self._seen: dict[str, _Seen] = {}
        self._keys = _keys(files)
        self._series = secrets.token_hex(6)
        self._count = 0

    def changed(self) -> Files | None:
        """Send what has changed; what the files are made of then, or None where the head says that already."""
        now: Files = {}
        with contextlib.ExitStack() as opened:
            journal = self._opened(JOURNAL, opened)
            size = _whole_lines(journal) if journal is not None else 0  # as it is before others are looked at
            for name in kept_in(self._folder):
                with contextlib.ExitStack() as for_now:
                    handle = None if name == JOURNAL else self._opened(name, for_now)
                    if handle is not None:
                        now[name] = self._send(name, handle, os.fstat(handle).st_size)
            if journal is not None:
                now[JOURNAL] = self._send(JOURNAL, journal, size)
        self._sent = now
        return None if now == self.noted_files else now

    def _opened(self, name: str, opened: contextlib.ExitStack) -> int | None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), folder_of(self._folder, name) as (own, last):
            handle = own.open(last)
            opened.callback(os.close, handle)
            return handle
        return None

    def _send(self, name: str, handle: int, size: int) -> tuple[Segment, ...]:
        """What a file is made of once all of it is in the store."""
        status = os.fstat(handle)
        now = _Seen((status.st_dev, status.st_ino), size, status.st_mtime_ns)
        before, segments = self._seen.get(name), self._sent.get(name, ())
        if before == now:
            return segments
        is_longer = before is not None and before.identity == now.identity and before.size < size
        if not is_longer:  # another file, or one that nobody of us has written to in this way
            segments = _still_there(handle, size, segments)
        found = self._extended(handle, size, segments)
        self._seen[name], self._sent[name] = now, found
        return found

    def _extended(self, handle: int, size: int, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        kept = [*segments]
        start = sum(one.size for one in kept)
        if start == size:
            return (*kept,)
        while kept and kept[-1].size < 2 * (size - start) and kept[-1].size + size - start <= LARGEST:
            start -= kept.pop().size
        while start < size:
            data = _bytes(handle, start, min(LARGEST, size - start))
            kept.append(self._segment(data))
            start += len(data)
        return (*kept,)

    def _segment(self, data: bytes) -> Segment:
        self._count += 1
        key = f"{self._series}-{self._count}"
        self._keys.add(key)
        self._between()
        self._store.put(f"{self._place}/{DATA}/{key}", data)
        return Segment(key, len(data), zlib.crc32(data))

    def noted(self, files: Files) -> None:
        """The head has these now: what no file is made of any more is removed."""
        self.noted_files = files
        gone = self._keys - _keys(files)
        with contextlib.suppress(StateError, UsageError):  # the next time, or by the next run
            self._store.remove([f"{self._place}/{DATA}/{key}" for key in sorted(gone)])
            self._keys -= gone

    def tidy(self) -> None:
        """Remove what a run has left that was killed before a head named it."""
        kept = {f"{self._place}/{DATA}/{key}" for key in _keys(self.noted_files)}
        self._store.remove([one for one in self._store.names(f"{self._place}/{DATA}") if one not in kept])


def _keys(files: Files) -> set[str]:
    return {one.key for segments in files.values() for one in segments}


def _still_there(handle: int, size: int, segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """The segments that a file still begins with."""
    kept: list[Segment] = []
    place = 0
    for one in segments:
        if place + one.size > size or zlib.crc32(_bytes(handle, place, one.size)) != one.checksum:
            break
        kept.append(one)
        place += one.size
    return (*kept,)


def is_same(handle: int, segments: Iterable[Segment]) -> bool:
    """Whether a file is made of these, and of nothing else."""
    several, size = [*segments], os.fstat(handle).st_size
    return size == sum(one.size for one in several) and len(_still_there(handle, size, several)) == len(several)


def _bytes(handle: int, place: int, size: int) -> bytes:
    """So many bytes of a file, fewer only where it has no more. Raises OSError where it has none."""
    data = os.pread(handle, size, place)
    while len(data) < size:
        more = os.pread(handle, size - len(data), place + len(data))
        if not more:
            break
        data += more
    if size and not data:
        raise OSError("a file became shorter while it was read")
    return data


def _whole_lines(handle: int) -> int:
    """So many bytes of the journal are whole lines by now."""
    end = os.fstat(handle).st_size
    while end:
        start = max(0, end - _TAIL)
        found = _bytes(handle, start, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
