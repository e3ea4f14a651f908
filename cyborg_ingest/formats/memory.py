"""Arrow data of this process: a Table, a Dataset, a RecordBatchReader, or an object with `__arrow_c_stream__`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.base import Layout, check_names
from cyborg_ingest.formats.bounds import bounded
from cyborg_ingest.model import Chunk, Part
from cyborg_ingest.rows.paths import column_of
from cyborg_ingest.sources.pulled import Batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.model import ColumnMap


class MemoryReader:
    """What `load` is given in place of files. It is one Part, and read again from its first row."""

    name = "memory"
    suffixes: tuple[str, ...] = ()
    is_bare = False

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - it has no bytes
        """See `base.Reader`."""
        return False

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:  # noqa: ARG002 - the protocol's
        """See `base.Reader`."""
        found = sources.held(uri)
        try:
            schema = _schema(found)
        except (pa.ArrowException, OSError, TypeError, ValueError, MemoryError, OverflowError) as error:
            raise FormatError(f"{uri}: Arrow cannot read it: {error}.") from None
        check_names(uri, schema)
        _refuse_overflowing(uri, found, schema)
        rows = getattr(found, "num_rows", None) if isinstance(found, pa.Table | pa.RecordBatch | Batches) else None
        part = Part(uri, self.name, 0, 0, rows or 0, rows, 0, sources.size(uri))
        return Layout(uri, self.name, schema, (part,), rows, rows or 0, part.size, is_seekable=False)

    def read(
        self,
        part: Part,
        columns: ColumnMap,
        sidecars: Sidecars,
        *,
        rows: int,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """See `base.Reader`. What is in memory is so as it was given; what it becomes here is cut by bytes."""
        yield from bounded(self._chunks(part, columns, rows, start), sidecars.max_row_bytes, sidecars.at_once)

    def _chunks(self, part: Part, columns: ColumnMap, rows: int, start: int) -> Iterator[Chunk]:
        row = 0
        try:
            for batch in _batches(sources.held(part.uri), columns.read, rows):
                for offset in range(0, len(batch), rows):
                    piece = batch.slice(offset, rows)
                    row += len(piece)
                    if row > start:
                        kept = piece.slice(max(0, start - row + len(piece)))
                        yield Chunk(part, row - len(kept), row - len(kept), kept, columns)
        except (pa.ArrowException, OSError, TypeError, ValueError, MemoryError, OverflowError) as error:
            raise SourceError(f"{part.uri}: row {row:,} cannot be read: {error}.") from None


def _refuse_overflowing(uri: str, found: Any, schema: pa.Schema) -> None:
    """Refuse a Dataset of Parquet that reads INT96 as nanoseconds, which end in 2262. Raises FormatError.

    It is the caller's, with filters of its own: it cannot be made anew in here.
    """
    options = getattr(getattr(found, "format", None), "read_options", None)
    if getattr(options, "coerce_int96_timestamp_unit", None) != "ns" or "timestamp[ns" not in str(schema):
        return
    for fragment in found.get_fragments():
        leaves = fragment.metadata.schema
        if any(leaves.column(number).physical_type == "INT96" for number in range(len(leaves))):
            raise FormatError(
                f"{uri}: {fragment.path} has INT96 timestamps, and the Dataset reads them as nanoseconds, which end in "
                'the year 2262. Make it with format=ParquetFileFormat(coerce_int96_timestamp_unit="us"), or name the '
                "files themselves."
            )


def _schema(found: Any) -> pa.Schema:
    if isinstance(getattr(found, "schema", None), pa.Schema):
        return found.schema
    return pa.RecordBatchReader.from_stream(found).schema


def _batches(found: Any, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    if isinstance(found, pa.Table):
        return iter(found.to_batches(max_chunksize=rows))
    if isinstance(found, pa.RecordBatch):
        return iter([found])
    if hasattr(found, "to_batches"):  # a Dataset: what is not needed is not read
        there = frozenset(found.schema.names)
        wanted = {column_of(there, name) for name in names}
        return iter(found.to_batches(columns=sorted(wanted), batch_size=rows))
    return iter(pa.RecordBatchReader.from_stream(found))
