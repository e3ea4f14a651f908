"""A load, whole: plan, open, resume, send, settle, verify, report."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places
from cyborg_ingest.check.distinct import KEPT, KEPT_TO_COMPARE
from cyborg_ingest.check.findings import Checks
from cyborg_ingest.check.verifier import present
from cyborg_ingest.errors import (
    EmptySourceError,
    ExitCode,
    IngestError,
    LostRowsError,
    SourceChangedError,
    StateError,
)
from cyborg_ingest.facts import Ended, Landed, Noted, Read, RowRejected, Sending, ignore
from cyborg_ingest.loading import rehearsal, remarks
from cyborg_ingest.loading.budget import Budget
from cyborg_ingest.loading.ending import Evidence, raise_what_differs, verified
from cyborg_ingest.loading.log import Logged
from cyborg_ingest.loading.remarks import Late
from cyborg_ingest.loading.report import RETRY, STATUSES, RunReport, latency, own_bytes, row_counts
from cyborg_ingest.loading.resume import check_probes, done_of, keep_in_order, skipped
from cyborg_ingest.loading.setup import cutting_of, first_look, open_journal, opened_index, refuse_second_look
from cyborg_ingest.loading.stored import Stored
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.plan.cutting import chunk_rows
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.reading import PartEnd, ahead
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.settings.commands import going_on
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.signals import listening
from cyborg_ingest.state.journal import ENDED
from cyborg_ingest.stop import Stop
from cyborg_ingest.tally import Tally
from cyborg_ingest.targets.opening import check_cap, check_index, open_client
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from cyborg_ingest.facts import Emit, Event
    from cyborg_ingest.loading.engines.base import Settled
    from cyborg_ingest.model import Batch, Chunk, Rejection
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened

REST_WORKERS, EMBEDDED_WORKERS = 3, 2


def load(sources: Sequence[Any] | Any, *, index: str, **options: Any) -> RunReport:
    """Load rows into an index: `cyborg-ingest upsert` as a function.

    `sources` is one or a list of: paths and uris as the command takes them, pyarrow Tables, Datasets and
    RecordBatchReaders, objects with `__arrow_c_stream__` (of polars, duckdb, pandas). `options` are the fields of
    `LoadSettings`: target, create, metric, batch_rows and so on. A load of objects has no journal, unless
    `max_errors` needs one for the rows that are rejected: what is not in a file cannot be gone on with. Raises
    IngestError, whose `report` says what was acknowledged until then. So does that of a KeyboardInterrupt, which
    waits for what is in flight, at most `drain_timeout` seconds, and of any other exception.
    """
    several = list(sources) if isinstance(sources, list | tuple) else [sources]
    with places.holding(several) as names:
        if any(map(places.is_object, names)) and "max_errors" not in options:
            options.setdefault("checkpoint", False)
        return run(LoadSettings(sources=tuple(names), index=index, **options))


def run(settings: LoadSettings, emit: Emit = ignore, *, command: Sequence[str] = ()) -> RunReport:
    """Carry out a load. Raises IngestError with its `report`; both end with an `Ended` event.

    `command` is the command line that goes on with it, where there is one: then SIGINT and SIGTERM are taken.
    """
    return _Run(settings, emit, command).run()


class _Run:
    """What is known of a run while it goes on; `tell` is its fold: counts first, then whoever watches."""

    def __init__(self, settings: LoadSettings, emit: Emit, command: Sequence[str]) -> None:
        self.settings = settings
        self.command = shlex.join(command) or None
        self.started = _now()
        self.tally = Tally()
        self.budget = Budget(settings, self.tally)
        self.late = Late(self.tell)
        self.is_lost = False
        """Whether what an earlier run loaded is gone, so that the same command can never go on."""
        self.stop = Stop(settings.drain_timeout)
        self.evidence = Evidence()
        self.target = settings.target or ""
        self.opened: Opened | None = None
        self.journal: Journal | None = None
        self.count: dict[str, int | None] = {"before": None, "after": None}
        self.verified: dict[str, Any] | None = None
        self.present: list[str] = []
        self.findings: list[dict[str, Any]] = []
        self.not_read: list[dict[str, Any]] = []
        self._emit = self._log = Logged(emit)

    def tell(self, fact: Event) -> None:
        """Count a fact, then pass it on."""
        self.tally(fact)
        self._emit(fact)

    def tell_all(self, facts: Iterable[Event]) -> None:
        """The same, of several."""
        for fact in facts:
            self.tell(fact)

    def run(self) -> RunReport:
        """All of it. The journal hears how it ended before anybody else."""
        try:
            with listening(self.stop) if self.command else contextlib.nullcontext():
                code = self._steps()
        except BaseException as error:
            if isinstance(error, SourceChangedError):
                self._say_what_was_taken(error)
            code = error.exit_code if isinstance(error, IngestError) else _code_of_foreign(error)
            if code is ExitCode.USAGE and self.tally.acknowledged:
                code = ExitCode.FAILED  # 2 says that nothing was taken
            self.is_lost = isinstance(error, LostRowsError)
            report = self._end(code, KNOWN.scrub(str(error) or type(error).__name__))
            if isinstance(error, IngestError):
                error.exit_code = code
            error.report = report  # type: ignore[attr-defined]  # whatever ended the load, its caller learns how far it got
            raise
        return self._end(code, None)

    def _say_what_was_taken(self, error: SourceChangedError) -> None:
        """Rows of two versions of a file are in the index from now on, unless the newer has all ids of the older."""
        known = self.tally.sources
        of_it = [known[error.uri]] if error.uri in known else known.values()  # a sidecar has no rows of its own
        taken = sum(one.acknowledged + one.skipped for one in of_it)
        if taken and not places.is_read_once(error.uri):
            taken_text = f"{taken:,} rows of what it was are in the index: it is loaded anew from its start then, and"
            error.args = (f"{error} {taken_text} rows whose ids it does not have any more stay.", error.uri)

    def _steps(self) -> ExitCode:
        settings = self.settings
        plan = make_plan(settings.sources, settings, allow_empty=settings.allow_empty)
        self.not_read = [one.to_dict() for one in plan.not_read]
        refuse_second_look(plan, settings.verify)
        with open_client(settings, self.tell, self.stop) as client:
            self.target = client.target
            self.tell(planned(plan, client.target, settings.index))
            self.tell_all(remarks.of_plan(plan))
            if not plan.sources:
                self.tell(remarks.nothing_to_load(plan))
                return ExitCode.OK
            cutting = cutting_of(client, settings)
            self.journal = open_journal(client, plan, settings)
            self._log.begin(self.journal)
            resumed = self.journal if self.journal is not None and self.journal.resumed else None
            changes = keep_in_order(resumed, plan) if resumed is not None else []
            dimension, only, read = first_look(plan, cutting, done_of(self.journal))
            self.opened = opened_index(client, settings, dimension, self.tell, self.command)
            if self.opened is None or settings.dry_run:
                return self._rehearse(client, plan, cutting, dimension, read)
            with self.opened.index:
                # of a load that goes on, the first chunk may be the bad rows' alone
                self._before(client, self.opened, plan, plan.dimension or (None if resumed else only), changes)
                self._send(client, self.opened, read, self._dimension(dimension), cutting)
                self._after(client, self.opened, plan)
            plan.check()
            if self.journal is not None:
                self.journal.check_kept()
        self._refuse_nothing(plan)
        self.budget.check_end()
        return ExitCode.REJECTED if self.tally.rejected else ExitCode.OK

    def _refuse_nothing(self, plan: Plan) -> None:
        """Of a stream it is known at its end alone that there was no row in it."""
        chooses = plan.selection.skip or any(one.shape.filter is not None for one in plan.sources)
        if not chooses and not self.tally.asked and not self.settings.allow_empty:
            raise EmptySourceError("No source had a row. If that may be, say so with --allow-empty.")

    def _dimension(self, found: int | None) -> int | None:
        return (self.opened.info.dimension if self.opened else 0) or found

    def _before(self, client: Client, opened: Opened, plan: Plan, dimension: int | None, changes: list[str]) -> None:
        """Everything that can stop the load before the first row is sent."""
        settings, journal = self.settings, self.journal
        check_index(opened, client, settings, dimension, self.tell, is_own=bool(self._facts().get("sole")))
        before = opened.index.count()
        self.count["before"] = before
        self.stored = Stored(opened, settings.storage_precision, journal, opened.index.get)
        if journal is not None:
            self.tell_all(skipped(journal, plan))
            if journal.resumed:
                self.tell_all(map(Noted, changes))
                check_probes(journal, opened.index, self.stored.precision, self.tally.skipped, self.tell)
        kept = KEPT_TO_COMPARE if settings.verify == "count" else KEPT
        earlier = journal.state.probes if journal is not None else None
        self.evidence = Evidence(earlier, self.tally.skipped, kept=kept)
        self.evidence.sample.exact = self.stored.is_exact
        check_cap(client, before, None if plan.rows is None else plan.rows - self.tally.skipped, self.tell)
        if before and not self.tally.skipped:
            self.tell_all(remarks.wiping(plan))

    def _facts(self) -> Mapping[str, Any]:
        """What earlier runs of the job have noted."""
        return self.journal.state.facts if self.journal is not None else {}

    def _checked(self, read: Iterator[Chunk | PartEnd], dimension: int | None, cutting: Cutting) -> Checks:
        """Look at every row. The last batch, which may hold on to all that was decoded with it, is kept no longer."""
        checks = Checks()
        for batch in self._batches(read, dimension, cutting):
            checks.add(batch)
        return checks

    def _rehearse(
        self, client: Client, plan: Plan, cutting: Cutting, found: int | None, read: Iterator[Chunk | PartEnd]
    ) -> ExitCode:
        """A dry run: look at every row, however many are bad, and say what the load would meet."""
        self.tell(Sending())
        dimension = plan.dimension or self._dimension(found)
        checks = self._checked(read, dimension, cutting)
        self.late.end(plan, self.tally)
        duplicates = checks.duplicates(lambda: cut(plan.chunks(chunk_rows(plan, cutting)), dimension, cutting))
        plan.check()
        findings = list(checks.findings(duplicates))
        if not_looked_at := checks.not_looked_at(duplicates):
            self.tell(Noted(not_looked_at))
        if self.opened is None:
            findings += rehearsal.of_missing_index(client, self.settings, self.command)
        else:
            for one in rehearsal.of_index(client, self.opened, plan, checks.rows, self.settings):
                if isinstance(one, Noted):
                    self.tell(one)
                else:
                    findings.append(one)
        self.findings = [one.to_dict() for one in findings]
        self.tell_all(self.budget.foresee(checks.rows))
        return ExitCode.REJECTED if findings else ExitCode.OK

    def _send(
        self,
        client: Client,
        opened: Opened,
        read: Iterator[Chunk | PartEnd],
        dimension: int | None,
        cutting: Cutting,
    ) -> None:
        """Send what is read. What lands is noted before anything else is read."""
        settings = self.settings
        self.transfer = Transfer(
            opened.index,
            self.journal,
            workers=settings.workers or (EMBEDDED_WORKERS if client.is_embedded else REST_WORKERS),
            policy=RetryPolicy(settings.retries, settings.retry_max_wait),
            stop=self.stop,
            applies_late=not client.is_embedded,
            tell=self.tell,
        )
        self.transfer.delivery.tolerance = self.stored.tolerance
        self.tell(Sending())
        self.stop.is_draining = True
        with (
            contextlib.closing(self._batches(read, dimension, cutting)) as batches,
            contextlib.closing(self.transfer.send(batches)) as landed,  # drained, whoever raises
        ):
            for settled in landed:
                self._settled(settled)
        self.stop.is_draining = False
        if self.stop.is_asked():
            raise self.stop.error()
        self.tell_all(remarks.watched(len(self.transfer.doubts)))
        if not self.transfer.settle():
            raise self.stop.error()

    def _batches(
        self, read: Iterator[Chunk | PartEnd], dimension: int | None, cutting: Cutting
    ) -> Generator[Batch, None, None]:
        """Batches as they are read, counted. Raises BadRowError when there are too many bad rows."""
        with ahead(read, self.stop) as ready:
            for batch in cut(self._chunks(ready), dimension, cutting):
                yield batch if batch.again else self._accepted(batch)

    def _chunks(self, read: Iterable[Chunk | PartEnd]) -> Iterator[Chunk]:
        """The chunks; where a Part ends is noted."""
        for one in read:
            if isinstance(one, PartEnd):
                if self.journal is not None and one.part.rows is None:
                    self.journal.complete(one.part, one.rows)
            else:
                self.late.chunk(one)
                yield one

    def _accepted(self, batch: Batch) -> Batch:
        if self.count["before"] and self.tally.first_read is None:
            self._look_at(batch, "rows that were there before", is_own=False)
        if self.settings.reject_content == "ids" and batch.rejections:
            batch = batch.without_content()  # from here on nobody sees more
        self.tell(Read(batch.part.uri, batch.stop - batch.start - batch.passed))
        self.late.batch(batch)
        self._reject(batch.rejections)
        return batch

    def _reject(self, rejections: Iterable[Rejection]) -> None:
        """Raises BadRowError where one is too many."""
        for rejection in rejections:
            self.tell(RowRejected(rejection))
            self.budget.check(rejection)

    def _look_at(self, batch: Batch, source: str, *, is_own: bool) -> None:
        """Look at what the index holds of a batch, where nobody knows how it stores vectors."""
        if self.stored.look(batch, source, is_own=is_own):
            self.transfer.delivery.tolerance = self.stored.tolerance
            self.evidence.sample.exact = self.stored.is_exact
            if not self.stored.is_exact:
                self.tell(Noted(f"Vectors that are read back are compared {self.stored.precision}."))

    def _settled(self, settled: Settled) -> None:
        """A batch has landed: count it, then note it."""
        batch, transfer = settled.batch, self.transfer
        self._look_at(batch, "rows that were just sent", is_own=True)
        self.evidence.landed(batch)
        if self.settings.reject_content == "ids":
            settled = replace(settled, rejections=tuple(one.without_content() for one in settled.rejections))
        said = transfer.delivery.contradictions
        if said and self.journal is not None and "contradiction" not in self._facts():
            self.journal.know(contradiction=said[0])
        self._reject(settled.rejections[len(batch.rejections) :])  # those before were counted when they were read
        if not batch.again:
            in_flight, duplicates = transfer.engine.in_flight, transfer.engine.duplicates
            self.tell(Landed(batch.part.uri, len(batch), own_bytes(batch), settled.seconds, in_flight, duplicates))
        transfer.note(settled, full=self.settings.reject_content == "full")

    def _after(self, client: Client, opened: Opened, plan: Plan) -> None:
        """Look at what the index holds now."""
        self.late.end(plan, self.tally)
        after = opened.index.count()
        self.count["after"] = after
        self.tell_all(remarks.untrained(client, opened, after, self.settings))
        self.present = present(opened.index, self.tally.rejected_ids)
        self.tell_all(remarks.still_there(self.present))
        before, precision = self.count["before"] or 0, self.stored.precision
        if self.settings.verify != "none":
            self.verified = verified(
                self.settings.verify, opened.index, plan, self.tally, self.evidence, precision, (before, after)
            )
        said = self._facts().get("contradiction") or next(iter(self.transfer.delivery.contradictions), None)
        faults = list(self.evidence.faults(before, after, said, precision, opened.index.get))
        raise_what_differs(self.verified, faults, self.settings, precision)

    def _end(self, code: ExitCode, error: str | None) -> RunReport:
        """Report, and note in the journal how it ended."""
        if code is ExitCode.OK and error is None and self.tally.rejected:
            code = ExitCode.REJECTED
        report = self._report(code, error)
        if self.journal is not None:
            try:
                self.journal.end(code, report.to_dict())
            except StateError as lost:  # the disk may be what failed; the report is shown all the same
                if error is None:
                    self.tell(Noted(f"This report is not kept. {lost}"))
            self._log.end(report)
            self.journal.close()
        self.tell(Ended(report))
        return report

    def _report(self, code: ExitCode, error: str | None) -> RunReport:
        tally, seconds = self.tally, self.tally.seconds
        rows = row_counts(tally)
        traffic = self.opened.index.traffic if self.opened else None
        journal = self.journal
        resumable = journal is not None and code not in ENDED
        status = "dry_run" if self.settings.dry_run and error is None else STATUSES[code]
        return RunReport(
            status=status,
            exit_code=int(code),
            retry="after-fix" if self.is_lost else RETRY[code],
            started=self.started,
            ended=_now(),
            target=self.target,
            index=self.settings.index,
            sources=tally.by_source(),
            rows=rows,
            bytes={"raw": tally.raw_bytes, "wire": traffic.wire_bytes if traffic else 0},
            load_seconds=round(seconds, 3),
            rows_per_second=round(tally.acknowledged / seconds, 1) if seconds else 0.0,
            latency_ms=latency(tally),
            requests=traffic.requests if traffic else 0,
            retries=dict(tally.retries),
            rejects=dict(tally.rejects),
            rejected_ids_present=self.present,
            duplicates_seen=tally.duplicates,
            index_count=dict(self.count),
            key_file=str(self.opened.key_file) if self.opened and self.opened.key_file else None,
            verify=self.verified,
            resume_command=going_on(self.command, anew=self.is_lost) if resumable and self.command else None,
            not_read=self.not_read,
            run_id=journal.run_folder.name if journal else None,
            run_folder=str(journal.run_folder) if journal else None,
            rejected_file=str(journal.rejected_file) if journal and journal.rejected.is_there() else None,
            findings=self.findings,
            error=error,
        )


def _code_of_foreign(error: BaseException) -> ExitCode:
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.BUG


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
