"""`rejected.jsonl`: the rows that a job did not load, in the form that `upsert` reads."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cyborg_ingest.model import Rejection


class RejectedFile:
    """Appended before the journal says that the rows are rejected: what it says is there, a crash aside.

    All methods raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def reconcile(self, known: set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Keep one line for each of the rows (file, row) that are known to be rejected; those that have none.

        A crash may lie between a line and the journal, or have torn the last line.
        """
        if not self.path.exists():
            return set(known)
        missing = set(known)
        temporary = self.path.with_suffix(".new")
        with self.path.open("rb") as old, open(temporary, "wb", opener=private) as new:
            for line in old:
                place = _place(line)
                if place in missing:
                    missing.discard(place)
                    new.write(line if line.endswith(b"\n") else line + b"\n")
            new.flush()
            os.fsync(new.fileno())
        temporary.replace(self.path)
        return missing

    def append(self, rejections: Iterable[Rejection], *, full: bool) -> None:
        """Add rows; without `full` nothing of them but their ids."""
        lines = b"".join(_line(one, full=full) for one in rejections)
        if lines:
            with open(self.path, "ab", opener=private) as out:
                out.write(lines)

    def sync(self) -> None:
        """See that it would outlast a power cut."""
        if self.path.exists():
            with self.path.open("rb") as written:
                os.fsync(written.fileno())


def _place(line: bytes) -> tuple[str, int] | None:
    try:
        mark = json.loads(line)["_rejected"]
        return str(mark["file"]), int(mark["row"])
    except (ValueError, KeyError, TypeError):
        return None


def _line(rejection: Rejection, *, full: bool) -> bytes:
    mark = {
        "file": rejection.uri,
        "row": rejection.row,
        "line": rejection.line,
        "reason": rejection.reason.value,
        "detail": rejection.detail,
    }
    row = dict(rejection.record or {}) if full else {}
    if "id" not in row and rejection.id is not None:
        row["id"] = rejection.id
    # the stdlib writes NaN as NaN, so that the row is seen as it was
    return json.dumps({**row, "_rejected": mark}, ensure_ascii=False, default=str).encode(errors="replace") + b"\n"


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: the rows in it are plain text."""
    return os.open(path, flags, 0o600)
