"""Vectors that are text or bytes become lists of numbers: one place for all formats.

Which encoding a column has is decided before (`recognition`, or the user); here a value that is not so is its row's
fault, never a wrong number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
import pybase64

from cyborg_ingest.model import Fault, Reason, free_name
from cyborg_ingest.rows.arrays import list_array, number_array, numbers_of, text_array
from cyborg_ingest.rows.kinds import is_bytes, is_list, is_text, storage_type
from cyborg_ingest.rows.sparkvectors import SPARK, dense, is_spark_vector
from cyborg_ingest.rows.typed import null_places, plain
from cyborg_ingest.rows.vectortext import text_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import Chunk, Json
    from cyborg_ingest.rows.sparkvectors import Problems

TEXT, BASE64, ONE_LIST = "text", "base64", "one-list"
DTYPES: dict[str, np.dtype[Any]] = {
    "f32le": np.dtype("<f4"),
    "f32be": np.dtype(">f4"),
    "f16le": np.dtype("<f2"),
    "f64le": np.dtype("<f8"),
    BASE64: np.dtype("<f4"),
}
"""The numbers in bytes. `base64` is of float32, as OpenAI's `encoding_format` has it."""

_BYTES = frozenset(DTYPES) - {BASE64}
_LISTED_BYTES = (pa.uint8(), pa.int8())

ENCODING, SEEN, STORED, HINT = b"encoding", b"seen", b"stored", b"hint"
"""In a field's metadata: how its vectors are encoded, the words on it, the type in the file; or why nothing tells."""

HEX = b"\\x"
"""How PostgreSQL writes bytes."""
_SHOWN = 40


def is_encoded(kind: pa.DataType, encoding: str = "") -> bool:
    """Whether vectors may be in a column of this type, encoded: as text, bytes, or a list of one list.

    Lists of bytes are so where an `encoding` of bytes is said, as Milvus writes float16; else they are numbers.
    """
    kind = storage_type(kind)
    if is_text(kind) or is_bytes(kind) or is_spark_vector(kind):
        return True
    if encoding in _BYTES and is_list(kind) and storage_type(kind.value_type) in _LISTED_BYTES:
        return True
    return is_list(kind) and _holds_lists(kind)


def _holds_lists(kind: pa.DataType) -> bool:
    inner = storage_type(kind.value_type)
    if not is_list(inner):
        return False
    item = storage_type(inner.value_type)
    return bool(pt.is_floating(item) or pt.is_integer(item) or pt.is_decimal(item))


def stored_type(field: pa.Field) -> str:
    """The type that a column has in its file."""
    return ((field.metadata or {}).get(STORED) or str(field.type).encode()).decode()


def decoded_type(kind: pa.DataType, encoding: str) -> pa.DataType:
    """The type that a column has once it is decoded; with its dimension where the type tells."""
    kind = storage_type(kind)
    if encoding == ONE_LIST:
        return storage_type(kind.value_type)
    if encoding == SPARK:
        return pa.list_(pa.float64())
    dtype = DTYPES.get(encoding)
    if dtype is not None and is_list(kind):
        return pa.list_(_arrow_type(dtype))
    if dtype is None or is_text(kind):
        return pa.list_(pa.float64() if dtype is None else _arrow_type(dtype))
    is_sized = pt.is_fixed_size_binary(kind) and encoding != BASE64 and kind.byte_width % dtype.itemsize == 0
    return pa.list_(_arrow_type(dtype), kind.byte_width // dtype.itemsize if is_sized else -1)


def _arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def with_numbers(chunk: Chunk) -> Chunk:
    """The chunk with its vectors as numbers, where they are encoded; what is not so encoded is its row's fault."""
    names = chunk.columns
    if not names.encoding or names.vector not in chunk.batch.schema.names:
        return chunk
    column = chunk.batch.column(names.vector)
    if not is_encoded(column.type, names.encoding):  # a reader that goes row by row has decoded them already
        return chunk
    array, problems = decoded(column, names.encoding)
    known = {fault.offset for fault in chunk.faults}
    faults = [
        Fault(place, Reason.VECTOR_INVALID, f"the vector {why}")
        for place, why in problems.items()
        if place not in known
    ]
    free = free_name("vector", chunk.batch.schema.names)
    return replace(
        chunk,
        batch=chunk.batch.append_column(free, array),
        columns=replace(names, vector=free, encoded=names.vector),
        faults=(*chunk.faults, *faults),
    )


def decoded(array: pa.Array, encoding: str) -> tuple[pa.Array, Problems]:
    """Lists of numbers, null where there is none, and where there is one that cannot be read."""
    problems: Problems = {}
    array = plain(array)
    if encoding == ONE_LIST:
        return _only_lists(array, problems), problems
    if encoding == SPARK:
        return dense(array, problems), problems
    if is_list(array.type):
        array = listed_bytes(array)
    if not is_text(array.type) and encoding in DTYPES and encoding != BASE64:
        return _of_bytes(array, DTYPES[encoding], problems), problems
    texts = as_bytes(array).to_pylist()
    if encoding == TEXT:
        return list_array(_each(texts, text_parser(), problems)), problems
    found = _each(texts, bytes_of_text, problems)
    return _of_bytes(text_array(found).view(pa.large_binary()), DTYPES[encoding], problems), problems


def decoder(encoding: str) -> Callable[[str | bytes], npt.NDArray[np.float64]]:
    """A function that decodes one value, for readers that go row by row; ValueError says what is wrong."""
    parse = text_parser()

    def decode(value: str | bytes) -> npt.NDArray[np.float64]:
        data = value.encode(errors="replace") if isinstance(value, str) else value
        try:
            if encoding == TEXT:
                return parse(data)
            if isinstance(value, str) or encoding == BASE64:
                data = bytes_of_text(data)
            return _numbers(data, DTYPES[encoding])
        except ValueError as error:
            raise ValueError(f"{error}{_begins(value)}") from None

    return decode


def written(array: pa.Array) -> Json | str | list[Any] | None:
    """An encoded vector as it can be loaded again from JSON: text as it is, bytes as base64 of them."""
    array = plain(array)
    if is_list(array.type) or is_spark_vector(array.type):
        found: list[Any] | Json | None = array.to_pylist()[0]
        return found
    data = as_bytes(array).to_pylist()[0]
    if data is None:
        return None
    return data.decode(errors="replace") if is_text(array.type) else pybase64.b64encode_as_string(data)


def bytes_of_text(text: bytes) -> bytes:
    """The bytes that text stands for: base64, or PostgreSQL's hexadecimal digits. Raises ValueError."""
    text = text.strip()
    if not text:
        raise ValueError("is empty text")
    try:
        if text.startswith(HEX):
            return bytes.fromhex(text[len(HEX) :].decode())
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("is not base64") from None


def as_bytes(array: pa.Array) -> pa.Array:
    """Text or bytes as bytes of one type; text is not looked at, since what is not UTF-8 is not a vector either."""
    kind = array.type
    if pt.is_string_view(kind):
        array = array.view(pa.binary_view())
    elif is_text(kind):
        return array.view(pa.large_binary() if pt.is_large_string(kind) else pa.binary())
    return array.cast(pa.large_binary())


def _each(texts: Sequence[bytes | None], convert: Callable[[bytes], Any], problems: Problems) -> list[Any]:
    found: list[Any] = []
    for place, text in enumerate(texts):
        try:
            found.append(None if text is None else convert(text))
        except ValueError as error:
            problems[place] = f"{error}{_begins(text or b'')}"
            found.append(None)
    return found


def _begins(value: str | bytes) -> str:
    """How a value begins, for a message."""
    if not value:
        return ""
    text = value if isinstance(value, str) else value[: 2 * _SHOWN].decode(errors="replace")
    return f": {text[:_SHOWN]!r}" + ("..." if len(text) > _SHOWN else "")


def _numbers(data: bytes, dtype: np.dtype[Any]) -> npt.NDArray[np.float64]:
    if not data or len(data) % dtype.itemsize:
        raise ValueError(_no_multiple(len(data), dtype))
    return np.frombuffer(data, dtype).astype(np.float64)


def _no_multiple(size: int, dtype: np.dtype[Any]) -> str:
    return f"is {size:,} bytes, no multiple of the {dtype.itemsize} that a number has" if size else "is empty"


def _of_bytes(array: pa.Array, dtype: np.dtype[Any], problems: Problems) -> pa.Array:
    """Bytes as the numbers that they are."""
    if pt.is_fixed_size_binary(array.type) and array.type.byte_width % dtype.itemsize == 0 and array.type.byte_width:
        return _of_equal_bytes(array, dtype)
    array = as_bytes(array) if not pt.is_large_binary(array.type) else array
    lengths = np.array(numbers_of(pc.fill_null(pc.binary_length(array), 0)), np.int64)
    is_null = np.zeros(len(array), np.bool_)
    is_null[null_places(array)] = True
    wrong = ~is_null & ((lengths % dtype.itemsize != 0) | (lengths == 0))
    for place in np.flatnonzero(wrong).tolist():
        problems[place] = _no_multiple(int(lengths[place]), dtype)
    kept = array.filter(number_array(~(wrong | is_null))) if wrong.any() or is_null.any() else array
    lengths[wrong | is_null] = 0
    items = _number_items(_joined(kept), dtype)
    ends = np.cumsum(np.concatenate([[0], lengths // dtype.itemsize]), dtype=np.int64)
    missing = wrong | is_null
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    kind = pa.large_list(items.type)
    return pa.Array.from_buffers(kind, len(array), [validity, pa.py_buffer(ends)], children=[items])


def _of_equal_bytes(array: pa.FixedSizeBinaryArray, dtype: np.dtype[Any]) -> pa.FixedSizeListArray:
    width = array.type.byte_width
    data = array.buffers()[1]
    taken = data.slice(array.offset * width, len(array) * width) if data is not None else pa.py_buffer(b"")
    items, size = _number_items(taken, dtype), width // dtype.itemsize
    kind = pa.list_(items.type, size)
    if not array.null_count:
        return pa.FixedSizeListArray.from_arrays(items, size)
    missing = np.zeros(len(array), np.bool_)
    missing[null_places(array)] = True
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(array), [validity], children=[items])


def _joined(array: pa.Array) -> pa.Buffer:
    """The bytes of all rows, of which none is null, one after another."""
    if not len(array):
        return pa.py_buffer(b"")
    _, ends, data = array.buffers()
    offsets = np.frombuffer(ends, np.int64, len(array) + 1, array.offset * 8)
    return data.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _number_items(data: pa.Buffer, dtype: np.dtype[Any]) -> pa.Array:
    return number_array(np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False))


def listed_bytes(array: pa.Array) -> pa.Array:
    """Lists of bytes as bytes; one that holds a null is not a vector, and null."""
    items = plain(array.flatten())  # the lists' own, in their order, whatever their layout: casts of views lose some
    lengths = numbers_of(pc.fill_null(pc.list_value_length(array), 0)).astype(np.int64)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    missing = np.zeros(len(array), np.bool_)
    missing[null_places(array)] = True
    if items.null_count:
        missing[np.searchsorted(ends, null_places(items), side="right") - 1] = True
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    data = pa.py_buffer(numbers_of(pc.fill_null(items, 0)).tobytes())
    return pa.Array.from_buffers(pa.large_binary(), len(array), [validity, pa.py_buffer(ends), data])


def _only_lists(array: pa.Array, problems: Problems) -> pa.Array:
    """The one list in each list."""
    lengths = numbers_of(pc.fill_null(pc.list_value_length(array), -1))
    for place in np.flatnonzero((lengths >= 0) & (lengths != 1)).tolist():
        problems[place] = f"is a list of {lengths[place]:,} lists, not of one"
    if (lengths == 1).all():
        return plain(array.flatten())
    there = lengths == 1
    inner = plain(array.filter(number_array(there)).flatten())
    places = np.where(there, np.cumsum(there) - 1, 0)
    return inner.take(number_array(places.astype(np.int64), ~there)) if len(inner) else pa.nulls(len(array), inner.type)
