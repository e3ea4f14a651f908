"""Resuming where an earlier run of the job was stopped; nothing that its journal says is taken on trust."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.errors import LostRowsError
from cyborg_ingest.facts import Noted, Skipped
from cyborg_ingest.loading.standing import Standing, out_of_order
from cyborg_ingest.plan.done import Done, nothing
from cyborg_ingest.plan.mapped import recut
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.cuts import parts_as
from cyborg_ingest.state.journal import UNHEARD
from cyborg_ingest.state.ledger import key_of, place_of
from cyborg_ingest.state.probes import contradicted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from cyborg_ingest.check.precision import Precision
    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.state.ledger import PartKey
    from cyborg_ingest.state.memory import Memory
    from cyborg_ingest.targets.base import Index


def done_of(journal: Memory | None) -> Callable[[Part], Done]:
    """What earlier runs have settled of a Part, as the plan asks for it: as it was when the Part is begun."""
    if journal is None:
        return nothing

    def done(part: Part) -> Done:
        known = journal.part(part)
        in_flight = known.in_doubt if journal.state.is_whole else RangeSet()
        total = None if places.is_read_once(part.uri) else known.rows  # where it ended, more may come this time
        return Done(
            known.settled, total, known.passed_rows, RangeSet(known.held), known.choice, in_flight, known.stale,
            dict(known.marks),
        )  # fmt: skip

    return done


def cut_as_before(journal: Memory | None, plan: Plan) -> Plan:
    """The plan; a file that is the same as in the run that is resumed comes in the Parts that it had there.

    The journal learns where the Parts of all files are.
    """
    if journal is None:
        return plan
    plan = replace(plan, sources=tuple(_as_before(journal, source) for source in plan.sources))
    journal.planned(source.layout.parts for source in plan.sources)
    return plan


def _as_before(journal: Memory, source: Source) -> Source:
    parts = source.layout.parts
    cut = journal.cut_of(parts[0]) if parts else None
    before = parts_as(cut, parts) if cut is not None else None
    return source if before is None or before == parts else recut(source, before)


def keep_in_order(journal: Memory, plan: Plan, repaired: Collection[str] = ()) -> list[str]:
    """Forget what does not stand any more; what the user should know of it. Files that are `repaired` change nothing.

    What was in flight when a run ended is no gap: until it lands, no newer row of its ids is sent. A source that is new
    or changed is one, and so is a line that the journal has lost.
    """
    notes = _changes(journal, plan, repaired)
    others = set(_other_streams(journal, plan))
    notes += [f"{key[0]} brings other rows than in the last run: all of them are loaded." for key in others]
    notes += [
        f"{uri} comes behind sources now that it came before in the last run."
        for uri in dict.fromkeys(part.uri for part in _moved(journal, plan))
    ]
    if journal.state.has_lost_lines:
        notes.append(
            f"Lines of {journal.folder / 'journal.jsonl'} cannot be read: the rows that they name are loaded again."
        )

    def done(part: Part) -> Done:
        return nothing(part) if key_of(part) in others else done_of(journal)(part)

    standing = Standing(journal, plan, done, others=others, aside=repaired)
    notes += _gone(journal, plan, standing)
    before = _settled_rows(journal, standing)
    journal.keep({key: row for key, row in standing.upto.items() if key in journal.state.parts})
    again = before - _settled_rows(journal, standing)
    if notes and again:
        notes.append(
            f"{again:,} rows that were loaded before are loaded again, since they share ids with what is loaded or "
            "gone, or may do so: the later row of an id wins."
        )
    return notes


def _gone(journal: Memory, plan: Plan, standing: Standing) -> Iterator[str]:
    """Sources that are no more, where rows of theirs may lie over others that are loaded again."""
    here = {place_of(source.layout.uri) for source in plan.sources}
    gone = sorted({key[0] for key, one in journal.state.parts.items() if one.was_sent} - here)
    if gone and standing.covered:
        more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        yield f"{gone[0]}{more}, of which rows were loaded in the last run, left the sources: they may lie over others."


def _moved(memory: Memory, plan: Plan) -> Iterator[Part]:
    """Parts that rows were sent of, and that come behind one now before which they came then."""
    return out_of_order(memory, [part for source in plan.sources for part in source.layout.parts])


def _other_streams(journal: Memory, plan: Plan) -> Iterator[PartKey]:
    """Streams that are not the same any more, as far as they still can be read from their start.

    Where one differs later, reading it ends with a SourceChangedError.
    """
    for part in (part for source in plan.sources for part in source.layout.parts if places.is_read_once(part.uri)):
        known = journal.part(part)
        places.expect(part.uri, known.marks.values())
        if known.settled and not (known.is_marked and places.agrees(part.uri)):
            yield key_of(part)


def _settled_rows(journal: Memory, standing: Standing) -> int:
    known = (journal.part(turn.part) for turn in standing.turns)
    return sum(len(part.settled) - part.passed_rows for part in known)


def _changes(journal: Memory, plan: Plan, repaired: Collection[str]) -> list[str]:
    """Which sources are others than in the last run."""
    known = {key[:2]: key for key in journal.state.parts}
    uris = [source.layout.uri for source in plan.sources]
    loaded = {key[0] for key in journal.state.parts}
    last = max((place for place, uri in enumerate(uris) if place_of(uri) in loaded), default=0)
    notes = [
        f"{uri} is new since the last run, and comes before sources that were loaded."
        for uri in uris[:last]
        if place_of(uri) not in loaded and uri not in repaired
    ]
    for source in (one for one in plan.sources if one.layout.uri not in repaired):
        for part in source.layout.parts:
            before = known.get((place_of(part.uri), part.number))
            if before is not None and key_of(part) not in journal.state.parts:
                notes.append(f"{part.uri} has changed since the last run: it is loaded again from its start.")
                break
    return notes


def skipped(journal: Memory, plan: Plan) -> Iterator[Skipped]:
    """The rows that earlier runs have loaded or rejected, by source."""
    left = plan.selection.limit
    for source in plan.sources:
        loaded, rejects = 0, Counter[str]()
        for part in source.layout.parts:
            known = journal.part(part)
            settled, passed = known.settled, known.passed_rows
            chosen = len(settled) - passed
            asked = chosen if left is None else min(chosen, left)
            end = _end_of(settled, known.passed, asked)
            rejected = [reason for row, (_, reason) in known.rejected.items() if row < end]
            loaded += asked - len(rejected)
            rejects.update(rejected)
            left = None if left is None else left - asked
        if loaded or rejects:
            yield Skipped(source.layout.uri, loaded, dict(rejects))


def _end_of(done: RangeSet, passed: Sequence[tuple[int, int, int]], asked: int) -> int:
    """The row before which so many are done that were asked for.

    Where it lies in a range of which some rows were passed over, nobody knows which: as many as can be.
    """
    left = asked + sum(count for start, stop, count in passed if start == stop)  # version 1: of the whole Part
    mixed = RangeSet([(start, stop) for start, stop, _ in passed])
    whole = [(*gap, 0) for start, stop in done for gap in mixed.missing(start, stop)]
    end = 0
    for start, stop, count in sorted([*whole, *(one for one in passed if one[0] < one[1])]):
        if left <= 0:
            break
        end = min(stop, start + left + count)
        left -= stop - start - count
    return end


def check_probes(journal: Memory, index: Index, precision: Precision | None, skipped_rows: int, emit: Emit) -> None:
    """Ask the index for some of the rows that are to be skipped. Raises LostRowsError if they are gone."""
    probes = journal.state.probes.sample()
    if journal.resumed:
        emit(Noted(f"Resuming the job in {journal.folder}: {skipped_rows:,} rows are already loaded and are skipped."))
    if not probes:
        return
    tolerance = precision.tolerance if precision is not None else 0.0
    missing, changed = contradicted(probes, index.get([probe.id for probe in probes]), tolerance)
    if changed and journal.state.facts.get(UNHEARD):  # at the end those of them that were not sent again are a fault
        emit(
            Noted(
                f"{len(changed)} of {len(probes)} rows that were loaded are others by now: the run before may have "
                "replaced them, and ended before that was kept elsewhere. At the end they are looked at again."
            )
        )
        changed = []
    for what, ids in (("missing from", missing), ("no longer the same in", changed)):
        if ids:
            raise LostRowsError(
                f"{len(ids)} of {len(probes)} rows that an earlier run loaded are {what} the index "
                f"(id {ids[0]!r} is one). Was it deleted, recreated or written to since? "
                "--restart loads everything again."
            )
