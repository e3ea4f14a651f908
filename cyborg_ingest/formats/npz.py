"""NumPy `.npz`: a zip of `.npy` arrays, read forward side by side; nothing of it is unpacked whole or unpickled."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError, first_line
from cyborg_ingest.formats.bare import fill
from cyborg_ingest.formats.named import chunks, described, layout_of, to_arrow
from cyborg_ingest.formats.npyfile import LARGEST_HEADER, parse_header
from cyborg_ingest.sources.compression import lzma_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    import pyarrow as pa

    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.formats.named import Array
    from cyborg_ingest.formats.npyfile import Header
    from cyborg_ingest.model import Chunk, ColumnMap, Part

_MAGIC = b"PK\x03\x04"
_NAME_AT = 30
_SUFFIX = ".npy"
_END_BYTES = 22
_MANY = 0xFFFF  # or more files
_BLOCK = 1 << 20
_LOCAL_BYTES = 30
_HAS_DESCRIPTOR = 0x08
_DESCRIPTORS = (16, 24, 12, 20)
_LARGEST_DESCRIPTOR = 24
_NEXT = b"PK"
_END = b"PK\x05\x06"
_BY_COLUMN = "is stored column by column, so its rows do not follow on each other. Save it with np.ascontiguousarray"

BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma_error(), struct.error, EOFError, OSError, ValueError,
    RuntimeError, OverflowError, LookupError, MemoryError,
)  # fmt: skip
"""What zipfile raises of a damaged archive; of an encrypted one, and of compression it does not know, RuntimeError."""


class NpzReader:
    """Archives of NumPy arrays, compressed or not."""

    name = "npz"
    suffixes: tuple[str, ...] = (".npz",)
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`. A zip whose first file is a `.npy`."""
        length = int.from_bytes(head[26:28], "little")
        return head.startswith(_MAGIC) and head[_NAME_AT : _NAME_AT + length].endswith(_SUFFIX.encode())

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`."""
        if not sources.is_seekable(uri):
            raise FormatError(
                f"{uri}: .npz is read from its end, which no stream shows first. Save it, decompressed, in a file."
            )
        with _translated(uri, FormatError), sources.opened(uri) as file, zipfile.ZipFile(file) as archive:
            _check_count(file, archive)
            _check_gaps(uri, file, archive)
            arrays = [
                _described(uri, archive, name, info, sidecars.max_row_bytes)
                for name, info in _members(uri, archive).items()
            ]
            return layout_of(uri, self.name, arrays, sidecars, sources.size(uri), is_seekable=False)

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_translated(part.uri, SourceError))
            file = stack.enter_context(sources.opened(part.uri))
            archive = stack.enter_context(zipfile.ZipFile(file))
            members = _members(part.uri, archive)
            opened = {
                name: _Member(
                    part.uri,
                    name,
                    stack.enter_context(archive.open(members[name])),
                    _header(part.uri, archive, members[name]),
                )
                for name in columns.read
                if name in members
            }
            yield from chunks(part, columns, opened, sidecars, rows=rows, start=start)


@contextlib.contextmanager
def _translated(uri: str, kind: type[FormatError | SourceError]) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise kind(
            f"{uri}: it is not an .npz, or a damaged one: {first_line(error)}. Perhaps it was cut short; copy it again."
        ) from None


def _check_count(file: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Refuse a directory that damage has made shorter: zipfile does not count, and ids would be missing."""
    file.seek(-_END_BYTES - len(archive.comment), io.SEEK_END)
    end = file.read(_END_BYTES)
    if not end.startswith(_END):
        raise zipfile.BadZipFile("bytes that belong to none of its arrays follow behind its end")
    count = int.from_bytes(end[10:12], "little")
    if count not in {len(archive.infolist()), _MANY}:
        raise zipfile.BadZipFile(f"its directory should name {count:,} files and names {len(archive.infolist()):,}")


def _check_gaps(uri: str, file: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Refuse bytes before, between or behind the files of the archive, as where two were put together."""
    at = 0
    for info in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if info.header_offset != at:
            break
        file.seek(at)
        head = file.read(_LOCAL_BYTES)
        at += _LOCAL_BYTES + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        at += info.compress_size
        if info.flag_bits & _HAS_DESCRIPTOR:  # with or without a signature and sizes of 64 bits
            file.seek(at)
            behind = file.read(_LARGEST_DESCRIPTOR + len(_NEXT))
            at += next((size for size in _DESCRIPTORS if behind[size : size + 2] == _NEXT), 0)
    if at != archive.start_dir:
        raise FormatError(
            f"{uri}: it holds bytes that belong to none of its arrays, at byte {at:,}. If several files were put "
            "together, load each by itself; else write it again."
        )


def _members(uri: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays by name, in the order of the archive. Raises FormatError."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(_SUFFIX)
        if name in found:
            raise FormatError(f"{uri}: two arrays are named {name!r}, so neither can be chosen. Rename one.")
        archive.open(info).close()  # a name that is damaged is not that of the file itself
        if name != info.filename:
            found[name] = info
    return found


def _header(uri: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    """Raises FormatError. What may be a header is read, and no more: what it claims as its own size may be untrue."""
    with archive.open(info) as file:
        head = io.BytesIO(file.read(LARGEST_HEADER))
    return parse_header(f"{uri}: {info.filename}", io.BufferedReader(head))


def _described(uri: str, archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo, limit: int) -> Array:
    header = _header(uri, archive, info)
    found = described(name, header.shape, header.dtype, limit)
    expected = header.data + math.prod(header.shape) * header.dtype.itemsize
    if found.type is not None and (info.file_size != expected or any(size < 0 for size in header.shape)):
        raise FormatError(
            f"{uri}: {name!r} should have {expected:,} bytes by its shape {header.shape} and has {info.file_size:,}. "
            "The file is damaged; write it again."
        )
    if found.is_matrix and header.fortran and 1 not in header.shape:
        return replace(found, type=None, why=_BY_COLUMN)
    return found


class _Member:
    """An array of the archive, read forward."""

    def __init__(self, uri: str, name: str, file: IO[bytes], header: Header) -> None:
        self._name = name
        self._uri, self._file, self._header = uri, file, header
        self._row_bytes = math.prod(header.shape[1:]) * header.dtype.itemsize
        self._row = 0
        self._pass(header.data)

    def read(self, start: int, stop: int) -> pa.Array:
        """See `named.Rows`. Behind the last row its checksum is compared."""
        self._pass((start - self._row) * self._row_bytes)
        data = np.empty((stop - start) * self._row_bytes, np.uint8)
        if fill(self._file, data) < len(data):
            raise self._cut_short()
        if stop == self._header.shape[0]:
            self._file.read(1)
        self._row = stop
        shape = (stop - start, *self._header.shape[1:])
        return to_arrow(
            self._name,
            np.frombuffer(data, self._header.dtype).reshape(shape)
            if len(data)
            else np.empty(shape, self._header.dtype),
        )

    def reach(self, start: int, stop: int) -> int:  # noqa: ARG002 - all rows have one size
        """See `named.Rows`."""
        return stop

    def _pass(self, size: int) -> None:
        while size:
            passed = len(self._file.read(min(size, _BLOCK)))
            if not passed:
                raise self._cut_short()
            size -= passed

    def _cut_short(self) -> SourceError:
        return SourceError(f"{self._uri}: one of its arrays breaks off. It was cut short; copy it again.")
