"""What a dry run finds: all that is wrong with the rows, and all that would keep them from the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.check.findings import Checks, Finding
from cyborg_ingest.check.inspection import index_findings
from cyborg_ingest.check.progress import began
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.facts import Advanced, Noted
from cyborg_ingest.plan.cutting import chunk_rows
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.targets.keyring import find_key, refusal
from cyborg_ingest.targets.opening import refusals

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from cyborg_ingest.loading.incremental import Incremental
    from cyborg_ingest.loading.report import Known
    from cyborg_ingest.loading.run import Run
    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened


class Rehearsal:
    """A dry run: it looks at every row, however many are bad, and says what the load would meet."""

    def __init__(
        self, client: Client, plan: Plan, settings: LoadSettings, run: Run, known: Known, earlier: Incremental
    ) -> None:
        self._client = client
        self._plan = plan
        self._settings = settings
        self._run = run
        self._known = known
        self._earlier = earlier

    def carry_out(self, batches: Generator[Batch, None, None], dimension: int | None, cutting: Cutting) -> ExitCode:
        """Look at these batches, of vectors of this dimension. What is found goes into `known`."""
        opened, plan, run = self._known.opened, self._plan, self._run
        self._earlier.check(opened, plan, opened.index.count() if opened is not None else 0)
        run.tell(began("read", [plan]))
        checks = self._checked(batches)
        run.late.end(plan, run.tally)
        rows = chunk_rows(plan, cutting)
        duplicates = checks.duplicates(lambda: cut(plan.chunks(rows, self._earlier.done), dimension, cutting))
        plan.check(run.bad)
        findings = list(checks.findings(duplicates))
        if not_looked_at := checks.not_looked_at(duplicates):
            run.tell(Noted(not_looked_at))
        findings += self._of_the_target(opened, checks.rows)
        self._known.findings = [one.to_dict() for one in findings]
        run.tell(*run.budget.foresee(checks.rows))
        return ExitCode.REJECTED if findings or run.bad else ExitCode.OK

    def _checked(self, batches: Generator[Batch, None, None]) -> Checks:
        """Look at every row. The last batch, which may hold on to all that was decoded with it, is kept no longer."""
        checks = Checks()
        for batch in batches:
            checks.add(batch)
            self._earlier.gather(batch)
            self._run.tell(Advanced(batch.stop - batch.start - batch.passed))
        return checks

    def _of_the_target(self, opened: Opened | None, rows: int) -> Iterator[Finding]:
        """What would keep so many rows from the index; what is not wrong is told."""
        if opened is None:
            yield from of_missing_index(self._client, self._settings, self._known.command)
            return
        for one in of_index(self._client, opened, self._plan, rows, self._settings):
            if isinstance(one, Noted):
                self._run.tell(one)
            else:
                yield one
        self._earlier.foresee_missing(opened.index)


def of_index(
    client: Client, opened: Opened, plan: Plan, rows: int, settings: LoadSettings
) -> Iterator[Finding | Noted]:
    """Whether so many rows go into an index that is there."""
    yield from index_findings(client, opened.info, opened.index.count(), plan.dimension, rows)
    for one in refusals(opened, client, settings):
        if one.code == "sole_writer":  # a dry run keeps no journal, which would know
            yield Noted(f"{one} The job that made the index need not.")
        else:
            yield Finding(one.code, one.text, one.advice)


def of_missing_index(client: Client, settings: LoadSettings, command: str | None) -> Iterator[Finding]:
    """What would keep the load from making it."""
    if find_key(settings, client.target, settings.index) is None:
        refused = refusal(settings, settings.index, command)
        if refused is not None:
            yield Finding("key_place", *refused)
