"""Keys are taken out of foreign words: whatever a library, the engine or a service says, in whatever form it says it.

A binding that refuses an argument prints all of them, a validator echoes what it was sent, an HTTP library the
address. A text is read in each way that can spell bytes (hex digits, escapes, a list of numbers, base64), as it is
and without what other programs wrap a text in (base64, percent signs, references of XML, one around another), and where
eight bytes or more of a key stand in a row, of its hex digits ten, the run is replaced: what cut the text, or printed
half of a key, hides nothing. So is what is left of a key that was taken for text in some encoding.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from cyborg_ingest.settings.spellings import (
    BASE64,
    DIGITS,
    HEX_NUMBERS,
    LOST,
    NUMBERS,
    OF_ESCAPES,
    PLAIN,
    PLAIN_UTF8,
    QUOTED,
    WRAPPINGS,
    Characters,
    Form,
    byte_of,
    folded,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.settings.spellings import Token

MASK = "***"

_RUN = 8
"""Bytes of an index key in a row that give it away; fewer are found in ordinary text."""

_RUN_OF_HEX = 5
"""The same of its hex digits, which stand out from ordinary text."""

_LONGEST = 1_000_000
"""Characters of a text that are looked at; what is beyond is not shown either."""

_LONGEST_FORM = 10_000
"""Characters that a key takes at most, in whichever form; pieces of a text overlap by so many."""

_STARS = re.compile(r"(?:\*{3}[\s,:\-]*){2,}")

_LEAST = 5

_Form = Form | Characters


class Secrets:
    """Keys that no message may show, in every form that one could be told in."""

    def __init__(self, api_key: str | None = None, index_key: bytes | None = None) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[bytes] = frozenset()
        self._parts: tuple[tuple[_Form, _Parts], ...] = ()
        self.add(api_key)
        self.add(index_key)

    def add(self, secret: str | bytes | None) -> None:
        """Know one more: text (a service's key, found whole) or bytes (an index's key, found in part too)."""
        data = secret.encode(errors="surrogatepass") if isinstance(secret, str) else bytes(secret or b"")
        if not data.strip(b"\0") or data in self._known:
            return
        with self._lock:
            self._known |= {data}
            self._parts += tuple(_spellings(data, len(data) if isinstance(secret, str) else min(_RUN, len(data))))

    def scrub(self, text: str) -> str:
        """The text without them; of an immense one, its beginning."""
        if not self._known or not text:
            return text
        text = text[:_LONGEST]
        spans = self._spans(text, WRAPPINGS)
        for start, end in reversed(list(_merged(spans))):
            text = text[:start] + MASK + text[end:]
        return _STARS.sub(MASK, text) if spans else text

    def _spans(self, text: str, wrappings: tuple[_Form, ...]) -> list[tuple[int, int]]:
        """Where parts of the keys stand, in the text and in what it becomes without one or more of the wrappings."""
        spans: list[tuple[int, int]] = []
        for form, values in _each_form(text, self._parts):
            for parts in (parts for other, parts in self._parts if other is form):
                if parts.may_be_in(values):
                    spans += [span for run in form.runs(text) for span in parts.found(run)]
        for number, wrapping in enumerate(wrappings, 1):
            inner = wrapping.values(text)
            found = self._spans(inner, wrappings[number:]) if inner != text else []
            if found:
                tokens = [token for run in wrapping.runs(text) for token in run]
                spans += [(tokens[start][1], tokens[end - 1][2]) for start, end in found]
        return spans

    def scrubbed(self, value: Any) -> Any:
        """What JSON has, without them: in texts, in names of fields, and spelled by the numbers of lists."""
        if not self._shows(value):
            return value
        if isinstance(value, dict):
            found: Any = {self.scrub(str(name)): self.scrubbed(one) for name, one in value.items()}
        elif isinstance(value, list | tuple):
            found = [self.scrubbed(one) for one in value]
        else:
            found = self.scrub(str(value))
        return MASK if self._shows(found) else found

    def _shows(self, value: Any) -> bool:
        """Whether one is in a value as JSON has it."""
        if not self._known or value is None or isinstance(value, bool):
            return False
        told = json.dumps(value, default=str)
        pieces = (told[start : start + _LONGEST] for start in range(0, len(told), _LONGEST - _LONGEST_FORM))
        return any(self.scrub(piece) != piece for piece in pieces)

    def __repr__(self) -> str:
        return f"Secrets({MASK})"


class _Parts(NamedTuple):
    """All runs of `size` values of a key; whoever has one of them has one of the `anchors`, at half of the size."""

    size: int
    runs: frozenset[str]
    anchors: tuple[str, ...]

    @classmethod
    def of(cls, values: str, size: int, *, least: int = 0) -> _Parts:
        """The parts of a key that is spelled by these values; `least`: so many of a run were not lost on the way."""
        half = (size + 1) // 2
        runs = frozenset(values[start : start + size] for start in range(len(values) - size + 1))
        runs = frozenset(one for one in runs if size - one.count(LOST) >= least)
        return cls(size, runs, tuple(values[start : start + half] for start in range(0, len(values) - half + 1, half)))

    def may_be_in(self, values: str) -> bool:
        """Whether it is worth looking closer; the few anchors are looked for first, as most texts have none."""
        return any(anchor in values for anchor in self.anchors) and any(run in values for run in self.runs)

    def found(self, run: list[Token]) -> Iterator[tuple[int, int]]:
        """Where in the text parts of the key stand."""
        values = "".join(value for value, _, _ in run)
        for start in range(len(values) - self.size + 1):
            if values[start : start + self.size] in self.runs:
                yield run[start][1], run[start + self.size - 1][2]


def _spellings(data: bytes, run: int) -> Iterator[tuple[_Form, _Parts]]:
    """A secret in each form, to be found where so many of its bytes stand in a row."""
    yield from _as_characters(data, run)
    if len(data) >= _RUN:  # as digits, a shorter one would be found everywhere
        yield from _as_digits(data, run)


def _as_characters(data: bytes, run: int) -> Iterator[tuple[_Form, _Parts]]:
    values, forms = data.decode("latin-1"), (PLAIN, *OF_ESCAPES)
    # what looks like a wrapping in the key itself is taken off along with the text's; an address has + for a blank
    for one in {values, values.replace(" ", "+"), *(wrapping.values(values) for wrapping in WRAPPINGS[1:])}:
        for form in (*forms, PLAIN_UTF8, QUOTED):
            yield from _in_characters(form, one, run)
    twice = values.encode().decode("latin-1")
    for form in forms:
        yield from _in_characters(form, twice, run if run < len(data) else len(twice))
    for damaged in _damaged(data):
        for form in forms:
            yield from _in_characters(form, damaged, run, least=_LEAST)


def _as_digits(data: bytes, run: int) -> Iterator[tuple[_Form, _Parts]]:
    yield DIGITS, _Parts.of(data.hex(), 2 * min(_RUN_OF_HEX, run))
    for order in ("big", "little"):
        yield PLAIN, _Parts.of(str(int.from_bytes(data, order)), run * 5 // 2)
    yield PLAIN, _Parts.of(base64.b32encode(data).decode().rstrip("="), run * 8 // 5)
    for form in (NUMBERS, HEX_NUMBERS):
        yield form, _Parts.of(data.decode("latin-1"), run)
    for spelled, size in ((data, run), (data.hex().encode(), 2 * run), (data.hex().upper().encode(), 2 * run)):
        for shift in range(3):
            yield BASE64, _Parts.of(_in_base64(spelled, shift), size * 4 // 3 - 2)


def _in_characters(form: Characters, values: str, run: int, least: int = 0) -> Iterator[tuple[_Form, _Parts]]:
    """Parts of a key that these characters spell, unless too few of them are its own."""
    values = folded(values) if form.is_folded else values
    size = min(run, len(values))
    if size >= min(run, least or _RUN):
        yield form, _Parts.of(values, size, least=least)


def _damaged(data: bytes) -> set[str]:
    """What is left of bytes that somebody has taken for text, with a sign or nothing for what is not text."""
    if data.isascii():
        return set()
    texts = (data.decode(code, how) for code in ("ascii", "utf-8", "cp1252") for how in ("replace", "ignore"))
    return {"".join(map(byte_of, text)) for text in texts if len(text) >= _LEAST}


def _each_form(text: str, parts: Iterable[tuple[_Form, _Parts]]) -> Iterator[tuple[_Form, str]]:
    """Each form once, with what the text would be in it; read with a regex alone, so that most texts cost little."""
    for form in dict.fromkeys(form for form, _ in parts):
        if not (
            (form in OF_ESCAPES and "\\" not in text)
            or (form is QUOTED and "=" not in text)
            or (form is PLAIN_UTF8 and text.isascii())
        ):
            yield form, form.values(text)


def _in_base64(data: bytes, shift: int) -> str:
    """What base64 makes of data that begins `shift` bytes behind a multiple of three; only what is its own."""
    padded = base64.b64encode(bytes(shift) + data).decode().rstrip("=")
    exact = (len(data) + shift) * 8 // 6
    return padded[-(-shift * 8 // 6) : exact]


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start = end = -1
    for first, last in sorted(spans):
        if first > end:
            if end >= 0:
                yield start, end
            start, end = first, last
        else:
            end = max(end, last)
    if end >= 0:
        yield start, end


KNOWN = Secrets()
"""The keys that this process has had in its hands: nothing that it prints shows one."""
