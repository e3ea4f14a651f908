"""Decide everything that can be decided before a row is read: files, columns, dimension."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.types as pt

from cyborg_ingest.errors import MappingError
from cyborg_ingest.mapping import ColumnChoice, resolve, storage_type
from cyborg_ingest.ranges import RangeSet
from cyborg_ingest.readers import READERS
from cyborg_ingest.readers.base import Sidecars
from cyborg_ingest.sources import plan_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from cyborg_ingest.model import Chunk, ColumnMap, Json, Part
    from cyborg_ingest.readers.base import Layout
    from cyborg_ingest.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Source:
    """One source and which of its columns is what."""

    layout: Layout
    columns: ColumnMap

    def has(self, role: str) -> bool:
        """Whether the source is seen to have metadata, or contents."""
        names = (getattr(self.columns, role), *(self.columns.metadata_columns if role == "metadata" else ()))
        return any(name and not pt.is_null(self.layout.schema.field(name).type) for name in names)


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier run has done of a Part: these rows, of so many (None: not known)."""

    rows: RangeSet
    total: int | None


def nothing(_part: Part) -> Done:
    """What is done of a Part when nothing is."""
    return Done(RangeSet(), None)


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

    def chunks(
        self,
        rows: int,
        done: Callable[[Part], Done] = nothing,
        on_end: Callable[[Part, int], None] = lambda _part, _rows: None,
    ) -> Iterator[Chunk]:
        """Read what is not done, in order, at most `rows` a chunk; `on_end` hears how many rows a Part has."""
        left = self.limit
        for source in self.sources:
            for part in source.layout.parts:
                if left is not None and left <= 0:
                    return
                passed = yield from self._part(source, part, rows, done(part), left)
                if left is None or passed < left:
                    on_end(part, passed)
                left = None if left is None else left - passed

    def _part(
        self, source: Source, part: Part, rows: int, done: Done, limit: int | None
    ) -> Generator[Chunk, None, int]:
        """Yield what is missing of a Part; return how many of its rows were passed, read or done."""
        total = part.rows if part.rows is not None else done.total
        if limit is not None and total is not None:
            total = min(total, limit)
        gaps = done.rows.missing(0, total if total is not None else _ENDLESS)
        start = next(gaps, (None, None))[0]
        if start is None:
            return total or 0
        passed = start
        chunks = READERS[source.layout.format].read(part, source.columns, self.sidecars, rows=rows, start=start)
        for chunk in chunks:
            passed = chunk.start + len(chunk.batch)
            end = passed if limit is None else min(passed, limit)
            for begin, stop in done.rows.missing(chunk.start, end):
                yield chunk.rows(begin - chunk.start, stop - chunk.start)
            if limit is not None and passed >= limit:
                return limit
        return passed


_ENDLESS = 1 << 62


def ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same chunks, the next one read by another thread while the last is dealt with."""
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        future = reader.submit(next, chunks, None)
        while (chunk := future.result()) is not None:
            future = reader.submit(next, chunks, None)
            yield chunk


def make_plan(sources: tuple[str, ...], settings: SourceSettings) -> Plan:
    """Look at every header. Raises UsageError, or one of its kinds, naming the file."""
    sidecars = Sidecars(settings.ids, settings.id_prefix or "", settings.metadata, settings.contents)
    layouts = plan_sources(sources, settings.format, sidecars)
    choice = _choice(settings)
    found = tuple(Source(layout, resolve(layout.uri, layout.schema, choice)) for layout in layouts)
    return Plan(found, sidecars, _dimension(found), settings.limit)


def _choice(settings: SourceSettings) -> ColumnChoice:
    return ColumnChoice(
        settings.id_column,
        settings.vector_column,
        settings.metadata_column,
        settings.metadata_columns,
        settings.contents_column,
    )


def describe_job(target: str, index: str, sources: tuple[str, ...], settings: SourceSettings) -> Json:
    """What makes a job this one and no other: target, index, sources as typed, and how they are mapped."""
    absolute = {name: _absolute(getattr(settings, name)) for name in ("ids", "metadata", "contents")}
    choice = _choice(settings)
    return {
        "target": target,
        "index": index,
        "sources": [_absolute(source) for source in sources],
        "format": settings.format,
        "id_prefix": settings.id_prefix,
        "columns": {name: getattr(choice, name) for name in choice.__slots__},
        **absolute,
    }


def _absolute(path: Any) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())


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
