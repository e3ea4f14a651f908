"""Delimited text taken apart into rows of cells: most lines by plain splitting, what is intricate by the csv module."""

from __future__ import annotations

import contextlib
import csv
import functools
import itertools
from typing import TYPE_CHECKING, NamedTuple

from cyborg_ingest.readers.lines import check_encoding

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from cyborg_ingest.errors import FormatError, SourceError

_LARGEST_FIELD = 16_000_000
_LONGEST_LINE = 64_000_000
_HEAD_BYTES = 65_536


class Row(NamedTuple):
    """The cells of a row, and the line it begins on."""

    cells: list[str]
    line: int


class CellRows:
    """The rows of a file, one after another; blank lines are none. Raises `kind`, FormatError of its encoding."""

    def __init__(
        self, uri: str, file: io.BufferedReader, delimiter: str, kind: type[FormatError | SourceError]
    ) -> None:
        self._uri, self._kind = uri, kind
        self._lines = _Lines(uri, file, kind)
        self._delimiter = delimiter

    @property
    def position(self) -> int:
        """The bytes that were read so far."""
        return self._lines.position

    def read(self, count: int, size: int) -> list[Row]:
        """The next rows, `count` of them or so many bytes at most; none at the end."""
        found: list[Row] = []
        lines, end = self._lines, self._lines.position + size
        with _large_fields():
            while len(found) < count and lines.position < end:
                line = next(lines, None)
                if line is None:
                    break
                number = lines.number
                cells = _plain_cells(line, self._delimiter)
                if cells is None:
                    cells = self._intricate(line, number)
                if cells:
                    found.append(Row(cells, number))
        return found

    def _intricate(self, line: str, number: int) -> list[str]:
        """The row that begins with a line, and takes further ones where a quote is open."""
        reader = csv.reader(itertools.chain([line], self._lines), delimiter=self._delimiter, strict=True)
        try:
            return next(reader)
        except csv.Error as error:
            raise self._kind(
                f"{self._uri}, line {number}: the row that begins there cannot be read: {error}. A quote may not be "
                'closed, or a quote in a text not doubled (""); mend it, or write the file again.'
            ) from None


def _plain_cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line, as the csv module has them; None where that is not plain to see.

    It is where each quote begins or ends a cell. With the long arrays of vectors this is several times as fast.
    """
    text = line.removesuffix("\n").removesuffix("\r")
    if "\r" in text or len(text) > _LARGEST_FIELD:
        return None
    if '"' not in text:
        return text.split(delimiter) if text else []
    pieces = text.split('"')
    quoted = pieces[1::2]
    cells = '"'.join(pieces[::2]).split(delimiter)  # with a quote for each cell that stands in quotes
    if len(pieces) % 2 == 0 or cells.count('"') != len(quoted):
        return None  # a quote is open, doubled, or in the middle of a cell
    place = -1
    for one in quoted:
        place = cells.index('"', place + 1)
        cells[place] = one
    return cells


class _Lines:
    """The lines of a file as text, ends and all: LF or CRLF, or CR where the first line ends so. Raises `kind`."""

    def __init__(self, uri: str, file: io.BufferedReader, kind: type[FormatError | SourceError]) -> None:
        self._uri = uri
        self._kind = kind
        self.number = 0
        self.position = 0
        head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        check_encoding(uri, head)
        first, _, behind = head.partition(b"\r")
        is_old = len(first) < len(head) and b"\n" not in first and not behind.startswith(b"\n")
        self._next = _ended_by_cr(file).__next__ if is_old else functools.partial(file.readline, _LONGEST_LINE)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next()
        if not line:
            raise StopIteration
        self.number += 1
        self.position += len(line)
        if len(line) >= _LONGEST_LINE and not line.endswith((b"\n", b"\r")):
            raise self._kind(
                f"{self._uri}, line {self.number}: it is longer than {_LONGEST_LINE:,} bytes. Is it CSV, a row a line?"
            )
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self._kind(
                f"{self._uri}, line {self.number}: its byte {error.start + 1} is not UTF-8. Write the file as UTF-8."
            ) from None


def _ended_by_cr(file: io.BufferedReader) -> Iterator[bytes]:
    """Lines as old Macs wrote them, and Excel's "CSV (Macintosh)" does."""
    rest = b""
    while block := file.read(max(_HEAD_BYTES, len(rest))):
        lines = (rest + block).split(b"\r")
        rest = lines.pop()
        yield from (line + b"\r" for line in lines)
        if len(rest) >= _LONGEST_LINE:
            break
    if rest:
        yield rest


@contextlib.contextmanager
def _large_fields() -> Iterator[None]:
    """A vector of 1,536 numbers does not fit what the module takes by itself; its limit is one for the process."""
    before = csv.field_size_limit(_LARGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
