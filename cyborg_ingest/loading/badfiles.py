"""Files that an earlier run of a load could not read to their end: whether they still are as bad as then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.plan.badfiles import all_bad, is_bad, skipped
from cyborg_ingest.plan.selection import Selection
from cyborg_ingest.state.ledger import place_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from cyborg_ingest.facts import Emit, FileSkipped
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.state.journal import Journal

_BAD = "bad"
"""The fact that names the files, each with its fingerprint."""
_ROWS = 2000


def note_bad(journal: Journal | None, plan: Plan, bad: Collection[str]) -> None:
    """Let the next run know which of the files that were begun could not be read to their end."""
    if journal is None:
        return
    before = journal.state.facts.get(_BAD)
    places, begun = set(map(place_of, bad)), [one for one in plan.sources if one.layout.uri in bad]
    noted = {place: mark for place, mark in (before or {}).items() if place in places}
    noted |= {place_of(one.layout.uri): _mark(one) for one in begun}
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
