"""Whose turn it is: one process works on a job, and on an index as many as it bears; the others wait or end.

Loads over REST share an index, whose service puts their requests in order. A load into an index of `disk:` or `s3://`
has it for its process alone, as deleting and training one have. Who only reads takes no lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cyborg_ingest.errors import (
    IndexBusyError,
    JobBusyError,
    NoIndexError,
    StateError,
    UntrustedError,
    UsageError,
)
from cyborg_ingest.facts import Noted
from cyborg_ingest.settings.quantities import seconds_of
from cyborg_ingest.state import locks
from cyborg_ingest.state.jobs import index_folder, open_job, state_directory, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.private import Folder
    from cyborg_ingest.settings.options import LockSettings
    from cyborg_ingest.state.locks import Holder, Lock
    from cyborg_ingest.stop import Stop

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Turn:
    """Who waits: for how long, what ends that, and how it names itself to others."""

    settings: LockSettings
    stop: Stop
    tell: Emit
    command: str | None = None

    def awaited(self, attempt: Callable[[], _T]) -> _T:
        """What it returns, tried until it is free. Raises JobBusyError, IndexBusyError when the time is over."""
        wait = self.settings.lock_wait
        until = time.monotonic() + (seconds_of(wait) if wait else 0.0)
        pause = _FIRST_PAUSE
        is_said = False
        while True:
            try:
                return attempt()
            except (JobBusyError, IndexBusyError) as error:
                left = until - time.monotonic()
                if left <= 0:
                    raise type(error)(f"{error} {_advice(wait)}") from None
                if not is_said:
                    self.tell(Noted(f"{error} Waiting for it to end, {wait} at most."))
                    is_said = True
            if not self.stop.passes(min(pause, left)):
                raise self.stop.error()
            pause = min(2 * pause, _LONGEST_PAUSE)


def _advice(wait: str | None) -> str:
    if wait:
        return f"It did not end within the {wait} of --lock-wait; run the same command again later."
    return "Run the same command again later, or let it wait with --lock-wait 10m."


@contextlib.contextmanager
def job_locked(folder: Path, turn: Turn) -> Iterator[None]:
    """Have a job for this run alone. Raises JobBusyError, StateError, UntrustedError."""
    with contextlib.ExitStack() as stack:
        with writing(folder):
            own = stack.enter_context(open_job(folder))
            stack.enter_context(turn.awaited(lambda: lock_job(own, turn.command)))
        yield


def lock_job(folder: Folder, command: str | None = None) -> Lock:
    """The lock of a job, if it can be had now. Raises JobBusyError, StateError, OSError."""
    try:
        return locks.take(folder, command)
    except locks.HeldError as error:
        raise JobBusyError(f"Another process is running this job{_who(error.holders)}.") from None


@dataclass(frozen=True, slots=True)
class Use:
    """Of which index, its target in one spelling, and whether beside others or by this process alone."""

    target: str
    index: str
    is_shared: bool = False
    is_traceless: bool = False
    """Whether no file may be left: then there is a lock only where somebody has made one."""


@contextlib.contextmanager
def index_locked(use: Use, turn: Turn) -> Iterator[None]:
    """Have an index. Raises IndexBusyError.

    Where nothing can be locked that is said, and what is done continues: the lock is between programs of ours, and the
    state directory may be of no use otherwise.
    """
    with contextlib.ExitStack() as stack:
        is_new = False
        try:
            folder = index_folder(state_directory(turn.settings.state_dir), use.target, use.index)
            is_new = not folder.exists()
            with writing(folder), contextlib.suppress(*([FileNotFoundError] if use.is_traceless else [])):
                take = _lock_index if use.is_shared else _lock_for_process
                stack.enter_context(turn.awaited(lambda: take(folder, use, turn.command)))
        except (StateError, UsageError) as error:
            why = str(error).partition(". ")[0].rstrip(".")
            turn.tell(Noted(f"Index {use.index!r} is not locked against other loads of this host: {why}."))
        try:
            yield
        except NoIndexError:
            if is_new:
                _leave_none(folder, stack)
            raise


def _leave_none(folder: Path, held: contextlib.ExitStack) -> None:
    """Remove the lock of an index that is not there. It goes while it is held: who waits for it makes it anew."""
    with contextlib.suppress(OSError, UntrustedError):
        with open_job(folder, make=False) as own:
            own.drop(locks.LOCK)
        held.close()
        folder.rmdir()


def _lock_index(folder: Path, use: Use, command: str | None) -> contextlib.AbstractContextManager[object]:
    """Its lock and the folder of that, opened, if it can be had now."""
    make = not use.is_traceless
    with contextlib.ExitStack() as opened:
        own = opened.enter_context(open_job(folder, make=make))
        try:
            opened.enter_context(locks.take(own, command, is_shared=use.is_shared, make=make))
        except locks.HeldError as error:
            raise IndexBusyError(f"Another process works on index {use.index!r}{_who(error.holders)}.") from None
        return opened.pop_all()


class _Held:
    """A lock that threads of this process share, and how many they are."""

    def __init__(self, lock: contextlib.AbstractContextManager[object]) -> None:
        self.opened = contextlib.ExitStack()
        self.opened.enter_context(lock)
        self.users = 0


_held: dict[tuple[int, Path], _Held] = {}
_guard = threading.Lock()

if hasattr(os, "register_at_fork"):  # or a child might find it held by a thread that it does not have
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_guard.release)


@contextlib.contextmanager
def _counted(key: tuple[int, Path], one: _Held) -> Iterator[None]:
    try:
        yield
    finally:
        with _guard:
            one.users -= 1
            if not one.users:
                del _held[key]
                one.opened.close()


def _lock_for_process(folder: Path, use: Use, command: str | None) -> contextlib.AbstractContextManager[object]:
    """The same for this process: several of its threads may load into one index, as the engine lets them.

    A process that was forked has none of its parent.
    """
    key = os.getpid(), folder
    with _guard:
        one = _held.get(key) or _Held(_lock_index(folder, use, command))
        _held[key] = one
        one.users += 1
    return _counted(key, one)


def _who(holders: Sequence[Holder]) -> str:
    """Who they are, as they say themselves."""
    more = f", and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f" ({holders[0]}{more})" if holders else ""
