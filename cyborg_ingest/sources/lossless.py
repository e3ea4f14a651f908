"""Which types become others with all that is in them. Casts of Arrow cut fields off, round numbers and parse text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as pt

_TEXTS = {pa.string(), pa.large_string(), pa.string_view()}
_BYTES = {pa.binary(), pa.large_binary(), pa.binary_view()}


def is_kept(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a cast that is safe keeps each value of a type as it is: that only checks single numbers and times."""
    kind, wanted = _stored(kind), _stored(wanted)
    if pt.is_null(kind) or kind == wanted:
        return True
    if _is_list(kind) and _is_list(wanted):
        return is_kept(kind.value_type, wanted.value_type)
    if pt.is_map(kind) and pt.is_map(wanted):
        return is_kept(kind.key_type, wanted.key_type) and is_kept(kind.item_type, wanted.item_type)
    if pt.is_struct(kind) and pt.is_struct(wanted):
        return _has_all(kind, wanted)
    return _is_kept_single(kind, wanted)


def _has_all(kind: pa.StructType, wanted: pa.StructType) -> bool:
    there = {field.name: field.type for field in wanted}
    return all(field.name in there and is_kept(field.type, there[field.name]) for field in kind)


def _is_kept_single(kind: pa.DataType, wanted: pa.DataType) -> bool:
    if pt.is_floating(kind):  # Arrow rounds what is too precise, and of what is too large makes infinity
        return bool(pt.is_floating(wanted) and kind.bit_width <= wanted.bit_width)
    if pt.is_integer(kind):
        return bool(pt.is_integer(wanted) or pt.is_floating(wanted) or pt.is_decimal(wanted))
    if {kind, wanted} <= _TEXTS or {kind, wanted} <= _BYTES:
        return True
    both = (kind, wanted)
    return any(all(map(of, both)) for of in (pt.is_decimal, pt.is_timestamp, pt.is_date, pt.is_time, pt.is_duration))


def _stored(kind: pa.DataType) -> pa.DataType:
    while not isinstance(kind, pa.BaseExtensionType) and (pt.is_dictionary(kind) or pt.is_run_end_encoded(kind)):
        kind = kind.value_type
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _is_list(kind: pa.DataType) -> bool:
    of = (pt.is_list, pt.is_large_list, pt.is_fixed_size_list, pt.is_list_view, pt.is_large_list_view)
    return any(one(kind) for one in of)
