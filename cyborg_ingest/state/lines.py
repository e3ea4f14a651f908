"""The lines of a journal: a JSON object each, with a checksum; and the file that they are in.

A line is the CRC-32 of a JSON object as eight hex digits, a blank, and the object.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import zlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Json
    from cyborg_ingest.private import Folder

_CHECKSUM = 8


def line_of(record: Json) -> bytes:
    """A record as a line, its newline included."""
    try:
        body = orjson.dumps(record)
    except TypeError:  # the name of a file that is not UTF-8
        body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def record_of(line: bytes, *, has_checksums: bool) -> Json:
    """The record that a line holds. Raises ValueError or TypeError where it is damaged."""
    if has_checksums:
        checksum, line = line[:_CHECKSUM], line[_CHECKSUM + 1 :]
        if int(checksum, 16) != zlib.crc32(line):
            raise ValueError("the checksum does not hold")
    try:
        record = orjson.loads(line)
    except ValueError:
        record = json.loads(line)
    if not isinstance(record, dict):
        raise TypeError("not a record")
    return record


def write_lines(folder: Folder, name: str, records: Iterable[Json]) -> None:
    """Write a file of lines whole, or not at all. Raises OSError."""
    with folder.replacing(name) as handle, os.fdopen(os.dup(handle), "wb") as out:
        out.writelines(map(line_of, records))


class LineFile:
    """A file of lines, appended to once it has been written anew. All methods raise OSError."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self.path = folder.path / name
        self.handle = -1

    def is_there(self) -> bool:
        """Whether nobody has removed or moved it."""
        return self.path.exists()

    def rewrite(self, records: Iterable[Json]) -> None:
        """Write these records instead of what is there, whole or not at all."""
        write_lines(self._folder, self._name, records)
        self.close()
        self.handle = self._folder.open(self._name, os.O_WRONLY | os.O_APPEND)

    def append(self, records: Iterable[Json]) -> None:
        """Add records: flushed, not fsynced."""
        data = b"".join(map(line_of, records))
        written = os.write(self.handle, data)
        if written != len(data):
            with contextlib.suppress(OSError):  # or the next line would be glued to this one
                os.ftruncate(self.handle, os.fstat(self.handle).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Let go of it."""
        handle, self.handle = self.handle, -1  # first, or an error would have it closed twice
        if handle >= 0:
            os.close(handle)
