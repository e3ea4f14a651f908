"""NumPy `.npy`: read by offset in bounded memory, never mapped and never unpickled.

Mapped pages would count as resident, and a file that is cut short while it is mapped kills the process.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.model import Chunk, ColumnMap, Fault, Part
from cyborg_ingest.readers.arrays import vector_array
from cyborg_ingest.readers.base import ORIGIN, Layout
from cyborg_ingest.readers.npyfile import Header, read_at, read_header
from cyborg_ingest.readers.sidecars import Sidecar, check_rows, open_sidecars, row_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    import numpy.typing as npt

    from cyborg_ingest.readers.base import Sidecars

_PART_BYTES = 64_000_000


class NpyReader:
    """NumPy arrays of shape (rows, dimension)."""

    name = "npy"
    suffixes: tuple[str, ...] = (".npy",)

    def layout(self, path: Path, sidecars: Sidecars) -> Layout:
        """See `base.Reader`."""
        uri = str(path)
        with path.open("rb") as file:
            header = read_header(uri, file)
            size = os.fstat(file.fileno()).st_size
        rows, dimension = _checked_shape(uri, header)
        expected = header.data + rows * dimension * header.dtype.itemsize
        if size < expected:
            raise FormatError(
                f"{uri}: it should have {expected:,} bytes and has {size:,}: it was cut short. Copy it again."
            )
        with open_sidecars(sidecars) as opened:
            for sidecar in opened:
                check_rows(sidecar, uri, rows)
            fields = {one.role: pa.field(one.role, one.type, metadata={ORIGIN: one.path.name}) for one in opened}
        fields.setdefault("id", pa.field("id", pa.string(), metadata={ORIGIN: f"{_prefix(path, sidecars)}row number"}))
        fields["vector"] = pa.field("vector", pa.list_(_arrow_type(header.dtype), dimension))
        row_bytes = max(1, dimension * header.dtype.itemsize)
        step = max(1, _PART_BYTES // row_bytes)
        parts = tuple(
            Part(uri, self.name, number, start, min(rows, start + step), min(rows, start + step) - start, start,
                 (min(rows, start + step) - start) * row_bytes)
            for number, start in enumerate(range(0, rows, step))
        )  # fmt: skip
        return Layout(uri, self.name, pa.schema(list(fields.values())), parts, rows, rows, size)

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(_opened(part.uri))
            header = read_header(part.uri, file)
            opened = stack.enter_context(open_sidecars(sidecars))
            for row in range(part.start + start, part.stop, rows):
                stop = min(part.stop, row + rows)
                numbers = read_rows(part.uri, file, header, row, stop)
                columns_found, faults = _beside(part, sidecars, opened, row, stop)
                arrays = {"vector": vector_array(numbers), **columns_found}
                batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
                done = part.size * (stop - part.start) // max(1, part.stop - part.start)
                yield Chunk(part, row - part.start, row, batch, columns, faults, size=done)


def _beside(
    part: Part, sidecars: Sidecars, opened: list[Sidecar], start: int, stop: int
) -> tuple[dict[str, pa.Array], tuple[Fault, ...]]:
    """The columns that are not in the `.npy`, and which of their values cannot be read."""
    found: dict[str, pa.Array] = {}
    faults: list[Fault] = []
    for sidecar in opened:
        found[sidecar.role], more = sidecar.read(start, stop)
        faults += more
    if "id" not in found:
        found["id"] = row_numbers(_prefix(Path(part.uri), sidecars), start, stop)
    return found, tuple(faults)


def _prefix(path: Path, sidecars: Sidecars) -> str:
    return sidecars.id_prefix.replace("{file}", path.stem)


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[BinaryIO]:
    try:
        with open(uri, "rb") as file:  # noqa: PTH123 - a uri, not always a path
            yield file
    except OSError as error:
        raise SourceError(f"{uri} cannot be read: {error.strerror}.") from None


def _checked_shape(uri: str, header: Header) -> tuple[int, int]:
    if header.dtype.kind not in "fiu" or header.dtype.itemsize > 8:  # noqa: PLR2004 - bytes of a float64
        raise FormatError(f"{uri}: its items are {header.dtype}; vectors are float16, float32, float64 or integers.")
    if len(header.shape) != 2 or any(size < 0 for size in header.shape):  # noqa: PLR2004 - (n, dim)
        raise FormatError(f"{uri}: its shape is {header.shape}; vectors have the shape (rows, dimension).")
    rows, dimension = header.shape
    if not dimension:
        raise FormatError(f"{uri}: its shape is {header.shape}: its vectors have no dimension.")
    return rows, dimension


def _arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def read_rows(uri: str, file: BinaryIO, header: Header, start: int, stop: int) -> npt.NDArray[Any]:
    """Rows [start, stop) in native byte order and C order. Raises SourceError where the file breaks off."""
    dimension = header.shape[1] if len(header.shape) > 1 else 1
    if header.fortran:
        found = _read_columns(uri, file, header, start, stop)
    else:
        width = dimension * header.dtype.itemsize
        data = read_at(uri, file, header.data + start * width, (stop - start) * width)
        found = np.frombuffer(data, header.dtype).reshape(stop - start, dimension)
    return found.astype(header.dtype.newbyteorder("="), copy=False)


def _read_columns(uri: str, file: BinaryIO, header: Header, start: int, stop: int) -> npt.NDArray[Any]:
    """The same where each column stands by itself in the file: one piece of every column."""
    rows, dimension = header.shape
    size = header.dtype.itemsize
    found = np.empty((stop - start, dimension), header.dtype)
    for column in range(dimension):
        offset = header.data + (column * rows + start) * size
        found[:, column] = np.frombuffer(read_at(uri, file, offset, (stop - start) * size), header.dtype)
    return found
