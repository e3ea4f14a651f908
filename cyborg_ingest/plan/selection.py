"""Which rows are asked for, by their places."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.model import Chunk


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked for, among those of all sources in their order: `skip`, the filter, `sample`, `limit`.

    `sample` are the places of rows picked at random, sorted.
    """

    skip: int = 0
    limit: int | None = None
    sample: npt.NDArray[np.int64] | None = None

    def applied(self, chunk: Chunk, place: int) -> Chunk:
        """The chunk, whose first row has this place, with the rows that are asked for marked."""
        rows = len(chunk.batch)
        chosen = chunk.chosen
        if place < self.skip:
            chosen = np.ones(rows, np.bool_) if chosen is None else chosen.copy()
            chosen[: self.skip - place] = False
        if self.sample is not None:
            begin, end = np.searchsorted(self.sample, [place, place + rows])
            picked = np.zeros(rows, np.bool_)
            picked[self.sample[begin:end] - place] = True
            chosen = picked if chosen is None else chosen & picked
        return chunk if chosen is chunk.chosen else replace(chunk, chosen=chosen)

    def may_have(self, place: int, stop: int) -> bool:
        """Whether a row from this place on, and before `stop`, may be asked for."""
        if stop <= self.skip:
            return False
        if self.sample is None:
            return True
        begin, end = np.searchsorted(self.sample, [place, stop])
        return bool(begin < end)

    def choice(self, place: int) -> str:
        """What places decide about the rows of a Part whose first row has this one: no choice, no word."""
        words = [f"skip {self.skip - place}"] if place < self.skip else []
        if self.sample is not None:
            picked = self.sample[np.searchsorted(self.sample, place) :] - place
            words.append(f"sample {hashlib.blake2b(picked.tobytes(), digest_size=8).hexdigest()}")
        return ", ".join(words)
