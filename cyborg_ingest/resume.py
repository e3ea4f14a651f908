"""Going on where an earlier run of the job was stopped; nothing that its journal says is taken on trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.compare import TOLERANCES, Row, rows_of, same_vector
from cyborg_ingest.errors import TargetError
from cyborg_ingest.events import Noted
from cyborg_ingest.journal import key_of
from cyborg_ingest.probes import probe_of

if TYPE_CHECKING:
    from cyborg_ingest.events import Emit
    from cyborg_ingest.journal import Journal
    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan import Plan
    from cyborg_ingest.ranges import RangeSet
    from cyborg_ingest.report import Tally
    from cyborg_ingest.targets.base import Index


def skipped(journal: Journal, plan: Plan, tally: Tally) -> None:
    """Count the rows that earlier runs have loaded or rejected."""
    left = plan.selection.limit
    for source in plan.sources:
        one = tally.sources[source.layout.uri]
        for part in source.layout.parts:
            known = journal.part(part)
            chosen = len(known.done) - known.passed
            asked = chosen if left is None else min(chosen, left)
            end = _end_of(known.done, asked + known.passed)
            rejected = [reason for row, (_, reason) in known.rejected.items() if row < end]
            one.skipped += asked - len(rejected)
            one.rejected += len(rejected)
            one.rejected_before += len(rejected)
            tally.rejects.update(rejected)
            left = None if left is None else left - asked


def _end_of(done: RangeSet, rows: int) -> int:
    """The row before which so many are done."""
    end = 0
    for start, stop in done:
        if rows <= 0:
            break
        end = min(stop, start + rows)
        rows -= stop - start
    return end


def warn_of_changes(journal: Journal, plan: Plan, emit: Emit) -> None:
    """Say which Parts changed since, and what that means."""
    known = {(key[0], key[1]): key for key in journal.state.parts}
    for source in plan.sources:
        for part in source.layout.parts:
            before = known.get((part.uri, part.number))
            if before is not None and key_of(part) not in journal.state.parts:
                emit(
                    Noted(
                        f"{part.uri} has changed since the last run: it is loaded again from its start. Rows of later "
                        "files with the same ids may now be older than its own; --restart loads all in order."
                    )
                )
                break


def check_probes(journal: Journal, index: Index, tally: Tally, emit: Emit) -> None:
    """Ask the index for some of the rows that are to be skipped. Raises TargetError if they are gone."""
    probes = journal.state.probes.sample()
    emit(
        Noted(
            f"Going on with the job in {journal.folder}: {tally.total('skipped'):,} rows are loaded already "
            "and skipped."
        )
    )
    if not probes:
        return
    stored = {row.id: row for row in index.get([probe.id for probe in probes])}
    missing = [probe.id for probe in probes if probe.id not in stored]
    exact = journal.state.facts.get("exact", True)
    changed = []
    for probe in probes:
        row = stored.get(probe.id)
        if row is not None:
            vector = b"" if row.vector is None else row.vector.astype("<f4").tobytes()
            found = probe_of(row.id, vector, row.metadata, row.contents)
            if found.rest != probe.rest or (exact and found.vector != probe.vector):
                changed.append(probe.id)
    for what, ids in (("missing from", missing), ("not the same any more in", changed)):
        if ids:
            raise TargetError(
                f"{len(ids)} of {len(probes)} rows that an earlier run loaded are {what} the index "
                f"(id {ids[0]!r} is one). Was it deleted, made anew or written to since? "
                "--restart loads everything again."
            )


def tolerance_of(batch: Batch, index: Index, precision: str | None) -> float:
    """How exactly the index gives vectors back: a row of the first batch is asked for.

    Neither engine tells an index's storage precision.
    """
    row: Row = next(rows_of(batch))
    last = {one.id: one for one in rows_of(batch)}[row.id]
    stored = {one.id: one for one in index.get([row.id])}.get(row.id)
    if stored is None or same_vector(last.vector, stored.vector, 0.0):
        return 0.0
    if precision is not None:
        return TOLERANCES[precision]
    shares = [*TOLERANCES.values(), max(TOLERANCES.values())]
    fitting = next((place for place, share in enumerate(shares) if same_vector(last.vector, stored.vector, share)), -2)
    return shares[fitting + 1]  # one row may be a lucky one: leave room
