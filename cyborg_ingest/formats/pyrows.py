"""Rows that a program holds as dicts: read as JSON's objects are, with the values that Python has and JSON has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats.base import Layout
from cyborg_ingest.formats.jsoncolumns import chunk_of
from cyborg_ingest.formats.jsonsample import sampled, schema_of
from cyborg_ingest.formats.jsonshapes import check_vectors, shape_of, shaped, unwrapped
from cyborg_ingest.formats.records import SAMPLED_ROWS, Gathered, NoRow, Records, kept
from cyborg_ingest.model import Part
from cyborg_ingest.rows.pyvalues import row_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.model import Chunk, ColumnMap


class RowsReader:
    """Dicts of this process. They are one Part; a list is read again from its first row, a generator is read once."""

    name = "rows"
    suffixes: tuple[str, ...] = ()
    is_bare = False

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - it has no bytes
        """See `base.Reader`."""
        return False

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. The columns are the fields of the first 100 rows; later ones may have more."""
        held = sources.held(uri)
        first = held.first(SAMPLED_ROWS + 1)
        if not first:
            raise EmptySourceError(f"{uri}: there is no row in it.")
        texts = [_text(row, row.keys(), sidecars.max_row_bytes) for row in first[:SAMPLED_ROWS]]
        sample = sampled((text, len(text)) for text in texts)
        if not sample.objects:
            raise FormatError(f"{uri}: row {sample.problem[0]:,}: {sample.problem[1]}.")
        known = shape_of(sample.objects, sidecars.named)
        rows = unwrapped(sample.objects, known)
        check_vectors(uri, rows, known, sidecars.named)
        count = held.num_rows
        part = Part(uri, self.name, 0, 0, count or 0, count, 0, 0, shape=known.name if known else "")
        return Layout(
            uri, self.name, schema_of(rows), (part,), count, count or 0, 0, is_seekable=False,
            has_schema=False, is_open=len(first) > SAMPLED_ROWS, **shaped(uri, known),
        )  # fmt: skip

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """See `base.Reader`. A row that JSON cannot hold is that row's fault."""
        row = 0
        marked = () if columns.contents is None else (columns.contents,)
        for texts in _groups(part.uri, marked, rows, sidecars.max_row_bytes):
            if row + len(texts) > start:
                yield chunk_of(part, columns, Records(texts, None), row, 0).rows(start - row, len(texts))
            row += len(texts)


def _groups(uri: str, marked: Collection[Any], rows: int, limit: int) -> Iterator[list[bytes]]:
    found = Gathered(rows)
    for row in sources.held(uri):
        text = _text(row, marked, limit)
        if found.is_full_before(text):
            yield found.texts
            found = Gathered(rows)
        found.add(text)
        if found.is_full:
            yield found.texts
            found = Gathered(rows)
    if found.texts:
        yield found.texts


def _text(row: Mapping[Any, Any], marked: Collection[Any], limit: int) -> bytes:
    try:
        return kept(row_text(row, marked), limit)
    except ValueError as error:
        return NoRow.of(repr(row).encode(errors="backslashreplace"), str(error))
