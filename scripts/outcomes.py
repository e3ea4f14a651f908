"""What was noticed in earlier runs, so that one that was stopped goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reach import KEPT, PACKAGE, digest

if TYPE_CHECKING:
    from pathlib import Path

    from mutations import Mutant


class Outcomes:
    """What earlier runs have found, as long as the package is the same; with `keep`, the changed module.

    Only what was noticed: for the rest there may be a test now.
    """

    def __init__(self, sources: dict[str, Path], *, keep: bool) -> None:
        self._path = KEPT / "outcomes.jsonl"
        package = digest([*PACKAGE.rglob("*.py")])
        self._keys = {module: [digest([path]), package] for module, path in sources.items()}
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        self.found: dict[str, str] = {
            name: outcome
            for module, key, name, outcome in map(json.loads, lines)
            if module in self._keys and (key[0] == self._keys[module][0] if keep else key == self._keys[module])
        }

    def add(self, mutant: Mutant, outcome: str) -> None:
        """Note what was found of a change."""
        if outcome in {"noticed", "hangs"}:
            KEPT.mkdir(exist_ok=True)
            with self._path.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps([mutant.module, self._keys[mutant.module], mutant.key, outcome]) + "\n")
