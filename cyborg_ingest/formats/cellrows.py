"""Delimited text taken apart into rows of cells: most lines by plain splitting, what is intricate by the csv module."""

from __future__ import annotations

import contextlib
import csv
import functools
import itertools
from typing import TYPE_CHECKING, NamedTuple

from cyborg_ingest.formats.lines import TO_UTF8, check_encoding
from cyborg_ingest.formats.records import BEGIN_BYTES
from cyborg_ingest.settings.options import MAX_ROW_BYTES

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from cyborg_ingest.errors import FormatError, SourceError

_HEAD_BYTES = 65_536
_GROWTH = 4
"""So many times its size a text may take once it is cells."""
_CELL_BYTES = 60
"""What Python needs for a short text, at most."""
_LINE_END = b"\r\n"
_BLOCK_BYTES = 1 << 20


class Row(NamedTuple):
    """The cells of a row, and the line it begins on. `cut`: it is larger than allowed, and this is how it begins."""

    cells: list[str]
    line: int
    cut: bool = False


class CellRows:
    """The rows of a file, one after another; blank lines are none. Raises `kind`, FormatError of its encoding."""

    def __init__(
        self,
        uri: str,
        file: io.BufferedReader,
        delimiter: str,
        kind: type[FormatError | SourceError],
        limit: int = MAX_ROW_BYTES,
    ) -> None:
        self._uri, self._kind, self._limit = uri, kind, limit
        self._lines = _Lines(uri, file, kind, limit)
        self._delimiter = delimiter
        self.most_cells: int | None = None
        """Cells of a row that has to be taken apart, one more than it may have; None: any number."""

    @property
    def position(self) -> int:
        """The bytes that were read so far."""
        return self._lines.position

    def read(self, count: int, size: int) -> list[Row]:
        """The next rows, `count` of them or so many bytes at most; none at the end."""
        found: list[Row] = []
        lines, end, memory, most = self._lines, self._lines.position + size, 0, _GROWTH * size
        with _large_fields(self._limit):
            while len(found) < count and lines.position < end and memory < most:
                line = next(lines, None)
                if line is None:
                    break
                row = self._row(line, lines.number)
                if row.cells:
                    found.append(row)
                    memory += _CELL_BYTES * len(row.cells)
        return found

    def _row(self, line: str, number: int) -> Row:
        if self._lines.is_cut:
            return Row([line[:BEGIN_BYTES]], number, cut=True)
        if self.most_cells is not None and line.count(self._delimiter) > self.most_cells and '"' not in line:
            return Row(line.split(self._delimiter, self.most_cells), number)
        cells = _plain_cells(line, self._delimiter)
        return Row(self._intricate(line, number) if cells is None else cells, number)

    def _intricate(self, line: str, number: int) -> list[str]:
        """The row that begins with a line, and takes further ones where a quote is open."""
        reader = csv.reader(itertools.chain([line], self._further(number)), delimiter=self._delimiter, strict=True)
        try:
            return next(reader)
        except csv.Error as error:
            raise self._kind(
                f"{self._uri}, line {number}: the row that begins there cannot be read: {error}. A quote may not be "
                'closed, or a quote in a text not doubled (""); fix it, or write the file again.'
            ) from None

    def _further(self, number: int) -> Iterator[str]:
        """The lines behind the first of a row. Where the row ends only its quotes tell, so a large one ends it all."""
        begin = self._lines.begin
        for line in self._lines:
            if self._lines.position - begin > self._limit or self._lines.is_cut:
                raise self._kind(
                    f"{self._uri}, line {number}: the row that begins there has more than the {self._limit:,} bytes "
                    "that --max-row-bytes allows. Its quote may not be closed; fix it, or write the file again."
                )
            yield line


def _plain_cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line, as the csv module has them; None where that is not plain to see.

    It is where each quote begins or ends a cell. With the long arrays of vectors this is several times as fast.
    """
    text = line.removesuffix("\n").removesuffix("\r")
    if "\r" in text:
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

    def __init__(self, uri: str, file: io.BufferedReader, kind: type[FormatError | SourceError], limit: int) -> None:
        self._uri, self._kind, self._limit = uri, kind, limit
        self.number = 0
        self.position = self.begin = 0
        """Behind the last line, and where it begins."""
        self.is_cut = False
        """Whether the last line is larger than allowed, so that the rest of it was read past."""
        head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        check_encoding(uri, head)
        first, _, behind = head.partition(b"\r")
        is_old = len(first) < len(head) and b"\n" not in first and not behind.startswith(b"\n")
        self._next: Callable[[], bytes] = (
            functools.partial(next, _ended_by_cr(file), b"")
            if is_old
            else functools.partial(file.readline, _BLOCK_BYTES)
        )
        self._end = b"\r" if is_old else b"\n"

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.begin = self.position
        line = self._piece()
        if not line:
            raise StopIteration
        self.number += 1
        self.is_cut = False
        if len(line) > self._limit or not line.endswith(self._end):
            line = self._whole(line)
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8", "replace" if self.is_cut else "strict")
        except UnicodeDecodeError as error:
            raise self._kind(
                f"{self._uri}, line {self.number}: its byte {error.start + 1} is not UTF-8. {TO_UTF8}"
            ) from None

    def _piece(self) -> bytes:
        """A line, or some of one."""
        found = self._next()
        self.position += len(found)
        return found

    def _whole(self, begin: bytes) -> bytes:
        """A line of which this is the begin; of one that is too large no more than that."""
        pieces: list[bytes] = []
        size, quotes, last = 0, 0, begin
        while last:
            size += len(last)
            quotes += last.count(b'"')
            if size - len(_LINE_END) > self._limit and not self.is_cut:
                self.is_cut = True
                pieces = [(pieces or [last])[0][:BEGIN_BYTES]]
            if not self.is_cut:
                pieces.append(last)
            last = b"" if last.endswith(self._end) else self._piece()
        if self.is_cut and quotes % 2:
            raise self._kind(
                f"{self._uri}, line {self.number}: it has {size:,} bytes, more than the {self._limit:,} that "
                "--max-row-bytes allows, and its quotes do not tell where its row ends. Raise it, or fix the "
                "line if a quote is not closed."
            )
        return b"".join(pieces)


def _ended_by_cr(file: io.BufferedReader) -> Iterator[bytes]:
    """Lines as old Macs wrote them, and Excel's "CSV (Macintosh)" does; long ones in pieces."""
    rest = b""
    while block := file.read(max(_HEAD_BYTES, len(rest))):
        lines = (rest + block).split(b"\r")
        rest = lines.pop()
        yield from (line + b"\r" for line in lines)
        if len(rest) >= _BLOCK_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


@contextlib.contextmanager
def _large_fields(limit: int) -> Iterator[None]:
    """A vector of 1,536 numbers does not fit what the module takes by itself; its limit is one for the process."""
    before = csv.field_size_limit(4 * limit)  # our own limit comes first
    try:
        yield
    finally:
        csv.field_size_limit(before)
