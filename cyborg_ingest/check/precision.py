"""How exactly an index gives vectors back. No engine tells, so it is known from elsewhere, or guessed and said.

Known: this run, or an earlier one of its job, created the index; or an option says it. Guessed: rows that were there
before the run, or many rows together, differ from their sources in the way that one precision rounds. One row never
decides, and what is asked to be verified is never judged by what it itself looks like.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.rows.compare import TOLERANCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from cyborg_ingest.model import Batch, StoredRow
    from cyborg_ingest.targets.opening import Opened

    Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

GUESSED_ROWS = 64
"""Rows that are asked for where the precision has to be guessed, at most."""

_FEWEST = 8
_MOST_OF_THEM = 0.9
_SAME_ROW = 0.25
"""A larger difference, as a share of the vector's length, is another vector and no rounding."""
_SAME_LENGTH = 0.02

# The median difference of 64 rows, as a share of their length. Measured over normal, positive, uniform, integer, unit,
# low-rank and heavy-tailed vectors of 16 to 1,536 dimensions: 2.6e-4 to 5.2e-4, 4.1e-3 to 8.4e-3, 2.3e-2 to 2.6e-2,
# 8.1e-2 to 9.8e-2
_MEDIANS = {"tq12": (2e-4, 7e-4), "tq8": (3e-3, 1.1e-2), "tq6": (1.8e-2, 3.5e-2), "tq4": (6.5e-2, 1.2e-1)}


@dataclass(frozen=True, slots=True)
class Precision:
    """How vectors are stored. `guess` says how that was found out, where nobody has said so.

    `is_own`: guessed from rows that this run sent, so that it cannot judge them.
    """

    name: str = "float32"
    guess: str = ""
    is_own: bool = False

    @property
    def tolerance(self) -> float:
        """Largest difference of a component, as a share of the vector's largest."""
        return TOLERANCES[self.name]

    @property
    def is_exact(self) -> bool:
        """Whether vectors come back bit by bit."""
        return self.name == "float32"

    @property
    def judging(self) -> Precision:
        """What rows of this run can be judged by."""
        return Precision() if self.is_own else self

    def __str__(self) -> str:
        exactly = f"to within {self.tolerance:g} of the largest component" if self.tolerance else "bit by bit"
        guess = (
            f" ({self.name}, guessed from {self.guess}; --storage-precision says it)"
            if self.guess and self.tolerance
            else ""
        )
        return f"{exactly}{guess}"


def known(opened: Opened, option: str | None, facts: Mapping[str, Any]) -> Precision | None:
    """The precision that the index was created with, or that the option says, or an earlier run's guess; else None."""
    if opened.created:
        return Precision(option or "float32")
    name = option or facts.get("precision")
    if name in TOLERANCES:
        return Precision(str(name))
    guess = facts.get("guess")
    return Precision(str(guess), "rows of an earlier run", is_own=True) if guess in TOLERANCES else None


def rounding(pairs: Sequence[Pair]) -> str | None:
    """The precision that rounds as these vectors differ, each as it was sent and as it is stored.

    None where they do not tell.

    float16 is known by its very bits; the others by the size of the difference, which many rows have alike.
    """
    same = [(sent, stored) for sent, stored in pairs if sent.shape == stored.shape and _difference(sent, stored)[0]]
    exact = sum(np.array_equal(sent, stored) for sent, stored in same)
    if exact == len(same):
        return "float32" if exact >= _FEWEST else None
    with np.errstate(over="ignore"):
        halved = sum(np.array_equal(sent.astype(np.float16).astype(np.float32), stored) for sent, stored in same)
    if halved >= _MOST_OF_THEM * len(same):
        return "float16"
    if len(same) < _FEWEST or exact > (1 - _MOST_OF_THEM) * len(same):
        return None
    median = float(np.median([_difference(sent, stored)[1] for sent, stored in same]))
    return next((name for name, (low, high) in _MEDIANS.items() if low <= median <= high), None)


def _difference(sent: npt.NDArray[np.float32], stored: npt.NDArray[np.float32]) -> tuple[bool, float]:
    """Whether it may be the same vector, rounded; and the length of the difference, as a share of its own."""
    expected, found = sent.astype(np.float64), stored.astype(np.float64)
    length = float(np.linalg.norm(expected)) or 1.0
    share = float(np.linalg.norm(found - expected)) / length
    return share < _SAME_ROW and abs(float(np.linalg.norm(found)) / length - 1) <= _SAME_LENGTH, share


class Guess:
    """Looks at rows that are stored, a batch after the other, until they tell or are enough; `get` reads them."""

    def __init__(self, get: Callable[[list[str]], list[StoredRow]]) -> None:
        self._get = get
        self._pairs: dict[str, list[Pair]] = {}
        self._asked: Counter[str] = Counter()

    def look(self, batch: Batch, source: str, *, is_own: bool) -> Precision | None:
        """What the rows of these ids tell, together with those of the same `source` before.

        `is_own`: this run has sent them.
        """
        pairs = self._pairs.setdefault(source, [])
        # an index that has none of them is not asked for ever
        last = _last_rows(batch, min(GUESSED_ROWS - len(pairs), 2 * GUESSED_ROWS - self._asked[source]))
        self._asked[source] += len(last)
        for row in self._get(list(last)) if last else ():
            if row.vector is not None:
                pairs.append((batch.vectors[last[row.id]].copy(), row.vector))
        name = rounding(pairs) if last else None
        return None if name is None else Precision(name, f"{len(pairs):,} {source}", is_own)


def _last_rows(batch: Batch, most: int) -> dict[str, int]:
    """The places of the last rows of at most so many ids."""
    found: dict[str, int] = {}
    for place in range(len(batch.ids) - 1, -1, -1):
        if len(found) >= most:
            break
        found.setdefault(batch.ids[place], place)
    return found
