"""`--delete-missing`: rows that the job has brought into the index and that have left its sources are deleted.

Which these are is told by 64 bits of each id: what the job has ever sent, less what its sources have now. The ids
themselves come from the index, so that nothing is deleted that is not there; an id that shares its bits with one of
the sources stays. Nothing is deleted unless all ids of all sources are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyborg_ingest.check.precision import known
from cyborg_ingest.errors import DifferenceError, TooManyMissingError
from cyborg_ingest.facts import Advanced, Began, Noted
from cyborg_ingest.loading.doubts import PAUSES
from cyborg_ingest.model import shown_id
from cyborg_ingest.rows.idhashes import among, hashes_of, merged, without
from cyborg_ingest.settings.quantities import rows_of
from cyborg_ingest.state.ledger import key_of
from cyborg_ingest.state.probes import PROBES, contradicted
from cyborg_ingest.targets.retry import Retry, RetryPolicy, call
from cyborg_ingest.targets.retrying import asked_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.idhashes import Hashes
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.state.ledger import PartKey, State
    from cyborg_ingest.state.memory import Memory
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.base import Index
    from cyborg_ingest.targets.opening import Opened
    from cyborg_ingest.targets.retry import Retry

_AT_ONCE = 1_000
_BYTES_AT_ONCE = 1_000_000
_SHOWN = 1_000
"""Ids that the report names, where they are many."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Rows of the index that have left the sources, of so many `brought` by the job; `why_none`: nobody can tell."""

    ids: tuple[str, ...]
    brought: int
    why_none: str | None = None

    def to_dict(self, deleted: int) -> dict[str, Any]:
        """As the report has it."""
        return {
            "brought": self.brought, "missing": len(self.ids), "deleted": deleted, "ids": list(self.ids[:_SHOWN]),
            "why_none": self.why_none,
        }  # fmt: skip


def unknown_base(memory: Memory, last: State | None) -> Iterator[Noted]:
    """Rows were loaded whose ids nobody has kept, as by an older release; asked before anything is sent."""
    parts = last.parts if last is not None else {}
    if not all(memory.ids.knows(key, one.choice, one.settled) for key, one in parts.items()):
        yield Noted(
            "The ids of rows that earlier loads have brought were not kept, as by an older release: of these none is "
            "deleted. From this load on they are kept."
        )


def check_base(memory: Memory, last: State | None, opened: Opened, option: str | None) -> Iterator[Noted]:
    """Forget what the job has brought, where the index does not hold it any more: it is another, or not its alone.

    How exactly it gives rows back is known by the `option`, or as that load has known it.
    """
    if last is None or memory.goes_on:  # what is resumed is looked at anyway
        return
    probes, precision = last.probes.sample(), known(opened, option, last.facts)
    stored = opened.index.get([one.id for one in probes])
    missing, changed = contradicted(probes, stored, precision.tolerance if precision else 0.0)
    if missing or changed:
        memory.ids.forget()
        yield Noted(
            f"The index does not hold what this job's last load left there (id {shown_id([*missing, *changed][0])} is "
            "one): what earlier loads brought is forgotten, and nothing of it is deleted."
        )


def present_of(memory: Memory, plan: Plan) -> tuple[Hashes | None, str | None]:
    """The ids of all rows that the sources have now, sorted; None where they are not known, and why."""
    keys: list[tuple[PartKey, str]] = []
    for source in plan.sources:
        for part in source.layout.parts:
            known = memory.part(part)
            total = part.rows if part.rows is not None else known.rows
            if total is None or not memory.ids.knows(key_of(part), known.choice, [(0, total)]):
                return None, f"the ids of all rows of {part.uri} are not known"
            keys.append((key_of(part), known.choice))
    unknown = memory.ids.without_id(keys)
    if unknown:
        return None, _without_id(unknown)
    return memory.ids.of(keys), None


class Gathered:
    """The ids of rows that a dry run reads, and of those that it skips."""

    def __init__(self) -> None:
        self._some: list[Hashes] = []
        self._unknown = 0

    def add(self, batch: Batch) -> None:
        """Rows were read, bad ones among them."""
        rejected = [one.id for one in batch.rejections]
        self._some.append(hashes_of([*batch.ids, *filter(None, rejected)]))
        self._unknown += sum(one is None for one in rejected)

    def present(self, memory: Memory) -> tuple[Hashes | None, str | None]:
        """As `present_of`."""
        keys = [(key, part.choice) for key, part in memory.state.parts.items() if part.settled]
        if not all(memory.ids.knows(key, choice, memory.state.parts[key].settled) for key, choice in keys):
            return None, "the ids of all rows that were loaded before are not known"
        unknown = self._unknown + memory.ids.without_id(keys)
        if unknown:
            return None, _without_id(unknown)
        return merged([memory.ids.of(keys), *self._some]), None


def _without_id(rows: int) -> str:
    return f"{rows:,} rejected rows have no id that could be read, and may be any"


def find(index: Index, brought: Hashes, present: Hashes | None, why_none: str | None) -> Missing:
    """The rows of the index that the job has brought and its sources no longer have."""
    if present is None:
        return Missing((), len(brought), why_none)
    gone = without(brought, present)
    if not len(gone):
        return Missing((), len(brought))
    ids = index.list_ids()
    found = among(hashes_of(ids), gone)
    return Missing(
        tuple(sorted(one for one, is_gone in zip(ids, found.tolist(), strict=True) if is_gone)), len(brought)
    )


def remarks(missing: Missing) -> Iterator[Noted]:
    """Why nothing is deleted, where nobody can tell what."""
    if missing.why_none:
        yield Noted(f"Nothing is deleted: {missing.why_none}.")


def check_bound(missing: Missing, settings: LoadSettings) -> None:
    """Raise TooManyMissingError where they are more than may be deleted."""
    count = len(missing.ids)
    if count > rows_of(settings.max_delete, missing.brought):
        raise TooManyMissingError(
            f"{count:,} of {missing.brought:,} rows ({count / max(1, missing.brought):.1%}) that this job has brought "
            f"are no longer in its sources; --max-delete is {settings.max_delete}. None is deleted; all others are "
            "loaded. Look whether the sources are whole (--dry-run lists what would be deleted); if so, raise "
            "--max-delete for one load."
        )


def delete(
    index: Index,
    journal: Journal,
    missing: Missing,
    policy: RetryPolicy,
    stop: Stop,
    tell: Emit,
    permit: Callable[[], None],
) -> None:
    """Delete them. Raises DifferenceError where the index holds one of them still.

    `permit` is asked for before each request: whether the job still is this run's, and has noted what goes.
    """
    tell(Began("delete", len(missing.ids)))
    rows, lost = asked_once(index), list[bool]()

    def on_retry(retry: Retry) -> None:
        lost.append(retry.error.outcome_unknown)
        tell(retry.fact)

    def remove(ids: list[str]) -> None:
        permit()
        rows.delete_rows(ids)

    for some in _pieces(missing.ids):
        journal.leaving(some)
        call(lambda ids=some: remove(ids), policy, stop, on_retry)  # type: ignore[misc]
        tell(Advanced(len(some)))
    if any(lost) and not stop.passes(sum(PAUSES)):  # a request that was given up may be applied late
        raise stop.error()
    step = max(1, len(missing.ids) // PROBES)
    still = index.get(list(missing.ids[::step][:PROBES]))
    if still:
        raise DifferenceError(
            f"The index still holds rows that it has said to have deleted (id {shown_id(still[0].id)} is one). Does "
            "somebody else write to it?"
        )


def _pieces(ids: tuple[str, ...]) -> Iterator[list[str]]:
    """So many that a request stays small."""
    some: list[str] = []
    size = 0
    for one in ids:
        if some and (len(some) >= _AT_ONCE or size + len(one) > _BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one)
    if some:
        yield some
