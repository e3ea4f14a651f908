"""SIGINT and SIGTERM: the first stops a run in good order, the second at once. SIGUSR1 asks how far it is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.stop import abandoned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from cyborg_ingest.stop import Stop

_EXIT_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}

_ASKING = {getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name)}
"""BSD and macOS have Ctrl-T for the second."""

asked: list[Callable[[], None]] = []
"""Who says how far it is, the last of them; from a thread of its own."""

_GRACE_SECONDS = 10.0
"""How long a run may take to end in good order once its drain is over."""

_LAST_WORDS = b"error     stopped by a signal, in the midst of a wait that cannot be interrupted. Run it again.\n"

_MARGIN_SECONDS = 0.25


@contextlib.contextmanager
def listening(stop: Stop) -> Iterator[None]:
    """Take the signals inside the `with`; only the main thread may.

    While the stop has something to drain, a signal asks for it; otherwise it ends the run where it stands. What is
    waited for by the main thread itself, as the requests by which a row at fault is found, ends with the drain.
    """
    handler = _Handler(stop)
    handlers: dict[signal.Signals, Any] = dict.fromkeys(_EXIT_CODES, handler.take) | {signal.SIGALRM: handler.overdue}
    handlers |= dict.fromkeys(_ASKING, _heard)
    main = threading.get_ident()
    before = {number: signal.signal(number, one) for number, one in handlers.items()}
    try:
        # the stop is asked by a thread of its own: where the main thread is interrupted it may hold a lock of it
        with _watched(stop, stop.drain_seconds + _GRACE_SECONDS):
            stop.interrupt = lambda: signal.pthread_kill(main, signal.SIGALRM)
            yield
    finally:
        stop.interrupt = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, one in before.items():
            signal.signal(number, one)


def _heard(_number: int, _frame: FrameType | None) -> None:
    """The thread that hears of all signals does it: here a line may be half written."""


class _Handler:
    """What the main thread does at a signal."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._seen = 0

    def take(self, number: int, _frame: FrameType | None) -> None:
        """SIGINT and SIGTERM."""
        self._seen += 1
        self._stop.signal, self._stop.exit_code = number, _EXIT_CODES[signal.Signals(number)]
        if self._seen > 1:
            _leave(self._stop.exit_code)
        if not self._stop.is_draining:
            raise self._stop.error()
        signal.setitimer(signal.ITIMER_REAL, self._stop.drain_seconds + _MARGIN_SECONDS)

    def overdue(self, _number: int, _frame: FrameType | None) -> None:
        """The time of the drain is over, or that of the run, which is drained first if anything is in flight."""
        is_interrupting, self._stop.is_interrupting = self._stop.is_interrupting, False
        deadline = self._stop.deadline
        left = 0.0 if deadline is None else deadline - time.monotonic()
        if is_interrupting and self._stop.is_draining and left > 0:
            signal.setitimer(signal.ITIMER_REAL, left + _MARGIN_SECONDS)
        elif is_interrupting or self._stop.is_draining:
            raise self._stop.error()


@contextlib.contextmanager
def _watched(stop: Stop, seconds: float) -> Iterator[None]:
    """Say that a signal came; end the process so long after it, or with the second one, if it has not ended by itself.

    A handler of Python's runs only between two steps of Python; a library's own code may wait for a silent host.
    """
    listener, speaker = socket.socketpair()
    speaker.setblocking(False)
    before = signal.set_wakeup_fd(speaker.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(listener, stop, seconds), name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        speaker.close()
        watcher.join()
        listener.close()


def _watch(listener: socket.socket, stop: Stop, seconds: float) -> None:
    code: int | None = None
    deadline: float | None = None
    is_first = True
    while True:
        listener.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
        try:
            heard = listener.recv(1)
        except TimeoutError:
            with contextlib.suppress(OSError):
                os.write(2, _LAST_WORDS)
            _leave(code or ExitCode.TERMINATED)
        if not heard:
            return
        if heard[0] in _EXIT_CODES:
            stop.signal = heard[0]
            stop.ask()
            code = int(_EXIT_CODES[signal.Signals(heard[0])])
            # the handler is given a moment to do the same
            deadline = time.monotonic() + (seconds if is_first else _MARGIN_SECONDS)
            is_first = False
        elif heard[0] in _ASKING:
            for one in asked[-1:]:
                with contextlib.suppress(Exception):  # this thread has to hear of the next signal, whatever it was
                    one()
        elif deadline is None and stop.is_asked():  # the time of the run is over
            code, deadline = int(stop.exit_code), time.monotonic() + seconds


def _leave(code: int) -> None:
    """End the process where it stands."""
    for one in [*abandoned]:
        with contextlib.suppress(Exception):
            one()
    os._exit(code)
