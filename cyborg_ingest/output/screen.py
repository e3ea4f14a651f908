"""A terminal, drawn on by rich: lines with a coloured label, and below them how far it is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cyborg_ingest.output import howfar
from cyborg_ingest.output.labels import STYLES, folded
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from rich.console import ConsoleOptions, RenderableType

    from cyborg_ingest.tally import Step

_SHORTEST_BAR, _LONGEST_BAR = 8, 40


class Screen:
    """The terminal behind a stream."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, stderr=True, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._progress: _Progress | None = None

    def lines(self, texts: Iterable[str]) -> None:
        """Print lines above the bar, their labels in the label's colour."""
        for label, text in folded(texts, self._console.width):
            self._console.print(Text.assemble((label, STYLES.get(label.strip(), "bold")), text))

    def start(self, watched: Tally | Step) -> None:
        """Begin to draw a bar, in the place of one that stands."""
        self.stop()
        self._progress = _Progress(watched)
        self._live = Live(
            self._progress,
            console=self._console,
            refresh_per_second=4,
            transient=not isinstance(watched, Tally),
        )
        self._live.start()

    def stop(self) -> None:
        """End it, where it was begun; that of a load stays, of all else the result follows."""
        if self._live is not None and self._progress is not None:
            self._progress.is_over = True
            self._live.stop()
            self._live = None


class _Progress:
    """Asks for the numbers each time it is drawn: percentage, bar, time left, then rows, then speed, as they fit."""

    def __init__(self, watched: Tally | Step) -> None:
        self._watched = watched
        self.is_over = False

    def __rich_console__(self, console: Console, _options: ConsoleOptions) -> Iterator[RenderableType]:
        watched = self._watched
        is_load = isinstance(watched, Tally)
        words = [] if is_load else [howfar.doing(watched)]
        words += [one] if (one := howfar.percent(watched)) else []
        begin = " ".join(words)
        room = console.width - len(begin) - (1 if begin else 0) - 1
        rest = howfar.how_far(watched, room - _SHORTEST_BAR, is_over=self.is_over)
        width = min(_LONGEST_BAR, room - len(rest))
        line = Table.grid(padding=(0, 1, 0, 0))
        bar = _bar(watched, width)
        line.add_row(*([Text(begin, "green")] if begin else []), bar, Text(rest, no_wrap=True, overflow="ellipsis"))
        yield line
        if watched.waiting and not self.is_over:
            yield from (Text(text, "yellow") for text in textwrap.wrap(howfar.waiting(watched), console.width))


def _bar(watched: Tally | Step, width: int) -> ProgressBar:
    """Where nobody knows of how much, one that moves."""
    is_known = watched.share is not None
    return ProgressBar(
        total=watched.expected if is_known else None, completed=watched.done, width=width, pulse=not is_known
    )
