"""`rejected.jsonl`: the rows that a load did not send, in the form that `upsert` reads.

Each run of a load has its own. A run that resumes it begins with the rows of the one before it, whose file stays as it
is: somebody may be fixing it.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from cyborg_ingest.state.ledger import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Json, Rejection
    from cyborg_ingest.private import Folder

NAME = "rejected.jsonl"

_SAID = ("file", "row", "line", "reason", "detail")
_LONGEST = 16_000_000
"""Bytes of a row that is shown."""


class RejectedFile:
    """Appended before the journal says that the rows are rejected: what it says is there, a crash aside.

    All methods raise OSError.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.path = folder.path / NAME

    def take_over(self, earlier: Folder, known: set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Copy one line for each of the rows (file, row) that are known to be rejected; those that have none.

        A crash may lie between a line and the journal, or have torn the last line.
        """
        missing = set(known)
        try:
            handle = earlier.open(NAME)
        except FileNotFoundError:
            return missing
        with (
            os.fdopen(handle, "rb") as old,
            self._folder.replacing(NAME) as new,
            os.fdopen(os.dup(new), "wb") as out,
        ):
            for line in old:
                place = _place(line)
                if place in missing:
                    missing.discard(place)
                    out.write(line if line.endswith(b"\n") else line + b"\n")
        return missing

    def keep(self, known: set[tuple[str, int]]) -> None:
        """Drop the lines of all other rows."""
        if known or self.is_there():
            self.take_over(self._folder, known)

    def is_there(self) -> bool:
        """Whether there is such a file."""
        return os.path.lexists(self.path)

    def append(self, rejections: Iterable[Rejection], *, full: bool) -> None:
        """Add rows; without `full` nothing of them but their ids."""
        lines = b"".join(_line(one, full=full) for one in rejections)
        if lines:
            handle = self._folder.open(NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with os.fdopen(handle, "ab") as out:
                out.write(lines)

    def sync(self) -> None:
        """See that it would outlast a power cut."""
        with contextlib.suppress(FileNotFoundError):
            handle = self._folder.open(NAME)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def first_rejected(folder: Folder, most: int) -> list[Json]:
    """Of the first rejected rows their ids, where they are and what is wrong. Raises OSError, UntrustedError."""
    try:
        handle = folder.open(NAME)
    except FileNotFoundError:
        return []
    found: list[Json] = []
    with os.fdopen(handle, "rb") as file:
        while len(found) < most and (line := file.readline(_LONGEST)):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                row = json.loads(line)
                mark = row["_rejected"]
                found.append({"id": row.get("id"), **{name: mark.get(name) for name in _SAID}})
    return found


def _place(line: bytes) -> tuple[str, int] | None:
    try:
        mark = json.loads(line)["_rejected"]
        return place_of(str(mark["file"])), int(mark["row"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _line(rejection: Rejection, *, full: bool) -> bytes:
    """A row has the fields that `upsert` knows, whatever its own were called; what is not a row is in the mark."""
    if not full:
        rejection = rejection.without_content()
    mark = {
        "file": rejection.uri,
        "row": rejection.row,
        "line": rejection.line,
        "reason": rejection.reason.value,
        "detail": rejection.detail,
    }
    row = dict(rejection.record or {})
    if "_line" in row:
        mark["text"] = row.pop("_line")
    if "id" not in row and rejection.id is not None:
        row["id"] = rejection.id
    # the stdlib writes NaN as NaN, so that the row is seen as it was
    return json.dumps({**row, "_rejected": mark}, ensure_ascii=False, default=str).encode(errors="replace") + b"\n"
