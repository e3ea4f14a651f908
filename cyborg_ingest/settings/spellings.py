"""How bytes are spelled in a text: as digits, numbers, base64, and as characters with and without escapes."""

from __future__ import annotations

import base64
import codecs
import functools
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Token = tuple[str, int, int]
"""One byte, as the character of its number, and where in the text it is spelled."""


class Form(NamedTuple):
    """A way to spell bytes. What `pattern` has as its group is a value; what it matches beside that is passed over."""

    pattern: re.Pattern[str]
    value: Callable[[str], str]

    def values(self, text: str) -> str:
        """All values of a text, as if nothing stood between them."""
        return "".join(map(self.value, filter(None, self.pattern.findall(text))))

    def runs(self, text: str) -> Iterator[list[Token]]:
        """The values with nothing between them but what is passed over."""
        run: list[Token] = []
        end = 0
        for found in self.pattern.finditer(text):
            if found.start() != end and run:
                yield run
                run = []
            end = found.end()
            if found[1]:
                run += [(value, found.start(), end) for value in self.value(found[1])]
        yield run


class Characters(NamedTuple):
    """A way to spell bytes in which each character is its own value, but for what `pattern` matches."""

    pattern: re.Pattern[str]
    value: Callable[[str], str]
    is_folded: bool = False

    def values(self, text: str) -> str:
        """The text with the values in the place of what spells them."""
        return self._folded(self.pattern.sub(lambda found: self.value(found[0]), text))

    def runs(self, text: str) -> Iterator[list[Token]]:
        """The values of the whole text, which nothing parts."""
        run: list[Token] = []
        end = 0
        for found in self.pattern.finditer(text):
            run += self._between(text, end, found.start())
            end = found.end()
            run += [(value, found.start(), end) for value in self._folded(self.value(found[0]))]
        yield [*run, *self._between(text, end, len(text))]

    def _between(self, text: str, start: int, end: int) -> Iterator[Token]:
        for place in range(start, end):
            for value in self._folded(text[place]):
                yield value, place, place + 1

    def _folded(self, values: str) -> str:
        return folded(values) if self.is_folded else values


def folded(values: str) -> str:
    r"""Values without what nested escapes leave open.

    Of `\\\b` nobody knows how many backslashes of a key are in it, and whether a backspace or the letter is.
    """
    return values.translate(_FOLDED)


LOST = "?"
"""What stands for a character that is not a byte, as do U+FFFD and the sign that other programs put in its place."""

_NAMED = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "e": 27, "0": 0}
_FOLDED = {ord("\\"): None} | {code: name for name, code in _NAMED.items() if name != "0"}
_PAIRS = {"%2b": "+", "%2f": "/", "\\/": "/", "-": "+", "_": "/"}
_IN_ADDRESS = re.compile(r"%2[bf]|\\/|[-_]", re.IGNORECASE)
_BYTES = 256
_NO_UTF8 = range(0xDC80, 0xDD00)
_ESCAPE = r"[xX][0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,2}\}|[0-7]{3}|."
_PAIR = r"u[dD][89abAB][0-9a-fA-F]{2}\\{1,64}u[dD][c-fC-F][0-9a-fA-F]{2}"
"""One character as JSON escapes it that lies beyond the first 65,536."""


def _number(digits: str) -> str:
    return chr(int(digits) % 256)


def _code(spelled: str) -> int:
    """The number of a character that may be spelled as an escape."""
    if spelled[0] != "\\" or len(spelled) == 1:
        return ord(spelled)
    escape = spelled.lstrip("\\") or "\\"
    if len(escape) == 1:
        return _NAMED.get(escape, ord(escape))
    first, _, second = escape.partition("\\")
    if second:
        pair = chr(int(first[1:], 16)) + chr(int(second.lstrip("\\")[1:], 16))
        return ord(pair.encode("utf-16", "surrogatepass").decode("utf-16"))
    return int(escape, 8) if escape.isdigit() else int(escape[1:].strip("{}"), 16)


@functools.lru_cache(maxsize=1024)
def byte_of(spelled: str) -> str:
    """The character of one byte; Python keeps one that is not UTF-8 at U+DC80 to U+DCFF."""
    code = _code(spelled)
    return chr(code % 256) if code < _BYTES or code in _NO_UTF8 else LOST


@functools.lru_cache(maxsize=1024)
def _bytes(spelled: str) -> str:
    """The bytes of a character in UTF-8, each as one character."""
    code = _code(spelled)
    if code > sys.maxunicode:
        return LOST
    return chr(code).encode("utf-8", "surrogateescape" if code in _NO_UTF8 else "replace").decode("latin-1")


@functools.lru_cache(maxsize=1024)
def _mixed(spelled: str) -> str:
    """An escape of a byte, or a character in UTF-8: what stands there where most was text."""
    return byte_of(spelled) if spelled[0] == "\\" and _code(spelled) < _BYTES else _bytes(spelled)


def _digits(spelled: str) -> str:
    return chr(int(spelled[-2:], 16))


def _reference(spelled: str) -> str:
    """The character that XML or HTML names; what it does not know stays."""
    import html.entities  # noqa: PLC0415 - a large table, that few messages need

    name = spelled[:-1].replace("&", ";").rpartition(";")[2]
    if name[0] != "#":
        return html.entities.html5.get(f"{name};", spelled)
    code = int(f"0{name[1:]}", 16 if name[1] in "xX" else 10)
    return chr(code) if code <= sys.maxunicode else LOST


def _told(spelled: str) -> str:
    """The text that hex digits or base64 spell; nothing if they spell other bytes."""
    signs = _IN_ADDRESS.sub(lambda found: _PAIRS[found[0].lower()], spelled)
    try:
        data = bytes.fromhex(signs)
    except ValueError:
        whole = len(signs) - (len(signs) % 4 == 1)
        data = base64.b64decode(signs[:whole] + "=" * (-whole % 4))
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data)  # its last character may be cut
    except UnicodeDecodeError:
        return ""


_BETWEEN = r"[\s:,;.+\-_{}|'\"\[\]()]+|(?<!\\)\\+[nrt'\"]|%(?:0[9ad]|20|2[2789c]|3[ab]|5[bd])"
DIGITS = Form(
    re.compile(rf"0x(?=[0-9a-f])|(?<!\\)\\+x|(?<!\\)\\*u00|%|{_BETWEEN}|([0-9a-f])", re.IGNORECASE), str.lower
)
HEX_NUMBERS = Form(
    re.compile(rf"{_BETWEEN}|0x(?=[0-9a-f])|([0-9a-f]{{1,2}})(?![0-9a-z])", re.IGNORECASE),
    lambda one: chr(int(one, 16)),
)
NUMBERS = Form(
    re.compile(
        r"[\s,;:+\[\](){}|]+|(?<!\\)\\+[nrt]|%(?:0[ad]|20|2[89c]|5[bd])|(-?\d{1,3})(?![0-9a-z])",
        re.IGNORECASE | re.ASCII,
    ),
    _number,
)
BASE64 = Form(
    re.compile(r"(?<!\\)\\+[nr]|[\r\n]+|(%2[bf]|\\/|[a-z0-9+/_-])", re.IGNORECASE),
    lambda sign: _PAIRS.get(sign.lower(), sign),
)
_WIDE, _NO_ASCII = r"[^\0-\xff]", r"[^\0-\x7f]"
PLAIN = Characters(re.compile(_WIDE), byte_of)
PLAIN_UTF8 = Characters(re.compile(_NO_ASCII), _bytes)
QUOTED = Characters(re.compile(r"=[0-9a-f]{2}", re.IGNORECASE), _digits)
_OFTEN = Characters(re.compile(rf"\\{{1,64}}(?:{_ESCAPE})|{_WIDE}", re.DOTALL), byte_of, is_folded=True)
_MIXED = Characters(re.compile(rf"\\{{1,64}}(?:{_PAIR}|{_ESCAPE})|{_NO_ASCII}", re.DOTALL), _mixed, is_folded=True)
OF_ESCAPES = (
    Characters(re.compile(rf"\\(?:{_ESCAPE})|{_WIDE}", re.DOTALL), byte_of),
    Characters(re.compile(rf"\\(?:{_PAIR}|{_ESCAPE})|{_NO_ASCII}", re.DOTALL), _bytes),
    _OFTEN,
    _MIXED,
)

_AND = r"&(?:amp;|#38;|#x26;)*"
WRAPPINGS = (
    Form(re.compile(r"\\[nr]|((?:[a-z0-9+/_-]|%2[bf]|\\/){24,})", re.IGNORECASE), _told),
    Characters(re.compile(r"%(?:25)*[0-9a-f]{2}", re.IGNORECASE), _digits),
    Characters(
        re.compile(rf"{_AND}(?:#x[0-9a-f]{{1,6}}|#[0-9]{{1,7}}|[a-z][a-z0-9]{{1,30}});", re.IGNORECASE), _reference
    ),
    Characters(re.compile(r"[\xc2\xc3][\x80-\xbf]"), lambda two: two.encode("latin-1").decode()),
)
"""What other programs do to a whole text, from the outside to the inside: base64, percent, XML, and UTF-8 twice."""
