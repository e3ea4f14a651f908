"""`.fbin`, `.u8bin` and `.i8bin` (big-ann-benchmarks): two uint32, rows and dimension, and then the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.bare import BareReader, Matrix, cut_short, rows_behind
from cyborg_ingest.formats.base import checked_dimension

if TYPE_CHECKING:
    import io

    import numpy.typing as npt

_HEADER = 8


class BinReader(BareReader):
    """Vectors of float32 (`.fbin`), uint8 (`.u8bin`) or int8 (`.i8bin`) behind their number and dimension."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.suffixes = (f".{name}",)
        self._kind = np.dtype(kind)

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - nothing in it tells it from other numbers
        """See `base.Reader`."""
        return False

    def matrix(self, uri: str, file: io.BufferedReader, size: int | None) -> Matrix:
        """See `bare.BareReader`."""
        head = file.read(_HEADER)
        if len(head) < _HEADER:
            raise FormatError(f"{uri}: " + ("the file is empty." if not head else "it is too short for its header."))
        rows, dimension = (int(one) for one in np.frombuffer(head, "<u4"))
        row_bytes = checked_dimension(uri, dimension) * self._kind.itemsize
        expected = _HEADER + rows * row_bytes
        if size is not None and size < expected:
            raise cut_short(uri, expected, size)
        if size is not None and size > expected:
            raise FormatError(
                f"{uri}: its header says {rows:,} rows of {dimension:,} dimensions, {expected:,} bytes, and it has "
                f"{size:,}. Is it {self.name}?"
            )
        kind = self._kind.newbyteorder("=")

        def decode(data: npt.NDArray[np.uint8], _start: int) -> npt.NDArray[Any]:
            return data.view(self._kind).astype(kind, copy=False)

        return Matrix(rows, dimension, kind, row_bytes, rows_behind(uri, _HEADER, row_bytes, decode))
