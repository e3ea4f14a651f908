"""The one way to end a run early: every wait of the program ends with it."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

from cyborg_ingest.errors import ExitCode, StoppedError

abandoned: list[Callable[[], object]] = []
"""What is done before this process ends at once, whatever it is that is stopped: it leaves no other behind.

Nothing of it may wait for a lock: the main thread may be interrupted while it holds it.
"""


class Stop:
    """Asked for once, it ends the reading and every pause, and wakes whoever sends.

    What is in flight then is waited for at most `drain_seconds`, until `deadline` (monotonic). `wake` is done from then
    on, for whoever waits for several things at once. Any thread may ask, and any may wait.
    """

    def __init__(self, drain_seconds: float = 20.0) -> None:
        self.drain_seconds = drain_seconds
        self.wake: Future[None] = Future()
        self.deadline: float | None = None
        self.is_draining = False
        """Whether something is in flight that has to be waited for, so that nothing may end where it stands."""
        self.exit_code = ExitCode.INTERRUPTED
        """What a run ends with that is stopped: who asks may say another."""
        self.interrupt: Callable[[], None] | None = None
        """Wakes the main thread, where that takes signals, to end the run where it stands if nothing is in flight."""
        self.is_interrupting = False
        """Whether it was woken for that and has not heard of it yet."""
        self.signal: int | None = None
        """Which one asks for it, where one does: other processes hear of the same."""
        self._reason = ""
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._open_at = 0.0

    def ask(self) -> None:
        """Stop reading, and wait for what is in flight. Not to be called by a signal's handler."""
        with self._lock:
            if self.deadline is None:
                self.deadline = time.monotonic() + self.drain_seconds
                self._asked.set()
                self.wake.set_result(None)

    def end(self, exit_code: ExitCode, reason: str) -> None:
        """Ask for it because of something else than a signal; nothing where one came first. From any thread."""
        with self._lock:
            if self.deadline is not None:
                return
            self.exit_code, self._reason = exit_code, reason
        self.ask()
        if self.interrupt is not None:
            self.is_interrupting = True
            self.interrupt()

    def is_asked(self) -> bool:
        """Whether `ask` was called."""
        return self._asked.is_set()

    def error(self, words: str = "stopped by a signal") -> StoppedError:
        """What ends the run."""
        return StoppedError(self._reason or words, self.exit_code)

    def hold(self, seconds: float) -> None:
        """Let nobody pass for so long."""
        with self._lock:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def passes(self, seconds: float = 0.0) -> bool:
        """Wait so long, and for as long as all are held; whether to continue. False: it is asked for."""
        until = time.monotonic() + seconds
        while not self._asked.is_set():
            with self._lock:
                left = max(until, self._open_at) - time.monotonic()
            if left <= 0:
                return True
            self._asked.wait(left)
        return False


class _Thread(threading.local):
    stop: Stop | None = None


_thread = _Thread()


def heed(stop: Stop) -> None:
    """From now on, whatever this thread waits for may be ended by this one."""
    _thread.stop = stop


@contextlib.contextmanager
def heeding(stop: Stop | None) -> Iterator[None]:
    """The same, of what this thread waits for in the `with`."""
    before, _thread.stop = _thread.stop, stop
    try:
        yield
    finally:
        _thread.stop = before


def heeded() -> Stop | None:
    """The one that ends what this thread waits for, if there is one."""
    return _thread.stop
