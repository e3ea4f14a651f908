"""Whether a piece of a file may hold a row that a condition is true of, by the bounds of its columns.

Only what is proved is ruled out. A bound is one of the values' order in `operands`, in which NaN comes last: so
floats have no upper bound, since statistics do not count NaN.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.types as pt

from cyborg_ingest.rows.conditions import TIME, And, Column, Compare, IsNull, Not, Or, Value
from cyborg_ingest.rows.kinds import is_text, numpy_dtype, storage_type
from cyborg_ingest.rows.operands import Operand, kinds_of, less, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from cyborg_ingest.rows.conditions import Condition

_ONE = np.ones(1, np.bool_)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}


@dataclass(frozen=True, slots=True)
class Bounds:
    """No value of a column is below `low` or above `high`, where these are known; `nulls` of its `rows` are null."""

    low: Operand | None
    high: Operand | None
    nulls: int | None
    rows: int


def may_match(tree: Condition, bounds_of: Callable[[str], Bounds | None], *, wanted: bool = True) -> bool:
    """Whether the condition may be true of a row, or false of one where that is `wanted`."""
    if isinstance(tree, Not):
        return may_match(tree.part, bounds_of, wanted=not wanted)
    if isinstance(tree, And | Or):
        found = (may_match(part, bounds_of, wanted=wanted) for part in tree.parts)
        return all(found) if isinstance(tree, And) is wanted else any(found)
    if isinstance(tree, IsNull):
        bounds = bounds_of(tree.column.name)
        return bounds is None or bounds.nulls is None or (bounds.nulls > 0 if wanted else bounds.nulls < bounds.rows)
    return not isinstance(tree, Compare) or _may_compare(tree, bounds_of, wanted=wanted)


def _may_compare(tree: Compare, bounds_of: Callable[[str], Bounds | None], *, wanted: bool) -> bool:
    column, value, sign = tree.left, tree.right, tree.sign
    if isinstance(value, Column):
        column, value, sign = value, column, _MIRRORED[sign]
    bounds = bounds_of(column.name) if isinstance(column, Column) and isinstance(value, Value) else None
    if bounds is None or not isinstance(value, Value):
        return True
    sign, one = (sign if wanted else _OPPOSITE[sign]), Operand(value.kind, value.value, None)
    low, high = (side if side is not None and side.kind == one.kind else None for side in (bounds.low, bounds.high))
    if sign == "!=":
        return True
    fits_low = low is None or bool((less(low, one) if sign == "<" else ~less(one, low))[0])
    fits_high = high is None or bool((less(one, high) if sign == ">" else ~less(high, one))[0])
    return (sign in {">", ">="} or fits_low) and (sign in {"<", "<="} or fits_high)


def bounds(kind: pa.DataType, low: Any, high: Any, nulls: int | None, rows: int) -> Bounds:
    """Of a column of a type, from the least and the greatest value that its file's statistics give for it.

    What they cannot be trusted in (an unknown type, numbers out of order) is taken for unknown.
    """
    kind = storage_type(kind)
    try:
        least, most = _bound(kind, low, up=False), _bound(kind, high, up=True)
    except (OverflowError, TypeError, ValueError):
        least = most = None
    if least is None or most is None or less(most, least)[0]:
        least = most = None
    if pt.is_floating(kind):
        most = None
    return Bounds(least, most, nulls, rows)


def _bound(kind: pa.DataType, value: Any, *, up: bool) -> Operand | None:
    """One value as an operand of one row; None where it is none of the type."""
    name, items = next(iter(kinds_of(kind) or ()), ""), None
    if pt.is_boolean(kind) and isinstance(value, bool):
        items = np.array([value])
    elif pt.is_integer(kind) and type(value) is int:
        items = np.array([value], np.uint64 if pt.is_unsigned_integer(kind) else np.int64)
    elif pt.is_floating(kind) and isinstance(value, float) and not math.isnan(value):
        items = np.array([value], numpy_dtype(kind))
    elif pt.is_decimal(kind) and isinstance(value, Decimal):
        items = np.array([value], object)
    elif is_text(kind) and isinstance(value, str):
        return Operand(name, text_of([value.encode()]), _ONE)
    elif name == TIME and isinstance(value, datetime.date):
        return Operand(name, np.array([_microseconds(value) + up], np.int64), _ONE, 1000)
    return None if items is None else Operand(name, items, _ONE)


def _microseconds(value: datetime.date) -> int:
    """Since 1970, rounded down: a statistic in nanoseconds may have lost what is below."""
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time(), datetime.timezone.utc)
    return ((value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)) - _EPOCH) // _MICROSECOND
