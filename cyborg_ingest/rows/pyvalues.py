"""Values of Python as JSON has them: by the rules of docs/formats.md, "Values", whichever program holds them."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pybase64

from cyborg_ingest.rows.typed import plain_decimal
from cyborg_ingest.rows.values import check_depth, epoch_milliseconds

if TYPE_CHECKING:
    from collections.abc import Collection

_AS_THEY_ARE = frozenset((str, int, bool, float, type(None)))
_BYTES = (bytes, bytearray, memoryview)
_SHORTEST_VECTOR = 4


def row_text(row: Mapping[Any, Any], marked: Collection[Any]) -> bytes:
    """A dict as the text of a JSON object. Raises ValueError, which names the field, for what JSON does not have.

    NaN and infinities stay what they are, for whoever checks rows. Bytes are base64 text; in the `marked` fields they
    are told apart from text, as contents in JSONL are.
    """
    fields = (b"%b:%b" % (_key(name), _field(name, value, marked)) for name, value in row.items())
    return b"{%b}" % b",".join(fields)


def _key(name: Any) -> bytes:
    if not isinstance(name, str):
        raise ValueError(f"the name of a field is {type(name).__name__}, not text")  # noqa: TRY004 - of a row
    return json.dumps(name).encode()


def _field(name: str, value: Any, marked: Collection[Any]) -> bytes:
    numbers = _numbers(value)
    if numbers is not None:
        return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)
    if isinstance(value, _BYTES) and name in marked:
        return orjson.dumps({"base64": _base64(value)})
    return _dumped(plain(value, name))


def _numbers(value: Any) -> Any:
    """A vector as float64, which has every float32; None for what is none, and where it is not finite."""
    if isinstance(value, np.ndarray):
        is_vector = value.ndim == 1 and value.dtype.kind == "f" and type(value) is np.ndarray
    else:
        is_vector = type(value) is list and len(value) >= _SHORTEST_VECTOR and set(map(type, value)) == {float}
    if not is_vector:
        return None
    numbers = np.ascontiguousarray(value, np.float64)
    return numbers if np.isfinite(numbers).all() else None


def _dumped(value: Any) -> bytes:
    try:
        text = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate
        return json.dumps(value).encode()
    return json.dumps(value).encode() if b"null" in text else text  # orjson writes NaN as null


def plain(value: Any, path: str) -> Any:
    """A value as JSON has it, NaN and infinities as they are. Raises ValueError, which names the field."""
    if type(value) in _AS_THEY_ARE:
        return value
    try:
        check_depth(value)
    except ValueError as error:
        raise ValueError(f"field {path!r} {error}") from None
    return _plain(value, path)


def _plain(value: Any, path: str) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Mapping):
        return {_name(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, path) for item in value]
    found = _scalar(value)
    if found is not value:
        return found if type(found) in _AS_THEY_ARE else _plain(found, path)
    raise ValueError(f"field {path!r} is {type(value).__name__}, which JSON does not have; convert it yourself")


def _scalar(value: Any) -> Any:  # noqa: C901, PLR0911 - a line for each type
    """What a value stands for, which may be looked at again; itself where JSON does not have it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date):
        return None if value != value else epoch_milliseconds(value)  # noqa: PLR0124 - pandas.NaT
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(value.astype("datetime64[ms]").astype(np.int64))
    if isinstance(value, np.ndarray):
        return _items(value)
    if isinstance(value, np.timedelta64):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, decimal.Decimal):
        return plain_decimal(value) if value.is_finite() else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, _BYTES):
        return _base64(value)
    for kind in (str, int, float):  # of classes derived from them
        if isinstance(value, kind):
            return kind(value) if kind is not str else str.__str__(value)
    if type(value).__name__ == "NAType":  # of pandas, which need not be installed
        return None
    return np.asarray(value) if hasattr(value, "__array__") else value


def _items(value: Any) -> Any:
    """The items of an array; what is masked is null."""
    if value.dtype.kind == "M":
        return [_scalar(one) for one in value] if value.ndim == 1 else [_items(one) for one in value]
    return list(value) if value.dtype.kind == "m" else value.tolist()


def _name(key: Any, path: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise ValueError(f"in field {path!r} a key is {type(key).__name__}, not text")


def _base64(value: Any) -> str:
    return pybase64.b64encode_as_string(bytes(value))
