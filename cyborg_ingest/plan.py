"""Decide everything that can be decided before a row is read: files, columns, dimension."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.types as pt

from cyborg_ingest import sources as places
from cyborg_ingest.errors import MappingError, SourceNotFoundError, UsageError
from cyborg_ingest.mapping import ColumnChoice, resolve, storage_type
from cyborg_ingest.ranges import RangeSet
from cyborg_ingest.readers import READERS, by_suffix, reader_for
from cyborg_ingest.readers.base import Sidecars

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from cyborg_ingest.model import Chunk, ColumnMap, Json, Part
    from cyborg_ingest.readers.base import Layout, Reader
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
    layouts = _layouts(sources, settings.format, sidecars)
    choice = _choice(settings)
    found = tuple(Source(layout, resolve(layout.uri, layout.schema, choice)) for layout in layouts)
    return Plan(found, sidecars, _dimension(found), settings.limit)


def _layouts(sources: tuple[str, ...], format_name: str | None, sidecars: Sidecars) -> list[Layout]:
    """The layouts of the files that the sources stand for, in their order."""
    if not sources:
        raise UsageError("No source. Name at least one file.")
    found = places.find(sources)
    known = [one for one in found if format_name or not one.listed or by_suffix(one.uri)]
    if not known:
        raise SourceNotFoundError(
            f"{found[0].uri}: none of {len(found):,} files has a known suffix. Say with --format what they are."
        )
    readers = [reader_for(one.uri, format_name) for one in known]
    _check_sidecars(readers, sidecars)
    layouts = [
        _with_fingerprint(reader.layout(one.uri, sidecars), sidecars)
        for one, reader in zip(known, readers, strict=True)
    ]
    if sum(one.is_numbered for one in layouts) > 1 and "{file}" not in sidecars.id_prefix:
        raise UsageError(
            "Several files without ids would share their row numbers as ids. "
            "Give --id-prefix with {file} in it, as in --id-prefix '{file}-'."
        )
    return layouts


def _check_sidecars(readers: list[Reader], sidecars: Sidecars) -> None:
    """Refuse options that the sources cannot honour."""
    given = {
        "--ids": sidecars.ids,
        "--id-prefix": sidecars.id_prefix,
        "--metadata": sidecars.metadata,
        "--contents": sidecars.contents,
    }
    named = [option for option, value in given.items() if value]
    if named and not all(reader.is_bare for reader in readers):
        bare = ", ".join(name for name, reader in READERS.items() if reader.is_bare)
        raise UsageError(f"{named[0]} is for {bare} sources; the other formats hold their own columns.")
    files = [option for option in named if option != "--id-prefix"]
    if files and len(readers) > 1:
        raise UsageError(f"{files[0]} goes with one source; there are {len(readers)} sources. Load them one by one.")
    if sidecars.ids and sidecars.id_prefix:
        raise UsageError("--ids and --id-prefix exclude each other: the ids are in the file, or the row numbers.")


def _with_fingerprint(layout: Layout, sidecars: Sidecars) -> Layout:
    marks = [places.fingerprint(uri) for uri in (layout.uri, *map(str, sidecars.files))]
    mark = marks[0] if len(marks) == 1 else hashlib.blake2b(" ".join(marks).encode(), digest_size=16).hexdigest()
    return replace(layout, parts=tuple(replace(part, fingerprint=mark) for part in layout.parts))


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
        "sources": [_as_typed(source) for source in sources],
        "format": settings.format,
        "id_prefix": settings.id_prefix,
        "columns": {name: getattr(choice, name) for name in choice.__slots__},
        **absolute,
    }


def _as_typed(source: str) -> str:
    """A source so that it is the same from any directory; a pattern stays one."""
    if source == places.STDIN or "://" in source:
        return source
    mark = "@" if source.startswith("@") else ""
    return f"{mark}{_absolute(source.removeprefix('@'))}"


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
