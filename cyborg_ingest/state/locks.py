"""Locks between processes of one host, by flock: each is held as long as its process lives, so none is left behind.

A lock is a folder of ours with the file `lock`. Whoever holds it keeps a file of its own beside it that says who it is,
and has that locked as well: what is not locked was left by a process that was killed, and says nothing. All of it is
for people: it is shown, and nothing is decided by it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import secrets
import socket
import weakref
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import StateError, UntrustedError, printable
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from cyborg_ingest.private import Folder

LOCK = "lock"

_HOLDER = re.compile(r"holder-[0-9a-f]{12}", re.ASCII)
_LARGEST = 20_000
_LONGEST_COMMAND, _LONGEST_NAME = 1_000, 255
_MOST_PROCESSES = 1 << 31


class HeldError(Exception):
    """Somebody else has the lock. `holders` are those who say who they are."""

    def __init__(self, holders: list[Holder]) -> None:
        super().__init__(holders)
        self.holders = holders


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    pid: int
    host: str
    since: str
    command: str | None = None
    """The command line; None of a program that called a function."""

    @classmethod
    def here(cls, command: str | None) -> Holder:
        """This process."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, command)

    def __str__(self) -> str:
        process = f"pid {self.pid} on {self.host} since {self.since}"
        return ": ".join(filter(None, (process, self.command)))


class Lock:
    """A lock that this process has. Its folder belongs to whoever opened that."""

    def __init__(self, folder: Folder, handle: int) -> None:
        self._folder = folder
        self._handle = handle
        self._own: tuple[str, int] | None = None
        _locks.add(self)

    def say(self, holder: Holder) -> None:
        """Leave word of who holds it; on a full disk nobody does."""
        name = f"holder-{secrets.token_hex(6)}"
        with contextlib.suppress(OSError):
            handle = self._folder.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            self._own = name, handle
            _flock(handle)
            with os.fdopen(os.dup(handle), "wb") as out:
                out.write(json.dumps(KNOWN.scrubbed(asdict(holder))).encode())

    def free(self) -> None:
        """Let others have it."""
        own, self._own = self._own, None
        if own is not None:
            with contextlib.suppress(OSError):
                self._folder.drop(own[0])
            os.close(own[1])
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def leave(self) -> None:
        """Close what a child has from its parent by a fork: else the lock would outlive the parent, that holds it."""
        handles = [self._handle, self._own[1] if self._own is not None else -1]
        self._handle, self._own = -1, None
        for one in handles:
            if one >= 0:
                os.close(one)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _leave_all() -> None:
    for one in list(_locks):
        one.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def take(folder: Folder, command: str | None, *, is_shared: bool = False, make: bool = True) -> Lock:
    """The lock of a folder, for this process alone or shared, if it can be had now.

    `command` is the command line that takes it; `make`: its file, where there is none. Raises HeldError, OSError;
    StateError where nothing can be locked.
    """
    handle = folder.open(LOCK, os.O_RDWR | (os.O_CREAT if make else 0))
    lock = Lock(folder, handle)
    with contextlib.ExitStack() as unless_held:
        unless_held.callback(lock.free)
        if not has_locked(handle, folder.path / LOCK, is_shared=is_shared):
            raise HeldError(holders(folder))
        _drop_left(folder)
        lock.say(Holder.here(command))
        unless_held.pop_all()
    return lock


def holders(folder: Folder) -> list[Holder]:
    """Who has the lock of a folder, as far as they say so. The look is in nobody's way."""
    said = (_read(os.pread(handle, _LARGEST, 0)) for _, handle, is_there in _others(folder) if is_there)
    return [one for one in said if one is not None]


def is_held(folder: Folder) -> bool:
    """Whether somebody has it, said or not; whoever tries to have it at this moment is kept out."""
    with contextlib.suppress(OSError, UntrustedError, StateError):
        handle = folder.open(LOCK)
        try:
            return not has_locked(handle, folder.path / LOCK, is_shared=True)  # two that look do not see each other
        finally:
            os.close(handle)
    return False


def has_locked(handle: int, path: Path, *, is_shared: bool = False) -> bool:
    """Whether an open file could be locked; not if somebody else has. Raises StateError where none can."""
    try:
        return _flock(handle, is_shared=is_shared)
    except OSError as error:
        raise StateError(
            f"{path} cannot be locked: {error.strerror or error}. Two runs of this job could not be told apart; name "
            "a directory on a local disk with --state-dir."
        ) from None


def _flock(handle: int, *, is_shared: bool = False) -> bool:
    import fcntl  # noqa: PLC0415 - not on Windows, where only `--help` and the client are of use

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _others(folder: Folder) -> Iterator[tuple[str, int, bool]]:
    """The files that say who holds it: name, descriptor, and whether whoever wrote it is still there."""
    for name in filter(_HOLDER.fullmatch, folder.names()):
        with contextlib.suppress(OSError):  # it has just gone
            handle = folder.open(name)
            try:
                yield name, handle, not _flock(handle, is_shared=True)
            finally:
                os.close(handle)


def _drop_left(folder: Folder) -> None:
    """Remove what processes have left that were killed."""
    for name, _, is_held in _others(folder):
        if not is_held:
            with contextlib.suppress(OSError):
                folder.drop(name)


def _read(data: bytes) -> Holder | None:
    """What a file says that anybody of this user may have written; None where that is not a holder."""
    try:
        found = json.loads(data)
        return holder_of(found)
    except (ValueError, OverflowError, RecursionError):
        return None


def holder_of(found: Any) -> Holder | None:
    """Who it is that this object of JSON names; None where it is no holder. Raises ValueError, OverflowError."""
    if not isinstance(found, dict):
        return None
    pid, host, since, command = (found.get(name) for name in ("pid", "host", "since", "command"))
    if not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < _MOST_PROCESSES:
        return None
    if not isinstance(host, str) or not isinstance(since, str) or not isinstance(command, str | None):
        return None
    began = datetime.datetime.fromisoformat(since).astimezone(datetime.timezone.utc)
    told = None if command is None else _cut(command, _LONGEST_COMMAND)
    return Holder(pid, _cut(host, _LONGEST_NAME), f"{began:%Y-%m-%d %H:%M:%S} UTC", told)


def _cut(text: str, most: int) -> str:
    shown = printable(KNOWN.scrub(text))
    return shown if len(shown) <= most else f"{shown[:most]} ..."
