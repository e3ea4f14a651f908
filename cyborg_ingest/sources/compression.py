"""Files that are compressed as a whole: told by their first bytes, whatever they are called."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import SourceError

if TYPE_CHECKING:
    from typing_extensions import Buffer

SUFFIXES = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".lz4")
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}
_BLOCK = 1 << 18


def kind_of(file: io.BufferedReader) -> str | None:
    """How what follows is compressed. Nothing of it is consumed."""
    head = file.peek(8)[:8]
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def decompressed(file: io.BufferedReader, uri: str) -> io.BufferedReader:
    """The file as it was before it was compressed; itself where it was not."""
    kind = kind_of(file)
    return file if kind is None else io.BufferedReader(_Decompressed(_inside(file, kind), file, uri, kind), _BLOCK)


def _inside(file: io.BufferedReader, kind: str) -> Any:
    if kind == "gzip":
        import gzip  # noqa: PLC0415 - each is for files of its kind only

        return gzip.GzipFile(fileobj=file)
    if kind == "bz2":
        import bz2  # noqa: PLC0415 - as above

        return bz2.BZ2File(file)
    if kind == "xz":
        import lzma  # noqa: PLC0415 - as above

        return lzma.LZMAFile(file)
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.CompressedInputStream(pa.PythonFile(file, "r"), kind)


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
        except (OSError, EOFError, ValueError, zlib.error, lzma_error()) as error:
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


def lzma_error() -> type[Exception]:
    """What is no error of any other kind."""
    import lzma  # noqa: PLC0415 - an error class alone

    return lzma.LZMAError
