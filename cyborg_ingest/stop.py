"""The one way to end a run early: every wait of the program ends with it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future


class Stop:
    """Asked for once, it ends the reading and every pause, and wakes the sender.

    What is in flight then is waited for at most `drain_seconds`, until `deadline` (monotonic). `wake` is done from then
    on, for whoever waits for several things at once.
    """

    def __init__(self, drain_seconds: float = 20.0) -> None:
        self.drain_seconds = drain_seconds
        self.wake: Future[None] = Future()
        self.deadline: float | None = None
        self._asked = threading.Event()
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Stop reading, and wait for what is in flight. Not to be called by a signal's handler."""
        with self._lock:
            if self.deadline is None:
                self.deadline = time.monotonic() + self.drain_seconds
                self._asked.set()
                self.wake.set_result(None)

    def is_asked(self) -> bool:
        """Whether `ask` was called."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is asked for; whether it is."""
        return self._asked.wait(seconds)


class _Thread(threading.local):
    stop: Stop | None = None


_thread = _Thread()


def heed(stop: Stop) -> None:
    """From now on, whatever this thread waits for may be ended by this one."""
    _thread.stop = stop


def heeded() -> Stop | None:
    """The one that ends what this thread waits for, if there is one."""
    return _thread.stop
