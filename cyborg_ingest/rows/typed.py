"""The values of Arrow columns as JSON has them: numbers, dates, bytes, lists, structs and maps of any type.

docs/formats.md, "Values", is what is promised.
"""

from __future__ import annotations

import decimal
import json
import math
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
import pybase64

from cyborg_ingest.rows.arrays import number_array, numbers_of
from cyborg_ingest.rows.kinds import is_bytes, is_list, is_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.model import Json

_MILLISECONDS = {"s": 1000, "ms": 1}
_PER_MILLISECOND = {"us": 1000, "ns": 1_000_000}


@dataclass(frozen=True, slots=True)
class Notes:
    """What is worth saying of the values of a column, by the path of its field; gathered while they are converted."""

    as_text: set[str] = field(default_factory=set)
    """Fields of which a decimal is stored as text."""
    path: str = ""

    def into(self, name: str) -> Notes:
        """The same, for a field below."""
        return replace(self, path=f"{self.path}.{name}" if self.path else name)


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


def items_at(array: pa.Array, place: int) -> pa.Array:
    """Of each list the item at a place (from 0); null where the list is, or is shorter."""
    missing = np.zeros(len(array), np.bool_)
    missing[null_places(array)] = True
    if pt.is_fixed_size_list(array.type):
        starts = np.arange(array.offset, array.offset + len(array), dtype=np.int64) * array.type.list_size
        missing |= place >= array.type.list_size
    elif pt.is_list_view(array.type) or pt.is_large_list_view(array.type):
        starts = numbers_of(array.offsets).astype(np.int64)
        missing |= place >= numbers_of(array.sizes)
    else:
        ends = numbers_of(array.offsets).astype(np.int64)
        starts = ends[:-1]
        missing |= place >= np.diff(ends)
    return array.values.take(number_array(np.where(missing, 0, starts + place), missing))


def plain_structs(array: pa.Array) -> pa.Array:
    """A dictionary decoded: a struct of arrays takes it as it is otherwise."""
    return _looked_up(array) if pt.is_dictionary(array.type) else array


def _looked_up(array: pa.DictionaryArray) -> pa.Array:
    """A dictionary decoded; one of views, as polars writes it, by way of a type that Arrow can take from."""
    kind = array.type.value_type
    plainer = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(kind)
    if plainer is None:
        return array.dictionary_decode()
    # by way of bytes: a cast of text would look for what is not UTF-8, and that is found row by row
    words = array.dictionary.view(pa.binary_view()).cast(pa.large_binary()).view(plainer)
    return words.take(array.indices)


def objects(array: pa.Array, notes: Notes) -> list[Any]:
    """The values of an array as JSON has them; None for null and NaN, which lists keep and objects leave out."""
    if is_uuid(array.type):
        return uuids(array)
    is_truth = isinstance(array.type, pa.BaseExtensionType) and array.type.extension_name == "arrow.bool8"
    array = plain(array)
    if is_truth:
        return [None if item is None else bool(item) for item in array.to_pylist()]
    for fits, convert in _CONVERTERS:
        if fits(array.type):
            return convert(array, notes)
    return list(array.to_pylist())


def uuids(array: pa.Array) -> list[str | None]:
    """UUIDs in their canonical form."""
    return [None if item is None else str(uuid.UUID(bytes=item)) for item in plain(array).to_pylist()]


def _struct_rows(array: pa.StructArray, notes: Notes) -> list[Json | None]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    columns = [objects(child, notes.into(name)) for name, child in zip(names, array.flatten(), strict=True)]
    rows: list[Json | None]
    if columns and not any(None in column for column in columns):
        rows = [dict(zip(names, items, strict=True)) for items in zip(*columns, strict=True)]
    else:
        rows = [
            {name: item for name, item in zip(names, items, strict=True) if item is not None}
            for items in (zip(*columns, strict=True) if columns else [()] * len(array))
        ]
    for place in null_places(array):
        rows[place] = None
    return rows


def _map_rows(array: pa.MapArray, notes: Notes) -> list[Json | None]:
    spans, own = _spans(array)
    keys, items = [_key(one) for one in objects(array.keys[own], notes)], objects(array.items[own], notes)
    return [
        None
        if span is None
        else {key: item for key, item in zip(keys[span], items[span], strict=True) if item is not None}
        for span in spans
    ]


def _key(value: Any) -> str:
    """A key of a map as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _list_rows(array: pa.Array, notes: Notes) -> list[list[Any] | None]:
    spans, own = _spans(array)
    items = objects(array.values[own], notes)
    return [None if span is None else items[span] for span in spans]


def _spans(array: pa.Array) -> tuple[list[slice | None], slice]:
    """Where each row's items stand, None for null, counted from the first; and where all of them stand.

    That is in `array.values`, which knows nothing of a slice: a batch of a chunk would convert all of the chunk.
    """
    kind = array.type
    starts: Iterable[int]
    stops: Iterable[int]
    if pt.is_fixed_size_list(kind):
        size = kind.list_size
        starts = [(array.offset + place) * size for place in range(len(array))]
        stops = [start + size for start in starts]
    elif pt.is_list_view(kind) or pt.is_large_list_view(kind):
        starts = array.offsets.to_pylist()
        stops = [start + size for start, size in zip(starts, array.sizes.to_pylist(), strict=True)]
    else:
        ends = array.offsets.to_pylist()
        starts, stops = ends[:-1], ends[1:]
    rows = list(zip(array.is_null().to_pylist(), starts, stops, strict=True))
    there = [(start, stop) for is_null, start, stop in rows if not is_null]
    first, last = min((start for start, _ in there), default=0), max((stop for _, stop in there), default=0)
    spans = [None if is_null else slice(start - first, stop - first) for is_null, start, stop in rows]
    return spans, slice(first, last)


def null_places(array: pa.Array) -> list[int]:
    """Where an array is null."""
    return list(pc.indices_nonzero(array.is_null()).to_pylist()) if array.null_count else []


def _floats(array: pa.Array, _notes: Notes) -> list[float | None]:
    if pt.is_float16(array.type):  # for which older versions of Arrow have no casts
        items = [None if item is None else float(item) for item in array.to_pylist()]
        return [None if item is None or math.isnan(item) else item for item in items]
    array = array.cast(pa.float64())
    items = list(array.to_pylist())
    if pc.any(pc.is_nan(array)).as_py():
        return [None if item is None or math.isnan(item) else item for item in items]
    return items


def _decimals(array: pa.Array, notes: Notes) -> list[int | float | str | None]:
    found = [None if item is None else plain_decimal(item) for item in array.to_pylist()]
    if any(isinstance(item, str) for item in found):
        notes.as_text.add(notes.path)
    return found


_MOST_DIGITS = 400
"""Before or behind the point: no float64 has more. Written out, a few signs (1E+999999999) would fill the memory."""


def plain_decimal(item: decimal.Decimal) -> int | float | str:
    """The same number as JSON has it: an integer, a float that is written so, or else text."""
    if abs(item.adjusted()) > _MOST_DIGITS:
        return str(item)
    numerator, denominator = item.as_integer_ratio()
    if denominator == 1:
        return numerator
    number = float(item)
    return number if decimal.Decimal(repr(number)) == item else f"{item:f}"


def _timestamps(array: pa.Array, _notes: Notes) -> list[int | None]:
    """Epoch milliseconds, rounded down; a timestamp without a zone is UTC, one with a zone is stored so.

    By Python's integers: none of Arrow's casts between units holds every date.
    """
    if pt.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    unit = array.type.unit
    numbers = array.cast(pa.int64()).to_pylist()
    up, down = _MILLISECONDS.get(unit, 1), _PER_MILLISECOND.get(unit, 1)
    return [None if item is None else item * up // down for item in numbers]


def _base64(array: pa.Array, _notes: Notes) -> list[str | None]:
    return [None if item is None else pybase64.b64encode_as_string(item) for item in array.to_pylist()]


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, Notes], list[Any]]], ...] = (
    (pt.is_struct, _struct_rows),
    (pt.is_map, _map_rows),
    (is_list, _list_rows),
    (pt.is_floating, _floats),
    (pt.is_decimal, _decimals),
    (lambda kind: pt.is_timestamp(kind) or pt.is_date(kind), _timestamps),
    (is_bytes, _base64),
)
