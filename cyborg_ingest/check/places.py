"""Where a row of the sources is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RowPlace:
    """A row, counted from 0 in its file, its line from 1 where the format has lines; `number` counts all rows."""

    uri: str
    row: int
    line: int | None
    number: int

    def __str__(self) -> str:
        return f"{self.uri}, " + (f"row {self.row}" if self.line is None else f"line {self.line}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"file": self.uri, "row": self.row, "line": self.line}
