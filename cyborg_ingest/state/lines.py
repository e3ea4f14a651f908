"""The lines of a journal: a JSON object each, with a checksum.

A line is the CRC-32 of a JSON object as eight hex digits, a blank, and the object.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from cyborg_ingest.model import Json

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
