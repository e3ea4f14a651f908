"""How many ids are different, in bounded memory: what an index must hold at least once they are loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.check.duplicates import hash_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

KEPT = 1_000_000
"""Ids that a load counts exactly, 16 bytes each: as many rows as an index of the free tier holds."""

KEPT_TO_COMPARE = 12_500_000
"""Ids that are counted exactly where their count is what was asked for: 200 MB."""

_SIGMAS = 6
"""A bound that an estimate oversteps once in a thousand million times."""


def hashes_of(ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64 bits of each id; the same for the same id in this process only."""
    return np.fromiter(map(hash_of, ids), np.int64, len(ids)).view(np.uint64)


@dataclass(frozen=True, slots=True)
class Count:
    """How many ids are different: between `least` and `most`, which are equal where they could all be kept.

    Two ids may share their 64 bits, which makes it one too few: among a million ids once in 37 million times.
    """

    least: int
    most: int

    def to_dict(self) -> dict[str, int]:
        """As JSON has it."""
        return {"least": self.least, "most": self.most}

    def __str__(self) -> str:
        if self.least == self.most:
            return f"{self.least:,}"
        middle = (self.least + self.most) // 2
        return f"about {middle:,} (give or take {self.most - middle:,})"


class Distinct:
    """Counts ids by 64 bits of each, exactly up to `kept` of them; beyond, by those whose last bits are zeros."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        # the system hands out what is written to, so a small load costs little
        self._hashes = np.empty(2 * kept, np.uint64)
        self._used = 0
        self._bits = 0
        self._rows = 0

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Count the ids of some more rows, by `hashes_of`."""
        self._rows += len(hashes)
        while len(hashes):
            hashes = self._sifted(hashes)
            room = len(self._hashes) - self._used
            some, hashes = hashes[:room], hashes[room:]
            self._hashes[self._used : self._used + len(some)] = some
            self._used += len(some)
            if self._used == len(self._hashes):
                self._merge()

    def _sifted(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        mask = np.uint64((1 << self._bits) - 1)
        return hashes[(hashes & mask) == 0] if self._bits else hashes

    def _merge(self) -> None:
        """Leave each hash once; where they are still too many, those with one more zero at their end."""
        used = self._hashes[: self._used]
        used.sort()  # in place: a copy would be as large again
        first = np.ones(len(used), np.bool_)
        np.not_equal(used[1:], used[:-1], out=first[1:])
        found = used[first]
        while len(found) > self._kept:
            self._bits += 1
            found = self._sifted(found)
        self._used = len(found)
        self._hashes[: self._used] = found

    def count(self) -> Count:
        """How many there were so far."""
        self._merge()
        if not self._bits:
            return Count(self._used, self._used)
        share = 0.5**self._bits
        middle = self._used / share
        error = _SIGMAS * math.sqrt(self._used * (1 - share)) / share
        return Count(max(self._used, math.floor(middle - error)), min(self._rows, math.ceil(middle + error)))
