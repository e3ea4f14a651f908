"""Ids that are bytes: whether they are text, as their first rows show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest import sources as places_of
from cyborg_ingest.errors import MappingError
from cyborg_ingest.formats import READERS
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.rows.columns import are_text
from cyborg_ingest.rows.mapping import field_of
from cyborg_ingest.rows.shaping import Shaping

if TYPE_CHECKING:
    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.model import Chunk
    from cyborg_ingest.plan.reading import Source

_LOOKED_AT = 2000
"""Rows."""


def look_at_ids(source: Source, sidecars: Sidecars) -> None:
    """Refuse ids of bytes that are not text, as their first rows show. Raises MappingError."""
    uri, name = source.layout.uri, source.columns.id
    if not source.has_raw_ids or name is None or places_of.is_read_once(uri):
        return
    alone = ColumnMap(name, name)  # what else there is need not be decoded
    for part in source.layout.parts[:1]:
        for chunk in READERS[source.layout.format].read(part, alone, sidecars, rows=_LOOKED_AT):
            check_ids(source, Shaping().apply(chunk))
            return


def check_ids(source: Source, chunk: Chunk) -> None:
    """Refuse ids of bytes of which most in a chunk are not text: then it is the column. Raises MappingError."""
    name = source.columns.id
    if source.has_raw_ids and name is not None and not are_text(chunk.batch.column(name)):
        kind = field_of(source.layout.schema, name).type
        raise MappingError(
            f"{source.layout.uri}: the ids in {name!r} are bytes ({kind}) that are not text, and without a logical "
            "type nothing says what they are. Write them as text or with the type UUID, or name other ids with "
            "--id-column.",
            uri=source.layout.uri,
        )
