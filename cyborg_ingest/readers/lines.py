"""Lines of a text file by their number, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20
_STEP = 4096


@dataclass(frozen=True, slots=True)
class LineIndex:
    """How many lines a file has, and where every 4096th of them begins."""

    path: Path
    lines: int
    offsets: tuple[int, ...]

    def read(self, start: int, stop: int) -> list[bytes]:
        """Lines [start, stop), without their ends (LF or CRLF) and without a byte order mark."""
        if start >= stop or not self.offsets:
            return []
        found: list[bytes] = []
        with self.path.open("rb") as file:
            file.seek(self.offsets[start // _STEP])
            for number in range(start // _STEP * _STEP, stop):
                line = file.readline()
                if not line:
                    break
                if number >= start:
                    found.append(stripped(line, is_first=number == 0))
        return found


def stripped(line: bytes, *, is_first: bool) -> bytes:
    """A line without its end, the first one without a byte order mark."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    return line.removeprefix(BOM) if is_first else line


def index_lines(path: Path) -> LineIndex:
    """Read a file once and note where its lines begin; what follows the last newline is a line too."""
    offsets, lines, position, at_start = [0], 0, 0, True
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            place = block.find(b"\n")
            while place >= 0:
                lines += 1
                if lines % _STEP == 0:
                    offsets.append(position + place + 1)
                place = block.find(b"\n", place + 1)
            at_start = block.endswith(b"\n")
            position += len(block)
    if position == 0 or (position == len(BOM) and path.read_bytes() == BOM):
        return LineIndex(path, 0, ())
    return LineIndex(path, lines + (0 if at_start else 1), tuple(offsets))
