"""A sample of acknowledged rows, as digests: what the index is asked for before anybody trusts what was noted.

At most `PROBES` rows are kept, each of those so far with the same chance, the oldest and the newest always among
them. A row that a later one replaces is dropped.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyborg_ingest.values import canonical

if TYPE_CHECKING:
    from collections.abc import Collection

    from cyborg_ingest.model import Batch, Json

PROBES = 64
"""Acknowledged rows that the index is asked for at once, at most."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A row that was acknowledged, to ask the index for: digests of its vector and of the rest."""

    id: str
    vector: str
    rest: str


def probe_of(identity: str, vector: bytes, metadata: Json | None, contents: str | bytes | None) -> Probe:
    """The digests of a row; `vector` is its little-endian float32 bytes."""
    return Probe(identity, _digest(vector), _digest(canonical(metadata, contents)))


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


@dataclass(slots=True)
class Probes:
    """The sample; whoever adds to it from a batch notes the same where it is to be found again."""

    oldest: Probe | None = None
    newest: Probe | None = None
    kept: dict[str, Probe] = field(default_factory=dict)
    seen: int = 0

    def sample(self) -> list[Probe]:
        """At most `PROBES` acknowledged rows that no later row replaced, the oldest and the newest among them."""
        ends = [probe for probe in (self.oldest, self.newest) if probe is not None]
        return list({probe.id: probe for probe in (*self.kept.values(), *ends)}.values())

    def pick(self, batch: Batch) -> tuple[Probe, bool]:
        """A row of a batch that was acknowledged, and whether it is one of those to keep."""
        last = len(batch.ids) - 1
        metadata = batch.metadata[last] if batch.metadata else None
        contents = batch.contents[last] if batch.contents else None
        probe = probe_of(batch.ids[last], batch.vectors[last].tobytes(), metadata, contents)
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
        watched = {probe.id for probe in self.sample()}
        return [] if watched.isdisjoint(ids) else sorted(watched.intersection(ids))

    def drop(self, ids: Collection[str]) -> None:
        """Forget rows: they are replaced, or about to be."""
        for identity in ids:
            self.kept.pop(identity, None)
        if self.oldest and self.oldest.id in ids:
            self.oldest = next(iter(self.kept.values()), None)
        if self.newest and self.newest.id in ids:
            self.newest = next(reversed(self.kept.values()), None)
