"""The values of Arrow columns as JSON has them: numbers, dates, bytes, lists, structs and maps of any type."""

from __future__ import annotations

import itertools
import math
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
import pybase64

from cyborg_ingest.mapping import is_bytes, is_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.model import Json

_MILLISECONDS = {"s": 1000, "ms": 1}
_PER_MILLISECOND = {"us": 1000, "ns": 1_000_000}


def plain(array: pa.Array) -> pa.Array:
    """The array without dictionary, run-end encoding or extension type."""
    while True:
        if pt.is_dictionary(array.type):
            array = _looked_up(array)
        elif pt.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        elif isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        else:
            return array


def plain_structs(array: pa.Array) -> pa.Array:
    """A dictionary decoded: a struct of arrays takes it as it is otherwise."""
    return _looked_up(array) if pt.is_dictionary(array.type) else array


def _looked_up(array: pa.DictionaryArray) -> pa.Array:
    """A dictionary decoded; one of views, as polars writes it, by way of a type that Arrow can take from."""
    kind = array.type.value_type
    plainer = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(kind)
    if plainer is None:
        return array.dictionary_decode()
    # by way of bytes: a cast of text would look for what is no UTF-8, and that is found row by row
    words = array.dictionary.view(pa.binary_view()).cast(pa.large_binary()).view(plainer)
    return words.take(array.indices)


def objects(array: pa.Array) -> list[Any]:
    """The values of an array as JSON has them; None for null and NaN, which objects and lists leave out."""
    if isinstance(array.type, pa.BaseExtensionType) and array.type.extension_name == "arrow.uuid":
        return [None if item is None else str(uuid.UUID(bytes=item)) for item in array.storage.to_pylist()]
    array = plain(array)
    kind = array.type
    for fits, convert in _CONVERTERS:
        if fits(kind):
            return convert(array)
    return list(array.to_pylist())


def _struct_rows(array: pa.StructArray) -> list[Json | None]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    columns = [objects(child) for child in array.flatten()]
    rows: list[Json | None]
    if columns and not any(None in column for column in columns):
        rows = [dict(zip(names, items, strict=True)) for items in zip(*columns, strict=True)]
    else:
        rows = [
            {name: item for name, item in zip(names, items, strict=True) if item is not None}
            for items in (zip(*columns, strict=True) if columns else [()] * len(array))
        ]
    return _with_nulls(rows, array)


def _map_rows(array: pa.MapArray) -> list[Json | None]:
    keys, items = objects(array.keys), objects(array.items)
    return [
        None
        if stop < 0
        else {str(key): item for key, item in zip(keys[start:stop], items[start:stop], strict=True) if item is not None}
        for start, stop in _spans(array)
    ]


def _list_rows(array: pa.Array) -> list[list[Any] | None]:
    if not (pt.is_list(array.type) or pt.is_large_list(array.type)):
        array = array.cast(pa.large_list(array.type.value_type))
    items = objects(array.values)
    return [
        None if stop < 0 else [item for item in items[start:stop] if item is not None] for start, stop in _spans(array)
    ]


def _spans(array: pa.Array) -> list[tuple[int, int]]:
    """Where each row's items stand in the child array; (0, -1) for null. `offsets` honours a slice."""
    offsets = array.offsets.to_pylist()
    missing = array.is_null().to_pylist()
    return [(0, -1) if null else span for null, span in zip(missing, itertools.pairwise(offsets), strict=True)]


def _with_nulls(rows: list[Json | None], array: pa.Array) -> list[Json | None]:
    for place in null_places(array):
        rows[place] = None
    return rows


def null_places(array: pa.Array) -> list[int]:
    """Where an array is null."""
    return list(pc.indices_nonzero(array.is_null()).to_pylist()) if array.null_count else []


def _floats(array: pa.Array) -> list[float | None]:
    array = array.cast(pa.float64())
    items = list(array.to_pylist())
    if pc.any(pc.is_nan(array)).as_py():
        return [None if item is None or math.isnan(item) else item for item in items]
    return items


def _decimals(array: pa.Array) -> list[int | float | None]:
    number = int if array.type.scale <= 0 else float
    return [None if item is None else number(item) for item in array.to_pylist()]


def _timestamps(array: pa.Array) -> list[int | None]:
    """Epoch milliseconds, rounded down; a timestamp without a zone is UTC, one with a zone is stored so."""
    if pt.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    unit = array.type.unit
    numbers = array.cast(pa.int64()).to_pylist()
    up, down = _MILLISECONDS.get(unit, 1), _PER_MILLISECOND.get(unit, 1)
    return [None if item is None else item * up // down for item in numbers]


def _base64(array: pa.Array) -> list[str | None]:
    return [None if item is None else pybase64.b64encode_as_string(item) for item in array.to_pylist()]


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], list[Any]]], ...] = (
    (pt.is_struct, _struct_rows),
    (pt.is_map, _map_rows),
    (is_list, _list_rows),
    (pt.is_floating, _floats),
    (pt.is_decimal, _decimals),
    (pt.is_temporal, _timestamps),
    (is_bytes, _base64),
)
