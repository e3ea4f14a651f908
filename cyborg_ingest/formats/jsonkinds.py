"""Whether text that begins with an object is one document, or has an object on each line."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.jsonsurvey import LOOK_BYTES
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.formats.lines import BOM
from cyborg_ingest.formats.records import in_memory
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from typing import BinaryIO

_READ_BYTES = 1 << 20
"""So far an object of several lines is looked at for its end: of a larger one, two lines tell."""
_PARSED_BYTES = 8_000_000
"""A line that takes more once it is parsed is looked at for its end."""


def is_one_document(file: BinaryIO, uri: str) -> bool:
    """Whether an object is all that there is, or all that can be seen; the file stands at its first byte.

    The first line alone does not tell: it may be a damaged row, or all of a document.
    """
    first = _line(file)
    if len(first) >= LOOK_BYTES and not first.endswith(b"\n"):
        return True
    lines = [first, _line(file)]
    if _is_object(first.removeprefix(BOM), uri):
        return not lines[1]
    text = b"".join(lines) + file.read(_READ_BYTES)
    return _ends_with_first(text, uri) or not _is_object(lines[1], uri)


def _line(file: BinaryIO) -> bytes:
    """The next line that is not blank, or how it begins; nothing at the end."""
    while line := file.readline(LOOK_BYTES):
        if line.strip():
            return line
    return b""


def _is_object(line: bytes, uri: str) -> bool:
    if in_memory(line) > _PARSED_BYTES:  # of little values it would be many times its size
        return line.lstrip().startswith(b"{") and _ends_with_first(line, uri)
    try:
        return isinstance(load_json(line), dict)
    except ValueError:
        return False


def _ends_with_first(text: bytes, uri: str) -> bool:
    """Whether nothing follows the first value."""
    window = JsonText(io.BytesIO(text), uri, LOOK_BYTES)
    try:
        window.begin()
        window.value()
        return window.is_at_end()
    except (FormatError, SourceError):
        return False
