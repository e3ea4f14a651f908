"""Standard streams that may break: telling the result never changes the result.

A reader that goes away, a full disk behind `>`, a stream that the caller closed: what is written from then on is
lost, and neither the run nor its exit code hears of it. Python itself would end with 120 when it cannot flush at the
end, and Click with 1 when a pipe breaks.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from typing_extensions import Buffer

_STDOUT, _STDERR = 1, 2


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


def make_unbreakable() -> None:
    """Let standard output and standard error take everything, open or not, for the rest of this process."""
    _open_closed()
    sys.stdout = _wrapped(sys.stdout, _STDOUT)
    sys.stderr = _wrapped(sys.stderr, _STDERR)


def why_lost(stream: TextIO) -> str | None:
    """Why some of what was written to a stream is lost; None where nothing is, or its reader had enough."""
    stream.flush()
    failed = getattr(getattr(stream, "buffer", None), "raw", None)
    error = failed.failed if isinstance(failed, _Unbreakable) else None
    return None if error is None or isinstance(error, BrokenPipeError) else error.strerror or str(error)


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
    is_shown_at_once = descriptor == _STDERR or raw.isatty()
    if stream is None:  # Python saw that it was closed
        return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", line_buffering=is_shown_at_once)
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=is_shown_at_once
    )
