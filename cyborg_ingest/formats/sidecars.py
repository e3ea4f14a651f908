"""Files beside a `.npy`: ids, metadata and contents, row by row, read along with its vectors."""

from __future__ import annotations

import contextlib
import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError, SourceNotFoundError
from cyborg_ingest.formats.bounds import too_large
from cyborg_ingest.formats.lines import LineIndex, LineReader, check_encoding, index_lines
from cyborg_ingest.formats.npyfile import read_at, read_header
from cyborg_ingest.formats.parquet import BROKEN, batches_of, check_whole, opened, schema_of
from cyborg_ingest.formats.sidecarrows import (
    DELIMITED,
    JSON,
    LINES,
    OPTIONS,
    PARQUET,
    TEXT,
    arrays_of,
    columns_for,
    is_object,
    row_of_json,
)
from cyborg_ingest.formats.sidecarstore import StoredSidecar
from cyborg_ingest.model import Fault, Reason
from cyborg_ingest.rows.arrays import text_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.formats.bounds import AtOnce

_NPY = {".npy"}
_SIDECAR_ROWS = 4096
_TABLES = LINES | JSON | PARQUET | DELIMITED.keys()
_KNOWN = {"id": _NPY | TEXT | _TABLES, "metadata": _TABLES, "contents": TEXT | _TABLES}


class Sidecar(Protocol):
    """One such file."""

    role: str
    rows: int
    type: pa.DataType
    path: Path
    key: str | None

    def reach(self, start: int, stop: int) -> int:
        """How far, at most to `stop`, rows can be read at once from `start` on, if they may be of any size."""
        ...

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """The values of rows [start, stop), and which of them cannot be read."""
        ...


@contextlib.contextmanager
def open_sidecars(sidecars: Sidecars) -> Iterator[list[Sidecar]]:
    """The sidecars that are given, in the order id, metadata, contents. Raises FormatError."""
    given = {"id": sidecars.ids, "metadata": sidecars.metadata, "contents": sidecars.contents}
    keys = {"metadata": sidecars.metadata_key, "contents": sidecars.contents_key}
    with contextlib.ExitStack() as stack:
        yield [
            _open(role, Path(path).expanduser(), keys.get(role), stack, sidecars)
            for role, path in given.items()
            if path is not None
        ]


def _open(role: str, path: Path, key: str | None, stack: contextlib.ExitStack, sidecars: Sidecars) -> Sidecar:
    option, suffix = OPTIONS[role], path.suffix.lower()
    if not path.is_file():
        raise SourceNotFoundError(f"{option} {path}: no such file.")
    if suffix not in _KNOWN[role]:
        raise FormatError(f"{option} {path}: {suffix or 'no suffix'} is not one of {', '.join(sorted(_KNOWN[role]))}.")
    if key is not None or suffix in JSON or suffix in DELIMITED:
        if suffix in TEXT:
            raise FormatError(f"{option}-key {key}: {path} is text, a line a row, and has no columns. Leave it out.")
        return StoredSidecar(role, path, sidecars, key)
    if suffix in _NPY:
        return NpyIds(path, sidecars)
    if suffix in PARQUET:
        return ParquetSidecar(role, path, stack, sidecars.decoding)
    return LineSidecar(role, path, stack, sidecars, is_json=suffix in LINES)


def open_ids(path: Path, stack: contextlib.ExitStack, sidecars: Sidecars) -> Sidecar:
    """The ids in a file of another role, which goes row by row."""
    return _open("id", path, None, stack, sidecars)


def row_numbers(prefix: str, start: int, stop: int) -> pa.Array:
    """The row numbers [start, stop) as text behind a prefix."""
    return text_array([f"{prefix}{row}" for row in range(start, stop)])


def check_rows(sidecar: Sidecar, uri: str, rows: int) -> None:
    """Refuse a sidecar of another length, if its rows are not found by a key. Raises FormatError."""
    if sidecar.key is None and sidecar.rows != rows:
        raise FormatError(
            f"{OPTIONS[sidecar.role]} {sidecar.path} has {sidecar.rows:,} rows and {uri} has {rows:,}: "
            "row by row they do not belong together."
        )


class LineSidecar:
    """A line a row: text as it is, or JSON."""

    key: str | None = None

    def __init__(
        self, role: str, path: Path, stack: contextlib.ExitStack, sidecars: Sidecars, *, is_json: bool
    ) -> None:
        self.role, self.path, self._limit, self._is_json = role, path, sidecars.max_row_bytes, is_json
        self.type = pa.string()
        seen = sources.look(str(path))
        file = stack.enter_context(path.open("rb"))
        check_encoding(str(path), file.read(4))
        index = _indexed(seen)
        self._lines = LineReader(index, file, self._limit, sidecars.at_once.text)
        self.rows = index.lines

    def reach(self, start: int, stop: int) -> int:
        """See `Sidecar`."""
        return self._lines.reach(start, stop)

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """See `Sidecar`."""
        lines = self._lines.read(start, stop)
        if len(lines) != stop - start:
            raise SourceError(f"{self.path}: it breaks off at line {start + len(lines) + 1}.")
        if self._is_json and self.role != "metadata":
            found = [row_of_json(self.role, self.path, line, None, self._limit) for line in lines]
            return arrays_of(self.role, [(one.value, one.reason, one.detail) for one in found])
        large = [place for place, line in enumerate(lines) if len(line) > self._limit]
        words = f"{self.path.name}: {too_large(None, self._limit)}"
        faults = [Fault(place, Reason.TOO_LARGE, words) for place in large]
        texts: list[bytes | None] = [*lines]
        for place in large:
            texts[place] = None
        return text_array(texts), faults


@functools.lru_cache(maxsize=8)
def _indexed(seen: sources.Seen) -> LineIndex:
    return index_lines(Path(seen.uri))


class NpyIds:
    """A `.npy` of integers or text, of the shape (rows,) or (rows, 1)."""

    role = "id"
    type = pa.string()
    key: str | None = None

    def __init__(self, path: Path, sidecars: Sidecars) -> None:
        self.path, self._most, limit = path, sidecars.at_once.text, sidecars.max_row_bytes
        with path.open("rb") as file:
            self._header = read_header(str(path), file)
        header = self._header
        is_one_row = len(header.shape) == 1 or header.shape[1:] == (1,)
        if not is_one_row or header.dtype.kind not in "iuUS":
            raise FormatError(
                f"--ids {path}: its shape is {header.shape} of {header.dtype}; ids are one row of integers or text."
            )
        if header.dtype.itemsize > limit:
            raise FormatError(
                f"--ids {path}: its rows have {header.dtype.itemsize:,} bytes, more than the {limit:,} that "
                "--max-row-bytes allows. Save them as text of their own length, a line a row."
            )
        self.rows = header.shape[0]
        expected = header.data + self.rows * header.dtype.itemsize
        size = path.stat().st_size
        if size < expected:
            raise FormatError(f"--ids {path}: it should have {expected:,} bytes and was cut short. Copy it again.")
        if size > expected:
            raise FormatError(
                f"--ids {path}: it should have {expected:,} bytes and has {size:,}. Were several arrays saved into it? "
                "Save one."
            )

    def reach(self, start: int, stop: int) -> int:
        """See `Sidecar`."""
        return min(stop, start + max(1, self._most // max(1, self._header.dtype.itemsize)))

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """See `Sidecar`."""
        header = self._header
        with self.path.open("rb") as file:
            size = header.dtype.itemsize
            data = read_at(str(self.path), file, header.data + start * size, (stop - start) * size)
        if not header.dtype.itemsize:  # an array of empty texts has items of no bytes
            return text_array([""] * (stop - start)), []
        values = np.frombuffer(data, header.dtype).tolist()
        return text_array(values if header.dtype.kind == "S" else [str(value) for value in values]), []


class ParquetSidecar:
    """A column of a Parquet file; for metadata several become one struct."""

    key: str | None = None

    def __init__(self, role: str, path: Path, stack: contextlib.ExitStack, at_once: AtOnce) -> None:
        self.role, self.path, self._at_once = role, path, at_once
        check_whole(str(path))
        self._file: pq.ParquetFile = stack.enter_context(opened(str(path)))
        self.rows = self._file.metadata.num_rows
        schema = schema_of(self._file)
        self._columns = columns_for(role, path, schema)
        kinds = [schema.field(name) for name in self._columns]
        self._single = len(kinds) == 1 and (role != "metadata" or is_object(kinds[0].type))
        self.type = kinds[0].type if self._single else pa.struct(kinds)
        self._groups = [self._file.metadata.row_group(one).num_rows for one in range(self._file.num_row_groups)]
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._ahead: list[pa.RecordBatch] = []
        self._first = self._end = self.rows
        """The first row that was read ahead, and the one behind the last."""

    def reach(self, start: int, stop: int) -> int:
        """See `Sidecar`. As many rows as are of one type, and not too much at once; they are read for it."""
        self._go_to(start)
        row, size = start, 0
        for place in itertools.count():
            if row >= stop or (place == len(self._ahead) and not self._reads_on()):
                break
            batch = self._ahead[place]
            size += batch.get_total_buffer_size()
            if place and (size > self._at_once.text or batch.schema != self._ahead[0].schema):
                break
            row += len(batch)
        return min(stop, max(row, start + 1))

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """See `Sidecar`. Reading on where the last call ended costs nothing extra."""
        self._go_to(start)
        while self._end < stop and self._reads_on():
            pass
        if self._end < stop:
            raise SourceError(f"{self.path}: it breaks off at row {self._end}.")
        pieces: list[pa.Array] = []
        while self._first < stop:
            batch = self._ahead.pop(0)
            taken = batch.slice(0, stop - self._first)
            if len(taken) < len(batch):
                self._ahead.insert(0, batch.slice(len(taken)))
            self._first += len(taken)
            pieces.append(self._column(taken))
        if not pieces:
            return pa.array([], self.type), []
        return pa.chunked_array(pieces).combine_chunks(), []

    def _go_to(self, row: int) -> None:
        """Let what was read ahead begin with a row, from the row group on that holds it if need be."""
        if not self._first <= row <= self._end:
            group, self._first = 0, 0
            while group < len(self._groups) and self._first + self._groups[group] <= row:
                self._first += self._groups[group]
                group += 1
            self._end, self._ahead = self._first, []
            groups = range(group, len(self._groups))
            self._batches = batches_of(str(self.path), self._file, _SIDECAR_ROWS, groups, self._columns, self._at_once)
        while self._first < row and (self._ahead or self._reads_on()):
            batch = self._ahead.pop(0)
            passed = min(len(batch), row - self._first)
            self._first += passed
            if passed < len(batch):
                self._ahead.insert(0, batch.slice(passed))

    def _reads_on(self) -> bool:
        """Whether there was one more batch."""
        try:
            batch = next(self._batches, None)
        except BROKEN as error:
            raise SourceError(f"{self.path} cannot be read: {str(error).partition(chr(10))[0]}.") from None
        if batch is not None:
            self._ahead.append(batch)
            self._end += len(batch)
        return batch is not None

    def _column(self, batch: pa.RecordBatch) -> pa.Array:
        if self._single:
            return batch.column(self._columns[0])
        return pa.StructArray.from_arrays([batch.column(name) for name in self._columns], names=self._columns)
