"""What is decoded at once is cut by bytes, not by rows alone, before it takes memory.

A dictionary, a run of equal values or a view of one buffer may say in a few bytes what takes gigabytes once it is
decoded. So the sizes of rows are told from offsets and lengths, and no row is decoded that is larger than allowed.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from cyborg_ingest.model import Fault, Reason
from cyborg_ingest.rows.kinds import is_text, numpy_dtype, storage_type
from cyborg_ingest.rows.paths import column_of
from cyborg_ingest.rows.typed import null_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from cyborg_ingest.model import Chunk, ColumnMap

DECODED_BYTES = 64_000_000
"""What a chunk takes once it is decoded, at most, unless it is a single row."""


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How much is decoded at once, in bytes.

    `rows`: a chunk of them, unless it is a single one, a `row`. `unit`: what a format does not let be less, as a page.
    """

    rows: int = DECODED_BYTES
    row: int = sys.maxsize
    unit: int = sys.maxsize

    @property
    def text(self) -> int:
        """What is read of it before it is decoded: it may become four times as much."""
        return self.rows // 4


USUAL = AtOnce()

OBJECT_BYTES = 48
"""About what Python needs for a value beside its own bytes."""

JSON_OBJECT_BYTES, JSON_ARRAY_BYTES = 240, 64
"""What Python needs for an object and for an array of JSON, at most, beside what is in them."""

_SHOWN_ID = 1000
_VIEW_BYTES = 16

Sizes = Any
"""Bytes of each row: an array of int64, or one number where all rows have the same."""


def too_large(size: int | None, limit: int) -> str:
    """The words on a row of so many bytes, where that is known."""
    has = "is larger" if size is None else f"has {size:,} bytes, more"
    return f"the row {has} than the {limit:,} that --max-row-bytes allows"


def bounded(chunks: Iterable[Chunk], limit: int, at_once: AtOnce = USUAL) -> Iterator[Chunk]:
    """The same rows, in chunks that can be decoded; a row of more than `limit` bytes is null and has a fault."""
    most = min(limit, at_once.rows)
    for chunk in chunks:
        if _at_most(chunk.batch, chunk.columns) <= most:
            yield chunk
            continue
        sizes = row_sizes(chunk.batch, chunk.columns)
        if np.isscalar(sizes):
            sizes = np.full(len(chunk.batch), sizes, np.int64)
        if sizes.sum() <= most:
            yield chunk
        else:
            yield from _pieces(chunk, sizes, limit, at_once.rows)


def _at_most(batch: pa.RecordBatch, names: ColumnMap) -> float:
    """More bytes than the rows have once they are decoded, told without a look at any; infinity where it takes one."""
    for field in batch.schema:
        is_vector = field.name == names.vector and pt.is_fixed_size_list(field.type)
        kind = field.type.value_type if is_vector else field.type
        if not (pt.is_primitive(kind) or pt.is_string(kind) or pt.is_large_string(kind)):
            return math.inf
    size = batch.get_total_buffer_size() + OBJECT_BYTES * len(batch) * batch.num_columns
    return float(size + np.sum(_once_parsed(batch, names)))


def row_sizes(batch: pa.RecordBatch, names: ColumnMap) -> Sizes:
    """The bytes of each row once it is decoded; the numbers of a vector as they are, all else as Python's objects."""
    vector = column_of(batch.schema.names, names.vector)
    sizes = (
        array_sizes(batch.column(place), 0 if name == vector else OBJECT_BYTES)
        for place, name in enumerate(batch.schema.names)
    )
    return sum(sizes, _once_parsed(batch, names))


def _once_parsed(batch: pa.RecordBatch, names: ColumnMap) -> Sizes:
    """What the objects and arrays take more that each row's metadata are, where these are JSON text."""
    if names.metadata not in batch.schema.names:
        return 0
    return _more_than_text(batch.column(names.metadata))


def _more_than_text(array: pa.Array) -> Sizes:
    kind = storage_type(array.type)
    if not is_text(kind):
        return 0
    if isinstance(array.type, pa.BaseExtensionType):
        return _more_than_text(array.storage)
    if pt.is_dictionary(array.type):
        return _picked(_more_than_text(array.dictionary), _integers(array.indices, 1, array.indices.type))
    if pt.is_run_end_encoded(array.type):
        return _picked(_more_than_text(array.values), _runs_of(array))
    signs = (("{", JSON_OBJECT_BYTES), ("[", JSON_ARRAY_BYTES))
    return sum(_counted(array, sign) * size for sign, size in signs)


def _counted(texts: pa.Array, sign: str) -> npt.NDArray[np.int64]:
    """How often a sign stands in each of some texts; never in null."""
    if pt.is_string_view(texts.type):
        return _counted_in_views(texts, sign)
    data = texts.view(pa.binary() if pt.is_string(texts.type) else pa.large_binary())  # what is not UTF-8 counts too
    counts = pc.count_substring(data, sign)
    found = _integers(counts, 1, counts.type).astype(np.int64)
    found[null_places(counts)] = 0
    return found


def _counted_in_views(texts: pa.Array, sign: str) -> npt.NDArray[np.int64]:
    """The same, piece by piece; of a text that is too large as it is nothing is counted."""
    sizes = _of_values(texts)
    ends = [*(np.flatnonzero(np.diff(np.cumsum(sizes) // DECODED_BYTES)) + 1).tolist(), len(texts)]
    found = np.zeros(len(texts), np.int64)
    for start, stop in zip([0, *ends], ends, strict=False):
        if sizes[start:stop].sum() <= 2 * DECODED_BYTES:
            words = texts.slice(start, stop - start).view(pa.binary_view()).cast(pa.large_binary())
            found[start:stop] = _counted(words.view(pa.large_string()), sign)
    return found


def _pieces(chunk: Chunk, sizes: npt.NDArray[np.int64], limit: int, most: int) -> Iterator[Chunk]:
    start, total, rows = 0, 0, len(sizes)
    for place, size in enumerate(sizes.tolist()):
        if size > limit or (total and total + size > most):
            if place > start:
                yield chunk.rows(start, place)
            start, total = place, 0
        if size > limit:
            yield _without_values(chunk.rows(place, place + 1), size, limit)
            start, total = place + 1, 0
        else:
            total += size
    if start < rows:
        yield chunk.rows(start, rows)


def _without_values(chunk: Chunk, size: int, limit: int) -> Chunk:
    """One row, of which nothing is left but its id."""
    arrays = [
        column if name == chunk.columns.id and np.max(array_sizes(column, 0)) < _SHOWN_ID else _null(column.type)
        for name, column in zip(chunk.batch.schema.names, chunk.batch.columns, strict=True)
    ]
    fault = Fault(0, Reason.TOO_LARGE, too_large(size, limit))
    return replace(
        chunk, batch=pa.RecordBatch.from_arrays(arrays, chunk.batch.schema.names), faults=(fault, *chunk.faults)
    )


def _null(kind: pa.DataType) -> pa.Array:
    try:
        return pa.nulls(1, kind)
    except pa.ArrowNotImplementedError:
        return pa.nulls(1, kind.value_type if pt.is_run_end_encoded(kind) else None)


def array_sizes(array: pa.Array, each: int) -> Sizes:
    """The bytes of each row of an array once it is decoded, with so many more for each value at any depth."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return array_sizes(array.storage, each)
    if pt.is_dictionary(kind):
        return _picked(array_sizes(array.dictionary, each), _integers(array.indices, 1, array.indices.type))
    if pt.is_run_end_encoded(kind):
        return _of_runs(array, each)
    if pt.is_struct(kind):
        children = [array_sizes(one, each) for one in map(array.field, range(kind.num_fields))]
        return sum(children, each)
    if pt.is_nested(kind):
        return _of_lists(array, each)
    return _of_values(array) + each


def _picked(sizes: Sizes, places: npt.NDArray[Any]) -> Sizes:
    """The sizes at some places; under a null may stand any place."""
    if np.isscalar(sizes) or not len(sizes):
        return sizes if np.isscalar(sizes) else 0
    return sizes[np.clip(places.astype(np.int64), 0, len(sizes) - 1)]


def _of_runs(array: Any, each: int) -> Sizes:
    sizes = array_sizes(array.values, each)
    return sizes if np.isscalar(sizes) else _picked(sizes, _runs_of(array))


def _runs_of(array: Any) -> npt.NDArray[Any]:
    """The number of the run that each row is in."""
    ends = _integers(array.run_ends, 1, array.run_ends.type)
    return np.searchsorted(ends, np.arange(array.offset, array.offset + len(array)), side="right")


def _of_lists(array: Any, each: int) -> Sizes:
    kind = array.type
    if pt.is_union(kind):
        return each
    if pt.is_fixed_size_list(kind):
        return _of_equal_lists(array, each)
    values = array.values
    sizes = array_sizes(values, each)
    wide = pt.is_large_list(kind) or pt.is_large_list_view(kind)
    offset_type = pa.int64() if wide else pa.int32()
    if pt.is_list_view(kind) or pt.is_large_list_view(kind):
        starts, counts = _integers(array, 1, offset_type), _integers(array, 2, offset_type)
        stops = starts + counts
    else:
        ends = _integers(array, 1, offset_type, 1)
        starts, stops = ends[:-1], ends[1:]
    if np.isscalar(sizes):
        return (stops - starts).astype(np.int64) * sizes + each
    before = np.concatenate([[0], np.cumsum(sizes)])
    last = len(before) - 1
    return before[np.clip(stops, 0, last)] - before[np.clip(starts, 0, last)] + each


def _of_equal_lists(array: Any, each: int) -> Sizes:
    size = array.type.list_size
    sizes = array_sizes(array.values.slice(array.offset * size, len(array) * size), each)
    if np.isscalar(sizes):
        return size * sizes + each
    return sizes.reshape(len(array), size).sum(axis=1) + each if size else each


def _of_values(array: pa.Array) -> Sizes:
    """Text and bytes by their length, numbers by their width."""
    kind = array.type
    if pt.is_string(kind) or pt.is_binary(kind):
        return np.diff(_integers(array, 1, pa.int32(), 1)).astype(np.int64)
    if pt.is_large_string(kind) or pt.is_large_binary(kind):
        return np.diff(_integers(array, 1, pa.int64(), 1))
    if kind in {pa.string_view(), pa.binary_view()}:
        views = np.frombuffer(array.buffers()[1] or b"", np.uint8)
        views = views[array.offset * _VIEW_BYTES :][: len(array) * _VIEW_BYTES].reshape(-1, _VIEW_BYTES)
        return np.ascontiguousarray(views[:, :4]).view(np.int32).reshape(-1).astype(np.int64)
    return 0 if pt.is_null(kind) else (kind.bit_width + 7) // 8


def _integers(array: pa.Array, buffer: int, kind: pa.DataType, more: int = 0) -> npt.NDArray[Any]:
    """The integers of one of its buffers that belong to its rows, and so many more: its own values, or offsets."""
    data = array.buffers()[buffer]
    dtype = numpy_dtype(kind)
    if data is None or not len(array):
        return np.zeros(len(array) + more, dtype)
    return np.frombuffer(data, dtype, len(array) + more, array.offset * dtype.itemsize)
