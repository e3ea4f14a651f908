"""Arrow arrays from what a reader has at hand.

Not by `pa.array`: it imports pandas where that is installed, which takes longer than many a load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.rows.kinds import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def number_array(numbers: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """One number or boolean a row, from an array of shape (n,) in native byte order; numbers share its memory.

    `missing`, of the same shape, says which rows are null.
    """
    numbers = np.ascontiguousarray(numbers)
    kind = pa.from_numpy_dtype(numbers.dtype)
    validity = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    if numbers.dtype == np.bool_:  # of which Arrow has eight in a byte
        numbers, size = np.packbits(numbers, bitorder="little"), len(numbers)
        return pa.Array.from_buffers(kind, size, [validity, pa.py_buffer(numbers)])
    return pa.Array.from_buffers(kind, len(numbers), [validity, pa.py_buffer(numbers)])


def vector_array(numbers: npt.NDArray[Any]) -> pa.FixedSizeListArray:
    """One vector a row, from an array of shape (n, dimension) in native byte order."""
    return pa.FixedSizeListArray.from_arrays(number_array(np.ascontiguousarray(numbers).reshape(-1)), numbers.shape[1])


def list_array(rows: Sequence[Any]) -> pa.Array:
    """One list of float64 a row, each of its own length, or null."""
    numbers = [np.empty(0) if row is None else np.frombuffer(row) for row in rows]
    items = number_array(np.concatenate(numbers) if numbers else np.empty(0))
    ends = pa.py_buffer(_ends(numbers))
    return pa.Array.from_buffers(pa.large_list(items.type), len(rows), [_validity(rows), ends], children=[items])


def text_array(texts: Sequence[str | bytes | None]) -> pa.Array:
    """One text a row. Bytes are not looked at: what is not UTF-8 is that row's fault, found where rows are checked."""
    data = [text.encode() if isinstance(text, str) else text or b"" for text in texts]
    buffers = [_validity(texts), pa.py_buffer(_ends(data)), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def joined_text_array(lengths: npt.NDArray[np.int64], texts: npt.NDArray[np.uint8]) -> pa.Array:
    """One text a row, from the bytes of all and the length of each. Raises ValueError where these do not agree."""
    ends = np.cumsum(np.concatenate([[0], lengths]), dtype=np.int64)
    if (lengths < 0).any() or ends[-1] != len(texts):
        raise ValueError(f"texts of {ends[-1]:,} bytes in {len(texts):,}")
    return pa.Array.from_buffers(pa.large_string(), len(lengths), [None, pa.py_buffer(ends), pa.py_buffer(texts)])


def _validity(rows: Sequence[Any]) -> pa.Buffer | None:
    missing = np.fromiter((row is None for row in rows), np.bool_, len(rows))
    return pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None


def _ends(pieces: Sequence[Any]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *map(len, pieces)], dtype=np.int64)


def numbers_of(array: pa.Array) -> npt.NDArray[Any]:
    """Numbers without nulls, as they lie in memory."""
    kind = numpy_dtype(array.type)
    data = array.buffers()[1]
    return np.frombuffer(data, kind, len(array), array.offset * kind.itemsize) if len(array) else np.empty(0, kind)
