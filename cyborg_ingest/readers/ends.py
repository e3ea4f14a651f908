"""Where files end by their own account: HDF5's superblock, Parquet's and Arrow's footers.

Their libraries begin at one end and never look whether all of the file is theirs. Of two files that were put together
they read one, or the one's rows by the other's footer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_MAGIC_BYTES = 4
_LENGTH_BYTES = 4
_TAIL_BYTES = 65_536
_ALGORITHM = 8

# HDF5

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_OLD_SUPERBLOCKS = {0: 24, 1: 28}
"""Where the addresses begin, by the superblock's version."""


def hdf5_end(head: bytes) -> int | None:
    """Where a HDF5 file ends, from the bytes that it begins with; None where they do not tell (a user's own block)."""
    if not head.startswith(_HDF5_MAGIC) or len(head) < 64:  # noqa: PLR2004 - what a superblock takes at least
        return None
    version = head[8]
    at, size = (_OLD_SUPERBLOCKS[version], head[13]) if version in _OLD_SUPERBLOCKS else (12, head[9])
    # base address, then one other address, then the end
    return int.from_bytes(head[at + 2 * size : at + 3 * size], "little") if size in {4, 8} else None


# Parquet: Thrift's compact protocol


NOT_READ = (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error, RecursionError)
"""What comes of a footer that is none."""


class _Compact:
    """A reader of Thrift's compact protocol: structs as dicts by the number of the field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._number()
            found[number] = self._value(head & 15)
        return found

    def _value(self, kind: int) -> Any:
        if kind in {1, 2}:  # true, false
            return kind == 1
        if kind == 3:  # noqa: PLR2004 - a byte
            return self._byte()
        if kind in {4, 5, 6}:
            return self._number()
        if kind in {7, 8}:
            size = 8 if kind == 7 else self._unsigned()  # noqa: PLR2004 - a double, else bytes
            self._at += size
            return self._data[self._at - size : self._at]
        return self._list() if kind in {9, 10} else self.struct()

    def _list(self) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 != 15 else self._unsigned()  # noqa: PLR2004 - then the size follows
        kind = head & 15
        return [self._byte() == 1 if kind in {1, 2} else self._value(kind) for _ in range(size)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _unsigned(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - no further byte
                return found
            shift += 7

    def _number(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)


class ParquetFooter:
    """What a Parquet's footer says. Raises NOT_READ."""

    def __init__(self, footer: bytes) -> None:
        self._fields = _Compact(footer).struct()

    @property
    def is_encrypted(self) -> bool:
        """Whether columns are, though the footer itself can be read by all."""
        return _ALGORITHM in self._fields

    def end(self) -> int:
        """Where what it names ends: pages, indexes, Bloom filters."""
        ends = [_MAGIC_BYTES]
        for group in self._fields.get(4, ()):
            for chunk in group[1]:
                ends += [chunk[offset] + chunk.get(size, 0) for offset, size in ((4, 5), (6, 7)) if offset in chunk]
                ends += _of_column(chunk.get(3, {}))
        return max(ends)


def _of_column(column: dict[int, Any]) -> Iterator[int]:
    """Where its pages end, and its Bloom filter."""
    begins = [column[field] for field in (9, 10, 11) if column.get(field)]  # of data, index, dictionary
    if begins:
        yield min(begins) + column[7]
    if column.get(14):
        yield column[14] + column.get(15, 0)


# Arrow: a table of flatbuffers


def arrow_blocks(footer: bytes) -> list[tuple[int, int]]:
    """Where each message of an Arrow file begins and ends, by its footer, sorted. Raises NOT_READ."""
    table = _int(footer, 0)
    fields = table - _int(footer, table)  # the places of a table's fields stand in one of its own
    found = []
    for number in (2, 3):  # dictionaries, record batches
        offset = _short(footer, fields + 4 + 2 * number) if 4 + 2 * number < _short(footer, fields) else 0
        if offset:
            vector = table + offset + _int(footer, table + offset)
            for place in range(_int(footer, vector)):
                begin, metadata, body = struct.unpack_from("<qi4xq", footer, vector + 4 + 24 * place)
                found.append((begin, begin + metadata + body))
    return sorted(found)


def _int(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<i", data, at)[0])


def _short(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<H", data, at)[0])


def footer_of(file: BinaryIO, size: int, magic_bytes: int) -> tuple[bytes, int]:
    """The footer before a file's length of it and magic, and where it begins; most are read at once."""
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    stop = len(tail) - magic_bytes - _LENGTH_BYTES
    length = int.from_bytes(tail[stop : stop + _LENGTH_BYTES], "little")
    begin = size - magic_bytes - _LENGTH_BYTES - length
    if length <= stop:
        return tail[stop - length : stop], begin
    file.seek(max(0, begin))
    return file.read(length), begin
