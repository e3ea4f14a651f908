"""Which rows are asked for, by their places: among all rows, and cut down to one Part."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.plan.done import ENDLESS

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.model import Chunk


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of one Part are asked for, counted from its first: not the first `skip`, and at most `limit`.

    Of those that a condition takes, too, where there is one. `sample` are the places of rows picked at random, sorted.
    """

    skip: int = 0
    limit: int | None = None
    sample: npt.NDArray[np.int64] | None = None

    def applied(self, chunk: Chunk) -> Chunk:
        """The chunk with the rows that are asked for marked, whatever the limit."""
        rows, place = len(chunk.batch), chunk.start
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


def cut_to(chunk: Chunk, limit: int) -> tuple[Chunk, int]:
    """The chunk up to the last of so many rows that are asked for; and how many of these it has."""
    if chunk.chosen is None:
        chunk = chunk.rows(0, limit)
        return chunk, len(chunk.batch)
    places = np.flatnonzero(chunk.chosen)[:limit]
    return (chunk.rows(0, int(places[-1]) + 1) if len(places) == limit else chunk), len(places)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked for, among those of all sources in their order: `skip`, the filter, `sample`, `limit`.

    `sample` are the places of rows picked at random, sorted.
    """

    skip: int = 0
    limit: int | None = None
    sample: npt.NDArray[np.int64] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether all rows are asked for, as far as places tell."""
        return not self.is_by_place and self.limit is None

    @property
    def is_by_place(self) -> bool:
        """Whether it takes a row's place among all to know if it is asked for."""
        return bool(self.skip) or self.sample is not None

    def of_part(self, place: int, rows: int | None, left: int | None) -> Wanted:
        """What is asked for of a Part of so many rows (None: not known), whose first one has this place.

        `left` is what the Parts before it leave of the limit.
        """
        return Wanted(max(0, self.skip - place), left, self._picked(place, rows))

    def count(self, place: int, rows: int) -> int:
        """How many of these rows are asked for, whatever the limit and the filter."""
        picked = self._picked(place, rows)
        return max(0, rows - max(0, self.skip - place)) if picked is None else len(picked)

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

    def _picked(self, place: int, rows: int | None) -> npt.NDArray[np.int64] | None:
        """The sample's places in a Part, counted from its first row; None where there is no sample."""
        if self.sample is None:
            return None
        begin, end = np.searchsorted(self.sample, [place, ENDLESS if rows is None else place + rows])
        return self.sample[begin:end] - place
