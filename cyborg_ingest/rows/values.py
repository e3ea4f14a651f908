"""The one place for the rules about values: JSON, dates and contents, as they reach an engine.

orjson is fast but not faithful: it reads integers beyond 64 bits as floats, and writes NaN as null. Both
are caught here, by a cheap test first and the standard library where it matters.
"""

from __future__ import annotations

import datetime
import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import pybase64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Json

_T = TypeVar("_T")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 19
"""So many digits, once each digit is a zero: from here on orjson may turn an integer into a float."""
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""orjson would write NaN in a dataclass as null, and dates as text."""
MAX_DEPTH = 200
"""So deep may objects and arrays be nested: all that reads and writes them takes that, also what was measured of both
engines. orjson writes 254 levels and reads 1,024, and Python's own stack ends at some other depth each time."""
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"
_NESTING = (dict, list, tuple)
_AS_THEY_ARE = frozenset((str, int, bool))
_JSON_KINDS = {
    list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean", type(None): "null"
}  # fmt: skip


class UnfitError(ValueError):
    """JSON, and not what it has to be. Its words follow the name of the thing: "is an array, not an object"."""


class NotFiniteError(ValueError):
    """NaN or an infinity, which JSON does not have and which makes a stored row unreadable."""


def epoch_milliseconds(value: datetime.date) -> int:
    """Milliseconds since 1970 in UTC, rounded down; a datetime without a zone is taken as UTC.

    Raises NotFiniteError for what is not a date.
    """
    if value != value:  # noqa: PLR0124 - pandas.NaT, which is a datetime and no date
        raise NotFiniteError(f"{value} is not JSON")
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return (value - _EPOCH) // _MILLISECOND


def load_json(text: bytes, *, deepest: int = MAX_DEPTH) -> Any:
    """Parse one JSON value, every number as it was; NaN and infinities are kept, for the caller to name.

    Raises ValueError (json.JSONDecodeError, UnicodeDecodeError) where it is not JSON, or nested too deeply.
    """
    return _parse(text, deepest)[0]


def load_object(text: bytes) -> Json:
    """Parse one JSON object, every number as it was.

    Raises NotFiniteError for NaN and infinities, UnfitError where it is not an object, ValueError where it is not JSON.
    """
    value, is_finite = _parse(text)
    if not isinstance(value, dict):
        raise UnfitError(f"is {_JSON_KINDS.get(type(value), 'no object')}, not an object")
    if not is_finite:
        _refuse_non_finite(value)
    return value


def _parse(text: bytes, deepest: int = MAX_DEPTH) -> tuple[Any, bool]:
    """The value, and whether it is sure to hold no NaN and no infinity."""
    if _LONG_NUMBER not in text.translate(_ZEROS):
        try:
            return _not_deep(orjson.loads(text), text, deepest), True
        except orjson.JSONDecodeError:
            pass  # NaN, 1e400 and lone surrogates are for the caller to name: the stdlib reads them
    try:
        return _not_deep(json.loads(text), text, deepest), False
    except RecursionError:
        raise UnfitError(_TOO_DEEP) from None


def _not_deep(value: Any, text: bytes, deepest: int) -> Any:
    """The value that a text holds. Raises ValueError where it is nested too deeply."""
    if text.count(b"[") + text.count(b"{") > deepest:  # or it cannot be
        check_depth(value, deepest)
    return value


def check_depth(value: Any, deepest: int = MAX_DEPTH) -> None:
    """Raise ValueError for what is nested too deeply; whatever it is, the stack does not grow."""
    level = [value] if isinstance(value, _NESTING) else []
    for _ in range(deepest):
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, _NESTING)
        ]
        if not level:
            return
    raise UnfitError(_TOO_DEEP)


def dump_object(value: Json) -> bytes:
    """A JSON object as UTF-8 JSON, dates as epoch milliseconds, every number as it was.

    Raises NotFiniteError (a ValueError) for NaN and infinities, ValueError for what JSON cannot hold.
    """
    try:
        text = orjson.dumps(value, _convert, _OPTIONS)
    except (TypeError, RecursionError):  # an integer beyond 64 bits, a key or a value that is not JSON: find out which
        return _dump_slowly(value)
    if b"null" in text:
        _refuse_non_finite(value)
    return text


class JsonList(list[_T]):
    """A list, and its JSON: checked and encoded once, where a batch is cut. Not to be changed.

    A slice of it is a plain list, so what is taken apart is encoded anew.
    """

    __slots__ = ("json",)

    def __init__(self, values: Iterable[_T], json: bytes) -> None:
        super().__init__(values)
        self.json = json


def dump_objects(values: list[Json | None]) -> bytes:
    """A list of objects as a JSON array, `null` for none; raises as `dump_object` does, naming no row."""
    if isinstance(values, JsonList):
        return values.json
    try:
        text = orjson.dumps(values, _convert, _OPTIONS)
    except TypeError:
        return b"[" + b",".join(b"null" if one is None else _dump_slowly(one) for one in values) + b"]"
    if text.count(b"null") != values.count(None):  # orjson writes NaN and infinity as null
        for one in values:
            _refuse_non_finite(one)
    return text


def dump_ids(values: list[str]) -> bytes:
    """Ids as a JSON array. Raises ValueError for a lone surrogate."""
    if isinstance(values, JsonList):
        return values.json
    try:
        return orjson.dumps(values)
    except TypeError as error:
        raise ValueError(str(error)) from None


def dump_contents(values: list[str | bytes | None]) -> bytes:
    """Contents as a JSON array of what `contents_text` makes of each. Raises ValueError, TypeError."""
    if isinstance(values, JsonList):
        return values.json
    return orjson.dumps([contents_text(one) for one in values])


def _dump_slowly(value: Json) -> bytes:
    check_depth(value)
    try:
        text = json.dumps(value, default=_convert, allow_nan=True, ensure_ascii=False, separators=(",", ":"))
        _refuse_non_finite(value)
        return text.encode()
    except RecursionError:
        raise UnfitError(_TOO_DEEP) from None
    except UnicodeEncodeError:
        raise ValueError("text that is not valid Unicode (a lone surrogate)") from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def _convert(value: object) -> int:
    if isinstance(value, datetime.date):
        return epoch_milliseconds(value)
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


def _refuse_non_finite(value: object) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotFiniteError(f"{value} is not JSON")
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_non_finite(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_non_finite(item)


def with_plain_dates(value: Any) -> Any:
    """The value with every date and datetime in it, at any depth, as epoch milliseconds."""
    if isinstance(value, datetime.date):
        return epoch_milliseconds(value)
    if isinstance(value, dict):
        return {key: with_plain_dates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_plain_dates(item) for item in value]
    return value


def plain_json(value: Any, path: str = "") -> Any:
    """A value of Python as JSON has it: datetimes as epoch milliseconds, tuples as lists, numbers and text as they are.

    What is stored is what is looked at: `pandas.NaT` is a datetime, and no date. Raises NotFiniteError, ValueError, and
    TypeError for a type that JSON does not have; each names the field.
    """
    try:
        check_depth(value)
    except ValueError as error:
        raise ValueError(f"it {error}") from None
    return _plain(value, path)


def _plain(value: Any, path: str) -> Any:
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, dict):
        return {_key(key, path): _plain(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, path) for item in value]
    try:
        return _scalar(value)
    except NotFiniteError:
        raise NotFiniteError(f"field {path!r} is {value}, which JSON does not have") from None
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"field {path!r} is {kind}, which JSON does not have; convert it yourself") from None


def _scalar(value: Any) -> Any:
    """A value of a type that is derived from one of JSON's, as that one; a date as epoch milliseconds."""
    if isinstance(value, float):
        _refuse_non_finite(value)
        return float(value)
    if isinstance(value, int):
        return int(value)
    return str.__str__(value) if isinstance(value, str) else _convert(value)


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    where = f"in field {path!r} " if path else ""
    raise TypeError(f"{where}a key is {type(key).__name__}, not str")


def contents_text(value: str | bytes | None) -> str:
    """Contents as both engines store them: text as it is, bytes as base64 text, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return pybase64.b64encode_as_string(value)


def canonical(metadata: Json | None, contents: str | bytes | None) -> bytes:
    """What a row holds beside its vector, as bytes that are equal where the values are.

    1, 1.0 and true differ; the order of fields, {} and nothing, "" and nothing do not.
    """
    try:
        ordered = _sorted(metadata or {})
    except RecursionError:
        raise UnfitError(_TOO_DEEP) from None
    return dump_object({"contents": contents_text(contents), "metadata": ordered})


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value
