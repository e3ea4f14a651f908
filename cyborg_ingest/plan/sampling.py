"""`--sample`: rows picked at random among all that are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest import sources as places_of
from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.plan.selection import Selection

_SEED = 20_240_229
"""Of `--sample`: the same command has to pick the same rows when it resumes."""
_COUNTED_ROWS = 2000


def sampled(plan: Plan, size: int) -> Selection:
    """The plan's selection, with so many rows of it picked at random; the same ones each time, whatever the limit."""
    random = np.random.default_rng(_SEED)
    limit, plan = plan.selection.limit, replace(plan, selection=replace(plan.selection, limit=None))
    if plan.rows is None:
        everything = _places(plan)
        places = random.choice(everything, min(size, len(everything)), replace=False)
    else:  # of so many rows none has to be named to pick some
        places = plan.selection.skip + random.choice(plan.rows, min(size, plan.rows), replace=False)
    return replace(plan.selection, limit=limit, sample=np.sort(places))


def _places(plan: Plan) -> npt.NDArray[np.int64]:
    """Where the rows are that are asked for: all have to be looked at. Raises UsageError."""
    once = next((source.layout.uri for source in plan.sources if places_of.is_read_once(source.layout.uri)), None)
    if once is not None:
        raise UsageError(
            f"--sample looks at all rows before it picks some, and {once} can be read once only. Save it in a file, or "
            "take its first rows with --limit."
        )
    uris = [source.layout.uri for source in plan.sources]
    rows = {source.layout.uri: source.layout.rows or 0 for source in plan.sources}
    found = [np.empty(0, np.int64)]
    for chunk in plan.chunks(_COUNTED_ROWS):  # of a file whose rows are known, Parts may be left out
        uri, end = chunk.part.uri, chunk.first_row + len(chunk.batch)
        rows[uri] = max(rows[uri], end)
        before = sum(rows[one] for one in uris[: uris.index(uri)])
        chosen = np.arange(len(chunk.batch)) if chunk.chosen is None else np.flatnonzero(chunk.chosen)
        found.append(before + chunk.first_row + chosen)
    return np.concatenate(found)
