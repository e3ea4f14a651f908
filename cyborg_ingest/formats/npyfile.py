"""The `.npy` container itself: its header, and its bytes at an offset. Nothing in it is ever executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import FormatError, SourceError, first_line

if TYPE_CHECKING:
    from typing import BinaryIO

    import numpy.typing as npt

MAGIC = b"\x93NUMPY"
LARGEST_HEADER = 1_000_000


class NoVectorsError(FormatError):
    """The array holds other things than vectors: it may be a column of what others hold."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a `.npy`: `data` is where its numbers begin."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    data: int


def read_header(uri: str, file: BinaryIO) -> Header:
    """Read the header of a `.npy`; nothing in it is executed. Raises FormatError, also for pickled objects."""
    header = parse_header(uri, file)
    if header.dtype.hasobject:
        raise NoVectorsError(
            f"{uri}: it holds pickled Python objects, which are never loaded: they could run code. "
            "Save it as an array of numbers."
        )
    return header


def parse_header(uri: str, file: BinaryIO) -> Header:
    """The same, whatever the array holds. Raises FormatError."""
    is_empty = not file.peek(1)  # type: ignore[attr-defined]
    counted = _Counted(file)
    try:
        shape, fortran, dtype = _read_header(counted)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 - the header is Python text: numpy's parser raises whatever it likes
        what = "the file is empty." if is_empty else f"it is not a .npy file, or a damaged one: {first_line(error)}."
        raise FormatError(f"{uri}: {what}") from None
    return Header(tuple(shape), bool(fortran), dtype, counted.read_bytes)


class _Counted:
    """Counts what is read: a stream does not know where it stands."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read_bytes = 0

    def read(self, size: int) -> bytes:
        if size > LARGEST_HEADER:  # for which room would be made before any of it is read
            raise ValueError(f"its header claims {size:,} bytes")
        data = self._file.read(size)
        self.read_bytes += len(data)
        return data


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file, max_header_size=LARGEST_HEADER)
    if version in {(2, 0), (3, 0)}:  # 3.0 differs by UTF-8 names of fields, which only records have
        return np.lib.format.read_array_header_2_0(file, max_header_size=LARGEST_HEADER)
    raise ValueError(f"version {version} of the format is not known")


def read_at(uri: str, file: BinaryIO, offset: int, size: int) -> npt.NDArray[np.uint8]:
    """So many bytes of the file from an offset. Raises SourceError if it is shorter."""
    data = np.empty(size, np.uint8)
    file.seek(offset)
    view, read = data.data, 0
    while read < size:
        count = file.readinto(view[read:])  # type: ignore[attr-defined]
        if not count:
            raise SourceError(f"{uri}: it breaks off at byte {offset + read:,}. It was cut short; copy it again.")
        read += count
    return data
