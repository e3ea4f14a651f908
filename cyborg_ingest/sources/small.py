"""The bytes of small objects, by their version: a store is asked for them once, however often they are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict

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
