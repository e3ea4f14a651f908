"""Rows of JSON as text: how many become a chunk, which are too large, and the object in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.formats.bounds import JSON_ARRAY_BYTES, JSON_OBJECT_BYTES, USUAL, AtOnce, too_large
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from cyborg_ingest.model import Json

SAMPLED_ROWS = 100
"""So many rows tell which fields there are."""
ID, NAME = "id", "_key"
"""Where a row gets the name that it has in an object of rows."""
_MOST_GROWTH = 1 + JSON_OBJECT_BYTES
NOT_UTF8 = "it is not UTF-8"
BEGIN_BYTES = 20_000
"""What is kept of a row while it turns out to be too large."""
KEPT_TEXT = 10_000
"""What is kept of a row that is too large."""


@dataclass(frozen=True, slots=True)
class Records:
    """Some rows as text, and the line of each where there are lines; `last_line` is that of the last line read."""

    texts: list[bytes]
    lines: list[int] | None
    last_line: int = 0


class Gathered:
    """Rows that become one chunk: until so many, or so much of them, are there."""

    def __init__(self, rows: int, at_once: AtOnce = USUAL) -> None:
        self._rows, self._at_once = rows, at_once
        self.texts: list[bytes] = []
        self.lines: list[int] = []
        self._size = self._memory = 0

    def add(self, text: bytes, line: int = 0) -> None:
        """One more."""
        self.texts.append(text)
        self.lines.append(line)
        self._size += len(text)
        self._memory += in_memory(text)

    def is_full_before(self, text: bytes) -> bool:
        """Whether one more would be too much: a row of the largest size is parsed alone."""
        return bool(self.texts) and self._size + len(text) > self._at_once.text

    @property
    def is_full(self) -> bool:
        """Whether they are enough for a chunk."""
        most = self._at_once
        return len(self.texts) >= self._rows or self._size >= most.text or self._memory >= most.rows


class TooLarge(bytes):
    """How a row begins that is larger than allowed; the rest of it was read past, and is kept nowhere."""

    limit = 0

    @classmethod
    def of(cls, text: bytes, limit: int) -> TooLarge:
        """The text, cut."""
        found = cls(text[:KEPT_TEXT])
        found.limit = limit
        return found


class NoRow(bytes):
    """What stands in the place of a row and can be none, and why."""

    why = ""

    @classmethod
    def of(cls, text: bytes, why: str) -> NoRow:
        """The text, and the reason."""
        found = cls(text)
        found.why = why
        return found


class Named(bytes):
    """A row that has a name where it stands, which is its id unless it has another one."""

    name = ""

    @classmethod
    def of(cls, text: bytes, name: str) -> Named:
        """The text, and its name."""
        found = cls(text)
        found.name = name
        return found


def in_memory(text: bytes) -> int:
    """About what a row of JSON takes once it is parsed; of the many objects and arrays it may be, the most."""
    return len(text) + JSON_OBJECT_BYTES * text.count(b"{") + JSON_ARRAY_BYTES * text.count(b"[")


def kept(text: bytes, limit: int) -> bytes:
    """A row's text, or where it is larger than allowed only how it begins."""
    is_large = len(text) * _MOST_GROWTH > limit and in_memory(text) > limit
    return TooLarge.of(text, limit) if is_large else text


def parse_object(text: bytes) -> Json | str:
    """The object on a line, or why there is none."""
    if isinstance(text, TooLarge):
        return too_large(None, text.limit)
    if isinstance(text, NoRow):
        return text.why
    try:
        value = load_json(text)
    except ValueError as error:
        return _complaint(text, error)
    if not isinstance(value, dict):
        return "column 1: it is not an object"
    return _with_name(value, text.name) if isinstance(text, Named) else value


def _with_name(row: Json, name: str) -> Json:
    """The row with its name as its id; beside another id it is kept as another field."""
    own = row.setdefault(ID, name)
    if str(own) != name:
        row.setdefault(NAME, name)
    return row


def _complaint(text: bytes, error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"column {error.start + 1}: {NOT_UTF8}"
    column = getattr(error, "colno", 1)
    words = getattr(error, "msg", str(error))
    ended = " (the line breaks off)" if column > len(text.decode(errors="replace")) else ""
    return f"column {column}: {words[:1].lower()}{words[1:]}{ended}"
