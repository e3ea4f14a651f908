"""What will be read, and reading it: sources, which of their rows are asked for, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.types as pt

from cyborg_ingest import sources as places
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.base import ORIGIN, Kept
from cyborg_ingest.model import Chunk, total
from cyborg_ingest.plan.badfiles import is_bad, skipped
from cyborg_ingest.plan.cutting import EMBEDDED_DEFAULTS
from cyborg_ingest.plan.done import nothing
from cyborg_ingest.plan.parts import PartEnd, read_part
from cyborg_ingest.plan.tasks import Tasks
from cyborg_ingest.rows.kinds import is_bytes, is_uuid, storage_type
from cyborg_ingest.rows.mapping import field_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from cyborg_ingest.facts import FileSkipped
    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.model import ColumnMap, Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.parts import PartTask
    from cyborg_ingest.plan.selection import Selection
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.rows.shaping import Shaping
    from cyborg_ingest.sources import NotRead, Seen


@dataclass(frozen=True, slots=True)
class Source:
    """One source, which of its columns is what, and what is done to its chunks."""

    layout: Layout
    columns: ColumnMap
    shaping: Shaping
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
class Plan:
    """What will be read. `dimension` is None where no schema fixes it; `not_read` is what was found beside it.

    `empty` are the files, where none of them has a row. `bad` are those that are left out since they cannot be loaded;
    `skips_bad`: one that turns out to be such while it is read ends there, and the others are read on.
    """

    sources: tuple[Source, ...]
    sidecars: Sidecars
    dimension: int | None
    selection: Selection
    not_read: tuple[NotRead, ...] = ()
    notes: tuple[str, ...] = ()
    empty: tuple[Seen, ...] = ()
    bad: tuple[FileSkipped, ...] = ()
    skips_bad: bool = False

    @property
    def rows(self) -> int | None:
        """The exact number of rows that are asked for, where it can be told before they are read."""
        counts = [rows for rows, _ in self.expected()]
        if self.selection.sample is not None:
            picked = len(self.selection.sample)
            return picked if self.selection.limit is None else min(picked, self.selection.limit)
        return total(counts)

    def expected(self) -> list[tuple[int | None, int]]:
        """For each source the rows that are asked for: exact or None, and an estimate."""
        skip, left = self.selection.skip, self.selection.limit
        is_exact = self.selection.sample is None and all(source.shaping.filter is None for source in self.sources)
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
        tasks = self.tasks(rows, done)
        bad: set[str] = set()
        with Kept() as kept:
            for task in tasks:
                for one in self._read(task, kept, bad):
                    if isinstance(one, PartEnd):
                        tasks.tell(one)
                    yield one

    def _read(self, task: PartTask, kept: Kept, bad: set[str]) -> Iterator[Chunk | PartEnd]:
        """What `read_part` does; of a file that turns out to be bad nothing more is read, where that may be."""
        uri, taken = task.part.uri, 0
        if uri in bad:
            yield PartEnd(task.part, None)
            return
        try:
            for one in read_part(task, kept=kept):
                taken += one.taken_rows if isinstance(one, Chunk) else 0
                yield one
        except (FormatError, SourceError) as error:
            if not (self.skips_bad and is_bad(uri, error)):
                raise
            bad.add(uri)
            yield PartEnd(task.part, None, taken, skipped=skipped(uri, error))

    def tasks(
        self,
        rows: int,
        done: Callable[[Part], Done] = nothing,
        *,
        dimension: int | None = None,
        cutting: Cutting = EMBEDDED_DEFAULTS,
    ) -> Tasks:
        """What is not done, a task for each Part, in order; `dimension` is for where the schemas do not fix it."""
        return Tasks(self, done, rows=rows, dimension=self.dimension or dimension, cutting=cutting)

    def holds(self, source: Source, part: Part, place: int, total: int | None) -> bool:
        """Whether a row of the Part may be asked for."""
        if total is None:
            return True
        is_relevant = source.relevant is None or part.number in source.relevant
        return is_relevant and self.selection.may_have(place, place + total)

    def check(self, bad: Collection[str] = ()) -> None:
        """Raise SourceChangedError unless all sources still are what was planned, but for those that are `bad`."""
        good = (source for source in self.sources if source.layout.uri not in bad)
        places.check([one for source in good for one in source.seen], everything=True)
