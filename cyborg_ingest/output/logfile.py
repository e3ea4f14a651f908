"""A file that has all that is said on standard error but progress. What cannot be written to it ends nothing.

It is rotated by its size, and where something else renames or removes it (logrotate), a new one is begun with the next
line: no signal is needed.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
import sys
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import io
    from pathlib import Path


_OURS = re.compile(rb'\d{4}-\d\d-\d\dT[\d:.]{12}Z |\{"time": "')


class LogFile(RotatingFileHandler):
    """Appends lines. Raises OSError where it cannot be opened at first, or holds something else than a log of ours."""

    def __init__(self, path: Path, largest: int, kept: int) -> None:
        self._fault: str | None = None
        self._has_told = False
        _check_ours(path)
        super().__init__(path, maxBytes=largest if kept else 0, backupCount=kept, encoding="utf-8")

    def add(self, lines: list[str]) -> str | None:
        """Append lines, which stay together. Why that failed, the first time that it does."""
        self.emit(logging.makeLogRecord({"msg": "\n".join(lines)}))
        if self._fault is None or self._has_told:
            return None
        self._has_told = True
        return self._fault

    def _open(self) -> io.TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(self.baseFilename, flags, 0o666)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is not a file")
        return open(handle, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123 - closed by `close`

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record, to a new file where the one that we had is no longer there."""
        with self.lock or contextlib.nullcontext():
            if self.stream is not None and self._is_moved(self.stream.fileno()):
                self._let_go()
            super().emit(record)

    def _is_moved(self, handle: int) -> bool:
        own = os.fstat(handle)
        try:
            there = os.stat(self.baseFilename)  # noqa: PTH116
        except OSError:
            return True
        return (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino)

    def doRollover(self) -> None:  # noqa: N802 - logging's
        """Rotate; where the folder does not let us, the file only grows."""
        try:
            super().doRollover()
        except OSError as error:
            self._fault = f"it cannot be rotated: {error.strerror}"
            self.maxBytes = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        """Keep in mind why a line is lost."""
        error = sys.exc_info()[1]
        self._fault = getattr(error, "strerror", None) or str(error)
        self._let_go()

    def _let_go(self) -> None:
        stream, self.stream = self.stream, None  # `logging` opens it again
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.close()

    def close(self) -> None:
        """Let go of the file."""
        self._let_go()
        super().close()


def _check_ours(path: Path) -> None:
    """Raise OSError where lines would be appended to something else than a log: to rows, perhaps."""
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            begun = os.read(handle, 100) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
        finally:
            os.close(handle)
        if begun and not _OURS.match(begun):
            raise OSError(errno.EINVAL, "it holds something else than a log")
