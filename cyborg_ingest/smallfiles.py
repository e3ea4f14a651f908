"""Small files that a user names: keys, lists, schemas. None is taken for one that has no end, or never begins."""

from __future__ import annotations

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
        mode = os.fstat(handle).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, "it is neither a file nor a pipe")
        data = bytearray()
        while block := _read(handle, is_pipe=stat.S_ISFIFO(mode)):
            data += block
            if len(data) > largest:
                raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes")
        return bytes(data)
    finally:
        os.close(handle)


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
