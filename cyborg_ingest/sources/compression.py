"""Files that are compressed as a whole: told by their first bytes, whatever they are called."""

from __future__ import annotations

import functools
import io
import re
import zlib
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import SourceError
from cyborg_ingest.model import LARGEST_DIMENSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

SUFFIXES = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".lz4")
_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18(....)", re.DOTALL)
"""A frame of zstd or LZ4 that holds no data, and its size: pzstd begins with one."""
_HEAD_BYTES = 4096
_XZ_MEMORY = 300_000_000
"""What it may keep of what it has decompressed: `xz -9` takes 65 MB of it, its format lets it be 1.5 GB."""
_BLOCK = 1 << 18
_BROKEN = (OSError, EOFError, ValueError, MemoryError, OverflowError, zlib.error)
_NUMBER_BYTES = (1, 4)


def kind_of(file: io.BufferedReader, size: Callable[[], int]) -> str | None:
    """How what follows is compressed. Nothing of it is consumed.

    `size` gives the file's, 0 where nobody knows: numbers behind their rows and dimension, as .fbin has them, begin
    with any bytes, and are told by having just the size that these say.
    """
    begin = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    kind = _by_magic(begin)
    return None if kind is not None and _is_bare(begin, size) else kind


def _by_magic(head: bytes) -> str | None:
    while (found := _SKIPPABLE.match(head)) is not None:
        head = head[found.end() + int.from_bytes(found[1], "little") :]
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _is_bare(head: bytes, size: Callable[[], int]) -> bool:
    rows, dimension = (int.from_bytes(head[at : at + 4], "little") for at in (0, 4))
    return 0 < dimension <= LARGEST_DIMENSION and size() in {8 + rows * dimension * one for one in _NUMBER_BYTES}


def decompressed(file: io.BufferedReader, uri: str, size: Callable[[], int]) -> io.BufferedReader:
    """The file as it was before it was compressed; itself where it was not."""
    kind = kind_of(file, size)
    return file if kind is None else io.BufferedReader(_Decompressed(_inside(file, kind), file, uri, kind), _BLOCK)


def _inside(file: io.BufferedReader, kind: str) -> Any:
    if kind == "gzip":
        import gzip  # noqa: PLC0415 - each is for files of its kind only

        return gzip.GzipFile(fileobj=file)
    if kind == "bz2":
        import bz2  # noqa: PLC0415 - as above

        return _Members(file, bz2.BZ2Decompressor)
    if kind == "xz":
        import lzma  # noqa: PLC0415 - as above

        bounded = functools.partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY)
        return _Members(file, bounded, functools.partial(lzma.LZMADecompressor, lzma.FORMAT_XZ))
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.CompressedInputStream(pa.PythonFile(file, "r"), kind)


class _Members:
    """What several compressed files hold that were put together; zeros between and behind them are padding.

    Python's own files of these kinds end in silence where something else follows.
    """

    def __init__(
        self, file: io.BufferedReader, member: Callable[[], Any], unbounded: Callable[[], Any] | None = None
    ) -> None:
        self._file = file
        self._new, self._unbounded = member, unbounded
        self._member: Any = None
        self._rest = self._start = b""

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end. Raises what the decompressor does, ValueError for other data."""
        while True:
            if self._member is None or self._member.eof:
                rest = b"" if self._member is None else self._member.unused_data
                while not rest.strip(b"\0"):
                    rest = self._file.read(_BLOCK)
                    if not rest:
                        return b""
                self._begin(rest.lstrip(b"\0"))
            if self._member.needs_input and not self._rest:
                self._rest = self._file.read(_BLOCK)
                if not self._rest:
                    raise EOFError("it ends before the end of its stream")
            try:
                data, self._rest = self._member.decompress(self._rest, size), b""
            except lzma_error():
                if self._is_too_much():
                    raise _TooMuchError from None
                raise
            if data:
                return bytes(data)

    def _begin(self, rest: bytes) -> None:
        is_first, self._member = self._member is None, self._new()
        begin = rest if len(rest) >= _BLOCK else rest + self._file.read(_BLOCK)
        try:
            self._new().decompress(begin[:_HEAD_BYTES], 0)
        except (OSError, lzma_error()):
            if is_first:
                raise
            raise ValueError("what follows its end is not of this kind") from None
        self._rest = begin
        self._start = begin[:_HEAD_BYTES]

    def _is_too_much(self) -> bool:
        """Whether what cannot be read could be, but for the memory that it asks for."""
        if self._unbounded is None:
            return False
        try:
            self._unbounded().decompress(self._start, 1)
        except lzma_error():
            return False
        return True


class _TooMuchError(Exception):
    """What is compressed asks for more memory than it may have."""


class _Decompressed(io.RawIOBase):
    """Turns whatever a decompressor raises into a damaged source."""

    def __init__(self, inside: Any, file: io.BufferedReader, uri: str, kind: str) -> None:
        self._inside = inside
        self._file = file
        self._uri = uri
        self._kind = kind

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._inside.read(len(view))
        except SourceError:
            raise
        except _TooMuchError:
            raise SourceError(
                f"{self._uri}: to decompress it takes more than the {_XZ_MEMORY:,} bytes of memory that are allowed. "
                "Compress it again, with a smaller window (xz -9 has one of 64 MB)."
            ) from None
        except _broken() as error:
            words = str(error).rstrip(".") or type(error).__name__
            raise SourceError(
                f"{self._uri}: its {self._kind} data are damaged or were cut short ({words}). Copy it again."
            ) from None
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _broken() -> tuple[type[Exception], ...]:
    """What decompressors raise, pyarrow's among them."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    return (*_BROKEN, pa.ArrowException, lzma_error())


def lzma_error() -> type[Exception]:
    """Whatever is not an error of another kind."""
    import lzma  # noqa: PLC0415 - an error class alone

    return lzma.LZMAError
