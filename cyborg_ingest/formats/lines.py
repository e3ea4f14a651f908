"""Lines of a text file by their number, in bounded memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20
_NEWLINE = 10
_STEP = 4096


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

    def read(self, start: int, stop: int) -> list[bytes]:
        """Lines [start, stop), without their ends (LF or CRLF) and without a byte order mark."""
        if start >= stop or not self.offsets:
            return []
        before = start % _STEP
        with self.path.open("rb") as file:
            file.seek(self.offsets[start // _STEP])
            lines = itertools.islice(file, before, before + stop - start)
            return [stripped(line, is_first=start + place == 0) for place, line in enumerate(lines)]


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
