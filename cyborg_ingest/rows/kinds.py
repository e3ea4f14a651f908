"""Arrow's types by what they are to a load, whatever their width or layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

if TYPE_CHECKING:
    from collections.abc import Callable


def storage_type(kind: pa.DataType) -> pa.DataType:
    """The type behind a dictionary, an extension or a run-end encoding."""
    while True:
        if pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
            kind = kind.value_type
        elif isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        else:
            return kind


def depth(kind: pa.DataType) -> int:
    """How deep lists, structs and maps are nested in a type; 0 for none."""
    found, level = 0, [storage_type(kind)]
    while level := [storage_type(one.field(number).type) for one in level for number in range(one.num_fields)]:
        found += 1
    return found


def is_uuid(kind: pa.DataType) -> bool:
    """Whether the type itself says that these 16 bytes are a UUID: bytes alone may be anything."""
    while pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        kind = kind.value_type
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def is_number(kind: pa.DataType) -> bool:
    """A number a row, of any width."""
    kind = storage_type(kind)
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def numpy_dtype(kind: pa.DataType) -> np.dtype[Any]:
    """NumPy's type of integers, floats or booleans. Arrow's `to_pandas_dtype` imports pandas, in older releases."""
    if pt.is_boolean(kind):
        return np.dtype(np.bool_)
    code = "f" if pt.is_floating(kind) else "u" if pt.is_unsigned_integer(kind) else "i"
    return np.dtype(f"{code}{kind.bit_width // 8}")


def is_text(kind: pa.DataType) -> bool:
    """Strings of any Arrow width."""
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Binary of any Arrow width."""
    return bool(
        pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind) or pt.is_fixed_size_binary(kind)
    )


def is_list(kind: pa.DataType) -> bool:
    """Lists of any Arrow width or layout."""
    return bool(
        pt.is_list(kind)
        or pt.is_large_list(kind)
        or pt.is_fixed_size_list(kind)
        or pt.is_list_view(kind)
        or pt.is_large_list_view(kind)
    )


def is_matrix(kind: pa.DataType) -> bool:
    """A tensor a row that is not a vector: of several dimensions of more than one number, stored as one list."""
    return isinstance(kind, pa.FixedShapeTensorType) and sum(size != 1 for size in kind.shape) > 1


def unfit_inside(kind: pa.DataType, path: str) -> tuple[str, str] | None:
    """Of a type that metadata cannot hold, the path of the field that is to blame, and why; else None."""
    if is_uuid(kind):
        return None
    kind = storage_type(kind)
    if is_list(kind) or pt.is_struct(kind) or pt.is_map(kind):
        for number in range(kind.num_fields):
            child = kind.field(number)
            found = unfit_inside(child.type, f"{path}.{child.name}" if pt.is_struct(kind) else path)
            if found is not None:
                return found
        return None
    if pt.is_fixed_size_binary(kind) and not pt.is_decimal(kind):
        return path, f"is {kind}, and bytes of one size without a logical type may be anything. Cast it to binary"
    if any(fits(kind) for fits in _VALUES):
        return None
    return path, f"is {kind}, which metadata cannot hold. Cast it to a number"


def twice_inside(kind: pa.DataType, path: str) -> tuple[str, list[pa.DataType]] | None:
    """The path and the types of fields of one struct that have the same name, as Arrow allows; None without any."""
    kind = storage_type(kind)
    if not (is_list(kind) or pt.is_struct(kind) or pt.is_map(kind)):
        return None
    inner = [kind.field(number) for number in range(kind.num_fields)]
    for child in inner:
        name = f"{path}.{child.name}" if pt.is_struct(kind) else path
        same = [one.type for one in inner if one.name == child.name]
        if pt.is_struct(kind) and len(same) > 1:
            return name, same
        if found := twice_inside(child.type, name):
            return found
    return None


_VALUES: tuple[Callable[[pa.DataType], bool], ...] = (
    pt.is_null, pt.is_boolean, pt.is_integer, pt.is_floating, pt.is_decimal, pt.is_timestamp, pt.is_date, is_text,
    is_bytes,
)  # fmt: skip
"""What becomes a value of JSON in one way only. A time of day or a duration has no agreed number."""
