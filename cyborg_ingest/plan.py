"""What will be read, and reading it: sources, which of their rows are asked for, chunk by chunk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.types as pt

from cyborg_ingest.columns import with_one_vector
from cyborg_ingest.mapping import field_of
from cyborg_ingest.ranges import RangeSet
from cyborg_ingest.readers import READERS
from cyborg_ingest.readers.base import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy.typing as npt

    from cyborg_ingest.model import Chunk, ColumnMap, Part
    from cyborg_ingest.readers.base import Layout, Sidecars
    from cyborg_ingest.shaping import Shape


@dataclass(frozen=True, slots=True)
class Source:
    """One source, which of its columns is what, and what is done to its chunks."""

    layout: Layout
    columns: ColumnMap
    shape: Shape
    relevant: frozenset[int] | None = None
    """The numbers of the Parts that may hold a row that is asked for; None: any of them."""

    @property
    def is_numbered(self) -> bool:
        """Whether its ids are row numbers."""
        field = self.layout.schema.field(self.columns.id) if self.layout.is_numbered and self.columns.id else None
        return field is not None and ORIGIN in (field.metadata or {})

    def has(self, role: str) -> bool:
        """Whether the source is seen to have metadata, or contents."""
        names = (getattr(self.columns, role), *(self.columns.metadata_columns if role == "metadata" else ()))
        if role == "metadata" and self.columns.constants:
            return True
        return any(name and not pt.is_null(field_of(self.layout.schema, name).type) for name in names)


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier run has done of a Part: these rows, of so many (None: not known).

    `passed` of them were not asked for.
    """

    rows: RangeSet
    total: int | None
    passed: int = 0


def nothing(_part: Part) -> Done:
    """What is done of a Part when nothing is."""
    return Done(RangeSet(), None)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked for, among those of all sources in their order: first `skip`, then the filter, then `limit`.

    `sample` are the places of rows picked at random, sorted.
    """

    skip: int = 0
    limit: int | None = None
    sample: npt.NDArray[np.int64] | None = None

    def applied(self, chunk: Chunk, place: int) -> Chunk:
        """The chunk, whose first row has this place, with the rows that are asked for marked."""
        rows = len(chunk.batch)
        chosen = chunk.chosen
        if place < self.skip:
            chosen = np.ones(rows, np.bool_) if chosen is None else chosen.copy()
            chosen[: self.skip - place] = False
        if self.sample is not None:
            begin, end = np.searchsorted(self.sample, [place, place + rows])
            picked = np.zeros(rows, np.bool_)
            picked[self.sample[begin:end] - place] = True
            chosen = picked if chosen is None else chosen & picked
        return chunk if chosen is chunk.chosen else replace(chunk, chosen=chosen)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be read. `dimension` is None where no schema fixes it."""

    sources: tuple[Source, ...]
    sidecars: Sidecars
    dimension: int | None
    selection: Selection

    @property
    def rows(self) -> int | None:
        """The exact number of rows that are asked for, where it can be told before they are read."""
        counts = [rows for rows, _ in self.expected()]
        if self.selection.sample is not None:
            return len(self.selection.sample)
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

    def chunks(
        self,
        rows: int,
        done: Callable[[Part], Done] = nothing,
        on_end: Callable[[Part, int], None] = lambda _part, _rows: None,
    ) -> Iterator[Chunk]:
        """Read what is not done, in order, at most `rows` a chunk; `on_end` hears how many rows a Part has.

        Rows that are not asked for are part of a chunk, and marked in it; but not those past the limit.
        """
        left = _Left(self.selection.limit)
        place = 0
        for source in self.sources:
            for part in source.layout.parts:
                known = done(part)
                left.take(len(known.rows) - known.passed)
                if left.is_none():
                    return
                total = part.rows if part.rows is not None else known.total
                if not self._holds(source, part, place, total):
                    place += total or 0
                    continue
                passed = yield from self._part(source, part, rows, known, place, left)
                if left.is_none():
                    return
                on_end(part, passed)
                place += passed

    def _holds(self, source: Source, part: Part, place: int, total: int | None) -> bool:
        """Whether a row of the Part may be asked for."""
        if total is None:
            return True
        is_relevant = source.relevant is None or part.number in source.relevant
        return is_relevant and place + total > self.selection.skip

    def _part(
        self, source: Source, part: Part, rows: int, known: Done, place: int, left: _Left
    ) -> Generator[Chunk, None, int]:
        """Yield what is missing of a Part; return how many rows it has, unless the limit ended it."""
        total = part.rows if part.rows is not None else known.total
        start = next(known.rows.missing(0, total if total is not None else _ENDLESS), (None, None))[0]
        if start is None:
            return total or 0
        passed = start
        chunks = READERS[source.layout.format].read(part, source.columns, self.sidecars, rows=rows, start=start)
        for chunk in chunks:
            passed = chunk.start + len(chunk.batch)
            shaped = self.selection.applied(with_one_vector(source.shape.apply(chunk)), place + chunk.start)
            for begin, stop in known.rows.missing(chunk.start, passed):
                yield left.cut(shaped.rows(begin - chunk.start, stop - chunk.start))
                if left.is_none():
                    return passed
        return passed


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


_ENDLESS = 1 << 62


def ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same chunks, the next one read by another thread while the last is dealt with."""
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        future = reader.submit(next, chunks, None)
        while (chunk := future.result()) is not None:
            future = reader.submit(next, chunks, None)
            yield chunk
