"""Parquet: one Part a row group, read page by page."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError, first_line
from cyborg_ingest.formats import int96
from cyborg_ingest.formats.base import Layout, ReadsOn, check_names
from cyborg_ingest.formats.bounds import bounded
from cyborg_ingest.formats.ends import NOT_READ, footer_of
from cyborg_ingest.formats.pages import PAGE_BUFFER, Limit, limit_of
from cyborg_ingest.formats.thrift import ParquetFooter
from cyborg_ingest.model import Chunk, ColumnMap, Part
from cyborg_ingest.rows.mapping import field_of
from cyborg_ingest.rows.paths import above_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from cyborg_ingest.formats.base import BoundsOf, Kept, Sidecars
    from cyborg_ingest.formats.bounds import AtOnce
    from cyborg_ingest.rows.pruning import Bounds

BROKEN = (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError)
"""What pyarrow raises of a damaged file: text in it that is not UTF-8 is a plain ValueError."""

MAGIC = b"PAR1"
_DAMAGED = "The file is damaged; write it again."
_ENCRYPTED = "it is encrypted, and there is no option for its keys. Write it unencrypted."
_UUID_BYTES = 16

_MOST_FOOTER = 64_000_000
_MOST_COLUMNS, _MOST_PIECES = 150_000, 400_000
"""Of a footer, which Arrow decodes whole: some 1,400 bytes for each column, and 900 for each in a row group."""


class ParquetReader(ReadsOn):
    """Apache Parquet."""

    name = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.startswith(MAGIC)

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:  # noqa: ARG002 - the protocol's
        """See `base.Reader`."""
        check_whole(uri)
        with opened(uri) as file:
            schema, footer = schema_of(file), file.metadata
            if footer.num_rows or len(schema):  # pandas writes a frame without rows as one without columns, too
                check_names(uri, schema)
            parts, row = [], 0
            for number in range(footer.num_row_groups):
                group = footer.row_group(number)
                parts.append(
                    Part(uri, self.name, number, number, number + 1, group.num_rows, row, group.total_byte_size)
                )
                row += group.num_rows
        return Layout(uri, self.name, schema, tuple(parts), row, row, sources.size(uri))

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `base.Keeping`: of a file with many columns, the footer takes longer to read than a row group."""
        file = kept.get((part.uri, part.fingerprint), lambda: opened(part.uri))
        try:
            found = _chunks(file, part, columns, rows, start, sidecars.decoding)
            yield from bounded(found, sidecars.max_row_bytes, sidecars.at_once)
        except BROKEN as error:
            raise SourceError(
                f"{part.uri}: row group {part.number} cannot be read: {first_line(error)}. {_DAMAGED}"
            ) from None

    def relevant(self, layout: Layout, may_match: Callable[[BoundsOf], bool]) -> frozenset[int] | None:
        """See `base.Pruning`: by the least and the greatest value of each row group."""
        footer = check_whole(layout.uri)
        with opened(layout.uri) as file:
            statistics = _Statistics(file, footer.odd_bounds if footer is not None else frozenset())

            def holds(part: Part) -> bool:
                return any(may_match(partial(statistics.bounds, group)) for group in range(part.start, part.stop))

            return frozenset(part.number for part in layout.parts if holds(part))


class _Statistics:
    """What a file says of the columns of its row groups. Arrow ends the process where it is asked of odd ones."""

    def __init__(self, file: pq.ParquetFile, odd: AbstractSet[tuple[int, int]]) -> None:
        self._schema, self._footer, self._odd = file.schema_arrow, file.metadata, odd
        paths = [column.path for column in file.schema]
        count = Counter(paths)
        # a name with a dot may also be the path of another column's field: then nobody knows whose bounds they are
        self._places = {path: place for place, path in enumerate(paths) if count[path] == 1}

    def bounds(self, number: int, name: str) -> Bounds | None:
        """Of a column of a row group, by its name or path; None where nothing is known."""
        from cyborg_ingest.rows.pruning import bounds  # noqa: PLC0415 - only for --where

        place, group = self._places.get(name), self._footer.row_group(number)
        found = None if place is None or (number, place) in self._odd else group.column(place).statistics
        if found is None:
            return None
        kind = field_of(self._schema, name).type
        nulls = found.null_count if found.has_null_count and name in self._schema.names else None
        try:
            low, high = (found.min, found.max) if found.has_min_max else (None, None)
        except BROKEN:  # dates that Python does not have
            low = high = None
        return bounds(kind, low, high, nulls, group.num_rows)


def _chunks(
    file: pq.ParquetFile, part: Part, columns: ColumnMap, rows: int, start: int, at_once: AtOnce
) -> Iterator[Chunk]:
    row = 0
    # a name with a dot also brings the field of a struct: harmless, columns are taken by their whole name
    there = frozenset(file.schema_arrow.names)
    wanted = [name if name in there else above_lists(name) for name in columns.read]
    for batch in batches_of(part.uri, file, rows, range(part.start, part.stop), wanted, at_once):
        end = row + len(batch)
        if end > start:
            kept = batch.slice(max(0, start - row))
            first = end - len(kept)
            yield Chunk(part, first, (part.first_row or 0) + first, kept, columns)
        row = end
    if part.rows is not None and row != part.rows:
        raise SourceError(f"{part.uri}: row group {part.number} has {row} rows, its footer says {part.rows}.")


def schema_of(file: pq.ParquetFile) -> pa.Schema:
    """The file's columns, UUIDs as such."""
    return _with_uuids(file, file.schema_arrow, None)


def batches_of(
    uri: str, file: pq.ParquetFile, rows: int, groups: Sequence[int], names: Sequence[str], at_once: AtOnce
) -> Iterator[pa.RecordBatch]:
    """Rows of some row groups, at most `rows` at once, in the types of `schema_of`, each date as it was written.

    Text stays a dictionary where it would take too much once it is decoded. Raises SourceError where the least that
    can be decoded at once is too much.
    """
    raw: pa.Schema | None = None
    doubtful = int96.to_compare(file, names)
    for group in groups:  # Arrow cannot put together what two of them hold of some nested types
        limit = limit_of(uri, file, group, names, rows, at_once)
        batches = _of_group(uri, file, group, names, limit)
        compared = _compared(uri, batches, group, doubtful, limit.rows, file.metadata) if doubtful else batches
        for batch in compared:
            if raw is None or raw != batch.schema:
                raw, schema = batch.schema, _with_uuids(file, batch.schema, names)
            if schema.equals(raw):
                yield batch
            else:
                arrays = [array.view(field.type) for array, field in zip(batch.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _of_group(
    uri: str, file: pq.ParquetFile, group: int, names: Sequence[str], limit: Limit
) -> Iterator[pa.RecordBatch]:
    with contextlib.ExitStack() as stack:
        if limit.dictionaries:
            file = stack.enter_context(opened(uri, dictionaries=limit.dictionaries, footer=file.metadata))
        yield from file.iter_batches(batch_size=limit.rows, row_groups=[group], columns=names, use_threads=False)


def _compared(
    uri: str,
    batches: Iterator[pa.RecordBatch],
    group: int,
    names: Sequence[str],
    rows: int,
    footer: pq.FileMetaData,
) -> Iterator[pa.RecordBatch]:
    """The batches, with those columns by what they are in nanoseconds too."""
    with opened(uri, int96_unit="ns", footer=footer) as other:
        written = int96.written_types(other)
        for batch, more in zip(batches, _of_group(uri, other, group, names, Limit(rows)), strict=True):
            nanoseconds = dict(zip(more.schema.names, more.columns, strict=True))
            arrays = [
                int96.compared(array, nanoseconds[name], written.get(name)) if name in nanoseconds else array
                for name, array in zip(batch.schema.names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _with_uuids(file: pq.ParquetFile, schema: pa.Schema, names: Sequence[str] | None) -> pa.Schema:
    """The schema of these columns, or of all, with the type UUID where the file has it.

    Arrow before version 21 takes them for bytes, and bytes may be anything.
    """
    raw = {field.name for field in schema if _has_raw_uuids(field.type)}
    leaves = _uuid_leaves(file, raw, names) if raw else {}
    fields = [
        field.with_type(_typed(field.type, iter(leaves[field.name]))) if field.name in raw else field
        for field in schema
    ]
    return pa.schema(fields, schema.metadata)


def _uuid_leaves(file: pq.ParquetFile, columns: set[str], names: Sequence[str] | None) -> dict[str, list[bool]]:
    """For each leaf of some columns, in its order, whether it is a UUID; of the leaves that the names stand for."""
    wanted = None if names is None else set(names)
    found: dict[str, list[bool]] = {column: [] for column in columns}
    for leaf in map(file.schema.column, range(len(file.schema))):
        above = [*itertools.accumulate(leaf.path.split("."), "{}.{}".format)]
        if wanted is None or not wanted.isdisjoint(above):
            for column in columns.intersection(above):
                found[column].append(leaf.logical_type.type == "UUID")
    return found


def _has_raw_uuids(kind: pa.DataType) -> bool:
    is_raw = bool(pt.is_fixed_size_binary(kind) and kind.byte_width == _UUID_BYTES)
    return is_raw or any(_has_raw_uuids(kind.field(number).type) for number in range(kind.num_fields))


def _typed(kind: pa.DataType, are_uuids: Iterator[bool]) -> pa.DataType:
    """The type, of which each leaf in its order is a UUID or not."""
    fields = [kind.field(number) for number in range(kind.num_fields)]
    if not fields:
        is_uuid = next(are_uuids)
        return pa.uuid() if is_uuid and not isinstance(kind, pa.BaseExtensionType) else kind
    fields = [field.with_type(_typed(field.type, are_uuids)) for field in fields]
    if pt.is_struct(kind):
        return pa.struct(fields)
    if pt.is_map(kind):  # of one field: pairs of a key and an item
        return pa.map_(fields[0].type.field(0), fields[0].type.field(1))
    if pt.is_fixed_size_list(kind):
        return pa.list_(fields[0], kind.list_size)
    return (pa.large_list if pt.is_large_list(kind) else pa.list_)(fields[0])


@contextlib.contextmanager
def opened(
    uri: str,
    *,
    int96_unit: str = int96.UNIT,
    dictionaries: Sequence[str] = (),
    footer: pq.FileMetaData | None = None,
) -> Iterator[pq.ParquetFile]:
    """A Parquet file, its footer read unless it is given; columns of text that stay dictionaries, by their paths.

    Raises FormatError.
    """
    if not sources.is_seekable(uri):
        raise FormatError(
            f"{uri}: Parquet is read from its end, which no stream shows first. Save it, decompressed, in a file."
        )
    try:
        file = pq.ParquetFile(
            sources.native(uri),
            metadata=footer,
            read_dictionary=list(dictionaries) or None,
            buffer_size=PAGE_BUFFER,
            pre_buffer=False,
            coerce_int96_timestamp_unit=int96_unit,
        )
        file.schema_arrow.names  # noqa: B018 - names that are not text are found here
    except BROKEN as error:
        raise FormatError(f"{uri}: {_why_not(uri, error)}") from None
    with file:
        yield file


def check_whole(uri: str) -> ParquetFooter | None:
    """Refuse a file that holds more than its footer names, as where two were put together, and an encrypted one.

    Arrow itself ends the process where it is asked about an encrypted column, and about one of which a row group says
    other things than the schema. A footer that takes too much once Arrow has decoded it is refused, too. Gives what the
    footer says; None where Arrow is the one to say what is wrong. Raises FormatError.
    """
    if not sources.is_seekable(uri):  # which is said where it is opened
        return None
    size = sources.size(uri)
    with sources.opened(uri) as file:
        file.seek(max(0, size - len(MAGIC)))
        if file.read(len(MAGIC)) != MAGIC:
            return None
        footer, begin = footer_of(file, size, len(MAGIC), _MOST_FOOTER)
    if begin >= 0 and size - begin > _MOST_FOOTER:
        raise _too_wide(uri, f"has {size - begin:,} bytes", f"{_MOST_FOOTER:,}")
    try:
        found = ParquetFooter(footer)
    except NOT_READ:
        raise FormatError(f"{uri}: its footer cannot be read. {_DAMAGED}") from None
    if found.columns > _MOST_COLUMNS:
        raise _too_wide(uri, f"names {found.columns:,} columns", f"{_MOST_COLUMNS:,}")
    if found.pieces > _MOST_PIECES:
        raise _too_wide(uri, f"names {found.pieces:,} pieces, a column in a row group each", f"{_MOST_PIECES:,}")
    if found.is_encrypted:
        raise FormatError(f"{uri}: {_ENCRYPTED}")
    if found.contradiction:
        raise FormatError(f"{uri}: its footer contradicts itself: {found.contradiction}. {_DAMAGED}")
    if found.end != begin:
        raise FormatError(
            f"{uri}: it holds {begin - found.end:,} bytes that its footer does not name. If several files were put "
            "together (as cat does), load each by itself: of them only one could be read. Else write it again."
        )
    return found


def _too_wide(uri: str, what: str, most: str) -> FormatError:
    return FormatError(
        f"{uri}: its footer {what}, and {most} are possible: it is decoded whole. Write it with fewer columns (a list "
        "or a map in place of many), in larger row groups, or in several files."
    )


def _why_not(uri: str, error: Exception) -> str:
    with sources.opened(uri) as file:
        head = file.read(len(MAGIC))
    if not head:
        return "the file is empty."
    if head == b"PARE" or "encrypt" in str(error).lower():
        return _ENCRYPTED
    if head != MAGIC:
        return f"it is not a Parquet file (it begins with {head!r}). Say what it is with --format."
    return f"it is a damaged Parquet file: {first_line(error)}. Perhaps it was cut short; write or copy it again."
