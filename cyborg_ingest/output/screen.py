"""A terminal, drawn on by rich: lines with a coloured label, and a bar below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from cyborg_ingest.output import wording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import RenderableType

    from cyborg_ingest.tally import Tally


class Screen:
    """The terminal behind a stream."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, stderr=True, highlight=False, soft_wrap=True)
        self._bar: _Bar | None = None

    def line(self, text: str) -> None:
        """Print a line above the bar, its label in the label's colour."""
        label, rest = text[: wording.LABEL], text[wording.LABEL :]
        self._console.print(Text.assemble((label, wording.STYLES.get(label.strip(), "bold")), rest))

    def start(self, tally: Tally) -> None:
        """Begin to draw the bar."""
        self._bar = _Bar(tally, self._console)
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
        self._load: TaskID | None = None
        super().__init__(
            BarColumn(bar_width=24),
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
            self.update(self._load, completed=done, total=expected, text=wording.rates(self.tally))
        yield from super().get_renderables()
