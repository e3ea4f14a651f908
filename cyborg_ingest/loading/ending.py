"""What is demanded before a load ends well: what the index holds, counts and says is what was sent.

A success that stored nothing, an index that was deleted and made anew in mid-load, a row that is not there: each
costs one count and one request for at most 64 rows to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places
from cyborg_ingest.check.distinct import KEPT, KEPT_TO_COMPARE, Distinct, hashes_of
from cyborg_ingest.check.precision import Precision
from cyborg_ingest.check.verifier import Verifier
from cyborg_ingest.errors import DifferenceError, SourceError
from cyborg_ingest.facts import ignore
from cyborg_ingest.loading.report import row_counts
from cyborg_ingest.model import Reason
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.commands import verify_command
from cyborg_ingest.state.probes import PROBES, Probes, ProbeSample, contradicted
from cyborg_ingest.targets.keyring import key_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cyborg_ingest.check.distinct import Count
    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import Batch, StoredRow
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.probes import Probe
    from cyborg_ingest.tally import Tally
    from cyborg_ingest.targets.base import Index

_CAUSES = (
    "Was the index deleted, recreated or written to by somebody else while the load ran? If so, the same command "
    "loads everything again."
)

ANSWER_BYTES = 16_000_000
"""What is asked for at once is expected to have, at most."""

_CUTTING = Cutting(rows=2000, size=16_000_000, encoded=False)


class Evidence:
    """What a run knows of the rows that it brought in: how many ids they have, and a sample of them."""

    def __init__(self, earlier: Probes | None = None, rows: int = 0, *, kept: int = KEPT) -> None:
        self.sample = ProbeSample(earlier, rows)
        self._ids = Distinct(kept)
        self._rows = 0
        self._bytes = 0

    def landed(self, batch: Batch) -> None:
        """Rows were acknowledged."""
        self._rows += len(batch)
        self._bytes += batch.size
        self._ids.add(hashes_of(batch.ids))
        self.sample.add(batch)

    @property
    def ids(self) -> Count:
        """How many different ids the rows have."""
        return self._ids.count()

    def replaced(self, before: int, after: int) -> Count | None:
        """How many different ids the rows have, if some have the same; None where the index shows that none have."""
        return self.ids if after - before < self._rows and self.ids.most < self._rows else None

    def faults(
        self,
        before: int,
        after: int,
        said: str | None,
        precision: Precision | None,
        get: Callable[[list[str]], list[StoredRow]],
    ) -> Iterator[str]:
        """What the index says, counts and holds, and cannot if it has all that it has acknowledged."""
        if said:
            yield said
        short = self.shortage(before, after)
        if short:
            yield short
        probes = self.sample.probes()
        ids, step = [probe.id for probe in probes], self._rows_at_once()
        stored = [row for start in range(0, len(ids), step) for row in get(ids[start : start + step])]
        yield from contradictions(probes, stored, precision)

    def _rows_at_once(self) -> int:
        """All of the sample in one request, unless the answer would be large."""
        return max(1, ANSWER_BYTES * self._rows // self._bytes) if self._bytes else PROBES

    def shortage(self, before: int, after: int) -> str | None:
        """See `shortage`. The ids are counted only where there are not enough rows for all of them to differ."""
        return None if after >= max(before, self._rows) else shortage(before, after, self.ids)


def shortage(before: int, after: int, ids: Count) -> str | None:
    """What is wrong with a count, whoever else writes to the index: an upsert takes no row away."""
    needed = max(before, ids.least)
    if after >= needed:
        return None
    return (
        f"The index counts {after:,} rows, and at least {needed:,} must be there: it had {before:,} before, and rows "
        f"with {ids} ids were loaded."
    )


def contradictions(probes: Sequence[Probe], stored: Sequence[StoredRow], precision: Precision | None) -> Iterator[str]:
    """What is wrong with the rows of a sample, as the index gave them back."""
    missing, changed = contradicted(probes, stored, (precision or Precision()).tolerance)
    for what, ids in (("missing from the index", missing), ("not in the index as they were sent", changed)):
        if ids:
            yield f"{len(ids)} of {len(probes)} rows that it has acknowledged are {what} (id {ids[0]!r} is one)."
    if changed and (precision is None or precision.guess):
        yield "If the index stores vectors as less than float32, say so with --storage-precision."


def check_count(before: int, after: int, rows: int, ids: Count, *, unknown: int = 0) -> dict[str, Any]:
    """Whether the index's count can be right, where nobody else writes to it: the result as the report has it.

    Each id is one row, and new or known. `ids` are those of all `rows`, but for `unknown` ones of earlier runs.
    """
    low, high = max(before, ids.least), before + ids.most
    wrong = low - after if after < low else max(0, after - high)
    text = f"{before:,} rows before, {rows:,} loaded with {ids} ids (told apart by 64 bits of each), {after:,} now"
    if unknown:
        text += f"; the ids of {unknown:,} rows that earlier runs loaded cannot be counted again"
    if wrong:
        text += f": {wrong:,} {'too few' if after < low else 'too many'} at least"
    elif after < high and not unknown:
        text += ": some were there already"
    return {"mode": "count", "checked": rows, "differences": wrong, "ids": ids.to_dict(), "text": f"{text}."}


def ids_of(plan: Plan, dimension: int | None, tally: Tally) -> Count:
    """The ids of all rows of the sources that are loaded, by reading them once more."""
    found = Distinct(KEPT_TO_COMPARE)
    for batch in cut(plan.chunks(_CUTTING.rows), dimension, _CUTTING):
        found.add(hashes_of(batch.ids))
    ids = found.count()
    refused = tally.rejects[Reason.REFUSED.value] + tally.rejects[Reason.TOO_LARGE.value]
    return type(ids)(max(0, ids.least - refused), ids.most)


def verified(
    mode: str,
    index: Index,
    plan: Plan,
    tally: Tally,
    evidence: Evidence,
    precision: Precision | None,
    counts: tuple[int, int],
    emit: Emit = ignore,
) -> dict[str, Any]:
    """Compare as much as was asked for: the result as the report has it. `counts`: the index's, before and after.

    Raises SourceError where the sources give other rows than they gave to the load.
    """
    if mode == "count":
        return _verified_count(index, plan, tally, evidence, counts)
    result = Verifier(index, plan, (precision or Precision()).judging, emit=emit).run(mode)
    rows = row_counts(tally)["read"]
    if result["rows"] != rows:
        raise SourceError(
            f"All rows were sent, and cannot be verified: the sources gave {rows:,} rows, and the second time "
            f"{result['rows']:,}. Were they changed, or can they be read once only? --verify count reads nothing again."
        )
    return result


def _verified_count(
    index: Index, plan: Plan, tally: Tally, evidence: Evidence, counts: tuple[int, int]
) -> dict[str, Any]:
    """Rows that earlier runs loaded are read once more for their ids, where they can be."""
    rows, earlier = tally.acknowledged, tally.skipped
    if not earlier:
        return check_count(*counts, rows, evidence.ids)
    if any(places.is_read_once(one.layout.uri) for one in plan.sources):
        return check_count(*counts, rows, evidence.ids, unknown=earlier)
    return check_count(*counts, rows + earlier, ids_of(plan, index.describe().dimension or None, tally))


def raise_what_differs(
    verified: dict[str, Any] | None, faults: list[str], settings: LoadSettings, precision: Precision | None
) -> None:
    """Raise DifferenceError with all that was found, if anything was, and the command that shows more."""
    found = [*faults, _CAUSES] if faults else []
    if verified and verified["differences"]:
        found.insert(0, verified["text"])
    if not found:
        return
    if not any(map(places.is_object, settings.sources)):
        found.append(f"To see which rows differ: {_verify_command(settings, (precision or Precision()).judging.name)}")
    raise DifferenceError(" ".join(found))


def _verify_command(settings: LoadSettings, precision: str) -> str:
    return verify_command(settings, {"storage_precision": precision, "index_key_file": key_file(settings)})
