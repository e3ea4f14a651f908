"""NumPy `.npy`: read by offset in bounded memory, never mapped and never unpickled.

Mapped pages would count as resident, and a file that is cut short while it is mapped kills the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.bare import BareReader, Matrix, behind_rows, cut_short, rows_behind
from cyborg_ingest.formats.named import row_shape
from cyborg_ingest.formats.npyfile import MAGIC, Header, NoVectorsError, read_at, read_header

if TYPE_CHECKING:
    import io

    import numpy.typing as npt

_COLUMNS = "If it is a column beside vectors in other .npy files, name the folder that holds them all."


class NpyReader(BareReader):
    """NumPy arrays of shape (rows, dimension)."""

    name = "npy"
    suffixes: tuple[str, ...] = (".npy",)

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.startswith(MAGIC)

    def matrix(self, uri: str, file: io.BufferedReader, size: int | None) -> Matrix:
        """See `bare.BareReader`."""
        header = read_header(uri, file)
        rows, dimension = _checked_shape(uri, header)
        row_bytes = dimension * header.dtype.itemsize
        if size is not None and size < header.data + rows * row_bytes:
            raise cut_short(uri, header.data + rows * row_bytes, size)
        if size is not None and size > header.data + rows * row_bytes:
            raise FormatError(f"{uri}: {behind_rows(rows)}")
        kind = header.dtype.newbyteorder("=")

        def decode(data: npt.NDArray[np.uint8], _start: int) -> npt.NDArray[Any]:
            return data.view(header.dtype).astype(kind, copy=False)

        if not is_by_column(header):
            return Matrix(rows, dimension, kind, row_bytes, rows_behind(uri, header.data, row_bytes, decode))
        if size is None:
            raise FormatError(
                f"{uri}: its array is stored column by column, which cannot be read as a stream. Decompress it into a "
                "file, or save it with np.ascontiguousarray."
            )

        def read(file: io.BufferedReader, start: int, stop: int, _is_seekable: bool) -> npt.NDArray[Any]:
            return read_columns(uri, file, header, start, stop).astype(kind, copy=False)

        return Matrix(rows, dimension, kind, row_bytes, read)


def is_by_column(header: Header) -> bool:
    """Whether the array is stored column by column, so that a row is in many places."""
    return header.fortran and 1 not in header.shape


def _checked_shape(uri: str, header: Header) -> tuple[int, int]:
    if header.dtype.kind not in "fiu" or header.dtype.itemsize > 8:  # noqa: PLR2004 - bytes of a float64
        raise NoVectorsError(
            f"{uri}: its items are {header.dtype}; vectors are float16, float32, float64 or integers. {_COLUMNS}"
        )
    shape = row_shape(sources.stem(uri), header.shape)
    if len(shape) != 2 or any(size < 0 for size in shape):  # noqa: PLR2004 - (n, dim)
        raise NoVectorsError(
            f"{uri}: its shape is {header.shape}; vectors have the shape (rows, dimension). {_COLUMNS}"
        )
    rows, dimension = shape
    if not dimension:
        raise FormatError(f"{uri}: its shape is {header.shape}: its vectors have no dimension.")
    return rows, dimension


def read_columns(uri: str, file: io.BufferedReader, header: Header, start: int, stop: int) -> npt.NDArray[Any]:
    """Rows [start, stop) where each column stands by itself in the file: one piece of every column."""
    rows, dimension = header.shape
    size = header.dtype.itemsize
    found = np.empty((stop - start, dimension), header.dtype)
    for column in range(dimension):
        offset = header.data + (column * rows + start) * size
        found[:, column] = read_at(uri, file, offset, (stop - start) * size).view(header.dtype)
    return found
