"""A page about a run, or about files: what is shown, once: `summary` draws it as Markdown, `html` for a browser.

All words in it are plain text by now, and short enough: who draws them only has to escape his own signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cyborg_ingest.output.streams import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cyborg_ingest.output.plots import Plot
    from cyborg_ingest.state.samples import Sample

MOST_LINES = 50
"""Lines of a table."""

CELL, NOTE, PARAGRAPH, COMMAND = 200, 600, 2_000, 20_000
"""Signs of a text at most."""

_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class Table:
    """Lines of texts, numbers and nothing; `more` says what is left out."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str | int | None, ...], ...]
    more: str = ""


class Figure(NamedTuple):
    """A number with its unit, what it is, and what it is seen beside."""

    name: str
    value: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown of a run, in this order; what there is nothing of is empty."""

    title: str
    status: str
    mood: str
    """good, warn, bad, or going."""
    exit_code: int | None
    seconds: float | None
    error: str
    again: str
    """The command that comes next; where there is none, `next_step` may say what to do."""
    next_step: str
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Figure, ...] = ()
    """What matters most."""
    rows: Mapping[str, int] | None = None
    """All that were read, and of these what became of them."""
    course: tuple[Sample, ...] = ()
    brief: tuple[Sample, ...] = ()
    """The same over time, in few intervals."""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    """Drawings, beside those of the course."""


def plain(words: Any, most: int = CELL) -> str:
    """Foreign words as text: shortened in their middle, and with nothing in them that anybody obeys."""
    words = words if isinstance(words, str) else str(words)
    found = shown(_shortened(words, most))
    return _shortened(found, most)  # escapes are longer than what they show


def _shortened(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most // 2]}...{words[most // 2 + 3 - most :]}"


def table(
    title: str,
    head: Iterable[str],
    lines: Sequence[Sequence[Any]],
    of: str = "lines",
    *,
    more: int = 0,
    longest: int = CELL,
) -> Table:
    """A table of foreign values, as far as a page has room. `of`: what its lines are; `more`: left out before."""
    shown_ones = tuple(tuple(_cell(one, longest) for one in line) for line in lines[:MOST_LINES])
    left = len(lines) - len(shown_ones) + more
    return Table(title, tuple(head), shown_ones, f"and {left:,} more {of}" if left else "")


def _cell(value: Any, longest: int) -> str | int | None:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int):
        return value if value is None or abs(value) < 1 << 63 else plain(value)
    return plain(", ".join(map(str, value)) if isinstance(value, list) else value, longest)


def cell_text(value: str | int | None) -> str:
    """What stands in a table."""
    return "" if value is None else f"{value:,}" if isinstance(value, int) else value


def span(seconds: float) -> str:
    """How long something took, as people say it."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {int(seconds) % _MINUTE:02} s"
    return f"{seconds // _HOUR:,.0f} h {int(seconds) // _MINUTE % _MINUTE:02} min"


def latency_text(seconds: float | None) -> str:
    """How long a request took."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:,.3g} ms" if seconds < 1 else f"{seconds:,.3g} s" if seconds < _MINUTE else span(seconds)
