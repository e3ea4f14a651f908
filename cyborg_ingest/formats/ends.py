"""Where files end by their own account: HDF5's superblock, the footer of Parquet and Arrow.

Their libraries begin at one end and never look whether all of the file is theirs. Of two files that were put together
they read one, or the one's rows by the other's footer. What such a footer says: `thrift`, `flatbuffers`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_LENGTH_BYTES = 4
_TAIL_BYTES = 65_536

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


NOT_READ = (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error, StopIteration, RuntimeError)
"""What comes of a footer that is none; what ends too early within a generator, or is nested too deeply, is the last."""


def footer_of(file: BinaryIO, size: int, magic_bytes: int, most: int | None = None) -> tuple[bytes, int]:
    """The footer before a file's length of it and magic, and where it begins; most are read at once.

    One of more than `most` bytes is not read: nothing is given of it.
    """
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    stop = len(tail) - magic_bytes - _LENGTH_BYTES
    length = int.from_bytes(tail[stop : stop + _LENGTH_BYTES], "little")
    begin = size - magic_bytes - _LENGTH_BYTES - length
    if length <= stop:
        return tail[stop - length : stop], begin
    if begin < 0 or (most is not None and length > most):
        return b"", begin
    file.seek(max(0, begin))
    return file.read(length), begin
