"""Draws what a run reports: rich on a terminal, plain lines elsewhere, JSON lines, or no progress.

All of it goes to stderr; stdout is for the result that was asked for.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest import signals
from cyborg_ingest.facts import (
    Advanced,
    Began,
    Ended,
    FileSkipped,
    Landed,
    Planned,
    Read,
    Retrying,
    RowRejected,
    Sending,
    Skipped,
)
from cyborg_ingest.output import howfar, voice, worded
from cyborg_ingest.output.labels import labelled
from cyborg_ingest.output.streams import is_terminal, shown, undecorated
from cyborg_ingest.tally import Step, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from typing_extensions import Self

    from cyborg_ingest.facts import Event
    from cyborg_ingest.output.screen import Screen

INTERVAL = 5.0
"""Seconds between two lines of progress where there is no terminal."""

_SHOWN_REJECTIONS = 10

_COUNTED = (Sending, Skipped, Read, Landed, Advanced)
"""What is shown as progress, and not one by one."""


def make_display(progress: str, *, verbose: bool = False, quiet: bool = False, stream: TextIO | None = None) -> Display:
    """The display for `--progress`, or `--quiet`."""
    out = stream or sys.stderr
    if quiet:
        return QuietDisplay(out, verbose=verbose)
    if progress == "auto":
        progress = "rich" if is_terminal(out) and voice.current().is_bare else "plain"
    elif voice.current().log_format == "json" and progress == "json":
        progress = "plain"  # whose lines are objects then
    kinds: dict[str, type[Display]] = {"rich": RichDisplay, "json": JsonDisplay, "plain": PlainDisplay}
    return kinds.get(progress, Display)(out, verbose=verbose)


class Display:
    """The plan, notes, rejected rows and the summary, without progress; the others add theirs."""

    def __init__(self, out: TextIO, *, verbose: bool) -> None:
        self.verbose = verbose
        self.rejections = self.bad_files = 0
        self.tally = Tally()
        self.step: Step | None = None
        """What is done to rows that are not sent, while something is."""
        self.has_begun = False
        self._out = undecorated(out)
        self._screen = self._drawn_on(out)

    def __enter__(self) -> Self:
        signals.asked.append(self.answer)
        return self

    def __exit__(self, *_: object) -> None:
        signals.asked.remove(self.answer)
        self.stop()

    def answer(self) -> None:
        """Somebody asks how far it is."""
        self.lines(voice.current().formed(worded.progress(self.watched)))

    def __call__(self, event: Event) -> None:
        """Count one fact, and show it."""
        self.count(event)
        if isinstance(event, Ended):
            self.stop()
        elif isinstance(event, Planned):
            self.rest()
        self.show(event)
        if isinstance(event, Read):
            self.has_begun = True
        if isinstance(event, Sending | Began):
            self.has_begun = self.has_begun or self.step is None or not self.step.is_planning
            self.start()

    def show(self, event: Event) -> None:
        """Say what there is to say of it."""
        if isinstance(event, Retrying) and self.has_begun and not self.verbose:
            return  # the progress says it, while it lasts
        if isinstance(event, RowRejected | FileSkipped) and self._left_out(event) > _SHOWN_REJECTIONS:
            return
        # what failed before it began has no figures
        has_figures = self.has_begun or (isinstance(event, Ended) and event.report.error is None)
        said = worded.said(event, has_figures=has_figures, singly=self.verbose)
        if said is not None:
            self.say(said)

    def _left_out(self, event: RowRejected | FileSkipped) -> int:
        """Count a row, or a file, and say where no more of them are shown; how many there are by now."""
        is_row = isinstance(event, RowRejected)
        self.rejections, self.bad_files = self.rejections + is_row, self.bad_files + (not is_row)
        count = self.rejections if is_row else self.bad_files
        if count == _SHOWN_REJECTIONS + 1:
            lines = [f"{'rejected  more rows' if is_row else 'bad file  more files'}, not shown here"]
            self.say(voice.Remark("more", tuple(lines), " ".join(lines[0].split())))
        return count

    def count(self, event: Event) -> None:
        """Count one fact."""
        self.tally(event)
        if isinstance(event, Planned | Sending):
            self.step = None
        elif isinstance(event, Began):
            self.step = Step(event)
        elif self.step is not None:
            self.step(event)

    @property
    def watched(self) -> Tally | Step:
        """Of what progress is shown."""
        return self.step or self.tally

    def say(self, said: voice.Remark) -> None:
        """Print what is said, in the form that is asked for."""
        self.lines(voice.current().formed(said))
        voice.record(said)

    def lines(self, texts: Iterable[str]) -> None:
        """Print lines that have their form; on a terminal they are drawn."""
        if self._screen is not None:
            self._screen.lines(texts)
            return
        self._out.write("".join(f"{text}\n" for text in texts))
        self._out.flush()

    def _drawn_on(self, out: TextIO) -> Screen | None:
        return _screen(out) if is_terminal(out) and voice.current().is_bare else None

    def start(self) -> None:
        """Begin to draw progress, of something else perhaps than before."""

    def rest(self) -> None:
        """Draw no progress until something else begins."""

    def stop(self) -> None:
        """End it; safe to call again."""


def _screen(out: TextIO) -> Screen:
    from cyborg_ingest.output.screen import Screen  # noqa: PLC0415 - rich is slow to import, and few need it

    return Screen(undecorated(out))


class PlainDisplay(Display):
    """One line of progress every few seconds, whatever the sender is waiting for."""

    def __init__(self, out: TextIO, *, verbose: bool) -> None:
        super().__init__(out, verbose=verbose)
        self._is_timed = voice.current().is_bare and not is_terminal(out)
        self._over = threading.Event()
        self._timer = threading.Thread(target=self._tick, name="progress", daemon=True)

    def _drawn_on(self, out: TextIO) -> None:  # noqa: ARG002 - lines are lines, wherever they go
        return None

    def _tick(self) -> None:
        while not self._over.wait(INTERVAL):
            if self.has_begun or self.step is not None:
                self.progress()

    def progress(self) -> None:
        """Print where the load stands."""
        self.answer()

    def answer(self) -> None:
        """The same, with the time: nobody saw when the line was printed."""
        said = worded.progress(self.watched)
        self.lines(voice.current().formed(voice.timed(said) if self._is_timed else said))

    def start(self) -> None:
        """Begin to show progress; the lines continue with what is done by then."""
        if self._timer.ident is None:
            self._timer.start()

    def stop(self) -> None:
        """End it; the last line stays."""
        self._over.set()
        if self._timer.is_alive():
            self._timer.join()


class JsonDisplay(PlainDisplay):
    """One JSON object a line for every event, for programs."""

    def show(self, event: Event) -> None:
        """Print the event as one object. Whoever reads it hears that something began before how far it is."""
        super().show(event)
        if not isinstance(event, _COUNTED):
            self._object(type(event).__name__.lower(), event.to_dict())

    def say(self, said: voice.Remark) -> None:
        """Keep it, as lines: a log file has them."""
        voice.record(said)

    def progress(self) -> None:
        """Print where the load stands."""
        self._object("progress", howfar.progress_facts(self.watched))

    def _object(self, event: str, facts: dict[str, Any]) -> None:
        self.lines([shown(json.dumps({"event": event, "time": round(time.time(), 3), **facts}))])


class QuietDisplay(Display):
    """How it ended, the command that resumes it, and where a new key is: no more. Errors are said elsewhere."""

    def show(self, event: Event) -> None:
        """Keep it in the log file; say how it ended."""
        said = worded.said(event, has_figures=self.has_begun)
        if said is None:
            return
        voice.record(said)
        if isinstance(event, Ended) and said.lines:
            kept = [line for line in said.lines if line.startswith("resume ")]
            key = event.report.key_file
            kept += labelled("note", f"A new key is kept in {key}. Back it up.") if key else []
            self.lines(voice.current().formed(replace(said, lines=(said.lines[0], *kept))))


class RichDisplay(Display):
    """A bar on a terminal, redrawn in place; lines scroll above it."""

    _screen: Screen

    def _drawn_on(self, out: TextIO) -> Screen:
        return _screen(out)

    def start(self) -> None:
        """Begin to show progress."""
        self._screen.start(self.watched)

    def rest(self) -> None:
        """Draw none until something else begins."""
        self._screen.stop()

    def stop(self) -> None:
        """End it; the last line stays."""
        self._screen.stop()
