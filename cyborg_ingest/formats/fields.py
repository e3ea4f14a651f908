"""Single values of JSON that become ids and contents; the same rules for JSONL and for sidecars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pybase64

from cyborg_ingest.rows.arrays import number_array, text_array
from cyborg_ingest.rows.encodings import ONE_LIST, decoder
from cyborg_ingest.rows.kinds import numpy_dtype
from cyborg_ingest.rows.recognition import recognised
from cyborg_ingest.rows.sparkvectors import SPARK, dense_one

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt


def identity(value: Any) -> str | None:
    """An id: text as it is, an integer in decimal, null as none. Raises ValueError."""
    if value is None or isinstance(value, str):
        checked_text(value)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"the id is {kind_of(value)}; ids are text or whole numbers")


def part(value: Any) -> str | None:
    """A part of an id, by the text that is exactly it: 1.50 in JSON is the number 1.5. Raises ValueError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"is {value}, no finite number")
        return repr(value)
    if isinstance(value, list | dict):
        raise ValueError(f"is {kind_of(value)}; ids are made of text, numbers and booleans")  # noqa: TRY004
    return identity(value)


def contents(value: Any) -> str | bytes | None:
    """Contents: text, null, or bytes as {"base64": "..."}. Raises ValueError."""
    if value is None or isinstance(value, str):
        checked_text(value)
        return value
    if isinstance(value, dict) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return pybase64.b64decode(value["base64"], validate=True)
        except ValueError as error:
            raise ValueError(f"the contents are not base64: {error}") from None
    raise ValueError(f'the contents are {kind_of(value)}; they are text, or bytes as {{"base64": "..."}}')


def value_decoder(encoding: str) -> Callable[[Any], npt.NDArray[np.float64]]:
    """A function for vectors that are not lists: text, or bytes as {"base64": "..."}; ValueError says what is wrong."""
    if encoding == SPARK:
        return dense_one
    decode = decoder(encoding) if encoding not in {"", ONE_LIST} else None

    def decoded(value: Any) -> npt.NDArray[np.float64]:
        is_bytes = isinstance(value, dict) and set(value) == {"base64"}
        if decode is None or not (isinstance(value, str) or is_bytes):
            raise ValueError(f"is {kind_of(value)}, not a list of numbers{_way_to_read(value)}")
        data = contents(value)
        return decode(b"" if data is None else data)

    return decoded


def _way_to_read(value: Any) -> str:
    """The option that reads a text which is a vector; "" where it does not look like one."""
    encoding = recognised([value]).encoding if isinstance(value, str) and value.strip() else ""
    return f"; --vector-encoding {encoding} reads it" if encoding else ""


def checked_text(value: str | None) -> None:
    """Refuse a lone surrogate, which is not Unicode text. Raises ValueError."""
    if value is not None:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("the text holds a lone surrogate, which is not valid Unicode") from None


def contents_array(values: list[str | bytes | None]) -> pa.Array:
    """Text, or where bytes are among it a union of both, so that each row stays what it is."""
    if not any(isinstance(value, bytes) for value in values):
        return text_array(values)
    texts = [value for value in values if not isinstance(value, bytes)]
    data = [value for value in values if isinstance(value, bytes)]
    kinds = np.array([isinstance(value, bytes) for value in values], np.int8)
    offsets = np.where(kinds, np.cumsum(kinds), np.cumsum(1 - kinds)).astype(np.int32) - 1
    children = [text_array(texts), text_array(data).view(pa.large_binary())]
    return pa.UnionArray.from_dense(number_array(kinds), number_array(offsets), children)


def mixed_array(values: list[Any]) -> pa.Array:
    """Values of any kinds as a sparse union, one child a kind: whatever they are, the type is always the same."""
    codes = np.fromiter(map(_code, values), np.int8, len(values))
    return pa.UnionArray.from_sparse(
        number_array(codes), [_child(code, kind, codes, values) for code, kind in _CHILDREN]
    )


def _child(code: int, kind: pa.DataType, codes: npt.NDArray[np.int8], values: list[Any]) -> pa.Array:
    """The values of one kind, null in place of the others."""
    is_own = codes == code
    if code == _NULL or not is_own.any():
        return pa.nulls(len(values), kind)
    if code == _OTHER:
        return pa.StructArray.from_arrays([pa.nulls(len(values))], fields=list(kind), mask=number_array(~is_own))
    own = values if is_own.all() else [one if own else None for own, one in zip(is_own.tolist(), values, strict=True)]
    if code == _TEXT:
        return text_array([None if text is None else text.encode("utf-8", "surrogatepass") for text in own])
    return pa.array(own, kind) if code == _LARGE else filled_array(own, numpy_dtype(kind))


_NULL, _TEXT, _WHOLE, _FLOAT, _TRUTH, _LARGE, _OTHER = range(7)
_CHILDREN = (
    (_NULL, pa.null()), (_TEXT, pa.large_string()), (_WHOLE, pa.int64()), (_FLOAT, pa.float64()), (_TRUTH, pa.bool_()),
    (_LARGE, pa.decimal256(76, 0)), (_OTHER, pa.struct([pa.field("", pa.null())])),
)  # fmt: skip
_CODES = {type(None): _NULL, str: _TEXT, float: _FLOAT, bool: _TRUTH}
_MOST_DIGITS = 10**76


def _code(value: Any) -> int:
    if type(value) is not int:
        return _CODES.get(type(value), _OTHER)
    if -(2**63) <= value < 2**63:
        return _WHOLE
    return _LARGE if abs(value) < _MOST_DIGITS else _OTHER


def filled_array(values: list[Any], kind: Any) -> pa.Array:
    """Numbers or booleans, null where there is none."""
    there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    found = number_array(np.array([0 if value is None else value for value in values], kind))
    validity = pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(found.type, len(values), [validity, found.buffers()[1]])


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
        str: "text",
    }
    return kinds.get(type(value), type(value).__name__)
