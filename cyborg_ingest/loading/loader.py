"""A load, whole: plan, open, resume, send, settle, verify, report."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places
from cyborg_ingest.check.commanded import sources_of
from cyborg_ingest.check.distinct import KEPT, KEPT_TO_COMPARE
from cyborg_ingest.check.findings import Checks
from cyborg_ingest.check.progress import began
from cyborg_ingest.check.verifier import present
from cyborg_ingest.errors import (
    EmptySourceError,
    ExitCode,
    IngestError,
    LostRowsError,
    SourceChangedError,
    StateError,
)
from cyborg_ingest.facts import Advanced, Ended, Noted, Sending, ignore
from cyborg_ingest.loading import rehearsal, remarks
from cyborg_ingest.loading.badfiles import note_bad
from cyborg_ingest.loading.boxes import boxed
from cyborg_ingest.loading.ending import Evidence, raise_what_differs, verified
from cyborg_ingest.loading.exclusive import Exclusive
from cyborg_ingest.loading.guards import check_guards
from cyborg_ingest.loading.incremental import Incremental
from cyborg_ingest.loading.pace import pace_of
from cyborg_ingest.loading.report import Known, RunReport, report_of
from cyborg_ingest.loading.run import Run
from cyborg_ingest.loading.setup import (
    cutting_of,
    first_look,
    has_index,
    open_journal,
    opened_index,
    refuse_a_part,
    refuse_outputs,
    refuse_second_look,
)
from cyborg_ingest.loading.stored import Stored
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.plan.ahead import ahead
from cyborg_ingest.plan.badfiles import all_bad
from cyborg_ingest.plan.cutting import chunk_rows
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.signals import listening
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.opening import check_cap, check_index, open_client
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.loading.engines.base import Settled
    from cyborg_ingest.model import Batch, Chunk
    from cyborg_ingest.plan.parts import PartEnd
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened

REST_WORKERS, EMBEDDED_WORKERS = 3, 2


def load(sources: Sequence[Any] | Any = (), *, index: str, **options: Any) -> RunReport:
    """Load rows into an index: `cyborg-ingest upsert` as a function.

    `sources` is one or a list of: paths and uris as the command takes them, pyarrow Tables, Datasets and
    RecordBatchReaders, objects with `__arrow_c_stream__` (of polars, duckdb, pandas); none where `from_command` has the
    words of a command, whose output is loaded. `options` are the fields of `LoadSettings`: target, create, metric,
    batch_rows and so on. A load of objects has no journal, unless `max_errors` needs one for the rows that are
    rejected: what is not in a file cannot be resumed. Raises IngestError, whose `report` says what was acknowledged
    until then. So does that of a KeyboardInterrupt, which waits for what is in flight, at most `drain_timeout`
    seconds, and of any other exception.
    """
    several = list(sources) if isinstance(sources, list | tuple) else [sources]
    with places.holding(several) as names:
        if any(map(places.is_object, names)) and "max_errors" not in options:
            options.setdefault("checkpoint", False)
        return run(LoadSettings(sources=tuple(names), index=index, **options))


def run(settings: LoadSettings, emit: Emit = ignore, *, command: Sequence[str] = ()) -> RunReport:
    """Carry out a load. Raises IngestError with its `report`; both end with an `Ended` event.

    `command` is the command line that resumes it, where there is one: then SIGINT and SIGTERM are taken.
    """
    return _Load(settings, emit, command).carry_out()


class _Load:
    """The steps of a load, and what is known when it ends. What happens in them is for its `run` to note and count."""

    def __init__(self, settings: LoadSettings, emit: Emit, command: Sequence[str]) -> None:
        self.settings = settings
        self.run = Run(settings, emit)
        self.known = Known(
            started=_now(), target=settings.target or "", index=settings.index, command=shlex.join(command) or None
        )
        self.stop = Stop(settings.drain_timeout)
        self.evidence = Evidence()
        self.exclusive = Exclusive(settings, self.stop, self.run.tell, self.known.command)
        self.earlier = Incremental(settings, self.run, self.known, self.stop)

    def carry_out(self) -> RunReport:
        """All of it. The journal hears how it ended before anybody else."""
        with self.exclusive:
            return self._carry_out()

    def _carry_out(self) -> RunReport:
        try:
            with (
                listening(self.stop) if self.known.command else contextlib.nullcontext(),
                sources_of(self.settings, self.run.mail.put, self.stop) as sources,
                boxed(self.stop, self.settings.max_duration),
            ):
                code = self._steps(sources)
        except BaseException as error:
            if isinstance(error, SourceChangedError):
                self._say_what_was_taken(error)
            code = error.exit_code if isinstance(error, IngestError) else _code_of_foreign(error)
            if code is ExitCode.USAGE and self.run.tally.acknowledged:
                code = ExitCode.FAILED  # 2 says that nothing was taken
            self.known.is_lost = isinstance(error, LostRowsError)
            report = self._end(code, KNOWN.scrub(str(error) or type(error).__name__))
            if isinstance(error, IngestError):
                error.exit_code = code
            error.report = report  # type: ignore[attr-defined]  # whatever ended the load, its caller learns how far it got
            raise
        return self._end(code, None)

    def _say_what_was_taken(self, error: SourceChangedError) -> None:
        """Rows of two versions of a file are in the index from now on, unless the newer has all ids of the older."""
        known = self.run.tally.sources
        of_it = [known[error.uri]] if error.uri in known else known.values()  # a sidecar has no rows of its own
        taken = sum(one.acknowledged + one.skipped for one in of_it)
        if taken and not places.is_read_once(error.uri):
            taken_text = (
                f"{taken:,} rows of its earlier version are in the index: it is then loaded again from its start, and"
            )
            error.args = (f"{error} {taken_text} rows whose ids it no longer has stay.", error.uri)

    def _steps(self, sources: tuple[str, ...]) -> ExitCode:
        settings, tell = self.settings, self.run.tell
        self.exclusive.wait()
        plan = make_plan(sources, settings, allow_empty=settings.allow_empty, skips_bad=settings.skip_bad_files)
        self.known.not_read = [one.to_dict() for one in plan.not_read]
        refuse_second_look(plan, settings.verify)
        with open_client(settings, tell, self.stop) as client:
            self.known.target = client.target
            self.known.planned = planned(plan, client.target, settings.index)
            tell(self.known.planned, *plan.bad, *remarks.of_plan(plan))
            check_guards(client, plan, settings, tell)
            if not plan.sources:
                tell(remarks.nothing_to_load(plan))
                if not (settings.delete_missing and has_index(client, settings, tell)):
                    return ExitCode.OK
            refuse_a_part(plan, settings)
            cutting = cutting_of(client, settings)
            refuse_outputs(client, plan, settings)
            self.exclusive.take(client.target)
            self.run.begin(open_journal(client.target, settings, self.known.command))
            plan = self.earlier.begin(client.target, plan)
            dimension, only, read = first_look(plan, cutting, self.earlier.done)
            self.known.opened = opened_index(client, settings, dimension, tell, self.known.command)
            if self.known.opened is None or settings.dry_run:
                return self._rehearse(client, plan, cutting, dimension, read)
            with self.known.opened.index:
                # of a resumed load, the first chunk may be the bad rows' alone
                first = None if self.earlier.goes_on else only
                self._before(client, self.known.opened, plan, plan.dimension or first)
                self._send(client, self.known.opened, read, self._dimension(dimension), cutting)
                self._after(client, self.known.opened, plan)
                self.earlier.delete_missing(self.known.opened.index, plan)
            plan.check(self.run.bad)
            note_bad(self.run.journal, plan, self.run.bad)
            if self.run.journal is not None:
                self.run.journal.check_kept()
        if self.run.bad and all(one.layout.uri in self.run.bad for one in plan.sources):
            raise all_bad(len(self.run.bad), next(iter(self.run.bad.values())).text)
        self._refuse_nothing(plan)
        self.run.budget.check_end()
        return ExitCode.REJECTED if self.run.tally.rejected or self.run.bad else ExitCode.OK

    def _refuse_nothing(self, plan: Plan) -> None:
        """Of a stream it is known at its end alone that there was no row in it."""
        chooses = plan.selection.skip or any(one.shaping.filter is not None for one in plan.sources)
        if not chooses and not self.run.tally.asked and not self.settings.allow_empty:
            raise EmptySourceError("No source had a row. If that may be, say so with --allow-empty.")

    def _dimension(self, found: int | None) -> int | None:
        return (self.known.opened.info.dimension if self.known.opened else 0) or found

    def _before(self, client: Client, opened: Opened, plan: Plan, dimension: int | None) -> None:
        """Everything that can stop the load before the first row is sent."""
        settings, journal, tell, tally = self.settings, self.run.journal, self.run.tell, self.run.tally
        check_index(opened, client, settings, dimension, tell, is_own=bool(self._noted().get("sole")))
        before = opened.index.count()
        self.known.count["before"] = before
        self.stored = Stored(opened, settings.storage_precision, journal, opened.index.get)
        self.earlier.check(opened, plan, before)
        if journal is not None and journal.goes_on:
            journal.write()
        kept = KEPT_TO_COMPARE if settings.verify == "count" else KEPT
        earlier = journal.state.probes if journal is not None else None
        self.evidence = Evidence(earlier, tally.skipped, kept=kept)
        self.evidence.sample.exact = self.stored.is_exact
        check_cap(client, before, None if plan.rows is None else plan.rows - tally.skipped, tell)
        if before and not tally.skipped:
            tell(*remarks.wiping(plan))

    def _noted(self) -> Mapping[str, Any]:
        """What earlier runs of the job have noted."""
        return self.run.journal.state.facts if self.run.journal is not None else {}

    def _rehearse(
        self, client: Client, plan: Plan, cutting: Cutting, found: int | None, read: Iterator[Chunk | PartEnd]
    ) -> ExitCode:
        """A dry run: look at every row, however many are bad, and say what the load would meet."""
        opened = self.known.opened
        self.earlier.check(opened, plan, opened.index.count() if opened is not None else 0)
        self.run.tell(began("read", [plan]))
        dimension = plan.dimension or self._dimension(found)
        checks = self._checked(read, dimension, cutting)
        self.run.late.end(plan, self.run.tally)
        rows = chunk_rows(plan, cutting)
        duplicates = checks.duplicates(lambda: cut(plan.chunks(rows, self.earlier.done), dimension, cutting))
        plan.check(self.run.bad)
        findings = list(checks.findings(duplicates))
        if not_looked_at := checks.not_looked_at(duplicates):
            self.run.tell(Noted(not_looked_at))
        if opened is None:
            findings += rehearsal.of_missing_index(client, self.settings, self.known.command)
        else:
            for one in rehearsal.of_index(client, opened, plan, checks.rows, self.settings):
                if isinstance(one, Noted):
                    self.run.tell(one)
                else:
                    findings.append(one)
            self.earlier.foresee_missing(opened.index)
        self.known.findings = [one.to_dict() for one in findings]
        self.run.tell(*self.run.budget.foresee(checks.rows))
        return ExitCode.REJECTED if findings or self.run.bad else ExitCode.OK

    def _checked(self, read: Iterator[Chunk | PartEnd], dimension: int | None, cutting: Cutting) -> Checks:
        """Look at every row. The last batch, which may hold on to all that was decoded with it, is kept no longer."""
        checks = Checks()
        for batch in self._batches(read, dimension, cutting):
            checks.add(batch)
            self.earlier.gather(batch)
            self.run.tell(Advanced(batch.stop - batch.start - batch.passed))
        return checks

    def _batches(
        self, read: Iterator[Chunk | PartEnd], dimension: int | None, cutting: Cutting
    ) -> Generator[Batch, None, None]:
        """Batches as they are read ahead, counted. Raises BadRowError when there are too many bad rows."""
        with ahead(read, self.stop, self.run.mail) as ready:
            yield from self.run.batches(cut(self.run.chunks(ready), dimension, cutting))

    def _send(
        self,
        client: Client,
        opened: Opened,
        read: Iterator[Chunk | PartEnd],
        dimension: int | None,
        cutting: Cutting,
    ) -> None:
        """Send what is read. What lands is noted before anything else is read."""
        settings, tell = self.settings, self.run.tell
        self.transfer = Transfer(
            opened.index,
            self.run.journal,
            workers=settings.workers or (EMBEDDED_WORKERS if client.is_embedded else REST_WORKERS),
            policy=RetryPolicy(settings.retries, settings.retry_max_wait),
            stop=self.stop,
            applies_late=not client.is_embedded,
            mail=self.run.mail,
        )
        self.transfer.delivery.tolerance = self.stored.tolerance
        self.transfer.delivery.pace = pace_of(settings, self.stop)
        tell(Sending())
        self.stop.is_draining = True
        with (
            contextlib.closing(self._looked_at(self._batches(read, dimension, cutting))) as batches,
            contextlib.closing(self.transfer.send(batches)) as landed,  # drained, whoever raises
        ):
            for settled in landed:
                self._settled(settled)
        self.stop.is_draining = False
        if self.stop.is_asked():
            raise self.stop.error()
        tell(*remarks.watched(len(self.transfer.doubts)))
        if not self.transfer.settle():
            raise self.stop.error()

    def _looked_at(self, batches: Generator[Batch, None, None]) -> Generator[Batch, None, None]:
        """The batches; before the first leaves, its rows are looked at where the index may hold older ones."""
        is_known = not self.known.count["before"]
        with contextlib.closing(batches):
            for batch in batches:
                if not (is_known or batch.again):
                    self._look_at(batch, "rows that were there before", is_own=False)
                    is_known = True
                yield batch

    def _look_at(self, batch: Batch, source: str, *, is_own: bool) -> None:
        """Look at what the index holds of a batch, where nobody knows how it stores vectors."""
        if self.stored.look(batch, source, is_own=is_own):
            self.transfer.delivery.tolerance = self.stored.tolerance
            self.evidence.sample.exact = self.stored.is_exact
            if not self.stored.is_exact:
                self.run.tell(Noted(f"Vectors that are read back are compared {self.stored.precision}."))

    def _settled(self, settled: Settled) -> None:
        self._look_at(settled.batch, "rows that were just sent", is_own=True)
        self.evidence.landed(settled.batch)
        said, journal = self.transfer.delivery.contradictions, self.run.journal
        if said and journal is not None and "contradiction" not in self._noted():
            journal.know(contradiction=said[0])
        self.run.settled(settled, self.transfer)

    def _after(self, client: Client, opened: Opened, plan: Plan) -> None:
        """Look at what the index holds now."""
        tally, tell = self.run.tally, self.run.tell
        self.run.late.end(plan, tally)
        after = opened.index.count()
        self.known.count["after"] = after
        tell(*remarks.untrained(client, opened, after, self.settings))
        tell(*remarks.replaced(tally.acknowledged, self.evidence.replaced(self.known.count["before"] or 0, after)))
        self.known.present = present(opened.index, tally.rejected_ids)
        tell(*remarks.still_there(self.known.present))
        before, precision = self.known.count["before"] or 0, self.stored.precision
        if self.settings.verify != "none":
            self.known.verified = verified(
                self.settings.verify, opened.index, plan, tally, self.evidence, precision, (before, after), tell
            )
        said = self._noted().get("contradiction") or next(iter(self.transfer.delivery.contradictions), None)
        faults = list(self.evidence.faults(before, after, said, precision, opened.index.get))
        raise_what_differs(self.known.verified, faults, self.settings, precision)

    def _end(self, code: ExitCode, error: str | None) -> RunReport:
        """Report, and note in the journal how it ended."""
        if code is ExitCode.OK and error is None and (self.run.tally.rejected or self.run.bad):
            code = ExitCode.REJECTED
        journal = self.run.journal
        report = report_of(
            self.known,
            self.run.tally,
            journal,
            code,
            error,
            notes=self.run.notes,
            bad=self.run.bad.values(),
            is_dry=self.settings.dry_run,
        )
        if journal is not None:
            try:
                journal.end(code, report.to_dict(), bad=self.run.bad if code is ExitCode.REJECTED else ())
            except StateError as lost:  # the disk may be what failed; the report is shown all the same
                if error is None:
                    self.run.tell(Noted(f"This report is not kept. {lost}"))
            self.run.log.end(report)
            journal.close()
        self.earlier.close()
        self.exclusive.close()
        self.run.tell(Ended(report))
        return report


def _code_of_foreign(error: BaseException) -> ExitCode:
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.BUG


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
