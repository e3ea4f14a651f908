"""A command on a terminal whose screen can be looked at while it runs, as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, NamedTuple

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0


class Cell(NamedTuple):
    """A sign on the screen."""

    text: str
    colour: str
    is_bold: bool


class Terminal:
    """`screens` are all that stood there, each time that something had changed; `kept` is what it is at the end."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int, width: int, height: int) -> None:
        self.process = process
        self.screens: list[list[str]] = []
        self._descriptor = descriptor
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """What stands there now, without empty lines."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def cells(self) -> list[list[Cell]]:
        """What stands there now, sign by sign, without empty lines at the end."""
        rows = [
            [self._screen.buffer[row][column] for column in range(self._screen.columns)]
            for row in range(self._screen.lines)
        ]
        while rows and not "".join(one.data for one in rows[-1]).strip():
            rows.pop()
        return [[Cell(one.data, one.fg, one.bold) for one in row] for row in rows]

    def colour_of(self, word: str) -> str:
        """That of the first line that begins with this word."""
        row = next(number for number, line in enumerate(self._screen.display) if line.startswith(word))
        return str(self._screen.buffer[row][0].fg)

    def until(self, what: Callable[[list[str]], object]) -> list[str]:
        """What stands there as soon as that is true of it; at the latest when nothing comes any more."""
        deadline = time.monotonic() + PATIENCE
        while not what(self.lines):
            assert time.monotonic() < deadline, self.lines
            if not self._look():
                assert what(self.lines), self.lines
        return self.lines

    def ended(self) -> int:
        """The exit code; all that came before is on the screen then."""
        while self._look():
            pass
        return self.process.wait(PATIENCE)

    def _look(self) -> bool:
        """Take what has come, as much as there is at once; False: no more comes."""
        if not select.select([self._descriptor], [], [], PATIENCE)[0]:
            raise AssertionError(self.lines)
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # Linux says so when the other side is closed
            data = b""
        self._stream.feed(data)
        self.screens.append(self.lines)
        return bool(data)


@contextlib.contextmanager
def on_terminal(
    *arguments: object, width: int = 80, height: int = 60, stdin: int = subprocess.DEVNULL, **environment: str
) -> Iterator[Terminal]:
    """The command runs on a terminal of this size; at the end of the `with` it has ended, or is killed."""
    main, worker = pty.openpty()
    fcntl.ioctl(worker, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "CI"}}
    with subprocess.Popen(
        [sys.executable, "-m", "cyborg_ingest", *map(str, arguments)],
        stdin=stdin, stdout=worker, stderr=worker, env={**inherited, "TERM": "xterm-256color", **environment},
    ) as process:  # fmt: skip
        os.close(worker)
        try:
            yield Terminal(process, main, width, height)
        finally:
            process.kill()
            os.close(main)
