"""One Part as a task that anybody can do, in any process and any order; and doing it.

`read_part` is pure: it knows nothing but its task, and changes nothing that outlives it but the files that its reader
keeps open for the next Part, which belong to whoever reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import Keeping, Kept
from cyborg_ingest.model import Chunk
from cyborg_ingest.plan.done import ENDLESS
from cyborg_ingest.plan.selection import cut_to
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.rows.columns import with_one_vector
from cyborg_ingest.stop import heeded, heeding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.facts import FileSkipped
    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.model import Batch, ColumnMap, Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.selection import Wanted
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.rows.shaping import Shaping
    from cyborg_ingest.sources import Seen
    from cyborg_ingest.stop import Stop


@dataclass(frozen=True, slots=True)
class PartTask:
    """All that a stranger needs to read one Part: picklable, and without secrets, which stay in the environment.

    `part` says what is before it in its file, `first_row` and `lines_before`; where it does not, the one who reads it
    counts. `done` are the rows that need not be read, or once more; `wanted` are those that were asked for. `seen` are
    its file and those beside it as they were planned: rows of any other version are none. At most `rows` are decoded at
    once. `dimension` None is that of most vectors of the first chunk.
    """

    part: Part
    columns: ColumnMap
    shaping: Shaping
    sidecars: Sidecars
    seen: tuple[Seen, ...]
    done: Done
    wanted: Wanted
    rows: int
    dimension: int | None
    cutting: Cutting

    @property
    def total(self) -> int | None:
        """How many rows the Part has, where that is known."""
        return self.part.rows if self.part.rows is not None else self.done.total


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A Part was read as far as was asked for.

    `rows` are all that it has; None where its end was not reached, since no more were asked for, or its file cannot be
    read on from here (`skipped`). `taken`: so many that were asked for were read, those that are held left out.
    `next_row` and `next_lines` are what is before the Part behind it in their file, where known.
    """

    part: Part
    rows: int | None
    taken: int = 0
    next_row: int | None = None
    next_lines: int | None = None
    skipped: FileSkipped | None = None


def read_part(task: PartTask, stop: Stop | None = None, kept: Kept | None = None) -> Iterator[Chunk | PartEnd]:
    """Read what is not done of a Part, in order; at its end, unless it was stopped, stands a PartEnd.

    Rows that are not asked for are part of a chunk, and marked in it; but not those past the limit. Rows that are held
    come too, in chunks of their own. `kept` is what the one who reads several Parts has open; without a `stop` it takes
    the one that the thread heeds to end what it waits for. Raises SourceError; SourceChangedError where a file is not
    the one that was planned.
    """
    with Kept() as alone:
        found = _Chunks(task, stop, alone if kept is None else kept)
        places.expect(task.part.uri, task.done.marks.values())
        limit, taken = ENDLESS if task.wanted.limit is None else task.wanted.limit, 0
        for chunk in found:
            for piece, is_held in _to_read(task, chunk):
                if is_held:
                    yield replace(piece, again=True)
                elif taken < limit:
                    one, count = cut_to(piece, limit - taken)
                    taken += count
                    yield one
            if taken >= limit and not task.done.held.overlaps(found.passed, ENDLESS):
                break
        if not found.is_stopped:
            if found.is_whole:
                places.finish(task.part.uri)
            places.prove(task.part.uri, task.done.bytes_before(ENDLESS), discard=True)
            yield found.end(taken)


def cut_part(task: PartTask, stop: Stop | None = None, kept: Kept | None = None) -> Iterator[Batch | PartEnd]:
    """The same, as batches of checked rows."""
    ends: list[PartEnd] = []

    def chunks() -> Iterator[Chunk]:
        for one in read_part(task, stop, kept):
            if isinstance(one, Chunk):
                yield one
            else:
                ends.append(one)

    yield from cut(chunks(), task.dimension, task.cutting)
    yield from ends


def _to_read(task: PartTask, chunk: Chunk) -> Iterator[tuple[Chunk, bool]]:
    """The pieces of a chunk that are missing, or (True) held, as the mapping has them."""
    shaped = task.wanted.applied(with_one_vector(task.shaping.apply(chunk)))
    for begin, stop, is_held in task.done.to_read(chunk.start, chunk.start + len(chunk.batch)):
        places.prove(task.part.uri, task.done.bytes_before(begin))
        yield shaped.rows(begin - chunk.start, stop - chunk.start), is_held


class _Chunks:
    """A Part's chunks, each only once it is proved to be of the files that were planned; and how far they went."""

    def __init__(self, task: PartTask, stop: Stop | None, kept: Kept) -> None:
        self._task, self._stop, self._kept = task, stop, kept
        self._first_row = task.part.first_row
        self._lines: int | None = None
        self._start = task.done.first_to_read(task.total)
        self.passed = (task.total or 0) if self._start is None else self._start
        """The row behind the last that was read."""
        self.is_stopped = self.is_whole = False

    def __iter__(self) -> Iterator[Chunk]:
        task = self._task
        with places.unchanged(task.seen):
            chunks = self._read()
            while (chunk := self._next(chunks)) is not None:
                places.check(task.seen)
                self.passed, self._first_row = chunk.start + len(chunk.batch), chunk.first_row - chunk.start
                mark = places.mark(task.part.uri)
                yield chunk if mark is None else replace(chunk, mark=mark)

    def end(self, taken: int) -> PartEnd:
        """What is to be said of the Part."""
        if not self.is_whole:
            return PartEnd(self._task.part, None, taken)
        behind = None if self._first_row is None else self._first_row + self.passed
        return PartEnd(self._task.part, self.passed, taken, behind, self._lines)

    def _read(self) -> Iterator[Chunk]:
        task, reader, start = self._task, READERS[self._task.part.format], self._start
        if start is None:
            return iter(())
        if isinstance(reader, Keeping):
            return reader.read_on(task.part, task.columns, task.sidecars, self._kept, rows=task.rows, start=start)
        return reader.read(task.part, task.columns, task.sidecars, rows=task.rows, start=start)

    def _next(self, chunks: Iterator[Chunk]) -> Chunk | None:
        """The next chunk; None at the end, or where a stop is asked for."""
        self.is_stopped = self._stop is not None and self._stop.is_asked()
        if self.is_stopped:
            return None
        try:
            with heeding(self._stop or heeded()):
                return next(chunks)
        except StopIteration as end:
            self.is_whole, self._lines = True, end.value
            return None
        except Exception:
            self._kept.close()  # what is open may be in the midst of anything
            raise
