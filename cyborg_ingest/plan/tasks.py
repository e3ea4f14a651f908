"""The Parts of a plan as tasks, in the order of their rows: what concerns all of them is cut down to each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.plan.done import ENDLESS
from cyborg_ingest.plan.parts import PartTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.parts import PartEnd
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.rows.batches import Cutting


class Tasks:
    """Each Part of which something is to be read, as a task.

    Where rows count over all Parts (`--skip`, `--sample`, `--limit`) and nobody knows yet how many one has, or how many
    of them a condition takes, the next task waits for what that Part says: it has to be read, and its end `told`,
    before one more task is asked for. Where all of that is known, nothing has to be told, and all tasks can be made at
    once; they then do not know the rows and lines before them in files that are not counted.
    """

    def __init__(
        self, plan: Plan, done: Callable[[Part], Done], *, rows: int, dimension: int | None, cutting: Cutting
    ) -> None:
        self._plan, self._done = plan, done
        self._rows, self._dimension, self._cutting = rows, dimension, cutting
        self._place = 0
        """Of the next Part's first row, among those of all sources."""
        self._left = plan.selection.limit
        self._end: PartEnd | None = None
        self._waits_for: Part | None = None

    def tell(self, end: PartEnd) -> None:
        """How the Part of the last task ended."""
        self._end = end

    def __iter__(self) -> Iterator[PartTask]:
        for source in self._plan.sources:
            row: int | None = 0
            lines: int | None = 0
            for found in source.layout.parts:
                part, known = _with_before(found, row, lines), self._done(found)
                task, self._end = self._task(source, part, known), None
                if task is not None:
                    yield task
                self._go_on(source, part, known, is_read=task is not None)
                row, lines = self._behind(part, _total(part, known))

    def _task(self, source: Source, part: Part, known: Done) -> PartTask | None:
        """None where nothing of the Part is to be read; a stream is proved to be the same all the same."""
        if self._waits_for is not None:
            raise RuntimeError(f"What is asked for of {part} is known when {self._waits_for} was read, and not before.")
        total, selection = _total(part, known), self._plan.selection
        if self._left is not None:
            self._left = max(0, self._left - (len(known.rows) - known.passed))
        is_over = self._left == 0 and not known.held
        is_done = known.first_to_read(total) is None
        if is_over or is_done or not self._plan.holds(source, part, self._place, total):
            places.expect(part.uri, known.marks.values())
            places.prove(part.uri, known.bytes_before(ENDLESS), discard=True)
            return None
        return PartTask(
            replace(part, choice=selection.choice(self._place)), source.columns, source.shaping, self._plan.sidecars,
            source.seen, known, selection.of_part(self._place, total, self._left), self._rows, self._dimension,
            self._cutting,
        )  # fmt: skip

    def _go_on(self, source: Source, part: Part, known: Done, *, is_read: bool) -> None:
        """Count what the Part has, and what of it was asked for: by its own word, else by what was known before."""
        total, end, selection = _total(part, known), self._end, self._plan.selection
        taken = 0 if end is None else end.taken
        if is_read and end is None:
            is_counted = total is not None and source.shaping.filter is None
            if (selection.is_by_place and total is None) or (self._left is not None and not is_counted):
                self._waits_for = part
            elif self._left is not None:
                taken = max(0, selection.count(self._place, total or 0) - (len(known.rows) - known.passed))
        if self._left is not None:
            self._left = max(0, self._left - taken)
        self._place += total if total is not None else (end.rows or 0) if end is not None else 0

    def _behind(self, part: Part, total: int | None) -> tuple[int | None, int | None]:
        """The rows and the lines of the file before the next Part of it, where they are known."""
        if self._end is not None:
            return self._end.next_row, self._end.next_lines
        return None if part.first_row is None or total is None else part.first_row + total, None


def _total(part: Part, known: Done) -> int | None:
    """How many rows a Part has, where that is known."""
    return part.rows if part.rows is not None else known.total


def _with_before(part: Part, row: int | None, lines: int | None) -> Part:
    """A Part that says what is before it in its file, as far as it is known."""
    first_row = part.first_row if part.first_row is not None else row
    return replace(part, first_row=first_row, lines_before=lines if part.lines_before is None else part.lines_before)
