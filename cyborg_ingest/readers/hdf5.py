"""HDF5: each dataset at the top of the file is a column, read by rows; as ann-benchmarks has them, and others."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, MissingExtraError, SourceError
from cyborg_ingest.readers.ends import hdf5_end
from cyborg_ingest.readers.named import Array, chunks, described, layout_of, row_shape, to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.model import Chunk, ColumnMap, Part
    from cyborg_ingest.readers.base import Layout, Sidecars

_MAGIC = b"\x89HDF\r\n\x1a\n"
_VECTOR = "train"
_POINTER_BYTES = 16
_SUPERBLOCK_BYTES = 96
_CACHE_BYTES = 1 << 26
"""Of each dataset: or a compressed piece of it would be unpacked anew for each batch."""
_TEXT_BYTES = 16_000_000
_TEXTS = 64
"""So much text, and so many texts, are read at once where each may have any size."""

BROKEN = (OSError, ValueError, LookupError, RuntimeError, TypeError, OverflowError, MemoryError)
"""What h5py raises of a damaged file: which of them says little, since most of it is the C library's."""


class Hdf5Reader:
    """HDF5, with the extra `hdf5`."""

    name = "hdf5"
    suffixes: tuple[str, ...] = (".hdf5", ".h5")
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.startswith(_MAGIC)

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. Raises MissingExtraError."""
        if not sources.is_seekable(uri):
            raise FormatError(
                f"{uri}: HDF5 is read here and there, which no stream can show. Save it, decompressed, in a file."
            )
        with _opened(uri, FormatError) as file:
            size = sources.size(uri)
            _check_whole(uri, size)
            arrays = [one for name in _names(file) if (one := _described(file, name, size, sidecars)) is not None]
            return layout_of(uri, self.name, arrays, sidecars, size, is_seekable=True, vector=_VECTOR)

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with _opened(part.uri, SourceError) as file:
            chunks_of = [_chunk_bytes(file[name]) for name in columns.read if name in file]
        cache = max([_CACHE_BYTES, *chunks_of]) if sum(chunks_of) <= sidecars.unit_bytes else _CACHE_BYTES
        with _opened(part.uri, SourceError, cache) as file:
            opened = {name: _Dataset(name, file[name]) for name in columns.read if name in file}
            yield from chunks(part, columns, opened, sidecars, rows=rows, start=start)


def _check_whole(uri: str, size: int) -> None:
    """Refuse bytes behind the end that the file itself names. Raises FormatError."""
    with sources.opened(uri) as file:
        end = hdf5_end(file.read(_SUPERBLOCK_BYTES))
    if end is not None and end < size:
        raise FormatError(
            f"{uri}: it ends at byte {end:,} by its own account, and {size - end:,} bytes follow. If several files "
            "were put together, load each by itself; else write it again."
        )


def _h5py() -> Any:
    try:
        import h5py  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(
            f"HDF5 files are read by h5py, which is not installed ({error}). Install it with "
            "pip install 'cyborg-ingest[hdf5]'."
        ) from None
    return h5py


@contextlib.contextmanager
def _opened(uri: str, kind: type[FormatError | SourceError], cache: int = _CACHE_BYTES) -> Iterator[Any]:
    """The file, opened without a lock: it is only read. Raises MissingExtraError, and `kind` where it is damaged."""
    h5py = _h5py()
    try:
        with contextlib.ExitStack() as stack:
            place = sources.native(uri)
            if not isinstance(place, str):  # h5py closes none that it has not opened
                stack.enter_context(place)
            yield stack.enter_context(h5py.File(place, "r", locking=False, rdcc_nbytes=cache))
    except BROKEN as error:
        words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise kind(
            f"{uri}: it is no HDF5, or a damaged one: {words}. Perhaps it was cut short; copy it again."
        ) from None


def _names(file: Any) -> Iterator[str]:
    """What is at the top of the file, and the paths of what is in its groups, each once: links are not followed."""
    h5py = _h5py()
    for name in file:
        yield name
        is_hard = isinstance(file.get(name, getlink=True), h5py.HardLink)
        if is_hard and isinstance(file[name], h5py.Group):
            inside: list[str] = []
            file[name].visit(inside.append)
            yield from (f"{name}/{path}" for path in inside)


def _described(file: Any, name: str, size: int, sidecars: Sidecars) -> Array | None:
    """A dataset by its header; None for what is none, as a group."""
    h5py = _h5py()
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        return Array(name, (), None, 0, why="is a link to another file. Load that one")
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        return None
    shape = row_shape(name, dataset.shape or ())
    try:
        dtype = dataset.dtype
    except TypeError:
        return Array(name, shape, None, 0, why="is of a type that NumPy has not")
    if h5py.check_string_dtype(dtype) is not None and len(shape) == 1:
        row_bytes = _POINTER_BYTES if dtype.hasobject else dtype.itemsize
        found = Array(name, shape, pa.large_string(), row_bytes)
    else:
        found = described(name, shape, dtype, sidecars.max_row_bytes)
    why = "" if found.type is None else _why_not(dataset, found, size, sidecars.unit_bytes)
    return replace(found, type=None, why=why) if why else found


def _chunk_bytes(dataset: Any) -> int:
    """The bytes of a piece that is unpacked at once; 0 where there are none."""
    return math.prod(int(one) for one in dataset.chunks or (0,)) * int(dataset.dtype.itemsize)


def _why_not(dataset: Any, array: Array, size: int, unit: int) -> str:
    """Why a dataset cannot be read though its type and shape could be; else nothing."""
    if dataset.external or dataset.is_virtual:
        return "has its numbers in another file"
    chunk = _chunk_bytes(dataset)
    if chunk > unit:
        return (
            f"is stored in pieces of {chunk:,} bytes; {unit:,} are possible. Cut it with h5repack, or raise "
            "--max-row-bytes (a 32nd of that)"
        )
    stored = dataset.id.get_storage_size()
    claimed = array.shape[0] * array.row_bytes
    if claimed and not stored:
        return "was made, but nothing was written to it"
    if dataset.chunks is None and not (claimed <= stored <= size):
        return f"should have {claimed:,} bytes by its shape {array.shape}; {stored:,} of {size:,} are its own"
    return ""


class _Dataset:
    def __init__(self, name: str, dataset: Any) -> None:
        self._name, self._dataset = name, dataset
        self._ahead: list[Any] = []

    def read(self, start: int, stop: int) -> pa.Array:
        """See `named.Rows`."""
        if self._dataset.dtype.hasobject:
            self.reach(start, stop)
            found = np.concatenate(self._ahead)
            self._ahead = []
            return to_arrow(self._name, found[: stop - start])
        return to_arrow(self._name, self._dataset[start:stop])

    def reach(self, start: int, stop: int) -> int:
        """See `named.Rows`. Texts may have any size, and are read ahead to know it."""
        if not self._dataset.dtype.hasobject:
            return stop
        row, size, several = start + sum(map(len, self._ahead)), 0, 1
        while row < stop and size < _TEXT_BYTES:
            self._ahead.append(self._dataset[row : min(stop, row + several)])
            lengths = [len(one) for one in self._ahead[-1]]
            row, size = row + len(lengths), size + sum(lengths)
            several = max(1, min(_TEXTS, 2 * several, (_TEXT_BYTES - size) // max(1, *lengths)))
        return row
