"""Lines of a text file, by their number or by the bytes that they begin in; in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.records import BEGIN_BYTES, TooLarge, kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
ENDLESS = 1 << 62
"""Behind the last byte of any file."""
_BLOCK = 1 << 20
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


def first_sign(head: bytes) -> bytes:
    """What a text begins with, a byte order mark and white space left out."""
    return head.removeprefix(BOM).lstrip()[:1]


@dataclass(frozen=True, slots=True)
class LineIndex:
    """How many lines a file has, and where every 4096th of them begins."""

    path: Path
    lines: int
    offsets: tuple[int, ...]


class LineReader:
    """Lines of a file by their number, without their ends (LF or CRLF) and without a byte order mark.

    Of one with more than `limit` bytes it is how it begins, `limit` + 1 of them. `most` bytes of lines are in memory at
    once, and one line more.
    """

    def __init__(self, index: LineIndex, file: BinaryIO, limit: int, most: int) -> None:
        self._index, self._file, self._limit, self._most = index, file, limit, most
        self._ahead: list[bytes] = []
        self._first = -1
        """The number of the first line that was read ahead; none at first, wherever the file stands."""

    def reach(self, start: int, stop: int) -> int:
        """How far, at most to `stop`, lines from `start` on can be in memory at once; they are read for it."""
        self._go_to(start)
        size = sum(map(len, self._ahead))
        while start + len(self._ahead) < stop and size < self._most and (line := self._next()) is not None:
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


def lines_between(file: BinaryIO, start: int, stop: int, limit: int) -> Iterator[tuple[bytes, int]]:
    """The lines that begin in [start, stop), each with the place behind it; of one that is too large its begin."""
    position = _place_of_line(file, start)
    rest, passed, is_first, size = b"", 0, start == 0, _BLOCK
    while position < stop:
        block = file.read(size)
        lines = (rest + block).split(b"\n")
        rest = lines.pop() if block else b""
        for line in lines:
            if position >= stop or (not block and not line and not passed):
                return
            position += len(line) + passed + bool(block)
            text = stripped(line, is_first=is_first)
            yield (TooLarge.of(text, limit) if passed else kept(text, limit)), position
            is_first, passed = False, 0
        if not block:
            return
        if len(rest) > limit or passed:  # what is read past is not kept, but for how it begins
            begin = rest[:BEGIN_BYTES]
            passed, rest = passed + len(rest) - len(begin), begin
        size = max(_BLOCK, len(rest))  # or a long line would be copied once for each block


def _place_of_line(file: BinaryIO, start: int) -> int:
    """Where the first line begins that begins at `start` or behind it; the file stands there then."""
    if not start:
        return 0
    file.seek(start - 1)
    position = start - 1
    while piece := file.readline(_BLOCK):
        position += len(piece)
        if piece.endswith(b"\n"):
            break
    return position


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
