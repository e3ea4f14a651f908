"""Vectors as Spark's VectorUDT stores them: a struct each, dense (all values) or sparse (some, by their places)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from cyborg_ingest.rows.arrays import number_array, numbers_of
from cyborg_ingest.rows.kinds import is_list, storage_type
from cyborg_ingest.rows.typed import null_places, plain

if TYPE_CHECKING:
    import numpy.typing as npt

SPARK = "spark"
_FIELDS = ("type", "size", "indices", "values")
_TYPES = {"size": pa.int32(), "indices": pa.list_(pa.int32())}
_SPARSE = 0
_LONGEST = 65_535
"""The engine's limit. Sparse vectors may be said to be of any length, and take that much once they are decoded."""

Problems = dict[int, str]
"""Place of a row -> what is wrong with its vector."""


def is_spark_vector(kind: pa.DataType) -> bool:
    """Whether a type is that of VectorUDT."""
    kind = storage_type(kind)
    names = {kind.field(place).name for place in range(kind.num_fields)} if pt.is_struct(kind) else set()
    return {"type", "values"} <= names <= {*_FIELDS} and is_list(storage_type(kind.field("values").type))


def dense(array: pa.Array, problems: Problems) -> pa.Array:
    """All of them as lists of float64, null where there is none, and where there is one that is damaged."""
    kinds, sizes, indices, values = (_child(array, name) for name in _FIELDS)
    missing = np.zeros(len(array), np.bool_)
    missing[null_places(array)] = True
    missing[null_places(values)] = True
    is_sparse = _numbers(kinds) == _SPARSE
    counts = _lengths(values)
    lengths = np.where(is_sparse, _numbers(sizes), counts)
    wrong = ~missing & ((lengths < 0) | (lengths > _LONGEST) | (is_sparse & (_lengths(indices) != counts)))
    for place in np.flatnonzero(wrong).tolist():
        problems[place] = f"is a vector of Spark of {lengths[place]:,} numbers, {counts[place]:,} of which are given"
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
    places = _items(indices, sparse).astype(np.int64)
    is_in = (places >= 0) & (places < lengths[rows])
    flat[ends[rows[is_in]] + places[is_in]] = _items(values, sparse)[is_in]
    for row in np.unique(rows[~is_in]).tolist():
        problems[row] = "is a sparse vector of Spark with a place behind its end"
    return flat


def _child(array: pa.Array, name: str) -> pa.Array:
    """One field of them; of JSON's first rows a struct may have no sparse ones."""
    place = array.type.get_field_index(name)
    return plain(pc.struct_field(array, [place])) if place >= 0 else pa.nulls(len(array), _TYPES[name])


def _numbers(array: pa.Array) -> npt.NDArray[np.int64]:
    """Whole numbers; -1 where there is none."""
    return _or(array.cast(pa.int64()), -1)


def _lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """How many items each list has; none where there is no list."""
    return _or(pc.list_value_length(array).cast(pa.int64()), 0)


def _items(array: pa.Array, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The items of some of the lists; NaN where one is null."""
    return _or(array.filter(number_array(rows)).flatten().cast(pa.float64()), np.nan)


def _or(array: pa.Array, default: float) -> npt.NDArray[Any]:
    """Numbers, and in the place of null this one."""
    found: npt.NDArray[Any] = numbers_of(array).copy()
    found[null_places(array)] = default
    return found


def dense_one(value: Any) -> npt.NDArray[np.float64]:
    """One of them, as JSON has it. Raises ValueError."""
    if not isinstance(value, dict) or not {"type", "values"} <= value.keys() <= {*_FIELDS}:
        raise ValueError("is no vector as Spark writes it")
    try:
        values: npt.NDArray[np.float64] = np.array(value["values"], np.float64)
        if value["type"] != _SPARSE:
            return values
        places, size = np.array(value.get("indices"), np.int64), int(value["size"])
    except (KeyError, TypeError, OverflowError, ValueError):
        raise ValueError("is no vector as Spark writes it: it does not hold numbers") from None
    if not 0 <= size <= _LONGEST or places.shape != values.shape or ((places < 0) | (places >= size)).any():
        raise ValueError(f"is a vector of Spark of {size:,} numbers, and what it gives of them does not agree")
    found = np.zeros(size)
    found[places] = values
    return found
