"""Small files that a user names: keys, lists, schemas. None is taken for one that has no end, or never begins."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_SILENCE = 60.0
"""Seconds that a pipe may be silent: whoever writes to it may ask a person for a password."""

_BLOCK = 1 << 16


def read_small(path: Path, largest: int) -> bytes:
    """A whole file, or all that comes through a pipe. Raises OSError, whose words say what it is instead."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        return read_opened(handle, largest)
    finally:
        os.close(handle)


def read_opened(handle: int, largest: int) -> bytes:
    """The same of one that is open."""
    mode = os.fstat(handle).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise OSError(errno.EINVAL, "it is neither a file nor a pipe")
    data = bytearray()
    while block := _read(handle, is_pipe=stat.S_ISFIFO(mode)):
        data += block
        if len(data) > largest:
            raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes")
    return bytes(data)


def is_there(path: Path) -> bool:
    """Whether a file is there, as far as we may know: one in a folder that we may not look into is none for us."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_file()
    return False


def _read(handle: int, *, is_pipe: bool) -> bytes:
    """What comes next; nothing at the end. A pipe that nobody writes to yet looks ended: it is waited for."""
    if is_pipe:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        until = time.monotonic() + LONGEST_SILENCE
        while not poll.poll(1000 * max(0.0, until - time.monotonic())):
            if time.monotonic() >= until:
                raise OSError(errno.ETIMEDOUT, f"nothing came through the pipe for {LONGEST_SILENCE:.0f} s")
    return os.read(handle, _BLOCK)
