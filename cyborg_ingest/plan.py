"""Decide everything that can be decided before a row is read: files, columns, dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.types as pt

from cyborg_ingest.errors import MappingError
from cyborg_ingest.mapping import ColumnChoice, resolve, storage_type
from cyborg_ingest.readers import READERS
from cyborg_ingest.readers.base import Sidecars
from cyborg_ingest.sources import plan_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.model import Chunk, ColumnMap
    from cyborg_ingest.readers.base import Layout
    from cyborg_ingest.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Source:
    """One source and which of its columns is what."""

    layout: Layout
    columns: ColumnMap


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be read. `dimension` is None where no schema fixes it."""

    sources: tuple[Source, ...]
    sidecars: Sidecars
    dimension: int | None
    limit: int | None

    @property
    def rows(self) -> int | None:
        """The exact number of rows, where every header gives one."""
        counts = [source.layout.rows for source in self.sources]
        if any(count is None for count in counts):
            return None
        total = sum(count or 0 for count in counts)
        return total if self.limit is None else min(total, self.limit)

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """Read everything in order, at most `rows` a chunk."""
        left = self.limit
        for source in self.sources:
            reader = READERS[source.layout.format]
            for part in source.layout.parts:
                for chunk in reader.read(part, source.columns, self.sidecars, rows=rows):
                    if left is None:
                        yield chunk
                        continue
                    yield chunk.rows(0, left)
                    left -= len(chunk.batch)
                    if left <= 0:
                        return


def make_plan(sources: tuple[str, ...], settings: SourceSettings) -> Plan:
    """Look at every header. Raises UsageError, or one of its kinds, naming the file."""
    sidecars = Sidecars(settings.ids, settings.id_prefix or "", settings.metadata, settings.contents)
    choice = ColumnChoice(
        settings.id_column,
        settings.vector_column,
        settings.metadata_column,
        settings.metadata_columns,
        settings.contents_column,
    )
    layouts = plan_sources(sources, settings.format, sidecars)
    found = tuple(Source(layout, resolve(layout.uri, layout.schema, choice)) for layout in layouts)
    return Plan(found, sidecars, _dimension(found), settings.limit)


def _dimension(sources: tuple[Source, ...]) -> int | None:
    """The dimension that the schemas fix. Raises MappingError where two fix different ones."""
    known: dict[int, str] = {}
    for source in sources:
        kind = storage_type(source.layout.schema.field(source.columns.vector).type)
        if pt.is_fixed_size_list(kind):
            known.setdefault(kind.list_size, source.layout.uri)
    if len(known) > 1:
        listed = ", ".join(f"{dimension} in {uri}" for dimension, uri in known.items())
        raise MappingError(f"The sources have vectors of different dimensions: {listed}. Load them apart.")
    return next(iter(known), None)
