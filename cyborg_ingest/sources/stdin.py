"""Standard input: read once, but for a head that may be looked at first."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from typing import TYPE_CHECKING

from cyborg_ingest.errors import SourceError
from cyborg_ingest.sources.base import Found, Listing

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEAD_BYTES = 32_000_000
"""As far as the first look may read, and the rows still begin at the first byte."""

_MARK_BYTES = 65_536


class StandardInput:
    """The pipe that this process reads from."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._is_gone = False

    def find(self, source: str) -> Listing:
        """See `base.Store`."""
        if sys.stdin is None or sys.stdin.closed:
            raise SourceError("- is standard input, and there is none.")
        return Listing((Found(source),))

    def open(self, uri: str) -> io.BufferedReader:  # noqa: ARG002 - there is one
        """See `base.Store`."""
        if self._is_gone:
            raise SourceError(
                "Standard input can be read once only, and it has been. Save it in a file to read it again."
            )
        return io.BufferedReader(_Pipe(self), 1 << 20)

    def size(self, uri: str) -> int:  # noqa: ARG002 - nobody knows
        """See `base.Store`."""
        return 0

    def fingerprint(self, uri: str) -> str:  # noqa: ARG002 - there is one
        """See `base.Store`: the same command fed with the same bytes goes on where it was stopped."""
        return hashlib.blake2b(self._read(0, _MARK_BYTES), digest_size=16).hexdigest()

    def _read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from a position; what is kept of the head can be read again."""
        while not self._is_gone and len(self._head) < min(position + size, _HEAD_BYTES):
            more = os.read(sys.stdin.fileno(), min(position + size, _HEAD_BYTES) - len(self._head))
            if not more:
                break
            self._head += more
        return bytes(self._head[position : position + size])

    def read(self, position: int, size: int) -> bytes:
        """The same; past the head it is gone once it was read."""
        if position < _HEAD_BYTES:
            return self._read(position, size)
        self._is_gone = True
        self._head = bytearray()
        return os.read(sys.stdin.fileno(), size)


class _Pipe(io.RawIOBase):
    def __init__(self, source: StandardInput) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.read(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
