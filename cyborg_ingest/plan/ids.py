"""The ids of some Parts, by reading them: before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.model import ColumnMap
from cyborg_ingest.plan.done import ENDLESS, Done
from cyborg_ingest.rows import columns
from cyborg_ingest.rows.idhashes import hashes_of, merged
from cyborg_ingest.rows.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Collection

    from cyborg_ingest.model import Chunk, Part
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.rows.idhashes import Hashes

_CHUNK_ROWS = 2_000
_TYPED = ("parquet", "arrow")


def ids_of(plan: Plan, parts: Collection[Part]) -> dict[Part, Hashes]:
    """64 bits of the ids of all rows of each Part, bad rows too, as far as they have one. Raises SourceError."""
    found: dict[Part, list[Hashes]] = {part: [] for part in parts}
    if not found:
        return {}
    everything = Done(RangeSet([(0, ENDLESS)]), None)

    def done(part: Part) -> Done:
        return Done(RangeSet(), None) if _plain(part) in wanted else everything

    wanted = {_plain(part): part for part in parts}
    alone = replace(plan, sources=tuple(map(_alone, plan.sources)))
    for chunk in alone.chunks(_CHUNK_ROWS, done):
        found[wanted[_plain(chunk.part)]].append(_hashes(chunk))
    return {part: merged(some) for part, some in found.items()}


def _plain(part: Part) -> tuple[str, int]:
    """A Part that its task has not told more of."""
    return part.uri, part.number


def _alone(source: Source) -> Source:
    """A source of which nothing but the ids is decoded, where that is safe: they are a column of a typed table."""
    name, is_typed = source.columns.id, source.layout.format in _TYPED
    if not is_typed or name is None or source.shaping.template is not None or source.shaping.filter is not None:
        return source
    return replace(source, columns=ColumnMap(name, name))


def _hashes(chunk: Chunk) -> Hashes:
    name = chunk.columns.id
    values = columns.ids(chunk.batch.column(name)).values if name else []
    if chunk.chosen is not None:
        values = [values[place] for place in np.flatnonzero(chunk.chosen)]
    return hashes_of([one for one in values if one])
