"""Files beside a `.npy`: ids, metadata and contents, row by row, read along with its vectors."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError, SourceNotFoundError
from cyborg_ingest.formats.fields import contents, contents_array, identity
from cyborg_ingest.formats.lines import LineIndex, check_encoding, index_lines
from cyborg_ingest.formats.npyfile import read_at, read_header
from cyborg_ingest.formats.parquet import BROKEN, batches_of, check_whole, opened, schema_of
from cyborg_ingest.model import Fault, Reason
from cyborg_ingest.rows import kinds, roles
from cyborg_ingest.rows.arrays import text_array
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.formats.base import Sidecars

_OPTIONS = {"id": "--ids", "metadata": "--metadata", "contents": "--contents"}
_TEXT, _LINES, _PARQUET, _NPY = {".txt"}, {".jsonl", ".ndjson"}, {".parquet", ".pq"}, {".npy"}
_SIDECAR_ROWS = 4096
_KNOWN = {
    "id": _NPY | _TEXT | _LINES | _PARQUET,
    "metadata": _LINES | _PARQUET,
    "contents": _TEXT | _LINES | _PARQUET,
}


class Sidecar(Protocol):
    """One such file."""

    role: str
    rows: int
    type: pa.DataType
    path: Path

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """The values of rows [start, stop), and which of them cannot be read."""
        ...


@contextlib.contextmanager
def open_sidecars(sidecars: Sidecars) -> Iterator[list[Sidecar]]:
    """The sidecars that are given, in the order id, metadata, contents. Raises FormatError."""
    given = {"id": sidecars.ids, "metadata": sidecars.metadata, "contents": sidecars.contents}
    with contextlib.ExitStack() as stack:
        yield [
            _open(role, Path(path).expanduser(), stack, sidecars.unit_bytes)
            for role, path in given.items()
            if path is not None
        ]


def _open(role: str, path: Path, stack: contextlib.ExitStack, unit: int) -> Sidecar:
    option, suffix = _OPTIONS[role], path.suffix.lower()
    if not path.is_file():
        raise SourceNotFoundError(f"{option} {path}: no such file.")
    if suffix not in _KNOWN[role]:
        raise FormatError(f"{option} {path}: {suffix or 'no suffix'} is not one of {', '.join(sorted(_KNOWN[role]))}.")
    if suffix in _NPY:
        return NpyIds(path)
    if suffix in _PARQUET:
        return ParquetSidecar(role, path, stack, unit)
    return LineSidecar(role, path, is_json=suffix in _LINES)


def row_numbers(prefix: str, start: int, stop: int) -> pa.Array:
    """The row numbers [start, stop) as text behind a prefix."""
    return text_array([f"{prefix}{row}" for row in range(start, stop)])


def check_rows(sidecar: Sidecar, uri: str, rows: int) -> None:
    """Refuse a sidecar of another length. Raises FormatError."""
    if sidecar.rows != rows:
        raise FormatError(
            f"{_OPTIONS[sidecar.role]} {sidecar.path} has {sidecar.rows:,} rows and {uri} has {rows:,}: "
            "row by row they do not belong together."
        )


class LineSidecar:
    """A line a row: text as it is, or JSON."""

    def __init__(self, role: str, path: Path, *, is_json: bool) -> None:
        self.role, self.path, self._is_json = role, path, is_json
        self.type = pa.string()
        seen = sources.look(str(path))
        with path.open("rb") as file:
            check_encoding(str(path), file.read(4))
        self._index = _indexed(seen)
        self.rows = self._index.lines

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """See `Sidecar`."""
        lines = self._index.read(start, stop)
        if len(lines) != stop - start:
            raise SourceError(f"{self.path}: it breaks off at line {start + len(lines) + 1}.")
        if not self._is_json or self.role == "metadata":
            return text_array(lines), []
        faults: list[Fault] = []
        values = [self._value(place, line, faults) for place, line in enumerate(lines)]
        return (text_array(values) if self.role == "id" else contents_array(values)), faults

    def _value(self, place: int, line: bytes, faults: list[Fault]) -> Any:
        if not line.strip():
            return None
        try:
            value = load_json(line)
            if self.role == "id":
                return identity(_named(value, roles.ID_NAMES))
            return contents(_named(value, roles.CONTENTS_NAMES))
        except ValueError as error:
            reason = Reason.ID_INVALID if self.role == "id" else Reason.CONTENTS_INVALID
            faults.append(Fault(place, reason, f"{self.path.name}: {error}"))
            return None


def _named(value: Any, names: tuple[str, ...]) -> Any:
    """The value itself, or of an object the field with one of these names."""
    if isinstance(value, dict):
        return next((value[name] for name in names if name in value), value)
    return value


@functools.lru_cache(maxsize=8)
def _indexed(seen: sources.Seen) -> LineIndex:
    return index_lines(Path(seen.uri))


class NpyIds:
    """A `.npy` of integers or text, of the shape (rows,) or (rows, 1)."""

    role = "id"
    type = pa.string()

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._header = read_header(str(path), file)
        header = self._header
        is_one_row = len(header.shape) == 1 or header.shape[1:] == (1,)
        if not is_one_row or header.dtype.kind not in "iuUS":
            raise FormatError(
                f"--ids {path}: its shape is {header.shape} of {header.dtype}; ids are one row of integers or text."
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

    def __init__(self, role: str, path: Path, stack: contextlib.ExitStack, unit: int) -> None:
        self.role, self.path, self._unit = role, path, unit
        self._file: pq.ParquetFile = stack.enter_context(opened(str(path)))
        check_whole(str(path))
        self.rows = self._file.metadata.num_rows
        schema = schema_of(self._file)
        self._columns = _columns_for(role, path, schema)
        kinds = [schema.field(name) for name in self._columns]
        self._single = len(kinds) == 1 and (role != "metadata" or _is_object(kinds[0].type))
        self.type = kinds[0].type if self._single else pa.struct(kinds)
        self._at = 0
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.RecordBatch | None = None
        self._rewind(0)

    def _rewind(self, row: int) -> None:
        """Begin again with the row group that holds a row; all behind it follow, however small they are."""
        groups: list[int] = []
        first = 0
        for number in range(self._file.metadata.num_row_groups):
            rows = self._file.metadata.row_group(number).num_rows
            if groups or first + rows > row:
                groups.append(number)
            else:
                first += rows
        self._at, self._rest = first, None
        self._batches = batches_of(str(self.path), self._file, _SIDECAR_ROWS, groups, self._columns, unit=self._unit)

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """See `Sidecar`. Reading on where the last call ended costs nothing extra."""
        if start < self._at:
            self._rewind(start)
        pieces: list[pa.Array] = []
        try:
            while self._at < stop:
                batch = self._rest if self._rest is not None else next(self._batches, None)
                if batch is None:
                    raise SourceError(f"{self.path}: it breaks off at row {self._at}.")
                taken = batch.slice(0, min(len(batch), stop - self._at))
                self._rest = batch.slice(len(taken)) if len(taken) < len(batch) else None
                wanted = taken.slice(max(0, start - self._at))
                self._at += len(taken)
                if len(wanted):
                    pieces.append(self._column(wanted))
        except BROKEN as error:
            raise SourceError(f"{self.path} cannot be read: {str(error).partition(chr(10))[0]}.") from None
        if not pieces:
            return pa.array([], self.type), []
        return pa.chunked_array(pieces).combine_chunks(), []

    def _column(self, batch: pa.RecordBatch) -> pa.Array:
        if self._single:
            return batch.column(self._columns[0])
        return pa.StructArray.from_arrays([batch.column(name) for name in self._columns], names=self._columns)


def _is_object(kind: pa.DataType) -> bool:
    kind = kinds.storage_type(kind)
    return bool(pt.is_struct(kind) or pt.is_map(kind) or kinds.is_text(kind))


def _columns_for(role: str, path: Path, schema: pa.Schema) -> list[str]:
    names = list(schema.names)
    wanted = {"id": roles.ID_NAMES, "metadata": roles.METADATA_NAMES, "contents": roles.CONTENTS_NAMES}[role]
    found = [name for name in names if name.lower() in wanted]
    if role == "metadata":
        objects = [name for name in found if _is_object(schema.field(name).type)]
        chosen = objects if len(objects) == 1 else names
    else:
        chosen = names if len(names) == 1 else found
        if len(chosen) != 1:
            raise FormatError(f"{_OPTIONS[role]} {path}: which of {', '.join(names)} is it? Leave one column in it.")
    return chosen
