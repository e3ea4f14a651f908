"""A page in Markdown, for those who show it: GitHub's summary of a job, a pager. No foreign word is more than text."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from cyborg_ingest.output.page import Table, cell_text, latency_text, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cyborg_ingest.output.page import Page
    from cyborg_ingest.state.samples import Sample

_PLAIN = frozenset(" ,./-")
_DOT = re.compile(r"(^\d+|www)\.", re.IGNORECASE)
"""One that begins a list, or a link."""


def markdown(page: Page) -> str:
    """The whole page."""
    return "\n".join(_lines(page)) + "\n"


def text(words: str) -> str:
    """Foreign words as they are: each sign that Markdown or HTML could take for its own is a reference."""
    found = "".join(one if one.isalnum() or one in _PLAIN else f"&#{ord(one)};" for one in words)
    return _DOT.sub(r"\1&#46;", found)


def _lines(page: Page) -> Iterator[str]:
    yield from (f"### cyborg-ingest: {text(page.title)}", "")
    code = f", exit code {page.exit_code}" if page.exit_code is not None else ""
    took = f", {page.seconds:,.1f} s" if page.seconds is not None else ""
    yield from (f"**{text(page.status)}**{code}{took}", "")
    if page.error:
        yield from (text(page.error), "")
    if page.facts:
        yield from (*(f"- {name}: {text(value)}" for name, value in page.facts), "")
    if page.figures:
        values = [one.value + (f" ({one.beside})" if one.beside else "") for one in page.figures]
        yield from _grid([one.name for one in page.figures], [values])
    if page.rows:
        yield from _grid(page.rows, [[f"{count:,}" for count in page.rows.values()]])
    yield from _course(page.brief)
    for one in page.tables:
        yield from _table(one)
    if page.again:
        yield from ("Next:", "", f"<pre>{html.escape(page.again)}</pre>", "")
    elif page.next_step:
        yield from (f"Next: {page.next_step}", "")


def _course(brief: Sequence[Sample]) -> Iterator[str]:
    if len(brief) > 1:
        lines = [
            [
                span(one.start),
                f"{one.rate:,.0f}",
                *(latency_text(one.latency(share)) for share in (0.5, 0.95)),
                latency_text(one.slowest if one.latencies else None),
            ]
            for one in brief
        ]
        yield from ("#### Over time", "")
        yield from _grid(("from", "rows a second", "latency, median", "latency, 95 %", "slowest request"), lines)


def _table(one: Table) -> Iterator[str]:
    yield from (f"#### {text(one.title)}", "")
    yield from _grid(map(text, one.head), [[text(cell_text(cell)) for cell in line] for line in one.lines])
    if one.more:
        yield from (one.more, "")


def _grid(head: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    names = list(head)
    for cells in (names, ["---"] * len(names), *rows):
        yield "| " + " | ".join(cells) + " |"
    yield ""
