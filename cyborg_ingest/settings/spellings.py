"""How bytes are spelled in a text: as digits, numbers, base64, and as characters with and without escapes."""

from __future__ import annotations

import re
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


LOST = "?"
"""What stands for a character that is not a byte, as do U+FFFD and the sign that other programs put in its place."""

_NAMED = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "e": 27, "0": 0}
_PAIRS = {"%2b": "+", "%2f": "/", "\\/": "/", "-": "+", "_": "/"}
_BYTES = 256
_NO_UTF8 = range(0xDC80, 0xDD00)
_ESCAPE = r"[xX][0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,2}\}|[0-7]{3}|."


def _number(digits: str) -> str:
    return chr(int(digits) % 256)


def _code(spelled: str) -> int:
    """The number of a character that may be spelled as an escape."""
    if spelled[0] != "\\" or len(spelled) == 1:
        return ord(spelled)
    escape = spelled.lstrip("\\") or "\\"
    if len(escape) == 1:
        return _NAMED.get(escape, ord(escape))
    return int(escape, 8) if escape.isdigit() else int(escape[1:].strip("{}"), 16)


def byte_of(spelled: str) -> str:
    """The character of one byte; Python keeps one that is not UTF-8 at U+DC80 to U+DCFF."""
    code = _code(spelled)
    return chr(code % 256) if code < _BYTES or code in _NO_UTF8 else LOST


def _bytes(spelled: str) -> str:
    """The bytes of a character in UTF-8, each as one character."""
    code = _code(spelled)
    return chr(code).encode("utf-8", "surrogateescape" if code in _NO_UTF8 else "replace").decode("latin-1")


def _mixed(spelled: str) -> str:
    """An escape of a byte, or a character in UTF-8: what stands there where most was text."""
    return byte_of(spelled) if spelled[0] == "\\" and _code(spelled) < _BYTES else _bytes(spelled)


def _percent(spelled: str) -> str:
    found = chr(int(spelled[-2:], 16)) if len(spelled) > 1 else _bytes(spelled)
    return " " if found == "+" else found  # which a form has in the place of a blank


def _entity(spelled: str) -> str:
    if spelled[0] != "&" or len(spelled) == 1:
        return byte_of(spelled)
    digits = spelled[2:-1]
    return byte_of(chr(int(digits[1:], 16) if digits[0] in "xX" else int(digits)))


_BETWEEN = r"[\s:,;.\-_{}|'\"\[\]()]+|\\+[nrt'\"]|%(?:0[9ad]|20|2[2789c]|3[ab]|5[bd])"
DIGITS = Form(re.compile(rf"0x(?=[0-9a-f])|\\+x|\\*u00|%|{_BETWEEN}|([0-9a-f])", re.IGNORECASE), str.lower)
HEX_NUMBERS = Form(
    re.compile(rf"{_BETWEEN}|0x(?=[0-9a-f])|([0-9a-f]{{1,2}})(?![0-9a-z])", re.IGNORECASE),
    lambda one: chr(int(one, 16)),
)
NUMBERS = Form(
    re.compile(
        r"[\s,;:\[\](){}|]+|\\+[nrt]|%(?:0[ad]|20|2[89c]|5[bd])|(-?\d{1,3})(?![0-9a-z])", re.IGNORECASE | re.ASCII
    ),
    _number,
)
BASE64 = Form(
    re.compile(r"\\+[nr]|[\r\n]+|(%2[bf]|\\/|[a-z0-9+/_-])", re.IGNORECASE),
    lambda sign: _PAIRS.get(sign.lower(), sign),
)
PLAIN = Form(re.compile(r"(.)", re.DOTALL), byte_of)
PLAIN_UTF8 = Form(re.compile(r"([^\0-\x7f]|.)", re.DOTALL), _bytes)
_ESCAPED = Form(re.compile(rf"(\\(?:{_ESCAPE})|.)", re.DOTALL), byte_of)
_ESCAPED_UTF8 = Form(re.compile(rf"(\\(?:{_ESCAPE})|[^\0-\x7f]|.)", re.DOTALL), _bytes)
_ESCAPED_TWICE = Form(re.compile(rf"(\\{{4}}|\\{{1,3}}(?:{_ESCAPE})|.)", re.DOTALL), byte_of)
_ESCAPED_OFTEN = Form(re.compile(rf"(\\+(?:{_ESCAPE})|.)", re.DOTALL), byte_of)
_ESCAPED_MIXED = Form(re.compile(rf"(\\+(?:{_ESCAPE})|[^\0-\x7f]|.)", re.DOTALL), _mixed)
_ESCAPED_BYTES = Form(re.compile(r"(\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|.)", re.DOTALL), byte_of)
OF_ESCAPES = (_ESCAPED, _ESCAPED_UTF8, _ESCAPED_TWICE, _ESCAPED_OFTEN, _ESCAPED_MIXED, _ESCAPED_BYTES)
_ANY_CASE = re.DOTALL | re.IGNORECASE
PERCENT = Form(re.compile(r"([%=][0-9a-f]{2}|.)", _ANY_CASE), _percent)
PERCENT_TWICE = Form(re.compile(r"(%25[0-9a-f]{2}|.)", _ANY_CASE), _percent)
_ENTITY = r"&#(?:x[0-9a-f]{1,6}|[0-9]{1,7});"
ENTITIES = Form(re.compile(rf"({_ENTITY}|.)", _ANY_CASE), _entity)
ENTITIES_ESCAPED = Form(re.compile(rf"({_ENTITY}|\\+(?:x[0-9a-f]{{2}}|u00[0-9a-f]{{2}}|[^&])|.)", _ANY_CASE), _entity)
