"""Parquet: one Part a row group, read page by page."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.model import Chunk, ColumnMap, Part
from cyborg_ingest.readers.base import Layout, check_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.compute as pc

    from cyborg_ingest.readers.base import Sidecars

BROKEN = (pa.ArrowException, OSError, ValueError)
"""What pyarrow raises of a damaged file: text in it that is no UTF-8 is a plain ValueError."""

MAGIC = b"PAR1"
_PAGE_BUFFER = 1 << 20
"""With it, and without `pre_buffer`, a row group of any size is read page by page in flat memory (measured)."""


class ParquetReader:
    """Apache Parquet."""

    name = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.startswith(MAGIC)

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:  # noqa: ARG002 - the protocol's
        """See `base.Reader`."""
        with opened(uri) as file:
            schema, footer = file.schema_arrow, file.metadata
            check_names(uri, schema)
            parts, row = [], 0
            for number in range(footer.num_row_groups):
                group = footer.row_group(number)
                parts.append(
                    Part(uri, self.name, number, number, number + 1, group.num_rows, row, group.total_byte_size)
                )
                row += group.num_rows
        return Layout(uri, self.name, schema, tuple(parts), row, row, sources.size(uri))

    def read(
        self,
        part: Part,
        columns: ColumnMap,
        sidecars: Sidecars,  # noqa: ARG002 - only what has no names needs them
        *,
        rows: int,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with opened(part.uri) as file:
            try:
                yield from _chunks(file, part, columns, list(columns.read), rows, start)
            except BROKEN as error:
                raise SourceError(
                    f"{part.uri}: row group {part.number} cannot be read: {_first_line(error)}. The file is damaged; "
                    "write it again."
                ) from None

    def relevant(self, uri: str, condition: pc.Expression) -> frozenset[int] | None:
        """See `base.Pruning`: by the least and the greatest value of each row group."""
        import pyarrow.dataset as pads  # noqa: PLC0415 - slow to import, and only for --where

        try:
            with sources.opened(uri) as file:
                fragment = pads.ParquetFileFormat().make_fragment(file)
                return frozenset(group.id for group in fragment.subset(filter=condition).row_groups)
        except BROKEN:  # a condition that does not fit the columns is told where it is applied
            return None


def _chunks(
    file: pq.ParquetFile, part: Part, columns: ColumnMap, names: list[str], rows: int, start: int
) -> Iterator[Chunk]:
    row, size = 0, part.size
    # a name with a dot also brings the field of a struct: harmless, columns are taken by their whole name
    batches = file.iter_batches(batch_size=rows, row_groups=[part.number], columns=names, use_threads=False)
    for batch in batches:
        end = row + len(batch)
        if end > start:
            kept = batch.slice(max(0, start - row))
            first = end - len(kept)
            done = size * end // max(1, part.rows or end)
            yield Chunk(part, first, (part.first_row or 0) + first, kept, columns, size=done)
        row = end
    if part.rows is not None and row != part.rows:
        raise SourceError(f"{part.uri}: row group {part.number} has {row} rows, its footer says {part.rows}.")


@contextlib.contextmanager
def opened(uri: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file, its footer read. Raises FormatError."""
    if not sources.is_seekable(uri):
        raise FormatError(
            f"{uri}: Parquet is read from its end, which no stream shows first. Save it, decompressed, in a file."
        )
    try:
        file = pq.ParquetFile(sources.native(uri), buffer_size=_PAGE_BUFFER, pre_buffer=False)
        file.schema_arrow.names  # noqa: B018 - names that are no text are found here
    except BROKEN as error:
        raise FormatError(f"{uri}: {_why_not(uri, error)}") from None
    with file:
        yield file


def _why_not(uri: str, error: Exception) -> str:
    with sources.opened(uri) as file:
        head = file.read(len(MAGIC))
    if not head:
        return "the file is empty."
    if head == b"PARE" or "encrypt" in str(error).lower():
        return "it is encrypted, and there is no option for its keys. Write it unencrypted."
    if head != MAGIC:
        return f"it is no Parquet file (it begins with {head!r}). Say what it is with --format."
    return f"it is a damaged Parquet file: {_first_line(error)}. Perhaps it was cut short; write or copy it again."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
