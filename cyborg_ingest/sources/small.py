"""What was read of objects: a store is asked for it once, however often it is looked at.

Small objects are kept whole, by their version; of large ones the pieces that were read last, until somebody asks for
the object's version.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

LARGEST = 1 << 20
"""Bytes up to which an object is read whole."""

_ROOM = 32 << 20
"""Bytes of all that is kept."""


class SmallObjects:
    """The objects that were used last. Threads may share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._size = 0
        self._guard = threading.Lock()

    def get(self, uri: str, tag: str | None) -> bytes | None:
        """The bytes of this version of an object, if they are kept."""
        with self._guard:
            kept = self._kept.get(uri)
            if kept is None or kept[0] != tag:
                return None
            self._kept.move_to_end(uri)
            return kept[1]

    def put(self, uri: str, tag: str, data: bytes) -> None:
        """Keep them in the place of an older version, and of what was not used for the longest time."""
        with self._guard:
            self._drop(uri)
            self._kept[uri] = tag, data
            self._size += len(data)
            while self._size > _ROOM:
                self._drop(next(iter(self._kept)))

    def wants(self, uri: str, tag: str, size: int) -> bool:
        """Whether the version is small, not kept, and would push nothing out. What is kept of another is dropped."""
        with self._guard:
            kept = self._kept.get(uri)
            if kept is not None and kept[0] != tag:  # the object is another by now
                self._drop(uri)
                kept = None
            return kept is None and size <= LARGEST and self._size + size <= _ROOM

    def _drop(self, uri: str) -> None:
        _, data = self._kept.pop(uri, ("", b""))
        self._size -= len(data)


_PIECES, _LARGEST_PIECE = 8, 1 << 20


class LastPieces:
    """Pieces of objects, each by its place. Threads may share it.

    None outlives a look at the object's version, which proves all that was read before: of another version there is
    never a piece.
    """

    def __init__(self) -> None:
        self._pieces: deque[tuple[str, int, bytes]] = deque(maxlen=_PIECES)
        self._guard = threading.Lock()

    def get(self, uri: str, place: int, size: int) -> bytes:
        """Bytes of an object from this place on, at most so many; none where they are not kept."""
        with self._guard:
            for one, start, data in self._pieces:
                if one == uri and start <= place < start + len(data):
                    return data[place - start : place - start + size]
        return b""

    def put(self, uri: str, place: int, data: bytes) -> None:
        """Keep a piece, if it is small, in place of the oldest."""
        if len(data) <= _LARGEST_PIECE:
            with self._guard:
                self._pieces.append((uri, place, data))

    def drop(self, uri: str) -> None:
        """Forget what is kept of an object."""
        with self._guard:
            kept = [one for one in self._pieces if one[0] != uri]
            self._pieces.clear()
            self._pieces.extend(kept)
