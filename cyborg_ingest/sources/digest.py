"""The digest of a stream, computed beside the reading of it: a load waits for the last block alone."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

_BLOCK = 1 << 20
_DIGEST_BYTES = 16


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """What a `Digest` of the same bytes says."""
    return _text(hashlib.sha256(data))


class Digest:
    """SHA-256, for which processors have instructions. A block is digested while the next one is read."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pieces: list[bytes | memoryview] = []
        self._size = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._running: Future[None] | None = None

    def update(self, data: bytes | memoryview) -> None:
        """Take what comes next; it must not change any more."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _BLOCK:
            self._start()

    def text(self) -> str:
        """The digest of all that came so far."""
        self._start()
        self._wait()
        return _text(self._digest)

    def _start(self) -> None:
        self._wait()  # at most one block is on its way, or a fast pipe would fill the memory
        pieces, self._pieces, self._size = self._pieces, [], 0
        self._running = self._pool.submit(self._add, pieces)

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()

    def _add(self, pieces: list[bytes | memoryview]) -> None:
        for piece in pieces:
            self._digest.update(piece)


def _text(digest: hashlib._Hash) -> str:
    return digest.hexdigest()[: 2 * _DIGEST_BYTES]
