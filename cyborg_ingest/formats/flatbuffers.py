"""What an Arrow file's footer and its messages say: a table of flatbuffers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Block:
    """A message of an Arrow file: where it begins, the bytes of its head and of its body."""

    begin: int
    head: int
    body: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.begin + self.head + self.body


def arrow_blocks(footer: bytes) -> tuple[list[Block], list[Block]]:
    """The dictionaries and the record batches of an Arrow file, by its footer. Raises NOT_READ."""
    root = FlatTable.root(footer)
    dictionaries, batches = ([Block(*one) for one in root.structs(number, "<qi4xq")] for number in (2, 3))
    return dictionaries, batches


@dataclass(frozen=True, slots=True)
class FlatTable:
    """A table of a flatbuffer; its fields are known by their numbers. All methods raise NOT_READ."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """The table that it begins with."""
        return cls(data, _int(data, 0))

    def _field(self, number: int) -> int:
        """Where a field stands; 0 for one that is left out."""
        fields = self.at - _int(self.data, self.at)  # the places of a table's fields stand in one of its own
        place = 4 + 2 * number
        offset = _short(self.data, fields + place) if place < _short(self.data, fields) else 0
        return self.at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        """A number, 0 where it is left out."""
        at = self._field(field)
        return int(struct.unpack_from(f"<{form}", self.data, at)[0]) if at else 0

    def table(self, field: int) -> FlatTable | None:
        """Another table."""
        at = self._field(field)
        return FlatTable(self.data, at + _int(self.data, at)) if at else None

    def structs(self, field: int, form: str) -> list[tuple[Any, ...]]:
        """A vector of structs or numbers."""
        at = self._field(field)
        if not at:
            return []
        vector = at + _int(self.data, at)
        size = struct.calcsize(form)
        count = _int(self.data, vector)
        if not 0 <= count * size <= len(self.data):
            raise ValueError("longer than the buffer")
        return [struct.unpack_from(form, self.data, vector + 4 + size * place) for place in range(count)]


def _int(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<i", data, at)[0])


def _short(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<H", data, at)[0])
