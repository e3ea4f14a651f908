"""Standard streams that may break: telling the result never changes the result.

A reader that goes away, a full disk behind `>`, a stream that the caller closed: what is written from then on is
lost, and neither the run nor its exit code hears of it. Python itself would end with 120 when it cannot flush at the
end, and Click with 1 when a pipe breaks.

And what is told is shown, never obeyed: names of files, ids and a service's words may hold what moves a cursor, breaks
a line or turns text around, and a foreign library may have said a key. `shown` is the one place that deals with both.
"""

from __future__ import annotations

import io
import os
import re
import select
import sys
import warnings
from typing import TYPE_CHECKING, Any, cast

from cyborg_ingest.errors import printable
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from typing_extensions import Buffer

_STDOUT, _STDERR = 1, 2
_WITHIN_LINES = re.compile(r"([^\n\t]+)")


def shown(text: str) -> str:
    """One line as it is printed: no key that this process knows, and control characters as escapes."""
    return printable(KNOWN.scrub(text))


def say(*lines: str) -> None:
    """Print lines on standard output, each of which stays one: what was asked for. All else is told by `voice`."""
    sys.stdout.write("".join(f"{shown(line)}\n" for line in lines))
    sys.stdout.flush()


def say_data(line: str) -> bool:
    """Print a line of data on standard output as it is: it has no control characters. Whether anybody still reads."""
    undecorated(sys.stdout).write(f"{line}\n")
    return _failure(sys.stdout) is None


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is looking who can see a line change; CI and TERM=dumb say no."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


def undecorated(stream: TextIO) -> TextIO:
    """A way past the guard of a standard stream, for what draws lines and shows foreign words by `shown` alone."""
    return cast("TextIO", _Plain(stream)) if isinstance(stream, _Guarded) else stream


class _Unbreakable(io.FileIO):
    """A file descriptor that takes everything; `failed` is what it could not pass on."""

    failed: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write it all, or lose it."""
        view = memoryview(data)
        size = view.nbytes
        while view and self.failed is None:
            try:
                written = super().write(view)
            except OSError as error:
                self.failed = error
                break
            if written is None:  # somebody made the descriptor non-blocking, and its reader is slow
                select.select([], [self], [])
            view = view[written or 0 :]
        return size


class _Guarded(io.TextIOWrapper):
    """What others write to a standard stream (Python's warnings, a thread's traceback) is shown like our own lines.

    Only where a line ends is left to them.
    """

    reshaped: Callable[[str], list[str]] | None = None
    """What makes lines like ours of one of theirs, where ours are not bare lines."""
    _begun = ""

    def write(self, text: str, /) -> int:
        """Write it without what a terminal obeys."""
        text = KNOWN.scrub(text) if self.fileno() == _STDERR else text
        if not text.isprintable():
            text = _WITHIN_LINES.sub(lambda found: printable(found[0]), text)
        if self.reshaped is None:
            return self.write_plain(text)
        *lines, self._begun = (self._begun + text).split("\n")
        self._write_lines(lines)
        return len(text)

    def _write_lines(self, lines: list[str]) -> None:
        for line in lines:
            self.write_plain("".join(f"{one}\n" for one in (self.reshaped or _as_it_is)(line)))

    def flush(self) -> None:
        """Pass on what was written, a line that was only begun too."""
        if self._begun:
            line, self._begun = self._begun, ""
            self._write_lines([line])
        super().flush()

    def write_plain(self, text: str) -> int:
        """Write it as it is."""
        return super().write(text)


def _as_it_is(line: str) -> list[str]:
    return [line]


def reshape_foreign(reshaped: Callable[[str], list[str]] | None) -> None:
    """Make lines like ours of what others write to standard error."""
    if isinstance(sys.stderr, _Guarded):
        sys.stderr.flush()
        sys.stderr.reshaped = reshaped


class _Plain:
    """A guarded stream without its guard."""

    def __init__(self, stream: _Guarded) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it as it is."""
        return self._stream.write_plain(text)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)


def make_unbreakable() -> None:
    """Let standard output and standard error take everything, open or not, for the rest of this process."""
    _open_closed()
    sys.stdout = _wrapped(sys.stdout, _STDOUT)
    sys.stderr = _wrapped(sys.stderr, _STDERR)
    warnings.formatwarning = lambda message, kind, *_place: shown(f"warning   {kind.__name__}: {message}") + "\n"


def why_lost(stream: TextIO) -> str | None:
    """Why some of what was written to a stream is lost; None where nothing is, or its reader had enough."""
    stream.flush()
    error = _failure(stream)
    return None if error is None or isinstance(error, BrokenPipeError) else error.strerror or str(error)


def _failure(stream: TextIO) -> OSError | None:
    """Why nothing that is written to a stream is passed on any more."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.failed if isinstance(raw, _Unbreakable) else None


def _open_closed() -> None:
    """Put the null device where the caller closed a stream: else the next file that is opened is taken for it.

    The engine's own words on standard error would then end in a file of ours.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one


def _wrapped(stream: TextIO | None, descriptor: int) -> TextIO:
    raw = _Unbreakable(descriptor, "w", closefd=False)
    encoding = "utf-8" if stream is None else stream.encoding  # None: Python saw that it was closed
    if stream is not None:
        stream.flush()
    is_shown_at_once = descriptor == _STDERR or raw.isatty()
    return _Guarded(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=is_shown_at_once)
