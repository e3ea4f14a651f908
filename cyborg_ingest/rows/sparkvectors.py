"""Vectors as Spark's VectorUDT stores them: a struct each, dense (all values) or sparse (some, by their places)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from cyborg_ingest.model import LARGEST_DIMENSION
from cyborg_ingest.rows.arrays import number_array, numbers_of
from cyborg_ingest.rows.kinds import is_list, storage_type
from cyborg_ingest.rows.roles import fits_vector
from cyborg_ingest.rows.typed import null_places, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

SPARK = "spark"
_FIELDS = ("type", "size", "indices", "values")
_TYPES = {"type": pa.int8(), "size": pa.int32(), "indices": pa.list_(pa.int32())}
_SPARSE, _DENSE = 0, 1
_NUMBERS = frozenset((int, float, type(None)))
_BEYOND = 2**31

Problems = dict[int, str]
"""Place of a row -> what is wrong with its vector."""


def is_spark_vector(kind: pa.DataType) -> bool:
    """Whether a type is that of VectorUDT. In JSON its whole numbers may be floats: each row is judged by itself."""
    kind = storage_type(kind)
    fields = [kind.field(place) for place in range(kind.num_fields)] if pt.is_struct(kind) else []
    fits = {one.name: one.name in _FITS and _FITS[one.name](one.type) for one in fields}
    is_named = {"type", "values"} <= fits.keys() and len(fits) == len(fields)
    return is_named and all(fits.values())


def _may_be_whole(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_null(kind))


def _may_be_places(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    return bool(pt.is_null(kind) or (is_list(kind) and _may_be_whole(kind.value_type)))


_FITS: dict[str, Callable[[pa.DataType], bool]] = {
    "type": _may_be_whole,
    "size": _may_be_whole,
    "indices": _may_be_places,
    "values": fits_vector,
}


def dense(array: pa.Array, problems: Problems) -> pa.Array:
    """All of them as lists of float64, null where there is none, and where there is one that is damaged."""
    kinds, sizes, indices, values = (_child(array, name) for name in _FIELDS)
    missing = np.zeros(len(array), np.bool_)
    missing[null_places(array)] = True
    missing[null_places(values)] = True
    given = _numbers(kinds)
    is_sparse = given == _SPARSE
    counts = _lengths(values)
    lengths = np.where(is_sparse, _numbers(sizes), counts)
    is_other = ~missing & ~is_sparse & (given != _DENSE)
    for place in np.flatnonzero(is_other).tolist():
        problems[place] = "is not a vector as Spark writes it: its type is neither 0 nor 1"
    wrong = (lengths < 0) | (lengths > LARGEST_DIMENSION) | (is_sparse & (_lengths(indices) != counts))
    wrong &= ~missing & ~is_other
    for place in np.flatnonzero(wrong).tolist():
        problems[place] = f"is a vector of Spark of {lengths[place]:,} numbers, {counts[place]:,} of which are given"
    wrong |= is_other
    missing |= wrong
    lengths[missing] = 0
    ends = np.concatenate([[0], np.cumsum(lengths)])
    flat = _filled(ends, lengths, is_sparse & ~missing, ~is_sparse & ~missing, indices, values, problems)
    missing[list(problems)] = True
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    items = number_array(flat)
    return pa.Array.from_buffers(
        pa.large_list(items.type), len(array), [validity, pa.py_buffer(ends.astype(np.int64))], children=[items]
    )


def _filled(
    ends: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    sparse: npt.NDArray[np.bool_],
    whole: npt.NDArray[np.bool_],
    indices: pa.Array,
    values: pa.Array,
    problems: Problems,
) -> npt.NDArray[np.float64]:
    """The numbers of all rows; zero where a sparse one has none, and where a place is not in it, which is noted."""
    flat = np.zeros(ends[-1])
    is_whole = np.repeat(whole, lengths)
    flat[is_whole] = _items(values, whole)
    counts = _lengths(values)[sparse]
    rows = np.repeat(np.flatnonzero(sparse), counts)
    places = _items(indices, sparse)
    is_in = (places >= 0) & (places < lengths[rows]) & (places == np.floor(places))
    flat[ends[rows[is_in]] + places[is_in].astype(np.int64)] = _items(values, sparse)[is_in]
    for row in np.unique(rows[~is_in]).tolist():
        problems[row] = "is a sparse vector of Spark with a place that is not in it"
    return flat


def _child(array: pa.Array, name: str) -> pa.Array:
    """One field of them; of JSON's first rows a struct may have no sparse ones."""
    place = array.type.get_field_index(name)
    found = plain(pc.struct_field(array, [place])) if place >= 0 else pa.nulls(len(array))
    return pa.nulls(len(array), _TYPES[name]) if pt.is_null(found.type) else found


def _numbers(array: pa.Array) -> npt.NDArray[np.int64]:
    """Whole numbers; -1 where there is none, or one that no size can be."""
    found = _or(array.cast(pa.float64(), safe=False), -1)
    return np.where((found == np.floor(found)) & (np.abs(found) < _BEYOND), found, -1).astype(np.int64)


def _lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """How many items each list has; none where there is no list."""
    return _or(pc.list_value_length(array).cast(pa.int64()), 0)


def _items(array: pa.Array, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The items of some of the lists; NaN where one is null."""
    return _or(array.filter(number_array(rows)).flatten().cast(pa.float64(), safe=False), np.nan)


def _or(array: pa.Array, default: float) -> npt.NDArray[Any]:
    """Numbers, and in the place of null this one."""
    found: npt.NDArray[Any] = numbers_of(array).copy()
    found[null_places(array)] = default
    return found


def dense_one(value: Any) -> npt.NDArray[np.float64]:
    """One of them, as JSON has it. Raises ValueError."""
    if not isinstance(value, dict) or not {"type", "values"} <= value.keys() <= {*_FIELDS}:
        raise ValueError("is not a vector as Spark writes it")
    kind, values = _whole(value["type"]), _listed(value["values"])
    if kind not in {_SPARSE, _DENSE}:
        raise ValueError("is not a vector as Spark writes it: its type is neither 0 nor 1")
    if kind == _DENSE:
        return values
    size = _whole(value.get("size"))
    places = [_whole(one) for one in value["indices"]] if isinstance(value.get("indices"), list) else []
    if size < 0:
        raise ValueError("is not a vector as Spark writes it: it is sparse, and its size is not a whole number")
    if size > LARGEST_DIMENSION or len(places) != len(values) or any(not 0 <= one < size for one in places):
        raise ValueError(f"is a vector of Spark of {size:,} numbers, and what it gives of them does not agree")
    found = np.zeros(size)
    found[places] = values
    return found


def _listed(values: Any) -> npt.NDArray[np.float64]:
    """A list of JSON's numbers, NaN for null: NumPy by itself takes text for numbers, and a list of lists."""
    if not isinstance(values, list) or any(type(one) not in _NUMBERS for one in values):
        raise ValueError("is not a vector as Spark writes it: it does not hold numbers")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        raise ValueError("is not a vector as Spark writes it: it holds a number beyond float64") from None


def _whole(value: Any) -> int:
    """A whole number of JSON, which may be written 1.0; -1 for what is none, which neither sizes nor places are."""
    if type(value) is float and math.isfinite(value) and value == int(value):
        return int(value)
    return value if type(value) is int else -1
