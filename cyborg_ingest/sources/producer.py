"""A process that makes rows: started, read, heard, and ended with all that it has started.

It has a session of its own, so that what it starts can be ended with it, and a terminal's Ctrl-C reaches it through us
alone. What it says on standard error is handed on line by line.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from cyborg_ingest.errors import SourceError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from cyborg_ingest.stop import Stop

END_SECONDS = 60.0
"""How long it may run once its output is at the end; and be silent, where it has ended and its output has not."""

GRACE_SECONDS = 5.0
"""How long it may take to end when it is told to, before it is killed: what waits for that itself has twice as long."""

_MOMENT_SECONDS = 0.5
_BLOCK = 65_536
_PIPE_BYTES = 1 << 20
_LONGEST_LINE = 1000
_MOST_LINES = 200
_LAST_LINES = 5
_SHELLS_OFFSET = 128
"""A shell ends with this and the number of the signal that ended its command."""


class Producer:
    """One process, already started. `said` hears each line of its standard error, from the thread that reads.

    One thread reads at a time. A `stop` is passed on to it as the signal that it was. Raises OSError where it cannot be
    started.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        said: Callable[[str], None],
        stop: Stop | None = None,
    ) -> None:
        self._name, self._stop = name, stop
        self._words = _Words(said)
        self._has_ended, self._is_over, self._is_at_end = threading.Event(), False, False
        self._is_gone = False
        self._telling = threading.Lock()
        """Taken by the first who tells it of the stop, and never given back: it hears of it once."""
        self._code: int | None = None
        self._reads = threading.Lock()
        self._wakes, self._waker = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - what the user asks for, and no shell
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                env=dict(environment), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(self._wakes)
            os.close(self._waker)
            raise
        assert self._process.stdout is not None  # noqa: S101 - for mypy: both are pipes
        assert self._process.stderr is not None  # noqa: S101 - the same
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._open = {self._out, self._err}
        self._waiter = threading.Thread(target=self._wait, name="producer", daemon=True)
        self._waiter.start()
        if stop is not None:
            stop.wake.add_done_callback(self._stopped)

    def read(self, size: int) -> bytes:
        """What it prints next, up to so many bytes; nothing at the end of all. Raises SourceError where it failed."""
        with self._reads:
            self._check_goes_on()
            while not self._is_at_end:
                data = self._next(size)
                if data:
                    return data
            self._check_ended_well()
            return b""

    def check_has_not_failed(self) -> None:
        """Raise SourceError where it has ended by now, and not well, whatever of its output was read."""
        if self._has_ended.wait(_MOMENT_SECONDS):
            with self._reads:
                self._hear_the_rest()
                self._check_code()

    def end(self) -> None:
        """End it, and what it has started, if anything of it still runs; wait for it."""
        self._is_over = True
        os.write(self._waker, b"x")
        deadline = time.monotonic() + GRACE_SECONDS
        try:
            if self._stop is not None and self._stop.signal is not None:
                self._tell(self._stop.signal)
                self._has_ended.wait(GRACE_SECONDS)  # another signal might end it in the midst of what it does at this
            self._signal(signal.SIGTERM)
            self._await(deadline)
        finally:  # whoever is interrupted here leaves nobody behind
            self.kill()
        self._waiter.join(GRACE_SECONDS)
        self._is_gone = True
        if self._has_ended.is_set():
            self._process.wait()
        if self._reads.acquire(timeout=GRACE_SECONDS):  # nobody reads from what is closed now
            self._close()
            self._reads.release()

    def kill(self) -> None:
        """End it and what it has started at once, and wait for nothing."""
        self._signal(signal.SIGKILL)

    def _close(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if not self._waiter.is_alive():  # or it would write to whatever file has that number by then
            os.close(self._wakes)
            os.close(self._waker)

    def _check_goes_on(self) -> None:
        if self._is_over:
            raise SourceError(f"{self._name} was ended before it was read to its end.")

    def _next(self, size: int) -> bytes:
        """What comes next on its output; nothing where something else happened, or that is at its end."""
        ready = self._ready(END_SECONDS if self._has_ended.is_set() else None)
        self._check_goes_on()
        if self._err in ready:
            self._hear()
        if self._out in ready:
            data = os.read(self._out, size)
            self._is_at_end = not data
            return data
        if self._has_ended.is_set() and self._code:
            self._is_at_end = True  # whoever holds its output open now, what it made is not whole
        elif not ready:
            raise SourceError(
                f"{self._name} has ended, and something that it has started holds its output open and was silent for "
                f"{END_SECONDS:.0f} s: nobody can tell whether that was all. Let it wait for what it starts, and run "
                "the same command again."
            )
        return b""

    def _ready(self, seconds: float | None) -> set[int]:
        """Which of its pipes have something to be read, or are at their end; none after so long, or when it ended."""
        waits = select.poll()
        for handle in (*self._open, self._wakes):
            waits.register(handle, select.POLLIN)
        found = {handle for handle, _ in waits.poll(None if seconds is None else max(0, seconds) * 1000)}
        if self._wakes in found and not self._is_over:
            os.read(self._wakes, _BLOCK)
            found |= self._ready(0)
        return found

    def _hear(self) -> None:
        data = os.read(self._err, _BLOCK)
        self._words.add(data)
        if not data:
            self._open.discard(self._err)

    def _check_ended_well(self) -> None:
        """Raise SourceError unless it ends now, and well; what it still says is heard."""
        self._open.discard(self._out)
        deadline = time.monotonic() + END_SECONDS
        while not self._has_ended.is_set():
            if self._is_over or time.monotonic() >= deadline:
                raise SourceError(
                    f"{self._name} has closed its output and does not end: it was waited for {END_SECONDS:.0f} s. "
                    "Nobody can tell whether its rows are all. Let it end, and run the same command again."
                )
            if self._err in self._ready(deadline - time.monotonic()):
                self._hear()
        self._hear_the_rest()
        if self._stop is not None and self._stop.is_asked():
            raise self._stop.error()
        self._check_code()

    def _check_code(self) -> None:
        if self._code:
            how = f"{_how(self._code)}{self._words.last()}"
            raise SourceError(f"{self._name} {how}: not all of its rows came. Fix it, and run the same command again.")

    def _hear_the_rest(self) -> None:
        """What it had said when it ended: no more than a pipe holds. What it has left behind may speak without end."""
        for _ in range(_PIPE_BYTES // _BLOCK):
            if self._err not in self._open or self._err not in self._ready(0):
                break
            self._hear()
        self._words.end()

    def _wait(self) -> None:
        self._code = _code_of(self._process)
        self._has_ended.set()
        os.write(self._waker, b"x")

    def _stopped(self, _wake: Future[None]) -> None:
        if not self._is_over:
            self._tell((self._stop and self._stop.signal) or signal.SIGTERM)

    def _tell(self, number: int) -> None:
        """What ends us by a signal ends it by the same one, first and once."""
        if self._telling.acquire(blocking=False):
            self._signal(number)

    def _signal(self, number: int) -> bool:
        """Send a signal to it and what it has started; whether there is anything of it."""
        if self._is_gone:  # its number may be another's by now
            return False
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says the latter of what has ended
            return False
        return True

    def _await(self, deadline: float) -> None:
        """Wait until all of it has ended: then nobody holds its standard error any more, as a rule."""
        if not self._has_ended.wait(max(0, deadline - time.monotonic())):
            return
        self._process.wait()  # what it has started keeps its number from now on, where there is any
        while not self._is_gone and (left := deadline - time.monotonic()) > 0:
            self._is_gone = not self._signal(0)
            time.sleep(0 if self._is_gone else min(left, 0.02))


class _Words:
    """What a process says, line by line: the first lines are handed on, the last ones kept."""

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._rest = bytearray()
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._count = 0

    def add(self, data: bytes) -> None:
        """Take in what comes next; nothing is its end."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        rest = rest[-_LONGEST_LINE:]
        if not data:
            lines, rest = [*lines, rest], bytearray()
        self._rest = rest
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """There is no more."""
        self.add(b"")

    def last(self) -> str:
        """How it ended, in words that follow on others."""
        lines = "; ".join(self._last)
        return f" ({lines})" if lines else ""

    def _line(self, line: bytearray) -> None:
        shown = line.rstrip(b"\r").rpartition(b"\r")[2]  # as on a terminal, where progress is drawn over itself
        text = printable(shown[:_LONGEST_LINE].decode(errors="replace").strip())
        if not text:
            return
        self._last.append(text)
        self._count += 1
        if self._count <= _MOST_LINES:
            self._said(text)
        elif self._count == _MOST_LINES + 1:
            self._said("(what else it says is not shown)")


def _code_of(process: subprocess.Popen[bytes]) -> int:
    """How it has ended. Its number stays its own until it is waited for: no signal to it reaches another process."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        return process.wait()
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None  # noqa: S101 - for mypy: None is for those who do not wait
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _how(code: int) -> str:
    """How a process ended that did not end well."""
    number = -code if code < 0 else code - _SHELLS_OFFSET
    names = {one.value: one.name for one in signal.Signals}
    if code < 0:
        return f"was ended by the signal {names.get(number, number)}"
    return f"ended with exit code {code}" + (f" (as by {names[number]})" if number in names else "")
