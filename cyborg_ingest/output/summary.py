"""A run in Markdown, for pages that show it: GitHub's summary of a job. No foreign word is anything but text there."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from cyborg_ingest.output.streams import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MOST_FILES = 50
_LONGEST = 300
_PLAIN = frozenset(" ,/-")
_NEXT = {"same-command": "Run the same command again: it goes on.", "after-fix": "Fix what is said, then run it again."}


def markdown(result: Mapping[str, Any], title: str, seconds: float) -> str:
    """A report, or what is said of a load that ended before it had one."""
    return "\n".join(_lines(result, title, seconds)) + "\n"


def text(words: str) -> str:
    """Foreign words as they are: each sign that Markdown or HTML could take for its own is a reference."""
    words = words if len(words) <= _LONGEST else words[:_LONGEST] + "..."
    return "".join(one if one.isalnum() or one in _PLAIN else f"&#{ord(one)};" for one in shown(words))


def _lines(result: Mapping[str, Any], title: str, seconds: float) -> Iterator[str]:
    yield from (f"### cyborg-ingest: {text(title)}", "")
    yield from (f"**{text(result['status'])}**, exit code {result['exit_code']}, {seconds:,.1f} s", "")
    if result.get("error"):
        yield from (text(result["error"]), "")
    rows = result.get("rows")
    if rows:
        yield from _table(rows, [[f"{count:,}" for count in rows.values()]])
        yield from _files(result["sources"])
        yield from _counts("rejected because of", "rows", result["rejects"])
        yield from _counts("retried because of", "requests", result["retries"])
    again = result.get("resume_command")
    if again:
        yield from ("Next:", "", f"<pre>{html.escape(shown(again))}</pre>", "")
    elif result.get("retry") in _NEXT:
        yield from (f"Next: {_NEXT[result['retry']]}", "")


def _files(sources: list[Mapping[str, Any]]) -> Iterator[str]:
    names = ("rows", "acknowledged", "rejected", "skipped")
    shown_ones = sources[:_MOST_FILES]
    yield from _table(
        ("file", *names), [[text(one["uri"]), *(f"{one[name]:,}" for name in names)] for one in shown_ones]
    )
    if len(sources) > len(shown_ones):
        yield from (f"and {len(sources) - len(shown_ones):,} more files", "")


def _counts(what: str, of: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        yield from _table((what, of), [[text(name), f"{count:,}"] for name, count in counts.items()])


def _table(head: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    names = list(head)
    for cells in (names, ["---"] * len(names), *rows):
        yield "| " + " | ".join(cells) + " |"
    yield ""
