"""A process of its own, as the one who asks it sees it: started, asked, waited for no longer than may be, ended."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import select
import signal
import subprocess
import sys
import weakref
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from cyborg_ingest import stop as stops
from cyborg_ingest.apart import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.apart.messages import Bytes
    from cyborg_ingest.stop import Stop

SECONDS = 60.0
"""How long a library may be silent while it is waited for."""
_MORE_SECONDS = 5.0
"""How much longer it may be where nobody waits."""
_IDLE_SECONDS = 10.0
"""How long a process is kept for the next file: to start one takes some tenths of a second."""
_END_SECONDS = 5.0
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ: Linux alone has it."""
_WORDS_BYTES = 65_536

_START = """\
import json, sys
with open(0, "rb", 0, closefd=False) as file: sys.path[:], arguments = json.loads(file.readline())
from cyborg_ingest.apart.child import main
main(*arguments)
"""
_NEEDED = {"PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
_NEEDED_BEGIN = ("LC_", "HDF5_")
_PLUGINS = ("hdf5plugin",)
"""Modules that teach the library more: one that is imported here is imported there, too."""


class ApartError(Exception):
    """There is no answer. In words without an end: what the library said or did."""


class LibraryError(ApartError):
    """The library itself says that it cannot."""


class LostError(ApartError):
    """The process ended or was silent for too long: words that follow on the library's name."""


class MissingError(ApartError):
    """The library cannot be imported."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a process starts with: where to import from, an environment without secrets, plugins, its limit in time."""

    path: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    plugins: tuple[str, ...]
    seconds: float

    @staticmethod
    def now() -> Circumstances:
        """Those of a process that is started now."""
        path = tuple(filter(None, map(_absolute, sys.path)))
        kept = {name: os.environ[name] for name in os.environ if name in _NEEDED or name.startswith(_NEEDED_BEGIN)}
        environment = {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # their room is taken beforehand
        plugins = tuple(name for name in _PLUGINS if name in sys.modules)
        return Circumstances(path, tuple(environment.items()), plugins, SECONDS)


def _absolute(folder: Any) -> str:
    """As the process, which is in another folder, has to look for it; nothing for what cannot be found so."""
    try:
        return str(os.path.abspath(folder))  # noqa: PTH100 - as import itself does
    except (OSError, TypeError):
        return ""


class Process:
    """One process. `is_at_rest` says whether all that was asked is answered. Raises LostError."""

    def __init__(self, born: Circumstances) -> None:
        self.born = born
        self.file: IO[bytes] | None = None
        """What the process may ask for ranges of."""
        self.is_at_rest = False
        self._stop: Stop | None = None
        self._ends = contextlib.ExitStack()
        try:
            with contextlib.ExitStack() as begun:
                self._start(begun)
                self._ends = begun.pop_all()
        except OSError as error:
            raise LostError(f"cannot be given a process of its own: {error.strerror or error}") from None
        _alive.add(self)

    def _start(self, ends: contextlib.ExitStack) -> None:
        its_life, _ = _pipe(ends)
        asked, questions = _pipe(ends)
        answers, answered = _pipe(ends)
        self._words, its_words = _pipe(ends)
        for one in (self._words, its_words):  # whoever says more than a pipe holds does not wait for us to read it
            os.set_blocking(one.fileno(), False)
        options = ["-I", "-B"] if sys.dont_write_bytecode else ["-I"]
        self._process = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable or "", *options, "-c", _START],
            stdin=asked, stdout=answered, stderr=its_words, pass_fds=[its_life.fileno()], cwd="/",
            env=dict(self.born.environment), start_new_session=True,  # a terminal's Ctrl-C is not for it
        )  # fmt: skip
        self._questions, self._answers = questions.fileno(), answers.fileno()
        self._pipes = {one.fileno(): _identity(one.fileno()) for one in (questions, answers, self._words)}
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._answers, _SET_PIPE_SIZE, _PIPE_BYTES)
        self._waits = select.poll()
        self._waits.register(self._answers, select.POLLIN)
        settings = [its_life.fileno(), self.born.seconds + _MORE_SECONDS, _IDLE_SECONDS, self.born.plugins]
        for one in (its_life, asked, answered, its_words):
            one.close()
        with contextlib.suppress(BrokenPipeError):  # it is asked next, and then said why
            os.write(self._questions, json.dumps([self.born.path, settings]).encode() + b"\n")

    def tell(self, do: str, **arguments: Any) -> None:
        """Ask for what has no answer. Raises ApartError."""
        for _ in self.ask(do, **arguments):
            pass

    def ask(self, do: str, **arguments: Any) -> Iterator[tuple[dict[str, Any], list[Bytes]]]:
        """Ask, and yield what is answered. Raises ApartError, and what is raised while its file is read."""
        self._heed_a_stop()
        self.is_at_rest = False
        self._write({"do": do, **arguments})
        error: ApartError | None = None
        while True:
            header, buffers = self._read()
            if "want" in header:
                self._write({}, _range(self.file, *header["want"]))
            elif "failed" in header:
                error = LibraryError(header["failed"])
            elif "missing" in header:
                error = MissingError(header["missing"])
            elif "end" in header:
                self.is_at_rest = True
                break
            else:
                yield header, buffers
        if error is not None:
            raise error

    def end(self) -> None:
        """End it, whatever it does."""
        self.is_at_rest = False
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that waits for a disk may take longer to die
            self._process.wait(_END_SECONDS)
        self._close()

    def forget(self) -> None:
        """Let go of it: it is another process's."""
        self._process.returncode = 0
        self._close()

    def is_whole(self) -> bool:
        """Whether its pipes are still those that were made: who becomes a daemon closes whatever is open."""
        try:
            return all(_identity(handle) == pipe for handle, pipe in self._pipes.items())
        except OSError:
            return False

    def _close(self) -> None:
        """Close its pipes, unless others may have been opened by their numbers since: then it is kept for ever."""
        if self.is_whole():
            self._ends.close()
            _alive.discard(self)

    def _heed_a_stop(self) -> None:
        """A stop that this thread heeds ends the process, from whichever thread it comes."""
        stop = stops.heeded()
        if stop is not self._stop:
            self._stop = stop
            if stop is not None:
                stop.wake.add_done_callback(functools.partial(_stopped, weakref.ref(self), stop))
        elif stop is not None and stop.is_asked():
            self._process.kill()

    def kill_for(self, stop: Stop) -> None:
        """Kill it where this stop is the one that whoever asks it heeds."""
        if self._stop is stop:
            self._process.kill()

    def _write(self, header: dict[str, Any], *buffers: bytes) -> None:
        try:
            messages.write(self._questions, header, buffers)
        except BrokenPipeError:
            raise LostError(self._how_it_ended()) from None

    def _read(self) -> tuple[dict[str, Any], list[Bytes]]:
        try:
            return messages.read(self._fill)
        except (ValueError, LookupError, TypeError, AttributeError, MemoryError) as error:
            raise LostError(f"gave an answer that cannot be read: {error}") from None

    def _fill(self, room: memoryview) -> None:
        while len(room):
            if not self._waits.poll(self.born.seconds * 1000):
                raise LostError(_silent(self.born.seconds))
            count = os.readv(self._answers, [room])
            if not count:
                raise LostError(self._how_it_ended())
            room = room[count:]

    def _how_it_ended(self) -> str:
        """Why it does not answer any more. It may be about to end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._process.kill()
        code = self._process.wait()
        words = (self._words.read(_WORDS_BYTES) or b"").decode(errors="replace").split("\n")
        last = next((f", {one.strip()}" for one in reversed(words) if one.strip()), "")
        if code == -signal.SIGALRM:
            return _silent(self.born.seconds)
        if code == -signal.SIGKILL:
            return "was killed, perhaps for want of memory"
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"crashed ({how}{last})"


_alive: set[Process] = set()
"""Those whose pipes are open. Where rows are read no more, and what reads them is collected in a cycle, they would be
closed before the `finally` that gives the process back.
"""


def _identity(handle: int) -> tuple[int, int]:
    """What no other open file has."""
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def _pipe(ends: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reads, writes = os.pipe()
    return ends.enter_context(os.fdopen(reads, "rb", 0)), ends.enter_context(os.fdopen(writes, "wb", 0))


def _range(file: IO[bytes] | None, offset: int, size: int) -> bytes:
    if file is None:
        return b""
    file.seek(offset)
    return file.read(size)


def _silent(seconds: float) -> str:
    return f"gave no answer for {seconds:g} s"


def _stopped(process: weakref.ref[Process], stop: Stop, _wake: object) -> None:
    found = process()
    if found is not None:
        found.kill_for(stop)
