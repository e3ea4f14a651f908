"""The vector of a row of JSON apart from the rest of its text, which is mostly numbers: nothing reads these faster."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from cyborg_ingest.rows.paths import above_lists, head, is_path, steps

if TYPE_CHECKING:
    from cyborg_ingest.model import ColumnMap

MARK = secrets.token_hex(16)
"""Stands for a vector while the rest of its row is parsed; no row holds it by itself."""
_MARKED = json.dumps(MARK).encode()


def numbers_apart(line: bytes, key: bytes) -> tuple[bytes, bytes] | None:
    """The line with `MARK` for its vector, and the vector's text; None where it is not plain to see."""
    at = line.find(key)
    while at >= 0:
        at += len(key)
        begin = line.find(b"[", at, at + 8)
        if begin >= 0 and line[at:begin].strip() == b":":
            end = line.find(b"]", begin) + 1
            return (line[:begin] + _MARKED + line[end:], line[begin:end]) if end else None
        at = line.find(key, at)  # it was a value: "object": "embedding"
    return None


def vector_key(names: ColumnMap) -> bytes | None:
    """The vector's own name as it stands in the text; None where the vector is to be parsed with all the rest.

    That is in a list of vectors, and in a field that something else is made of, too: a mark in it would be taken.
    """
    last = steps(names.vector)[-1] if is_path(names.vector) else names.vector
    others = [names.id, names.contents, *names.extra]
    first = head(names.vector)
    is_shared = names.takes_all and first != names.vector and not names.cut
    others += [one for one in (names.metadata, *names.metadata_columns) if one and _keeps_vector(names, one)]
    if not isinstance(last, str) or is_shared or any(one and first in {one, head(one)} for one in others):
        return None
    return json.dumps(last, ensure_ascii=False).encode()


def _keeps_vector(names: ColumnMap, field: str) -> bool:
    """Whether the vector is in a field of the metadata, and is not cut out of it."""
    inside = above_lists(names.vector)
    is_cut = inside in names.cut and inside.startswith(f"{field}.")
    return names.vector.startswith((f"{field}.", f"{field}[")) and not is_cut
