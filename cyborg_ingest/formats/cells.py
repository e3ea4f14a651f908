"""What the text of a cell is: the rules by which a column of a delimited file has its type.

A column has the type that all of its cells fit, in the whole file; `scan` looks at them. What the user says of a
column is believed, and taken more freely: 007 is not a whole number by itself, and 7 where the column is one.
"""

from __future__ import annotations

import datetime
import enum
import math
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.errors import UsageError
from cyborg_ingest.formats.base import Dialect
from cyborg_ingest.formats.numbers import number_parser
from cyborg_ingest.rows.arrays import list_array, number_array, text_array
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cyborg_ingest.formats.numbers import Buffer

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SAID_WHOLE = re.compile(r"[+-]?[0-9]+")
_SAID_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_EXACT = 1 << 53
"""A whole number beyond it may not be a float64; an account's number of 20 digits stays text."""
_LONGEST_WHOLE = 20
_NAN = "nan"
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(?:Z|UTC|([+-])(\d\d):?(\d\d)?)?",
    re.ASCII,
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_DAY = 86_400_000
_SWAPPED = str.maketrans(",.", ".,")
_CELLS = 10_000
_END = "\x1e"
_TRUE, _FALSE = {"true", "t", "1", "yes", "y"}, {"false", "f", "0", "no", "n"}


class Kind(str, enum.Enum):
    """What the cells of a column are; the values are those of `--column-types`."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"
    VECTOR = "vector"
    TEXT = "text"


NUMBERS = frozenset({Kind.INT, Kind.FLOAT})
_PLAIN = {
    Kind.INT: re.compile(rf"(?:(?:0|-?[1-9][0-9]{{0,14}}){_END})*"),
    Kind.FLOAT: re.compile(rf"(?:-?(?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{{1,2}})?{_END})*"),
}
"""Many cells at once, of which any fits: numbers of few digits. What does not match is looked at cell by cell.

Nothing matches in two ways, or a cell that fits none would be tried in all combinations of those before it.
"""
ARROW = {
    Kind.INT: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOL: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("ms"),
    Kind.VECTOR: pa.list_(pa.float64()),
    Kind.TEXT: pa.string(),
}
_KINDS = {kind: name for name, kind in ARROW.items()}
_SIGNS = {"tab": "\t", "\\t": "\t"}
_ALIASES = {
    "integer": "int", "int64": "int", "float64": "float", "double": "float", "boolean": "bool", "str": "text",
    "string": "text", "list": "vector", "datetime": "timestamp",
}  # fmt: skip
PLURALS = {
    Kind.INT: "whole numbers",
    Kind.FLOAT: "numbers",
    Kind.BOOL: "true and false",
    Kind.DATE: "dates",
    Kind.TIMESTAMP: "timestamps",
    Kind.VECTOR: "arrays of numbers",
    Kind.TEXT: "text",
}
WORDS = {
    Kind.INT: "a whole number",
    Kind.FLOAT: "a number",
    Kind.BOOL: "true or false",
    Kind.DATE: "a date as in 2024-12-31",
    Kind.TIMESTAMP: "a timestamp as in 2024-12-31 23:59:59",
    Kind.VECTOR: "an array of numbers",
    Kind.TEXT: "text",
}


def parse_dialect(
    delimiter: str | None, has_header: bool | None, types: Iterable[str], nulls: Iterable[str], decimal: str = "."
) -> Dialect:
    """What the options for delimited files say. Raises UsageError."""
    sign = _SIGNS.get(delimiter or "", delimiter)
    if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in '\r\n"\0'):
        raise UsageError(f"--delimiter is {delimiter!r}; it is one character of ASCII and no quote, or tab.")
    return Dialect(sign, has_header, tuple(map(_parse_type, types)), tuple(nulls), decimal)


def _parse_type(text: str) -> tuple[str, str]:
    name, _, kind = text.rpartition("=")
    kind = _ALIASES.get(kind.strip().lower(), kind.strip().lower())
    if not name or kind not in {one.value for one in Kind}:
        known = ", ".join(one.value for one in Kind)
        raise UsageError(f"--column-types {text!r} has not the form NAME=TYPE, with one of {known}.")
    return name.strip(), kind


def kind_of_type(kind: pa.DataType) -> Kind:
    """The kind that a column of such a schema has."""
    return _KINDS[kind]


def kind_of(texts: Sequence[str], decimal: str = ".") -> Kind:
    """The kind that all of some cells fit, none of which is empty."""
    if texts and _are_vectors(texts):
        return Kind.VECTOR
    texts = [with_point(text, decimal) for text in texts]
    return next((kind for kind, fits in FITS.items() if texts and all(map(fits, texts))), Kind.TEXT)


def _are_vectors(texts: Sequence[str]) -> bool:
    """Whether all begin as arrays, and at least half are of numbers: what is broken among them is its row's fault."""
    if not all(text.lstrip().startswith("[") for text in texts):
        return False
    parse = number_parser()
    return sum(numbers(text, parse) is not None for text in texts) * 2 >= len(texts)


def numbers(text: str, parse: Callable[[bytes], Buffer | None]) -> Buffer | None:
    """An array of numbers as float64; None where it is anything else."""
    found = parse(text.encode()) if text.count("[") == 1 else None  # nested ones would be flattened
    if found is not None:
        return found
    try:
        value = load_json(text.encode())
    except ValueError:
        return None
    if not isinstance(value, list) or not all(type(one) in {int, float} for one in value):
        return None
    return np.array([_float(one) for one in value], np.float64)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # beyond float64, and so beyond float32, which is what the row is rejected for
        return sys.float_info.max if number > 0 else -sys.float_info.max


def is_whole(text: str) -> bool:
    """An integer of 64 bits without leading zeros, which has no other spelling."""
    return _WHOLE.fullmatch(text) is not None and _is_int64(text)


def _is_int64(text: str) -> bool:
    return len(text) <= _LONGEST_WHOLE and -(2**63) <= int(text) < 2**63


def is_number(text: str) -> bool:
    """A finite number, as JSON spells one, or without the zero before its point."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def is_exact(text: str) -> bool:
    """A number that a float64 holds as it is written, but for digits behind the point; or NaN, which is none."""
    if _WHOLE.fullmatch(text) is None:
        return is_number(text) or text.lower() == _NAN
    return _is_int64(text) and abs(int(text)) <= _EXACT


def is_truth(text: str) -> bool:
    """True or false, in any letters."""
    return text.lower() in {"true", "false"}


FITS: dict[Kind, Callable[[str], bool]] = {Kind.INT: is_whole, Kind.FLOAT: is_exact, Kind.BOOL: is_truth}
"""What a column is by itself, the narrowest first."""

SAID_FITS: dict[Kind, Callable[[str], bool]] = {
    Kind.INT: lambda text: _SAID_WHOLE.fullmatch(text) is not None and _is_int64(text),
    Kind.FLOAT: lambda text: (
        text.lower() == _NAN or (_SAID_NUMBER.fullmatch(text) is not None and math.isfinite(float(text)))
    ),
    Kind.BOOL: lambda text: text.lower() in _TRUE | _FALSE,
    Kind.DATE: lambda text: (found := moment_of(text)) is not None and found % _DAY == 0,
    Kind.TIMESTAMP: lambda text: moment_of(text) is not None,
}
"""What a column may hold of which the user has said what it is."""


def all_fit(kind: Kind, texts: Sequence[str]) -> bool:
    """Whether all of some cells, none of which is empty, are of a kind."""
    if kind is Kind.VECTOR:
        parse = number_parser()
        return all(text.lstrip().startswith("[") and numbers(text, parse) is not None for text in texts)
    plain = _PLAIN.get(kind)
    return all(
        (plain is not None and _all_match(plain, list(some))) or all(map(FITS.get(kind) or SAID_FITS[kind], some))
        for some in (texts[start : start + _CELLS] for start in range(0, len(texts), _CELLS))
    )


def _all_match(plain: re.Pattern[str], texts: list[str]) -> bool:
    joined = _END.join(texts) + _END
    return plain.fullmatch(joined) is not None and joined.count(_END) == len(texts)


def value_of(text: str, kind: Kind) -> Any:
    """A cell as JSON has it; the text itself where it is not what its column is."""
    try:
        if kind in {Kind.INT, Kind.FLOAT} and _SAID_NUMBER.fullmatch(text):
            return int(text) if _SAID_WHOLE.fullmatch(text) else float(text)
        if kind is Kind.BOOL and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        if kind in {Kind.DATE, Kind.TIMESTAMP}:
            return text if (found := moment_of(text)) is None else found
        return load_json(text.encode()) if kind is Kind.VECTOR else text
    except ValueError:
        return text


def to_arrow(texts: Sequence[str | None], kind: Kind) -> pa.Array:
    """Cells that fit their column's kind as an Arrow column, None as null."""
    if kind is Kind.TEXT:
        return text_array(texts)
    if kind is Kind.VECTOR:
        parse = number_parser()
        return list_array([None if text is None else numbers(text, parse) for text in texts])
    if kind in {Kind.DATE, Kind.TIMESTAMP}:
        return _moments(texts, kind)
    convert, dtype = _CONVERT[kind]
    values = np.fromiter((convert("0" if text is None else text) for text in texts), dtype, len(texts))
    missing = np.fromiter((text is None for text in texts), np.bool_, len(texts)) if None in texts else None
    return number_array(values, missing)


def _moments(texts: Sequence[str | None], kind: Kind) -> pa.Array:
    found = [0 if text is None else moment_of(text) for text in texts]
    missing = np.fromiter((text is None for text in texts), np.bool_, len(texts)) if None in texts else None
    numbers = np.array(found, np.int64)
    if kind is Kind.DATE:
        return number_array((numbers // _DAY).astype(np.int32), missing).view(ARROW[kind])
    return number_array(numbers, missing).view(ARROW[kind])


def moment_of(text: str) -> int | None:
    """A date or a timestamp, as ISO 8601 and SQL write them, in milliseconds since 1970; without a zone it is UTC."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    *begin, hour, minute, second, fraction, sign, hours, minutes = found.groups(default="0")
    away = (int(hours) * 60 + int(minutes)) * 60_000 * (-1 if sign == "-" else 1)
    year, month, day = map(int, begin)
    try:
        moment = datetime.datetime(year, month, day, int(hour), int(minute), int(second), tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return (moment - _EPOCH) // _MILLISECOND + int((fraction + "000")[:3]) - away


def with_point(text: str, decimal: str) -> str:
    """A cell as a number is written that has a point: where that is a comma, a point is none."""
    return text if decimal == "." else text.translate(_SWAPPED)


_CONVERT: dict[Kind, tuple[Callable[[str], Any], Any]] = {
    Kind.INT: (int, np.int64),
    Kind.FLOAT: (float, np.float64),
    Kind.BOOL: (lambda text: text.lower() in _TRUE, np.bool_),
}
