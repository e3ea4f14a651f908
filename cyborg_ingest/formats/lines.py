"""Lines of a text file by their number, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20
_READ_BYTES = 16_000_000
"""So much of lines is in memory at once, and one line more."""
_NEWLINE = 10
_STEP = 4096


TO_UTF8 = "Write the file as UTF-8: text of Windows most often becomes that by iconv -f CP1252 -t UTF-8."
"""What to do where a byte is none of UTF-8."""


def check_encoding(what: str, head: bytes) -> None:
    """Refuse text in UTF-16 or UTF-32, as PowerShell's `>` and Excel's "Unicode Text" write it. Raises FormatError."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or b"\0" in head[:2]:
        raise FormatError(
            f"{what}: it is UTF-16 or UTF-32, and text is read as UTF-8. Write it so: iconv -f UTF-16 -t UTF-8."
        )


@dataclass(frozen=True, slots=True)
class LineIndex:
    """How many lines a file has, and where every 4096th of them begins."""

    path: Path
    lines: int
    offsets: tuple[int, ...]


class LineReader:
    """Lines of a file by their number, without their ends (LF or CRLF) and without a byte order mark.

    Of one with more than `limit` bytes it is how it begins, `limit` + 1 of them.
    """

    def __init__(self, index: LineIndex, file: BinaryIO, limit: int) -> None:
        self._index, self._file, self._limit = index, file, limit
        self._ahead: list[bytes] = []
        self._first = -1
        """The number of the first line that was read ahead; none at first, wherever the file stands."""

    def reach(self, start: int, stop: int) -> int:
        """How far, at most to `stop`, lines from `start` on can be in memory at once; they are read for it."""
        self._go_to(start)
        size = sum(map(len, self._ahead))
        while start + len(self._ahead) < stop and size < _READ_BYTES and (line := self._next()) is not None:
            self._ahead.append(line)
            size += len(line)
        return min(stop, start + max(1, len(self._ahead)))

    def read(self, start: int, stop: int) -> list[bytes]:
        """Lines [start, stop), fewer where the file ends before."""
        self._go_to(start)
        while start + len(self._ahead) < stop and (line := self._next()) is not None:
            self._ahead.append(line)
        found, self._ahead = self._ahead[: stop - start], self._ahead[stop - start :]
        self._first += len(found)
        return found

    def _go_to(self, line: int) -> None:
        passed = line - self._first
        if 0 <= passed <= len(self._ahead):
            del self._ahead[:passed]
        else:
            step = max(0, min(line // _STEP, len(self._index.offsets) - 1))
            self._ahead, self._first = [], step * _STEP
            self._file.seek(self._index.offsets[step] if step else 0)
            for _ in range(line - self._first):
                self._next()
        self._first = line

    def _next(self) -> bytes | None:
        """The line behind those that were read; None at the end."""
        most = self._limit + len(b"\r\n")
        found = line = self._file.readline(most + 1)
        while len(line) == most + 1 and not found.endswith(b"\n") and (found := self._file.readline(_BLOCK)):
            pass  # the rest of what is too long is kept nowhere
        if not line:
            return None
        is_first = self._first == 0 and not self._ahead
        return stripped(line, is_first=is_first)[: self._limit + 1]


def stripped(line: bytes, *, is_first: bool) -> bytes:
    """A line without its end, the first one without a byte order mark."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    return line.removeprefix(BOM) if is_first else line


def index_lines(path: Path) -> LineIndex:
    """Read a file once and note where its lines begin; what follows the last newline is a line too."""
    offsets, lines, position, at_start = [0], 0, 0, True
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)
            offsets += (position + 1 + ends[_STEP - 1 - lines % _STEP :: _STEP]).tolist()
            lines += len(ends)
            at_start = block.endswith(b"\n")
            position += len(block)
    if position == 0 or (position == len(BOM) and path.read_bytes() == BOM):
        return LineIndex(path, 0, ())
    return LineIndex(path, lines + (0 if at_start else 1), tuple(offsets))
