"""INT96 timestamps of Parquet: a day and the nanoseconds in it, as Spark, Hive and awswrangler write them.

Their dates do not fit Arrow's nanoseconds, which end in 2262, so they are read as microseconds. But older versions of
pyarrow wrote what is before 1970 with negative nanoseconds, and those Arrow reads right as nanoseconds only, in which
every sum wraps around. Read both ways, each date can be told.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow.parquet as pq

UNIT = "us"
_WRITER = "parquet-cpp"
_WRAP, _REST = divmod(1 << 64, 1000)
"""What negative nanoseconds, taken for positive ones, are too large by: in microseconds, and what is over."""


def to_compare(file: pq.ParquetFile, names: Sequence[str]) -> list[str]:
    """Of these columns those that have to be read both ways."""
    if not (file.metadata.created_by or "").startswith(_WRITER):
        return []
    leaves = map(file.schema.column, range(len(file.schema)))
    paths = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
    return [name for name in names if any(path == name or path.startswith(f"{name}.") for path in paths)]


def written_types(file: pq.ParquetFile) -> dict[str, pa.DataType]:
    """The types that the columns had when pyarrow wrote them; none where it did not say."""
    try:
        text = (file.metadata.metadata or {})[b"ARROW:schema"]
        return {field.name: field.type for field in pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))}
    except (KeyError, binascii.Error, pa.ArrowException, OSError):
        return {}


def compared(array: pa.Array, nanoseconds: pa.Array, written: pa.DataType | None) -> pa.Array:
    """A column of microseconds, at any depth, by what it is in nanoseconds and what it was when it was written."""
    kind = array.type
    if pt.is_timestamp(kind):
        return _told(array, nanoseconds, written)
    if not kind.num_fields:
        return array
    if array.offset:
        array, nanoseconds = pa.concat_arrays([array]), pa.concat_arrays([nanoseconds])
    children = [
        compared(one, other, written.field(number).type if written is not None and written.num_fields else None)
        for number, (one, other) in enumerate(zip(_children(array), _children(nanoseconds), strict=True))
    ]
    buffers = array.buffers()[: 1 if pt.is_struct(kind) or pt.is_fixed_size_list(kind) else 2]
    return pa.Array.from_buffers(kind, len(array), buffers, array.null_count, 0, children)


def _children(array: pa.Array) -> list[pa.Array]:
    if pt.is_struct(array.type):
        return [array.field(number) for number in range(array.type.num_fields)]
    return [array.values]


def _told(array: pa.Array, nanoseconds: pa.Array, written: pa.DataType | None) -> pa.Array:
    if array.offset:
        array = pa.concat_arrays([array])
    micro, nano = _integers(array), _integers(nanoseconds)
    if written is not None and pt.is_timestamp(written) and written.unit == "ns":
        found = nano // 1000  # what was nanoseconds fits them
    else:
        rest = nano.view(np.uint64) - micro.view(np.uint64) * np.uint64(1000)
        found = np.where(rest == _REST, micro - np.int64(_WRAP), micro)
    buffers = [array.buffers()[0], pa.py_buffer(found)]
    return pa.Array.from_buffers(array.type, len(array), buffers, array.null_count)


def _integers(array: pa.Array) -> npt.NDArray[np.int64]:
    return np.frombuffer(array.buffers()[1] or b"", np.int64, len(array), array.offset * 8)
