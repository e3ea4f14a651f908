"""What the two sides of a comparison hold, and comparing them: exactly, in one order, whatever their types are.

Numbers of all widths are one kind, in the order of their values, NaN behind all others and equal to itself. Text is
in the order of its bytes. Dates and timestamps are moments in UTC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from cyborg_ingest.rows.conditions import BOOLEAN, NUMBER, TEXT, TIME
from cyborg_ingest.rows.kinds import is_bytes, is_text, numpy_dtype, storage_type
from cyborg_ingest.rows.typed import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

_UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}
_DAY = 86_400 * _UNITS["s"]


@dataclass(frozen=True, slots=True)
class Operand:
    """Values of one kind, one a row; `known` says where there is one.

    `items`: NumPy integers, floats or booleans, Decimals in an array of objects, or for text an Arrow large_string. A
    time has integers of `unit` nanoseconds since 1970. A literal is a single value that is known everywhere: then
    `known` is None, and `items` a Decimal, a str, a bool, or nanoseconds.
    """

    kind: str
    items: Any
    known: Mask | None
    unit: int = 1


@dataclass(frozen=True, slots=True)
class Looked:
    """A column as conditions see it: its values by their kinds; which rows have one, and which cannot be read."""

    operands: tuple[Operand, ...]
    known: Mask
    unread: Mask


def kinds_of(kind: pa.DataType) -> frozenset[str] | None:
    """The kinds of values that a column of this type holds, none where it has no order; None: any."""
    kind = storage_type(kind)
    if pt.is_null(kind):
        return None
    if pt.is_union(kind):
        found = [kinds_of(kind.field(number).type) for number in range(kind.num_fields)]
        return None if None in found else frozenset().union(*(one or () for one in found))
    return frozenset(name for name, fits in _KINDS.items() if fits(kind))


_KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    NUMBER: lambda kind: pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind),
    TEXT: lambda kind: is_text(kind) or (is_bytes(kind) and not pt.is_fixed_size_binary(kind)),
    BOOLEAN: pt.is_boolean,
    TIME: lambda kind: pt.is_date(kind) or pt.is_timestamp(kind),
}


def look_at(array: pa.Array) -> Looked:
    """A column of any type. Only a sparse union has values of several kinds."""
    array = plain(array)
    known, unread = bits(array.is_valid()), np.zeros(len(array), np.bool_)
    if not pt.is_union(array.type):
        return _looked(array, known, unread)
    codes = array.type.type_codes
    own = numbers(array.type_codes)
    parts = [look_at(array.field(number)) for number in range(array.type.num_fields)]
    known = np.zeros(len(array), np.bool_)
    operands: list[Operand] = []
    for code, part in zip(codes, parts, strict=True):
        is_own = own == code
        known |= part.known & is_own
        unread |= part.unread & is_own
        operands += [
            Operand(one.kind, one.items, None if one.known is None else one.known & is_own, one.unit)
            for one in part.operands
        ]
    return Looked(tuple(operands), known, unread)


def _looked(array: pa.Array, known: Mask, unread: Mask) -> Looked:
    kind = next(iter(kinds_of(array.type) or ()), None)
    if kind == TEXT:
        array, unread = _text(array)
        return Looked((Operand(TEXT, array, known & ~unread),), known, unread)
    if kind == BOOLEAN:
        return Looked((Operand(BOOLEAN, bits(array), known),), known, unread)
    if kind == TIME:
        unit = _DAY if pt.is_date32(array.type) else _UNITS["ms" if pt.is_date(array.type) else array.type.unit]
        width = pa.int32() if pt.is_date32(array.type) else pa.int64()
        return Looked((Operand(TIME, numbers(array.view(width)).astype(np.int64), known, unit),), known, unread)
    if kind == NUMBER:
        return Looked((Operand(NUMBER, _numbers(array), known),), known, unread)
    return Looked((), known, unread)


def _numbers(array: pa.Array) -> npt.NDArray[Any]:
    if pt.is_decimal(array.type):
        return np.array([Decimal(0) if one is None else one for one in array.to_pylist()], object)
    found = numbers(array)
    return found if found.dtype.kind == "f" or found.dtype == np.uint64 else found.astype(np.int64)


def _text(array: pa.Array) -> tuple[pa.Array, Mask]:
    """Text, and which of it is not UTF-8; that is left out."""
    if is_bytes(array.type):
        array = array.cast(pa.large_binary()).view(pa.large_string())
    elif pt.is_string_view(array.type):  # by way of bytes: a cast would look for what is not UTF-8, and say no place
        array = array.view(pa.binary_view()).cast(pa.large_binary()).view(pa.large_string())
    elif not pt.is_large_string(array.type):
        array = array.view(pa.binary()).cast(pa.large_binary()).view(pa.large_string())
    try:
        array.validate(full=True)
        return array, np.zeros(len(array), np.bool_)
    except pa.ArrowInvalid:
        data = array.view(pa.large_binary()).to_pylist()
    unread = np.array([one is not None and not _is_utf8(one) for one in data], np.bool_)
    return text_of([None if bad else one for one, bad in zip(data, unread, strict=True)]), unread


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_of(texts: Sequence[bytes | None]) -> pa.Array:
    """UTF-8 as an Arrow array. Not by `pa.array`, which imports pandas where that is installed."""
    ends = np.cumsum([0, *(len(one or b"") for one in texts)], dtype=np.int64)
    there = np.packbits(np.array([one is not None for one in texts], np.bool_), bitorder="little")
    buffers = [pa.py_buffer(there), pa.py_buffer(ends), pa.py_buffer(b"".join(one or b"" for one in texts))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def bits(array: pa.Array) -> Mask:
    """A column of booleans; whatever stands under a null."""
    return numbers(array.cast(pa.uint8())).astype(np.bool_)


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """Numbers as they lie in memory; whatever stands under a null."""
    kind, data = numpy_dtype(array.type), array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), kind)
    return np.frombuffer(data, kind, len(array), array.offset * kind.itemsize)


def less(one: Operand, other: Operand) -> Mask:
    """Where one is less than the other; both are of one kind, and one of them is not a literal."""
    return _compared(one, other, _LESS)


def equal(one: Operand, other: Operand) -> Mask:
    """Where both are equal; as `less`."""
    return _compared(one, other, _EQUAL)


@dataclass(frozen=True, slots=True)
class _Relation:
    text: Any
    plain: Any
    floats: Any
    whole: Callable[[Any, Decimal, bool], Mask]
    """Of integers with a number as it is written, which is at the left if the last argument says so."""
    moments: Callable[[Any, Any, Any, bool], Mask]
    """Of coarse times and finer ones, as their whole coarse units and the rest; as above, who is at the left."""


def _compared(one: Operand, other: Operand, relation: _Relation) -> Mask:
    if one.kind == TEXT:
        return bits(relation.text(_words(one), _words(other)))
    if one.kind == BOOLEAN:
        return np.asarray(relation.plain(one.items, other.items))
    if one.kind == TIME:
        return _of_times(one, other, relation)
    if one.known is None:
        return _with_number(other.items, one.items, relation, is_left=True)
    if other.known is None:
        return _with_number(one.items, other.items, relation, is_left=False)
    return _of_numbers(one.items, other.items, relation)


def _words(one: Operand) -> Any:
    return text_of([one.items.encode()])[0] if one.known is None else one.items


def _with_number(items: npt.NDArray[Any], value: Decimal, relation: _Relation, *, is_left: bool) -> Mask:
    """Integers and decimals exactly; with a float, the number as that float's type has it."""
    if items.dtype.kind in "iu":
        return relation.whole(items, value, is_left)
    if items.dtype.kind == "O":
        pair = (value, items) if is_left else (items, value)
        return np.asarray(relation.plain(*pair)).astype(np.bool_)
    kind = items.dtype if value.copy_abs() <= float(np.finfo(items.dtype).max) else np.dtype(np.float64)
    number = np.array(float(value)).astype(kind)
    return np.asarray(relation.floats(number, items) if is_left else relation.floats(items, number))


def _of_numbers(one: npt.NDArray[Any], other: npt.NDArray[Any], relation: _Relation) -> Mask:
    kinds = {one.dtype.kind, other.dtype.kind}
    if "f" in kinds:
        return np.asarray(relation.floats(one.astype(np.float64), other.astype(np.float64)))
    if "O" in kinds:
        return np.asarray(relation.plain(one.astype(object), other.astype(object))).astype(np.bool_)
    return np.asarray(relation.plain(one, other))


def _of_times(one: Operand, other: Operand, relation: _Relation) -> Mask:
    if one.known is None or other.known is None:
        moments, literal = (other, one) if one.known is None else (one, other)
        units = Decimal(literal.items) / moments.unit if moments.unit > 1 else Decimal(literal.items)
        return relation.whole(moments.items, units, one.known is None)
    if one.unit == other.unit:
        return np.asarray(relation.plain(one.items, other.items))
    coarse, fine = (one, other) if one.unit > other.unit else (other, one)
    whole, rest = np.divmod(fine.items, coarse.unit // fine.unit)
    return relation.moments(coarse.items, whole, rest, coarse is one)


def _floats_less(one: Any, other: Any) -> Any:
    return (one < other) | (np.isnan(other) & ~np.isnan(one))


def _floats_equal(one: Any, other: Any) -> Any:
    return (one == other) | (np.isnan(one) & np.isnan(other))


def _whole_less(items: npt.NDArray[Any], value: Decimal, is_left: bool) -> Mask:
    least, most = int(np.iinfo(items.dtype).min), int(np.iinfo(items.dtype).max)
    if value < least or value > most:
        return np.full(len(items), (value < least) is is_left)
    return np.asarray(items > math.floor(value) if is_left else items < math.ceil(value))


def _whole_equal(items: npt.NDArray[Any], value: Decimal, _is_left: bool) -> Mask:
    least, most = int(np.iinfo(items.dtype).min), int(np.iinfo(items.dtype).max)
    if not least <= value <= most or value != value.to_integral_value():
        return np.zeros(len(items), np.bool_)
    return np.asarray(items == int(value))


def _moments_less(coarse: Any, whole: Any, rest: Any, is_coarse_left: bool) -> Mask:
    return np.asarray((coarse < whole) | ((coarse == whole) & (rest > 0)) if is_coarse_left else whole < coarse)


def _moments_equal(coarse: Any, whole: Any, rest: Any, _is_coarse_left: bool) -> Mask:
    return np.asarray((coarse == whole) & (rest == 0))


_LESS = _Relation(pc.less, np.less, _floats_less, _whole_less, _moments_less)
_EQUAL = _Relation(pc.equal, np.equal, _floats_equal, _whole_equal, _moments_equal)
