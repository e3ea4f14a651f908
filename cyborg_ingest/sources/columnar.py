"""Dicts of columns, as programs hold tables without a library for them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = (str, bytes, bytearray, memoryview)
_NO_COLUMNS = (*TEXTS, Mapping, set, frozenset)
_VECTORS = 2
"""Dimensions of an array of vectors."""
_WIDEST = 8
"""Bytes of a number that Arrow has."""
_PLAIN = {str: pa.large_string(), bytes: pa.large_binary(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def columns_of(item: Mapping[Any, Any]) -> dict[str, Any] | None:
    """The columns of a dict whose values are all lists or arrays; None where it is one row.

    Raises UsageError where they are not of one length.
    """
    there = {name: value for name, value in item.items() if value is not None}
    if not there or not all(map(is_column, there.values())):
        return None
    lengths = {name: len(value) for name, value in there.items()}
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise UsageError(
                f"The columns of a dict are of one length: {first!r} has {lengths[first]:,} values, {name!r} has "
                f"{length:,}."
            )
    return there


def has_columns(item: Any) -> bool:
    """Whether the first dict of several has columns, and so all have; one without a value for a field is a row."""
    return isinstance(item, Mapping) and None not in map(_missing, item.values()) and columns_of(item) is not None


def _missing(value: Any) -> Any:
    """None for None; arrays are not compared with it."""
    return None if value is None else True


def is_column(value: Any) -> bool:
    """Whether it holds a value a row."""
    if isinstance(value, list | tuple):
        return True
    return hasattr(value, "__len__") and not isinstance(value, _NO_COLUMNS) and getattr(value, "ndim", 1) > 0


def rows_in(columns: Mapping[str, Any]) -> Any:
    """The rows of columns, a dict each."""
    items = (value.to_pylist() if hasattr(value, "to_pylist") else value for value in columns.values())
    return (dict(zip(columns, values, strict=True)) for values in zip(*items, strict=True))


def as_table(columns: Mapping[str, Any]) -> pa.Table | None:
    """The columns as Arrow has them, where it has all that they hold; None where values of one are of several types."""
    arrays = {name: _array(value) for name, value in columns.items()}
    return None if None in arrays.values() else pa.table(arrays)


def _array(column: Any) -> Any:
    if hasattr(column, "__arrow_c_stream__"):
        return pa.chunked_array(column)
    if hasattr(column, "__arrow_c_array__"):
        return pa.array(column)
    if isinstance(column, list | tuple):
        kinds = {type(one) for one in column} - {type(None)}
        if len(kinds) == 1 and kinds <= _PLAIN.keys():
            return _listed(column, _PLAIN[kinds.pop()])
        column = _stacked(column) if kinds <= {list, np.ndarray} and not any(one is None for one in column) else None
    return _of_numbers(column) if type(column) is np.ndarray else None


def _listed(column: Sequence[Any], kind: pa.DataType) -> Any:
    with contextlib.suppress(pa.ArrowException, OverflowError, UnicodeError):
        return pa.array(column, kind)
    return None


def _of_numbers(column: Any) -> Any:
    """Numbers, truths, or vectors of floats."""
    if column.dtype.kind not in "fiub" or column.dtype.itemsize > _WIDEST:
        return None
    native = np.ascontiguousarray(column, column.dtype.newbyteorder("="))
    if native.ndim == 1:
        return pa.array(native)
    is_vectors = native.ndim == _VECTORS and native.shape[1] and native.dtype.kind == "f"
    return pa.FixedSizeListArray.from_arrays(pa.array(native.reshape(-1)), native.shape[1]) if is_vectors else None


def _stacked(column: Sequence[Any]) -> Any:
    """Vectors as one array; None where they are of several lengths, or not all are floats: 1 would become 1.0."""
    if not all(map(_is_of_floats, column)):
        return None
    with contextlib.suppress(ValueError):
        found = np.array(column)
        return found if found.dtype.kind == "f" and found.ndim == _VECTORS else None
    return None


def _is_of_floats(vector: Any) -> bool:
    return vector.dtype.kind == "f" if isinstance(vector, np.ndarray) else {*map(type, vector)} <= {float}
