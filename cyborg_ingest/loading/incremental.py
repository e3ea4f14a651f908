"""What earlier runs of the job have loaded, as a load goes by it: what it skips, and what has left the sources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest.errors import TooManyMissingError
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading import missing
from cyborg_ingest.loading.badfiles import hold_newer, repaired, without_still_bad
from cyborg_ingest.loading.compared import (
    all_again,
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
from cyborg_ingest.loading.resume import cut_as_before, keep_in_order
from cyborg_ingest.loading.setup import folder_of
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from cyborg_ingest.loading.report import Known
    from cyborg_ingest.loading.run import Run
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.earlier import Remembered
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.opening import Opened


class Incremental:
    """What is known of earlier runs. What is found goes into `known`, for the report."""

    def __init__(self, settings: LoadSettings, run: Run, known: Known, stop: Stop) -> None:
        self.settings = settings
        self.run = run
        self.known = known
        self.stop = stop
        self.memory: Journal | Remembered | None = None
        """What earlier runs of the job have loaded, as far as this one goes by it."""
        self.least = 0
        """So many rows of theirs the index has to hold."""
        self.gathered = missing.Gathered() if settings.dry_run and settings.delete_missing else None

    def begin(self, target: str) -> None:
        """By the journal, where there is one; or by a look at what is there."""
        self.memory = self.run.journal or looked_back(folder_of(target, self.settings), self.settings)

    def going_on(self, plan: Plan) -> tuple[Plan, list[str]]:
        """The plan, in the Parts that earlier runs have begun with; and what is to be said of these."""
        memory, settings, tell = self.memory, self.settings, self.run.tell
        tell(*all_again(self.run.journal, plan, settings))
        plan = without_still_bad(self.run.journal, plan, tell)
        if memory is not None and settings.delete_missing:
            tell(*missing.unknown_base(memory, None if settings.restart else memory.last_ended()))
        if not is_compared(memory, settings):
            plan = cut_as_before(memory, plan)
            return plan, _kept(self.run.journal, plan) if self.run.journal and self.run.journal.resumed else []
        last, why_not = last_of(memory, settings)
        if memory is not None and last is not None and not memory.resumed:
            memory.carry(last)
        plan = cut_as_before(memory, plan)
        self.least = least_rows(memory) if memory is not None and memory.goes_on else 0
        found = compared(plan, last)
        if memory is not None and memory.goes_on:
            again = keep_unchanged(memory, plan, all_ids=settings.delete_missing)
            found = replace(found, again=loaded_again(again), is_left=is_left(memory, plan))
        self.known.compared = found
        tell(found, *([Noted(why_not)] if why_not else []), *remarks(found, settings))
        return plan, []

    def delete_missing(self, opened: Opened, plan: Plan) -> None:
        """What has left the sources leaves the index, once all else is well."""
        settings, journal = self.settings, self.run.journal
        if journal is None or not settings.delete_missing:
            return
        plan.check()
        self.run.budget.check_end()
        found = missing.find(opened.index, journal.ids.brought(), *missing.present_of(journal, plan))
        self.known.missing = found.to_dict(0)
        self.run.tell(*missing.remarks(found))
        if found.why_none is not None:
            return
        missing.check_bound(found, settings)
        if found.ids:
            policy = RetryPolicy(settings.retries, settings.retry_max_wait)
            missing.delete(opened.index, journal, found, policy, self.stop, self.run.tell)
            self.known.missing = found.to_dict(len(found.ids))
            self.known.count["after"] = opened.index.count()
        journal.forget_missing()

    def foresee_missing(self, opened: Opened) -> None:
        """What a load would delete."""
        if self.gathered is None:
            return
        if self.memory is None:
            found = missing.Missing((), 0)
        else:
            last, option = self.memory.last_ended(), self.settings.storage_precision
            self.run.tell(*missing.check_base(self.memory, last, opened, option))
            found = missing.find(opened.index, self.memory.ids.brought(), *self.gathered.present(self.memory))
        self.known.missing = found.to_dict(0)
        self.run.tell(*missing.remarks(found))
        try:
            missing.check_bound(found, self.settings)
        except TooManyMissingError as error:
            self.run.tell(Noted(f"A load would stop: {error}"))


def _kept(journal: Journal, plan: Plan) -> list[str]:
    """Keep of what earlier runs have loaded what stays in order; what the user should know of it."""
    files = repaired(journal, plan)
    return [*keep_in_order(journal, plan, files), *hold_newer(journal, plan, files)]
