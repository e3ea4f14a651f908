"""What a program hears of a load: warnings in its log, a bar, or each fact."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ArgumentTypeError
from cyborg_ingest.facts import NOT_ASKED_FOR, Ended, FileSkipped, Noted, Planned, Retrying, RowRejected
from cyborg_ingest.output import worded
from cyborg_ingest.output.display import Display, PlainDisplay, RichDisplay
from cyborg_ingest.output.streams import is_terminal
from cyborg_ingest.settings.keywords import in_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cyborg_ingest.facts import Emit, Event

LOGGER = logging.getLogger("cyborg_ingest")
_MOST = 10
"""So many rejected rows, and files, are told one by one."""


@contextlib.contextmanager
def hearing(progress: bool | Callable[[Event], object]) -> Iterator[Emit]:
    """Who hears of the facts inside of the `with`."""
    log = Log()
    if callable(progress):
        yield _both(log, _Guarded(progress))
    elif progress is True:
        with _bar() as bar:
            yield _both(log, bar)
    elif progress is False:
        yield log
    else:
        raise ArgumentTypeError(f"progress is {type(progress).__name__}; it takes True, False or a function")


def _both(first: Emit, second: Emit) -> Emit:
    def emit(event: Event) -> None:
        first(event)
        second(event)

    return emit


def _bar() -> Display:
    """A bar where somebody sees it, else a line every few seconds; all else is in the log."""
    kind: Any = _Bar if is_terminal(sys.stderr) or "ipykernel" in sys.modules else _Lines
    return kind(sys.stderr, verbose=False)  # type: ignore[no-any-return]


class _Bar(RichDisplay):
    def show(self, event: Event) -> None:
        """Nothing: what there is to say is in the log and in the report."""


class _Lines(PlainDisplay):
    def show(self, event: Event) -> None:
        """Nothing, as above."""


class _Guarded:
    """A function of the caller's. Its first error is told; it does not end the load, and is not called again."""

    def __init__(self, function: Callable[[Event], object]) -> None:
        self._function: Callable[[Event], object] | None = function

    def __call__(self, event: Event) -> None:
        if self._function is None:
            return
        try:
            self._function(event)
        except Exception:  # whatever it is that the caller made: the load has nothing to do with it
            self._function = None
            LOGGER.warning("progress is told no more: the function raised this. The load continues.", exc_info=True)


class Log:
    """Facts in the logger `cyborg_ingest`: what is not loaded, notes and retries are warnings; the end is none."""

    def __init__(self) -> None:
        self._told = {RowRejected: 0, FileSkipped: 0}
        self._columns: dict[tuple[str, str], list[str]] = {}

    def __call__(self, event: Event) -> None:
        """Log what there is to say of a fact."""
        if isinstance(event, Planned):
            self._columns = _left_out(event)
            for text in not_loaded(event, self._columns):
                LOGGER.warning("%s", text)
        elif isinstance(event, RowRejected | FileSkipped):
            self._left_out(event)
        elif isinstance(event, Retrying) or (isinstance(event, Noted) and not self._is_told(event)):
            self._say(logging.WARNING, event)
        elif isinstance(event, Ended):
            self._ended(event)

    def _is_told(self, event: Noted) -> bool:
        """Whether a note is about a column that was told of already, for the same reason."""
        return any(f"column {name!r} is {why}" in event.text for name, why in self._columns)

    def _left_out(self, event: RowRejected | FileSkipped) -> None:
        self._told[type(event)] += 1
        if self._told[type(event)] <= _MOST:
            self._say(logging.WARNING, event)

    def _ended(self, event: Ended) -> None:
        for kind, what in ((RowRejected, "rows are rejected"), (FileSkipped, "files are not loaded")):
            more = self._told[kind] - _MOST
            if more > 0:
                LOGGER.warning("%s more %s; the report has them.", f"{more:,}", what)
        counts = event.report.rows
        LOGGER.info("%s: %s of %s rows acknowledged", event.report.status, counts["acknowledged"], counts["read"])

    @staticmethod
    def _say(level: int, event: Event) -> None:
        said = worded.said(event)
        if said is not None:
            LOGGER.log(level, "%s", in_python(said.message or " ".join(said.lines)))


def _left_out(planned: Planned) -> dict[tuple[str, str], list[str]]:
    """Columns that are left out though nobody said so, each with why -> the sources that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in planned.sources:
        for name in one.left_out:
            why = one.reasons.get(name, "")
            if why and not why.endswith(NOT_ASKED_FOR):
                found.setdefault((name, why), []).append(one.uri)
    return found


def not_loaded(planned: Planned, columns: Mapping[tuple[str, str], list[str]]) -> Iterator[str]:
    """What of the sources is left out though nobody said so: columns, and what folders hold."""
    for (name, why), uris in columns.items():
        more = f" and {len(uris) - 1:,} more sources" if uris[1:] else ""
        yield in_python(f"column {name!r} is not loaded: {why} ({uris[0]}{more})")
    for found in planned.not_read:
        yield in_python(f"not read: {found.text}")
