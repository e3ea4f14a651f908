"""`.fvecs`, `.bvecs` and `.ivecs` (TEXMEX, Faiss): before each vector stands its dimension, as an int32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.bare import BareReader, Matrix, rows_behind
from cyborg_ingest.formats.base import checked_dimension

if TYPE_CHECKING:
    import io

    import numpy.typing as npt

_PREFIX = 4


class VecsReader(BareReader):
    """Vectors of float32 (`.fvecs`), uint8 (`.bvecs`) or int32 (`.ivecs`), each behind its dimension."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.suffixes = (f".{name}",)
        self._kind = np.dtype(kind)

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - nothing in it tells it from other numbers
        """See `base.Reader`."""
        return False

    def matrix(self, uri: str, file: io.BufferedReader, size: int | None) -> Matrix:
        """See `bare.BareReader`."""
        head = file.peek(_PREFIX)[:_PREFIX]
        if len(head) < _PREFIX:
            raise FormatError(f"{uri}: " + ("the file is empty." if not head else "it is too short for a vector."))
        dimension = checked_dimension(uri, int(np.frombuffer(head, "<i4")[0]))
        row_bytes = _PREFIX + dimension * self._kind.itemsize
        if size is not None and size % row_bytes:
            raise FormatError(
                f"{uri}: its first vector has {dimension:,} dimensions, and {size:,} bytes are not a whole number of "
                f"such vectors. Is it {self.name}, and was it copied whole?"
            )

        def decode(data: npt.NDArray[np.uint8], start: int) -> npt.NDArray[Any]:
            found = np.ascontiguousarray(data[:, :_PREFIX]).view("<i4").reshape(-1)
            other = np.flatnonzero(found != dimension)
            if len(other):
                raise SourceError(
                    f"{uri}: row {start + int(other[0])} has {int(found[other[0]]):,} dimensions, those before it "
                    f"{dimension:,}. The file is damaged, or no {self.name}."
                )
            numbers = np.ascontiguousarray(data[:, _PREFIX:]).view(self._kind)
            return numbers.astype(self._kind.newbyteorder("="), copy=False)

        rows = None if size is None else size // row_bytes
        kind = self._kind.newbyteorder("=")
        return Matrix(rows, dimension, kind, row_bytes, rows_behind(uri, 0, row_bytes, decode))
