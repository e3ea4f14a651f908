"""A sample of acknowledged rows, as digests: what the index is asked for before anybody trusts what was noted.

At most `PROBES` rows are kept, each of those so far with the same chance, the oldest and the newest always among
them. A row that a later one replaces is dropped. `Probes` is what a journal remembers, `ProbeSample` what a run itself
knows, with a journal or without.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pybase64

from cyborg_ingest.rows.compare import same_vector
from cyborg_ingest.rows.values import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import numpy.typing as npt

    from cyborg_ingest.model import Batch, Json, StoredRow

PROBES = 64
"""Acknowledged rows that the index is asked for at once, at most."""


_WHOLE = "f4:"


@dataclass(frozen=True, slots=True)
class Probe:
    """A row that was acknowledged, to ask the index for: digests of its vector and of the rest.

    Where an index rounds, or nobody knows, the vector itself is kept: behind "f4:", its bytes in base64.
    """

    id: str
    vector: str
    rest: str

    def fits(self, row: StoredRow, tolerance: float) -> bool:
        """Whether the index holds this row, its vector to within the tolerance."""
        if _digest(canonical(row.metadata, row.contents)) != self.rest:
            return False
        if not self.vector.startswith(_WHOLE):
            # a digest tells nothing of a vector that was rounded
            return bool(tolerance) or (row.vector is not None and _digest(_bytes(row.vector)) == self.vector)
        vector = np.frombuffer(pybase64.b64decode(self.vector.removeprefix(_WHOLE)), "<f4")
        return same_vector(vector, row.vector, tolerance)


def probe_of(
    identity: str, vector: bytes, metadata: Json | None, contents: str | bytes | None, *, exact: bool = True
) -> Probe:
    """The digests of a row; `vector` is its little-endian float32 bytes, kept whole where an index may round it."""
    text = _digest(vector) if exact else _WHOLE + pybase64.b64encode_as_string(vector)
    return Probe(identity, text, _digest(canonical(metadata, contents)))


def _probe_at(batch: Batch, place: int, *, exact: bool) -> Probe:
    metadata = batch.metadata[place] if batch.metadata else None
    contents = batch.contents[place] if batch.contents else None
    return probe_of(batch.ids[place], _bytes(batch.vectors[place]), metadata, contents, exact=exact)


def contradicted(probes: Iterable[Probe], stored: Iterable[StoredRow], tolerance: float) -> tuple[list[str], list[str]]:
    """Of the rows that were asked for the ids of those that are missing, and of those that are other ones now."""
    found = {row.id: row for row in stored}
    missing = [probe.id for probe in probes if probe.id not in found]
    changed = [probe.id for probe in probes if probe.id in found and not probe.fits(found[probe.id], tolerance)]
    return missing, changed


def _bytes(vector: npt.NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vector, "<f4").tobytes()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


@dataclass(slots=True)
class Probes:
    """The sample; whoever adds to it from a batch notes the same where it is to be found again."""

    oldest: Probe | None = None
    newest: Probe | None = None
    kept: dict[str, Probe] = field(default_factory=dict)
    seen: int = 0
    exact: bool = True
    """Whether the index gives vectors back bit by bit."""

    def sample(self) -> list[Probe]:
        """At most `PROBES` acknowledged rows that no later row replaced, the oldest and the newest among them."""
        ends = [probe for probe in (self.oldest, self.newest) if probe is not None]
        return list({probe.id: probe for probe in (*self.kept.values(), *ends)}.values())

    def pick(self, batch: Batch) -> tuple[Probe, bool]:
        """A row of a batch that was acknowledged, and whether it is one of those to keep."""
        probe = _probe_at(batch, len(batch.ids) - 1, exact=self.exact)
        # a reservoir: each of the rows so far is kept with the same chance
        return probe, random.randrange(self.seen + 1) < PROBES - 2  # noqa: S311 - a sample, not a secret

    def add(self, probe: Probe, *, keep: bool) -> None:
        """Take a row in: it is the newest now."""
        self.seen += 1
        self.oldest = self.oldest or probe
        self.newest = probe
        if keep:
            self.kept[probe.id] = probe
            while len(self.kept) > PROBES - 2:
                del self.kept[next(iter(self.kept))]

    def replaced(self, ids: Collection[str]) -> list[str]:
        """Those of the sample that rows of these ids replace."""
        watched = {*self.kept, *(probe.id for probe in (self.oldest, self.newest) if probe is not None)}
        return [] if watched.isdisjoint(ids) else sorted(watched.intersection(ids))

    def drop(self, ids: Collection[str]) -> None:
        """Forget rows: they are replaced, or about to be."""
        for identity in ids:
            self.kept.pop(identity, None)
        if self.oldest and self.oldest.id in ids:
            self.oldest = next(iter(self.kept.values()), None)
        if self.newest and self.newest.id in ids:
            self.newest = next(reversed(self.kept.values()), None)


class ProbeSample:
    """The rows that a run has brought in, and those of earlier runs that it resumes: at most `PROBES` of them.

    Each of `rows`, and of those that are added, is kept with the same chance.
    """

    def __init__(self, earlier: Probes | None = None, rows: int = 0) -> None:
        known = earlier or Probes()
        self.exact = True
        self._oldest = known.oldest
        self._newest: Probe | Batch | None = known.newest  # of a batch the last row
        self._kept = dict(known.kept)
        self._seen = max(rows, len(self._kept))
        self._picks = _picks(PROBES - 2, self._seen)
        self._next = next(self._picks)

    def probes(self) -> list[Probe]:
        """The sample: the oldest row, the newest, and others between them."""
        newest = self._newest
        if newest is not None and not isinstance(newest, Probe):  # its digests are made for the last batch alone
            newest = self._newest = _probe_at(newest, len(newest.ids) - 1, exact=self.exact)
        ends = [probe for probe in (self._oldest, newest) if probe is not None]
        return list({probe.id: probe for probe in (*self._kept.values(), *ends)}.values())

    def add(self, batch: Batch) -> None:
        """Take rows in that were acknowledged. What they replace is dropped."""
        self._drop(batch.ids)
        rows = len(batch.ids)
        if not rows:
            return
        backwards = batch.ids[::-1]

        def probe_of_id(identity: str) -> Probe:
            """Of the last row that has an id: it is what is left of it."""
            return _probe_at(batch, rows - 1 - backwards.index(identity), exact=self.exact)

        while self._next < self._seen + rows:
            self._keep(probe_of_id(batch.ids[self._next - self._seen]))
            self._next = next(self._picks)
        self._seen += rows
        self._oldest = self._oldest or probe_of_id(batch.ids[0])
        self._newest = batch

    def _keep(self, probe: Probe) -> None:
        if probe.id not in self._kept and len(self._kept) >= PROBES - 2:
            del self._kept[random.choice(list(self._kept))]  # noqa: S311 - a sample, not a secret
        self._kept[probe.id] = probe

    def _drop(self, ids: list[str]) -> None:
        watched = {*self._kept, *([self._oldest.id] if self._oldest else [])}
        if watched.isdisjoint(ids):
            return
        for identity in watched.intersection(ids):
            self._kept.pop(identity, None)
            if self._oldest and self._oldest.id == identity:
                self._oldest = next(iter(self._kept.values()), None)


def _picks(size: int, seen: int) -> Iterator[int]:
    """The rows, counted from 0, that a reservoir of this size takes in behind those it has seen: one after another.

    Each row so far is then kept with the same chance, at the price of a few random numbers in all and not of one a
    row: Algorithm L of Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))", 1994.
    """
    yield from range(seen, size)
    seen = max(seen, size)
    largest = random.betavariate(size, seen - size + 1)
    while True:
        seen += math.floor(math.log(1 - random.random()) / math.log1p(-largest))  # noqa: S311 - a sample, not a secret
        yield seen
        seen += 1
        largest *= (1 - random.random()) ** (1 / size)  # noqa: S311 - a sample, not a secret
