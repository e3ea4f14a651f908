"""Arrow IPC: the file form (Feather v2), read from anywhere in it, and the stream form, read from its beginning on.

A file is a stream between two magics, with a footer that says where its batches are: where it cannot be
sought in, it is read as the stream it holds.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, IngestError, SourceError, first_line
from cyborg_ingest.formats.arrowchecks import BLOCK_BYTES, MAGIC, check_batch, check_end, check_footer, check_whole
from cyborg_ingest.formats.base import PART_BYTES, Layout, ReadsOn, check_names
from cyborg_ingest.formats.bounds import bounded
from cyborg_ingest.formats.messages import CheckedMessages, FileUnits
from cyborg_ingest.model import Chunk, Part, total
from cyborg_ingest.rows.paths import column_of

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.formats.base import Kept, Sidecars
    from cyborg_ingest.model import ColumnMap

BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError)
"""What pyarrow raises of a damaged file: a KeyError of a lost dictionary, a MemoryError of an absurd length."""

CONTINUATION = b"\xff\xff\xff\xff"
_FEATHER_1 = b"FEA1"
_PADDED_MAGIC = 8


class ArrowReader(ReadsOn):
    """Arrow IPC files and streams, whichever the suffix says: Hugging Face's shards are streams called `.arrow`."""

    name = "arrow"
    suffixes: tuple[str, ...] = (".arrow", ".arrows", ".feather", ".ipc")
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.startswith((MAGIC, CONTINUATION))

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`."""
        is_file, unit = _is_file(uri), sidecars.unit_bytes
        with _translated(uri, FormatError, "it is a damaged Arrow file"):
            size = sources.size(uri)
            if is_file and sources.is_seekable(uri):
                check_footer(uri, size)
            schema = _schema(uri, unit, is_file=is_file)
            if not len(schema) and _stream_estimate(uri, schema, size, unit) is None:  # as pandas writes an empty frame
                return Layout(uri, self.name, schema, (), 0, 0, size)
            check_names(uri, schema)
            if is_file and sources.is_seekable(uri):
                check_whole(uri, size)
                parts, estimate = self._file_parts(uri, schema, size, unit)
                rows = total(part.rows for part in parts)
                return Layout(uri, self.name, schema, parts, rows, estimate, size)
            about = _stream_estimate(uri, schema, size, unit) if sources.is_seekable(uri) else 0
        part = Part(uri, self.name, 0, 0, 0, None, 0, size)
        rows = 0 if about is None else None
        return Layout(uri, self.name, schema, (part,), rows, about or 0, size, is_seekable=False)

    def _file_parts(self, uri: str, schema: pa.Schema, size: int, unit: int) -> tuple[tuple[Part, ...], int]:
        """Ranges of record batches, taken to be of one size; and about how many rows they have."""
        with _random(uri, schema, [_narrowest(schema)], unit) as reader:
            count = reader.num_record_batches
            first = reader.get_batch(0).num_rows if count else 0
            if not first and not any(reader.get_batch(number).num_rows for number in range(1, count)):
                return (), 0
        step = max(1, PART_BYTES * count // max(1, size))
        parts = tuple(
            Part(uri, self.name, number, start, stop, first if count == 1 else None, None if start else 0,
                 size * stop // count - size * start // count)
            for number, start in enumerate(range(0, count, step))
            for stop in [min(count, start + step)]
        )  # fmt: skip
        return parts, first * count

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `base.Keeping`. Where the Part does not say what is before it, that is counted."""
        unit = sidecars.unit_bytes
        with _translated(part.uri, SourceError, "it cannot be read further"):
            before = _rows_before(part, unit)
            batches = _batches(part, columns.read, unit, kept) if part.stop else _streamed(part, columns.read, unit)
            yield from bounded(
                _chunks(part, columns, batches, rows, start, before), sidecars.max_row_bytes, sidecars.at_once
            )


def _chunks(
    part: Part,
    columns: ColumnMap,
    batches: Iterator[pa.RecordBatch],
    rows: int,
    start: int,
    before: int,
) -> Iterator[Chunk]:
    row = 0
    for batch in batches:
        check_batch(batch)
        for place in range(max(0, start - row), len(batch), rows):
            piece = batch.slice(place, rows)
            yield Chunk(part, row + place, before + row + place, piece, columns)
        row += len(batch)
    if part.rows is not None and row != part.rows:
        raise SourceError(f"{part.uri}: it has {row} rows now and had {part.rows}. Is it being written?")


def _rows_before(part: Part, unit: int) -> int:
    """The rows of the file before a Part."""
    if not part.start or part.first_row is not None:
        return part.first_row or 0
    schema = _schema(part.uri, unit, is_file=True)
    with _random(part.uri, schema, [_narrowest(schema)], unit) as reader:
        return sum(reader.get_batch(number).num_rows for number in range(part.start))


def _batches(part: Part, names: Sequence[str], unit: int, kept: Kept) -> Iterator[pa.RecordBatch]:
    """The Part's record batches of a file."""
    reader = kept.get((part.uri, part.fingerprint, names), lambda: _columns_of(part.uri, names, unit))
    for number in range(part.start, part.stop):
        yield reader.get_batch(number)


@contextlib.contextmanager
def _columns_of(uri: str, names: Sequence[str], unit: int) -> Iterator[_Random]:
    """A file's reader of these columns."""
    with _random(uri, _schema(uri, unit, is_file=True), names, unit) as reader:
        yield reader


def _streamed(part: Part, names: Sequence[str], unit: int) -> Iterator[pa.RecordBatch]:
    """All record batches of a stream."""
    is_file = _is_file(part.uri)
    schema = _schema(part.uri, unit, is_file=is_file)
    with _forward(part.uri, schema, names, unit, is_file=is_file) as (reader, file):
        yield from reader
        check_end(part.uri, file, is_file=is_file)


def _narrowest(schema: pa.Schema) -> str:
    """The column that is read with the least effort, where rows are all that is asked for."""

    def width(field: pa.Field) -> float:
        is_plain = pt.is_primitive(field.type) or pt.is_boolean(field.type)
        return float(field.type.bit_width) if is_plain else 1e6 if pt.is_nested(field.type) else 1e3

    return str(min(schema, key=width).name)


def _stream_estimate(uri: str, schema: pa.Schema, size: int, unit: int) -> int | None:
    """About how many rows a stream has, by its first batch that has any; None where it has none."""
    is_file = _is_file(uri)
    names = [_narrowest(schema)] if len(schema) else []
    with _forward(uri, schema, names, unit, is_file=is_file) as (reader, file):
        first = next((batch for batch in reader if batch.num_rows), None)
        return None if first is None else first.num_rows * size // max(1, file.position)


def _schema(uri: str, unit: int, *, is_file: bool) -> pa.Schema:
    if is_file and sources.is_seekable(uri):
        with _native(uri) as file:
            schema = pa.ipc.open_file(file).schema
    else:
        with _forward(uri, None, (), unit, is_file=is_file) as (reader, _file):
            schema = reader.schema
    return schema


@contextlib.contextmanager
def _random(uri: str, schema: pa.Schema, names: Sequence[str], unit: int) -> Iterator[_Random]:
    """A file's reader of these columns."""
    with _native(uri) as file, sources.opened(uri) as looked_at:
        there = frozenset(schema.names)
        wanted = {column_of(there, name) for name in names}
        units = FileUnits(uri, looked_at, sources.size(uri), schema, wanted, unit)
        units.check_dictionaries()
        yield _Random(pa.ipc.open_file(file, options=_options(schema, names)), units)


class _Random:
    """The record batches of a file, none of which is decoded that is too much at once."""

    def __init__(self, reader: Any, units: FileUnits) -> None:
        self._reader, self._units = reader, units
        self.num_record_batches: int = reader.num_record_batches

    def get_batch(self, number: int) -> pa.RecordBatch:
        self._units.check(number)
        return self._reader.get_batch(number)


@contextlib.contextmanager
def _forward(
    uri: str, schema: pa.Schema | None, names: Sequence[str], unit: int, *, is_file: bool
) -> Iterator[tuple[Any, CheckedMessages]]:
    """A stream's reader of these columns, and the bytes it reads from."""
    with sources.streamed(uri) as opened:
        blocks = _Blocks(opened)
        if is_file:
            blocks.read(_PADDED_MAGIC)
        file = CheckedMessages(uri, blocks, unit)
        yield pa.ipc.open_stream(pa.PythonFile(file, "r"), options=_options(schema, names)), file


def _options(schema: pa.Schema | None, names: Sequence[str]) -> pa.ipc.IpcReadOptions:
    there = frozenset(schema.names if schema is not None else ())
    wanted = dict.fromkeys(column_of(there, name) for name in names) if schema is not None else {}
    places = {name: schema.get_field_index(name) for name in wanted} if schema is not None else {}
    missing = next((name for name, place in places.items() if place < 0), None)
    if missing is not None:
        raise ValueError(f"there is no column {missing!r} any more")
    return pa.ipc.IpcReadOptions(included_fields=list(places.values()), use_threads=False)


@contextlib.contextmanager
def _native(uri: str) -> Iterator[pa.NativeFile]:
    native = sources.native(uri)
    if isinstance(native, str):
        with pa.OSFile(native) as file:
            yield file
    else:
        with native:
            yield pa.PythonFile(_Blocks(native), "r")


class _Blocks:
    """A file for Arrow to read from, that makes room as bytes arrive and not on a damaged length's word."""

    closed = False

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self.position = 0

    def read(self, size: int) -> bytearray:
        found = bytearray()
        while len(found) < size:
            block = self._file.read(min(size - len(found), BLOCK_BYTES))
            if not block:
                break
            found += block
        self.position += len(found)
        return found

    def seek(self, place: int, whence: int = 0) -> int:
        self.position = self._file.seek(place, whence)
        return self.position

    def tell(self) -> int:
        return self.position

    def close(self) -> None:
        """Whoever has opened the file closes it."""


@contextlib.contextmanager
def _translated(uri: str, kind: type[IngestError], words: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise kind(f"{uri}: {words}: {first_line(error)}. Perhaps it was cut short; write or copy it again.") from None


def _is_file(uri: str) -> bool:
    """Whether it is of the file form; else it is a stream. Raises FormatError where it is neither."""
    with sources.reading(uri), sources.streamed(uri) as file:
        head = file.read(_PADDED_MAGIC)
    if head.startswith((MAGIC, CONTINUATION)):
        return head.startswith(MAGIC)
    if not head:
        raise FormatError(f"{uri}: " + ("nothing came in." if sources.is_stream(uri) else "the file is empty."))
    if head.startswith(_FEATHER_1):
        raise FormatError(f"{uri}: it is Feather v1, which has no lists. Write Feather v2: write_feather(version=2).")
    raise FormatError(f"{uri}: it is not an Arrow file (it begins with {head!r}). Say what it is with --format.")
