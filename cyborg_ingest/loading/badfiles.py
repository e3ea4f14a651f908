"""Files that an earlier run of a load could not read to their end: whether they still are as bad as then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.check.distinct import hashes_of
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.plan.badfiles import all_bad, is_bad, skipped
from cyborg_ingest.plan.cutting import EMBEDDED_DEFAULTS
from cyborg_ingest.plan.selection import Selection
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.state.ledger import place_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cyborg_ingest.facts import Emit, FileSkipped
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.state.journal import Journal

_BAD = "bad"
"""The fact that names the files, each with its fingerprint."""
_ROWS = 2000


def note_bad(journal: Journal | None, plan: Plan, bad: Collection[str]) -> None:
    """Let the next run know which files could not be read; of those that were begun, which bytes they had."""
    if journal is None:
        return
    before = journal.state.facts.get(_BAD)
    noted = {place: (before or {}).get(place, "") for place in map(place_of, bad)}
    noted |= {place_of(one.layout.uri): _mark(one) for one in plan.sources if one.layout.uri in bad}
    if noted or before:
        journal.know(**{_BAD: noted})


def without_still_bad(journal: Journal | None, plan: Plan, tell: Emit) -> Plan:
    """The plan without files that are the same as when they could not be read, and still cannot.

    What comes after them stays loaded then: no row of theirs will be sent that could be older. Raises SourceError where
    no other file is left.
    """
    noted = journal.state.facts.get(_BAD) if journal is not None and journal.resumed and plan.skips_bad else None
    if not isinstance(noted, dict):
        return plan
    known = [one for one in plan.sources if noted.get(place_of(one.layout.uri)) == _mark(one)]
    bad = [fact for one in known if (fact := _still_bad(plan, one)) is not None]
    tell(*bad)
    uris = {one.uri for one in bad}
    left = tuple(one for one in plan.sources if one.layout.uri not in uris)
    if not left and bad:
        raise all_bad(len(bad), bad[0].text)
    return replace(plan, sources=left)


def repaired(journal: Journal, plan: Plan) -> frozenset[str]:
    """Files that the last run could not read, and that can be: what comes after them can be kept, by `hold_newer`.

    None where rows that were loaded are not known one by one.
    """
    noted = journal.state.facts.get(_BAD)
    is_chosen = not plan.selection.is_everything or any(one.shaping.filter is not None for one in plan.sources)
    if is_chosen or not journal.state.is_whole or not isinstance(noted, dict):
        return frozenset()
    return frozenset(one.layout.uri for one in plan.sources if place_of(one.layout.uri) in noted)


def hold_newer(journal: Journal, plan: Plan, uris: Collection[str]) -> Iterator[str]:
    """Let loaded rows that come after these files and have an id of theirs be sent once more, after the files' own.

    What the user should know of it. All that is loaded behind the files is read for that.
    """
    older, held = np.empty(0, np.uint64), 0
    for source in plan.sources if uris else ():
        is_repaired = source.layout.uri in uris
        alone = replace(plan, sources=(source,), skips_bad=is_repaired and plan.skips_bad)
        if not is_repaired and (not len(older) or not any(journal.part(one).settled for one in source.layout.parts)):
            continue
        found = [older]
        for batch in cut(alone.chunks(_ROWS), plan.dimension, EMBEDDED_DEFAULTS):
            hashes = hashes_of(batch.ids)
            if is_repaired:
                found.append(hashes)
            else:
                held += journal.hold(batch.picked(np.flatnonzero(np.isin(hashes, older)).tolist()))
        older = np.unique(np.concatenate(found))
    for uri in uris:
        yield f"{uri} could not be read in the last run, and can be now: it is loaded."
    if held:
        yield f"{held:,} rows of files after it have ids that are in it, too, and are sent again: the later row wins."


def _still_bad(plan: Plan, source: Source) -> FileSkipped | None:
    try:
        for _ in replace(plan, sources=(source,), selection=Selection(), skips_bad=False).chunks(_ROWS):
            pass
    except (FormatError, SourceError) as error:
        if not is_bad(source.layout.uri, error):
            raise
        return skipped(source.layout.uri, error)
    return None


def _mark(source: Source) -> str:
    return source.layout.parts[0].fingerprint if source.layout.parts else ""
