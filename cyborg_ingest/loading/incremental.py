"""What earlier runs of the job have loaded, as a load goes by it: what it skips, and what has left the sources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest.check.precision import known
from cyborg_ingest.errors import TooManyMissingError
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading import missing
from cyborg_ingest.loading.badfiles import hold_newer, repaired, without_still_bad
from cyborg_ingest.loading.compared import (
    all_again,
    check_count,
    compared,
    is_compared,
    is_left,
    last_of,
    least_rows,
    loaded_again,
    looked_back,
    remarks,
)
from cyborg_ingest.loading.fresh import keep_unchanged
from cyborg_ingest.loading.resume import check_probes, cut_as_before, done_of, keep_in_order, skipped
from cyborg_ingest.rows.idhashes import NONE
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.loading.missing import Missing
    from cyborg_ingest.loading.report import Known
    from cyborg_ingest.loading.run import Run
    from cyborg_ingest.model import Batch, Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.idhashes import Hashes
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.memory import Memory
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.base import Index
    from cyborg_ingest.targets.opening import Opened


class Incremental:
    """What is known of earlier runs, once it has begun. What is found goes into `known`, for the report."""

    def __init__(self, settings: LoadSettings, run: Run, known: Known, stop: Stop) -> None:
        self._settings = settings
        self._run = run
        self._known = known
        self._stop = stop
        self._memory: Memory | None = None
        """What earlier runs of the job have loaded, as far as this one goes by it."""
        self._least = 0
        """So many rows of theirs the index has to hold."""
        self._changes: list[str] = []
        self._gathered = missing.Gathered() if settings.dry_run and settings.delete_missing else None

    @property
    def goes_on(self) -> bool:
        """Whether rows are skipped that earlier runs have loaded."""
        return self._memory is not None and self._memory.goes_on

    @property
    def done(self) -> Callable[[Part], Done]:
        """What earlier runs have settled of a Part."""
        return done_of(self._memory)

    def begin(self, target: str, plan: Plan) -> Plan:
        """The plan, in the Parts that earlier runs have begun with: by the journal, or by a look at what is there."""
        settings, journal, tell = self._settings, self._run.journal, self._run.tell
        memory = self._memory = journal or looked_back(target, settings)
        tell(*all_again(journal, plan, settings))
        plan = without_still_bad(journal, plan, tell)
        if memory is not None and settings.delete_missing:
            tell(*missing.unknown_base(memory, None if settings.restart else memory.last_ended()))
        if is_compared(memory, settings):
            return self._compared(plan)
        plan = cut_as_before(memory, plan)
        if journal is not None and journal.resumed:
            files = repaired(journal, plan)
            self._changes = [*keep_in_order(journal, plan, files), *hold_newer(journal, plan, files)]
        return plan

    def _compared(self, plan: Plan) -> Plan:
        """The same, without what has not changed since the last load that ended."""
        memory, settings = self._memory, self._settings
        last, why_not = last_of(memory, settings)
        if memory is not None and last is not None and not memory.resumed:
            memory.carry(last)
        plan = cut_as_before(memory, plan)
        found = compared(plan, last)
        if memory is not None and memory.goes_on:
            self._least = least_rows(memory)
            again = keep_unchanged(memory, plan, all_ids=settings.delete_missing)
            found = replace(found, again=loaded_again(again), is_left=is_left(memory, plan))
        self._known.compared = found
        self._run.tell(found, *([Noted(why_not)] if why_not else []), *remarks(found, settings))
        return plan

    def check(self, opened: Opened | None, plan: Plan, rows: int) -> None:
        """Say what is skipped. Raises LostRowsError where the index, which has so many rows, does not hold it."""
        memory, option, tell = self._memory, self._settings.storage_precision, self._run.tell
        if memory is None:
            return
        if opened is not None and opened.created:
            memory.ids.forget()
        elif opened is not None and self._settings.delete_missing:
            tell(*missing.check_base(memory, memory.last_ended(), opened, option))
        tell(*skipped(memory, plan))
        if not memory.goes_on:
            return
        tell(*map(Noted, self._changes))
        if opened is not None:
            precision = known(opened, option, memory.state.facts)
            check_probes(memory, opened.index, precision, self._run.tally.skipped, tell)
        check_count(rows, self._least)

    def gather(self, batch: Batch) -> None:
        """A dry run has read rows."""
        if self._gathered is not None:
            self._gathered.add(batch)

    def delete_missing(self, index: Index, plan: Plan, permit: Callable[[], None] = lambda: None) -> None:
        """What has left the sources leaves the index, once all else is well; each request asks for the `permit`."""
        settings, journal = self._settings, self._run.journal
        if journal is None or not settings.delete_missing:
            return
        plan.check()
        self._run.budget.check_end()
        found = self._find(index, journal, *missing.present_of(journal, plan))
        if found.why_none is not None:
            return
        missing.check_bound(found, settings)
        if found.ids:
            policy = RetryPolicy(settings.retries, settings.retry_max_wait)
            missing.delete(index, journal, found, policy, self._stop, self._run.tell, permit)
            self._known.missing = found.to_dict(len(found.ids))
            self._known.count["after"] = index.count()
        journal.forget_missing()

    def foresee_missing(self, index: Index) -> None:
        """What a load would delete."""
        if self._gathered is None:
            return
        present = self._gathered.present(self._memory) if self._memory is not None else (NONE, None)
        found = self._find(index, self._memory, *present)
        try:
            missing.check_bound(found, self._settings)
        except TooManyMissingError as error:
            self._run.tell(Noted(f"A load would stop: {error}"))

    def close(self) -> None:
        """Let go of what is open."""
        if self._memory is not None:
            self._memory.close()

    def _find(self, index: Index, memory: Memory | None, present: Hashes | None, why_none: str | None) -> Missing:
        """What has left the sources, as it is reported until it is deleted."""
        found = missing.find(index, NONE if memory is None else memory.ids.brought(), present, why_none)
        self._known.missing = found.to_dict(0)
        self._run.tell(*missing.remarks(found))
        return found
