"""A file of metrics that several runs share: read, changed and replaced as a whole, by one at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from typing import TYPE_CHECKING

from cyborg_ingest.smallfiles import read_opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGEST = 10_000_000
"""Bytes of a file that is read."""

LONGEST_WAIT = 5.0
"""Seconds for which another run may hold the file."""

_PAUSE = 0.02
_MODE = 0o644
"""node_exporter is another user."""


def updated(path: Path, change: Callable[[str], bytes]) -> Iterator[str]:
    """Replace a file's text by what `change` makes of it, "" of none; why that could not be, in words."""
    file = os.path.realpath(path)
    try:
        with _held(os.path.dirname(file)):  # noqa: PTH120 - a Path's own would be made anew
            _replace(file, change(_text(file)))
    except ValueError:
        yield (
            f"The metrics were not written: {path} holds something else. Name a file of its own with --metrics-file."
        )
    except OSError as error:
        yield f"The metrics were not written: {path}: {error.strerror or error}."


@contextlib.contextmanager
def _held(folder: str) -> Iterator[None]:
    """Hold a folder, so that no other run changes what we have read; where nothing can be held, nobody is."""
    import fcntl  # noqa: PLC0415 - not on Windows

    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    until = time.monotonic() + LONGEST_WAIT
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise OSError(errno.ETIMEDOUT, "another run holds it") from None
                time.sleep(_PAUSE)
            except OSError:  # NFS has no lock of a folder
                break
        yield
    finally:
        os.close(handle)


def _text(file: str) -> str:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        return read_opened(handle, LARGEST).decode()
    finally:
        os.close(handle)


def _replace(file: str, data: bytes) -> None:
    folder, name = os.path.split(file)
    new = os.path.join(folder, f".{name}.{secrets.token_hex(4)}")  # noqa: PTH118 - node_exporter reads *.prom alone
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(handle, "wb") as out:
            os.fchmod(handle, _MODE)
            out.write(data)
        os.replace(new, file)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)  # noqa: PTH108
        raise
