"""Lines with a word at their left, and as a terminal has them: wrapped beside it, long paths cut, `~` for home."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LABEL = 10
"""Width of the words at the left."""

STYLES = {
    "error": "bold red",
    "rejected": "bold red",
    "bad file": "bold red",
    "bad files": "bold red",
    "failed": "bold red",
    "finding": "bold red",
    "note": "bold yellow",
    "retry": "bold yellow",
    "stopping": "bold yellow",
    "stopped": "bold yellow",
    "done": "bold green",
    "checked": "bold green",
}
"""The label of a line -> how it looks; all others are bold."""

_LABELLED = re.compile(r"(?=.{10})([a-z][a-z ]*)? +$")
_WHOLE = {"resume"}
"""A command is copied: its line is not cut."""
_NAMING = {"sources", "not read", "files", "compared", "done", "stopped"}
"""Their lines name what the reader has named himself: of a path that is too long the middle may be missing."""
_NARROWEST = 20
_INDENT = 2
_CUT = "..."
_UNIT = re.compile(r"(?<=\d) (?=\S)")
_TIED = "\N{NO-BREAK SPACE}"
"""Between a number and what it counts no line ends."""


def labelled(label: str, *texts: str) -> list[str]:
    """Lines with a word at the left of the first."""
    return [f"{(label if not number else ''):<{LABEL}}{text}" for number, text in enumerate(texts)]


def folded(lines: Iterable[str], width: int) -> Iterator[tuple[str, str]]:
    """Lines for so many columns, as label (padded) and text: those with a label, or below one, wrap beside it."""
    label = ""
    for line in lines:
        head, rest = line[:LABEL], line[LABEL:]
        if not rest or not _LABELLED.match(head):
            label = ""
            is_sentence = line[:1].isalpha()  # of a usage line, and not of what is laid out in columns or moved in
            yield from (("", part) for part in (_cut(line, width, 0, begin=0) if is_sentence else [line]))
            continue
        label = head.strip() or label
        yield from _wrapped(head, label, rest, width)


def _wrapped(head: str, label: str, rest: str, width: int) -> Iterator[tuple[str, str]]:
    """A labelled line, cut where a word ends; a word that is longer than a line is left whole."""
    indent = LABEL if width - LABEL >= _NARROWEST else _INDENT
    room = width - indent
    text = rest if label in _WHOLE else _from_home(rest)
    if label in _NAMING:
        text = re.sub(r"\S*/\S+", lambda found: _middle_out(found[0], room), text)
    parts = [rest] if label in _WHOLE else _cut(text, width, indent)
    yield head, parts[0]
    for part in parts[1:]:
        yield " " * indent, part


def _cut(text: str, width: int, indent: int, begin: int = LABEL) -> list[str]:
    """A text in lines: `begin` columns of the first are taken, and `indent` of the others."""
    wrapper = textwrap.TextWrapper(
        width,
        initial_indent=" " * begin,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = [line.replace(_TIED, " ") for line in wrapper.wrap(_UNIT.sub(_TIED, text))] or [" " * begin]
    return [lines[0][begin:], *(line[indent:] for line in lines[1:])]


def _from_home(text: str) -> str:
    home = os.environ.get("HOME", "").rstrip("/")
    if not home.startswith("/"):
        return text
    return re.sub(rf"(?<![^\s(:'\"]){re.escape(home)}(?=/)", "~", text)


def _middle_out(path: str, room: int) -> str:
    """The beginning and the end of a path that is longer than the line: the last part tells it from others."""
    if len(path) <= room or room <= len(_CUT):
        return path
    last = path.rpartition("/")[2]
    tail = min(max(len(last) + 1, (room - len(_CUT)) // 2), room - len(_CUT))
    begin = room - len(_CUT) - tail
    return path[:begin] + _CUT + path[len(path) - tail :]
