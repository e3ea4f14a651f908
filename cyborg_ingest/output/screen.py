"""A terminal, drawn on by rich: lines with a coloured label, and a bar below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from cyborg_ingest.output import howfar, wording
from cyborg_ingest.output.voice import LABEL
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import RenderableType

    from cyborg_ingest.tally import Step


_WIDTH = 24
_WIDE = 80


def _bar_width(console: Console) -> int:
    """On a narrow terminal the words need the room."""
    return _WIDTH if console.width >= _WIDE else _WIDTH // 4


class Screen:
    """The terminal behind a stream."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None

    def line(self, text: str) -> None:
        """Print a line above the bar, its label in the label's colour."""
        label, rest = text[:LABEL], text[LABEL:]
        self._console.print(Text.assemble((label, wording.STYLES.get(label.strip(), "bold")), rest))

    def start(self, watched: Tally | Step) -> None:
        """Begin to draw a bar, in the place of one that stands."""
        self.stop()
        self._bar = _Bar(watched, self._console) if isinstance(watched, Tally) else _StepBar(watched, self._console)
        self._bar.start()

    def stop(self) -> None:
        """End it, where it was begun; its last state stays."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Bar(Progress):
    """Asks the tally for its numbers each time it is drawn."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self.tally = tally
        room = console.width - _bar_width(console) - len(" 100%  1:23:45 left ")
        self._room = room if console.width < _WIDE else None
        self._load: TaskID | None = None
        super().__init__(
            BarColumn(bar_width=_bar_width(console)),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            refresh_per_second=4,
        )
        self._load = self.add_task("load", total=tally.expected or None, text="")

    def get_renderables(self) -> Iterable[RenderableType]:
        if self._load is not None:
            done, expected = self.tally.done, max(1, self.tally.expected)
            self.update(self._load, completed=done, total=expected, text=howfar.rates(self.tally, self._room))
        yield from super().get_renderables()


class _StepBar(Progress):
    """The same of something that is done to rows; nothing of it stays on the screen, since its result follows."""

    def __init__(self, step: Step, console: Console) -> None:
        self._step = step
        self._rows: TaskID | None = None
        width = _bar_width(console)
        self._room = console.width - width - 1
        text = TextColumn("{task.fields[text]}")
        super().__init__(BarColumn(bar_width=width), text, console=console, refresh_per_second=4, transient=True)
        self._rows = self.add_task("rows", total=step.expected or None, text="")

    def get_renderables(self) -> Iterable[RenderableType]:
        if self._rows is not None:
            step = self._step
            self.update(
                self._rows, completed=step.done, total=step.expected or None, text=howfar.how_far(step, self._room)
            )
        yield from super().get_renderables()
