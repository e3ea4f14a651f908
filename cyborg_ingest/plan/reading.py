"""What will be read, and reading it: sources, which of their rows are asked for, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.types as pt

from cyborg_ingest import sources as places
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import ORIGIN, Keeping, Kept
from cyborg_ingest.plan.done import ENDLESS, nothing
from cyborg_ingest.rows.columns import with_one_vector
from cyborg_ingest.rows.kinds import is_bytes, is_uuid, storage_type
from cyborg_ingest.rows.mapping import field_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.model import Chunk, ColumnMap, Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.selection import Selection
    from cyborg_ingest.rows.shaping import Shape
    from cyborg_ingest.sources import NotRead, Seen


@dataclass(frozen=True, slots=True)
class Source:
    """One source, which of its columns is what, and what is done to its chunks."""

    layout: Layout
    columns: ColumnMap
    shape: Shape
    relevant: frozenset[int] | None = None
    """The numbers of the Parts that may hold a row that is asked for; None: any of them."""
    seen: tuple[Seen, ...] = ()
    """Its file, and those that go with it, as they were when the plan was made."""

    @property
    def is_numbered(self) -> bool:
        """Whether its ids are row numbers."""
        field = self.layout.schema.field(self.columns.id) if self.layout.is_numbered and self.columns.id else None
        return field is not None and ORIGIN in (field.metadata or {})

    @property
    def has_raw_ids(self) -> bool:
        """Whether its ids are bytes that may be text or anything."""
        if not self.columns.id:
            return False
        kind = field_of(self.layout.schema, self.columns.id).type
        return is_bytes(storage_type(kind)) and not is_uuid(kind)

    def has(self, role: str) -> bool:
        """Whether the source is seen to have metadata, or contents."""
        names = (getattr(self.columns, role), *(self.columns.metadata_columns if role == "metadata" else ()))
        if role == "metadata" and self.columns.constants:
            return True
        return any(name and not pt.is_null(field_of(self.layout.schema, name).type) for name in names)


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A Part was read to its end: it has so many rows."""

    part: Part
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be read. `dimension` is None where no schema fixes it; `not_read` is what was found beside it."""

    sources: tuple[Source, ...]
    sidecars: Sidecars
    dimension: int | None
    selection: Selection
    not_read: tuple[NotRead, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int | None:
        """The exact number of rows that are asked for, where it can be told before they are read."""
        counts = [rows for rows, _ in self.expected()]
        if self.selection.sample is not None:
            picked = len(self.selection.sample)
            return picked if self.selection.limit is None else min(picked, self.selection.limit)
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)

    def expected(self) -> list[tuple[int | None, int]]:
        """For each source the rows that are asked for: exact or None, and an estimate."""
        skip, left = self.selection.skip, self.selection.limit
        is_exact = self.selection.sample is None and all(source.shape.filter is None for source in self.sources)
        found: list[tuple[int | None, int]] = []
        for source in self.sources:
            estimate = source.layout.rows_estimate if source.layout.rows is None else source.layout.rows
            is_exact = is_exact and (source.layout.rows is not None or (not skip and left is None))
            asked = max(0, estimate - skip)
            skip = max(0, skip - estimate)
            if left is not None:
                asked = min(asked, left)
                left -= asked
            found.append((asked if is_exact and source.layout.rows is not None else None, asked))
        return found

    def chunks(self, rows: int, done: Callable[[Part], Done] = nothing) -> Iterator[Chunk]:
        """The chunks of `read`."""
        return (one for one in self.read(rows, done) if not isinstance(one, PartEnd))

    def read(self, rows: int, done: Callable[[Part], Done] = nothing) -> Iterator[Chunk | PartEnd]:
        """Read what is not done, in order, at most `rows` a chunk; and where each Part that was read to its end has it.

        Rows that are not asked for are part of a chunk, and marked in it; but not those past the limit. Rows that are
        held come too, in chunks of their own.
        """
        with Kept() as kept:
            yield from self._read_all(rows, done, kept)

    def _read_all(self, rows: int, done: Callable[[Part], Done], kept: Kept) -> Iterator[Chunk | PartEnd]:
        left = _Left(self.selection.limit)
        place = 0
        for source, part in self._parts():
            known = done(part)
            places.expect(part.uri, known.marks.values())
            total = part.rows if part.rows is not None else known.total
            left.take(len(known.rows) - known.passed)
            if (left.is_none() and not known.held) or not self._holds(source, part, place, total):
                places.prove(part.uri, known.bytes_before(ENDLESS), discard=True)
                place += total or 0
                continue
            chosen = replace(part, choice=self.selection.choice(place))
            passed = yield from self._part(source, chosen, rows, known, place, left, kept)
            places.prove(part.uri, known.bytes_before(ENDLESS), discard=True)
            if passed is not None:
                yield PartEnd(chosen, passed)
                place += passed

    def standing(self, done: Callable[[Part], Done]) -> Iterator[tuple[Part, int | None]]:
        """Every Part with its first row that is to be read on from, whatever is done behind it; None: it stands.

        Rows count in their order. What is loaded behind a gap would be older than the gap's own rows, so behind the
        first one nothing stands; but no row behind one that was in flight has its id.
        """
        left = _Left(self.selection.limit)
        place, is_broken = 0, False
        for source, part in self._parts():
            known = done(part)
            total = part.rows if part.rows is not None else known.total
            gap = 0 if is_broken else None
            if not is_broken and not left.is_none() and self._holds(source, part, place, total):
                gap = self._gap(known, place, total, left)
            is_broken = is_broken or gap is not None
            yield part, gap
            place += total or 0

    def _gap(self, known: Done, place: int, total: int | None, left: _Left) -> int | None:
        """The first row of a Part that is asked for, not settled, and was not in flight."""
        if known.rows and known.choice != self.selection.choice(place):
            return 0
        gap = known.gap(total)
        before = sum(stop - start for start, stop in known.rows.within(0, ENDLESS if gap is None else gap))
        left.take(before - known.passed)
        return None if left.is_none() else gap

    def _parts(self) -> Iterator[tuple[Source, Part]]:
        return ((source, part) for source in self.sources for part in source.layout.parts)

    def _holds(self, source: Source, part: Part, place: int, total: int | None) -> bool:
        """Whether a row of the Part may be asked for."""
        if total is None:
            return True
        is_relevant = source.relevant is None or part.number in source.relevant
        return is_relevant and self.selection.may_have(place, place + total)

    def _part(
        self, source: Source, part: Part, rows: int, known: Done, place: int, left: _Left, kept: Kept
    ) -> Generator[Chunk, None, int | None]:
        """Yield what is missing or held of a Part; return how many rows it has, or None where the limit ended it."""
        total = part.rows if part.rows is not None else known.total
        start = known.first_to_read(total)
        if start is None:
            return total or 0
        passed = start
        for chunk in self._read(source, part, rows, start, kept):
            passed = chunk.start + len(chunk.batch)
            shaped = self.selection.applied(with_one_vector(source.shape.apply(chunk)), place + chunk.start)
            for begin, stop, is_held in known.to_read(chunk.start, passed):
                places.prove(part.uri, known.bytes_before(begin))
                piece = shaped.rows(begin - chunk.start, stop - chunk.start)
                if is_held:
                    yield replace(piece, again=True)
                elif not left.is_none():
                    yield left.cut(piece)
            if left.is_none() and not known.held.overlaps(passed, ENDLESS):
                return None
        return passed

    def _read(self, source: Source, part: Part, rows: int, start: int, kept: Kept) -> Iterator[Chunk]:
        """The Part's chunks, each only once it is proved to be of the files that were planned."""
        with places.unchanged(source.seen):
            reader = READERS[source.layout.format]
            if isinstance(reader, Keeping):
                chunks = reader.read_on(part, source.columns, self.sidecars, kept, rows=rows, start=start)
            else:
                chunks = reader.read(part, source.columns, self.sidecars, rows=rows, start=start)
            for chunk in chunks:
                places.check(source.seen)
                mark = places.mark(part.uri)
                yield chunk if mark is None else replace(chunk, mark=mark)

    def check(self) -> None:
        """Raise SourceChangedError unless all sources still are what was planned."""
        places.check([one for source in self.sources for one in source.seen], everything=True)


class _Left:
    """How many rows the limit leaves; counted down while they are read."""

    def __init__(self, rows: int | None) -> None:
        self._rows = rows

    def is_none(self) -> bool:
        return self._rows is not None and self._rows <= 0

    def take(self, rows: int) -> None:
        """Count rows that an earlier run has dealt with."""
        if self._rows is not None:
            self._rows -= rows

    def cut(self, chunk: Chunk) -> Chunk:
        """The chunk, without the rows past the limit."""
        if self._rows is None:
            return chunk
        if chunk.chosen is None:
            chunk = chunk.rows(0, self._rows)
            self._rows -= len(chunk.batch)
            return chunk
        places = np.flatnonzero(chunk.chosen)[: self._rows]
        is_last = len(places) == self._rows
        self._rows -= len(places)
        return chunk.rows(0, int(places[-1]) + 1) if is_last else chunk
