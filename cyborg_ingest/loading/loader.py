"""A load, whole: plan, open, resume, send, settle, verify, report."""

from __future__ import annotations

import contextlib
import datetime
import math
import shlex
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places
from cyborg_ingest.check.distinct import KEPT, KEPT_TO_COMPARE
from cyborg_ingest.check.findings import Checks, Finding
from cyborg_ingest.check.inspection import index_findings
from cyborg_ingest.check.precision import Guess, known
from cyborg_ingest.check.verifier import present
from cyborg_ingest.errors import (
    BadRowError,
    EmptySourceError,
    ExitCode,
    IngestError,
    NoIndexError,
    SourceChangedError,
    StateError,
    UsageError,
)
from cyborg_ingest.facts import Ended, Landed, Noted, Read, RowRejected, Sending, ignore
from cyborg_ingest.loading.doubts import PAUSES
from cyborg_ingest.loading.ending import Evidence, raise_what_differs, verified
from cyborg_ingest.loading.log import Logged
from cyborg_ingest.loading.report import RETRY, STATUSES, RunReport, latency, own_bytes, row_counts
from cyborg_ingest.loading.resume import check_probes, done_of, keep_in_order, skipped
from cyborg_ingest.loading.stopping import Stopper
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.plan.cutting import EMBEDDED_DEFAULTS, REST_DEFAULTS, chunk_rows
from cyborg_ingest.plan.late import missing
from cyborg_ingest.plan.planning import check_ids, describe_job, make_plan
from cyborg_ingest.plan.reading import PartEnd, ahead
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.plan.written import engine_outputs, key_outputs, refuse_overwriting, state_outputs
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.columns import first_dimension, only_dimension
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.state.jobs import job_folder, state_directory
from cyborg_ingest.state.journal import ENDED, Journal
from cyborg_ingest.stop import Stop
from cyborg_ingest.tally import Tally
from cyborg_ingest.targets.base import AUTO_TRAIN_ROWS, MAX_BODY
from cyborg_ingest.targets.keyring import as_options, find_key, key_places, refusal
from cyborg_ingest.targets.opening import (
    check_cap,
    check_index,
    how_to_create,
    open_client,
    open_index,
    open_or_create,
    refusals,
)
from cyborg_ingest.targets.retry import Gate, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cyborg_ingest.check.precision import Precision
    from cyborg_ingest.facts import Emit, Event
    from cyborg_ingest.loading.sender import Settled
    from cyborg_ingest.model import Batch, Chunk, Part, Rejection, StoredRow
    from cyborg_ingest.plan.reading import Done, Plan
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened
    from cyborg_ingest.targets.retrying import RetryingClient

_SHOWN_FIELDS = 20

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
    def __init__(self, settings: LoadSettings, emit: Emit, command: Sequence[str]) -> None:
        self.settings = settings
        self.emit = self.log = Logged(emit)
        self.command = shlex.join(command) or None
        self.started = _now()
        self.tally = Tally()
        self.target = settings.target or ""
        self.is_embedded = False
        self.dimension: int | None = None
        """That of all rows of the first chunk, where a schema does not say it."""
        self.count: dict[str, int | None] = {"before": None, "after": None}
        self.opened: Opened | None = None
        self.journal: Journal | None = None
        self.evidence = Evidence()
        self.precision: Precision | None = None
        self.guess: Guess | None = None
        self.verified: dict[str, Any] | None = None
        self.present: list[str] = []
        self.findings: list[dict[str, Any]] = []
        self.not_read: list[dict[str, Any]] = []
        self.changes: list[str] = []
        self.as_text: set[str] = set()
        self.seen: set[tuple[str, str]] = set()
        """Fields that the user's word was taken for, as rows were seen to have them."""
        self.stop = Stop(settings.drain_timeout)
        self.gate = Gate(self.stop)
        self.stopper = Stopper(self.stop)

    def run(self) -> RunReport:
        """All of it. The journal hears how it ended before anybody else."""
        try:
            with self.stopper.listening() if self.command else contextlib.nullcontext():
                code = self._steps()
        except BaseException as error:
            if isinstance(error, SourceChangedError):
                self._say_what_was_taken(error)
            code = error.exit_code if isinstance(error, IngestError) else _code_of_foreign(error)
            if code is ExitCode.USAGE and self.tally.acknowledged:
                code = ExitCode.FAILED  # 2 says that nothing was taken
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
        self._refuse_second_look(plan)
        with open_client(settings, self.tell, self.gate) as client:
            self.target, self.is_embedded = client.target, client.is_embedded
            self.tell(planned(plan, client.target, settings.index))
            for note in plan.notes:
                self.tell(Noted(note))
            self._note_refused(plan)
            for note in (one for source in plan.sources for one in source.layout.notes):
                self.tell(Noted(note))
            if not plan.sources:
                return self._nothing(plan)
            cutting = self._cutting(client)
            self.journal = self._job(client, plan)
            self.log.begin(self.journal)
            if self.journal is not None and self.journal.resumed:
                self.changes = keep_in_order(self.journal, plan)
            dimension, found, chunks = _first_look(plan, cutting, done_of(self.journal))
            is_fresh = self.journal is None or not self.journal.resumed
            self.dimension = found if is_fresh else None  # of a load that goes on, it may be the bad rows' alone
            self.opened = self._open(client, dimension)
            if self.opened is None or settings.dry_run:
                return self._check_only(client, plan, cutting, dimension, chunks)
            with self.opened.index:
                self._before(client, self.opened, plan)
                with ahead(chunks, self.stop) as read:
                    self._send(self.opened, cut(self._watched(read), self._dimension(dimension), cutting))
                self._after(client, self.opened, plan)
            plan.check()
            if self.journal is not None:
                self.journal.check_kept()
        self._refuse_nothing(plan)
        self._refuse_too_many()
        return ExitCode.REJECTED if self.tally.rejected else ExitCode.OK

    def _nothing(self, plan: Plan) -> ExitCode:
        """No source has a row, and that may be: the index is left as it is, and not made if it is missing."""
        self.tell(Noted(f"No source has a row, so nothing is loaded: {'; '.join(one.text for one in plan.not_read)}."))
        return ExitCode.OK

    def _refuse_nothing(self, plan: Plan) -> None:
        """Of a stream it is known at its end alone that there was no row in it."""
        chooses = plan.selection.skip or any(one.shape.filter is not None for one in plan.sources)
        if not chooses and not self.tally.asked and not self.settings.allow_empty:
            raise EmptySourceError("No source had a row. If that may be, say so with --allow-empty.")

    def _refuse_too_many(self) -> None:
        """What share of the rows is bad is known when all of them were looked at."""
        rejected, asked = self.tally.rejected, self.tally.asked
        if rejected > self.settings.allowed_errors(asked):
            raise BadRowError(
                f"{rejected:,} of {asked:,} rows are bad, and --max-errors is {self.settings.max_errors}. All others "
                "are in the index. Mend the bad ones, or allow for more of them, and run the same command again."
            )

    def _refuse_second_look(self, plan: Plan) -> None:
        once = next((one.layout.uri for one in plan.sources if places.is_read_once(one.layout.uri)), None)
        if once is not None and self.settings.verify in {"sample", "full"}:
            raise UsageError(
                f"--verify {self.settings.verify} reads the sources again, and {once} can be read once only. "
                "--verify count does not."
            )

    def _dimension(self, found: int | None) -> int | None:
        return (self.opened.info.dimension if self.opened else 0) or found

    def _note_refused(self, plan: Plan) -> None:
        """Say which columns are left out although their name, or `*`, asks for them; once for files that are alike."""
        several: dict[tuple[str, str], list[str]] = {}
        for source in plan.sources:
            for one in source.columns.refused:
                several.setdefault(one, []).append(source.layout.uri)
        for (_, why), uris in list(several.items())[:_SHOWN_FIELDS]:
            others = f" and {len(uris) - 1:,} more" if len(uris) > 1 else ""
            self.tell(Noted(f"{uris[0]}{others}: column {why}; it is left out."))

    def _note_texts(self, batch: Batch) -> None:
        """Say once which fields hold decimals that no other number is equal to."""
        for name in sorted(batch.as_text - self.as_text):
            self.as_text.add(name)
            self.tell(
                Noted(
                    f"{batch.part.uri}: {name!r} holds decimals that no float64 is equal to: they are stored as text."
                )
            )

    def _cutting(self, client: Client) -> Cutting:
        size = self.settings.batch_bytes
        if not client.is_embedded and size is not None and size > MAX_BODY:
            raise UsageError(f"--batch-bytes is {size}; a request to a service has at most {MAX_BODY} bytes.")
        defaults = EMBEDDED_DEFAULTS if client.is_embedded else REST_DEFAULTS
        return replace(defaults, rows=self.settings.batch_rows or defaults.rows, size=size or defaults.size)

    def _job(self, client: Client, plan: Plan) -> Journal | None:
        """The journal of this job, locked; None where none is kept."""
        settings = self.settings
        description = describe_job(client.target, settings.index, settings.sources, settings)
        folder = job_folder(state_directory(settings.state_dir), description)
        is_kept = settings.checkpoint and not settings.dry_run
        key = key_places(settings, client.target, settings.index)[0]
        outputs = [*engine_outputs(client.target), *(state_outputs(folder) if is_kept else ())]
        outputs += key_outputs(key) if settings.create else ()
        refuse_overwriting(outputs, plan, settings, client.target, key.path)
        return Journal(folder, description, restart=settings.restart) if is_kept else None

    def _open(self, client: RetryingClient, dimension: int | None) -> Opened | None:
        """The index; None where a dry run would have created it."""
        settings = self.settings
        if settings.create and not settings.dry_run:
            return open_or_create(client, settings, settings.index, dimension, self.tell, self.command)
        try:
            return open_index(client, settings, settings.index)
        except NoIndexError as error:
            if settings.create:
                return None
            raise NoIndexError(f"{error} {how_to_create(settings, self.command)}") from None

    def _before(self, client: Client, opened: Opened, plan: Plan) -> None:
        """Everything that can stop the load before the first row is sent."""
        is_own, dimension = bool(self._facts().get("sole")), plan.dimension or self.dimension
        check_index(opened, client, self.settings, dimension, self.tell, is_own=is_own)
        before = opened.index.count()
        self.count["before"] = before
        self._look_at_precision(opened)
        if self.journal is not None:
            for fact in skipped(self.journal, plan):
                self.tell(fact)
            if self.journal.resumed:
                for change in self.changes:
                    self.tell(Noted(change))
                check_probes(self.journal, opened.index, self.precision, self.tally.skipped, self.tell)
        kept = KEPT_TO_COMPARE if self.settings.verify == "count" else KEPT
        earlier = self.journal.state.probes if self.journal is not None else None
        self.evidence = Evidence(earlier, self.tally.skipped, kept=kept)
        self.evidence.sample.exact = self.precision is not None and self.precision.is_exact
        rows = None if plan.rows is None else plan.rows - self.tally.skipped
        check_cap(client, before, rows, self.tell)
        self._warn_of_wiping(plan)

    def _facts(self) -> Mapping[str, Any]:
        """What earlier runs of the job have noted."""
        return self.journal.state.facts if self.journal is not None else {}

    def _look_at_precision(self, opened: Opened) -> None:
        """How the index stores vectors, where that is known before a row is sent."""
        self.precision = known(opened, self.settings.storage_precision, self._facts())
        if self.journal is not None:
            if opened.created:
                self.journal.know(precision=self.settings.storage_precision or "float32", sole=True)
            self.journal.state.probes.exact = self.precision is not None and self.precision.is_exact
        if self.precision is None:
            self.guess = Guess(self._get)

    def _guess(self, batch: Batch, source: str, *, is_own: bool) -> None:
        """Look at what the index holds of a batch, where nobody knows how it stores vectors."""
        found = self.guess.look(batch, source, is_own=is_own) if self.guess is not None and batch.ids else None
        if found is None:
            return
        self.precision, self.guess = found, None
        self.transfer.delivery.tolerance = found.tolerance
        self.evidence.sample.exact = found.is_exact
        if self.journal is not None:
            self.journal.state.probes.exact = found.is_exact
            self.journal.know(guess=found.name)
        if not found.is_exact:
            self.tell(Noted(f"Vectors that are read back are compared {found}."))

    def _warn_of_wiping(self, plan: Plan) -> None:
        """An upsert replaces whole rows, so what is not sent is gone from those that exist."""
        missing = [role for role in ("metadata", "contents") if not any(one.has(role) for one in plan.sources)]
        if self.count["before"] and missing and not self.tally.skipped:
            lost = " and ".join(missing)
            self.tell(Noted(f"Rows that are in the index already lose their {lost}: none is loaded."))

    def _watched(self, read: Iterable[Chunk | PartEnd]) -> Iterator[Chunk]:
        """The chunks; a word on every field that the plan did not know of, and a note of where a Part ends."""
        known: set[tuple[str, str]] = set()
        for chunk in read:
            if isinstance(chunk, PartEnd):
                if self.journal is not None and chunk.part.rows is None:
                    self.journal.complete(chunk.part, chunk.rows)
                continue
            self.seen.update((chunk.part.uri, name) for name in chunk.seen)
            for name in chunk.unplanned:
                if (chunk.part.uri, name) not in known and len(known) < _SHOWN_FIELDS:
                    known.add((chunk.part.uri, name))
                    self.tell(
                        Noted(
                            f"{chunk.part.uri}: field {name!r} is not in the first rows, and is left out. "
                            f"--metadata-columns {name} would load it."
                        )
                    )
            yield chunk

    def _check_only(
        self, client: Client, plan: Plan, cutting: Cutting, found: int | None, chunks: Iterator[Chunk | PartEnd]
    ) -> ExitCode:
        """A dry run: look at every row, however many are bad, and say what the load would meet."""
        self.tell(Sending())
        dimension, checks = plan.dimension or self._dimension(found), Checks()
        with ahead(chunks, self.stop) as read:
            for batch in self._accepted(cut(self._watched(read), dimension, cutting)):
                checks.add(batch)
        self._note_missing(plan)
        duplicates = checks.duplicates(lambda: cut(plan.chunks(chunk_rows(plan, cutting)), dimension, cutting))
        plan.check()
        findings = checks.findings(duplicates)
        if not_looked_at := checks.not_looked_at(duplicates):
            self.tell(Noted(not_looked_at))
        if self.opened is not None:
            info, count = self.opened.info, self.opened.index.count()
            findings += index_findings(client, info, count, plan.dimension, checks.rows)
            for kind, text, next_step in refusals(self.opened, client, self.settings):
                if kind == "sole_writer":  # a dry run keeps no journal, which would know
                    self.tell(Noted(f"{text} {next_step} The job that made the index need not."))
                else:
                    findings += (Finding(kind, text, next_step),)
        elif (refused := self._key_refused(client)) is not None:
            findings += (Finding("key_place", *refused),)
        self.findings = [one.to_dict() for one in findings]
        rejected, allowed = self.tally.rejected, self.settings.allowed_errors(checks.rows)
        if rejected > allowed:
            self.tell(
                Noted(f"A load would stop: {rejected:,} rows are bad, and --max-errors is {self.settings.max_errors}.")
            )
        return ExitCode.REJECTED if findings else ExitCode.OK

    def _key_refused(self, client: Client) -> tuple[str, str] | None:
        """What would keep the load from making the index that is missing."""
        settings = self.settings
        if find_key(settings, client.target, settings.index) is not None:
            return None
        return refusal(settings, settings.index, self.command)

    def _send(self, opened: Opened, batches: Iterable[Batch]) -> None:
        """Send what is read. What lands is noted before anything else is read."""
        self.transfer = Transfer(
            opened.index,
            self.journal,
            workers=self.settings.workers or (EMBEDDED_WORKERS if self.is_embedded else REST_WORKERS),
            policy=RetryPolicy(self.settings.retries, self.settings.retry_max_wait),
            gate=self.gate,
            stop=self.stop,
            applies_late=not self.is_embedded,
            tell=self.tell,
        )
        self.transfer.delivery.tolerance = self.precision.tolerance if self.precision is not None else 0.0
        doubts = self.transfer.doubts
        self.tell(Sending())
        self.stopper.is_sending = True
        with contextlib.closing(self.transfer.send(self._accepted(batches))) as landed:  # drained, whoever raises
            for settled in landed:
                self._settled(settled)
        self.stopper.is_sending = False
        if self.stop.is_asked():
            raise self.stopper.error()
        if doubts:
            self.tell(
                Noted(
                    f"{len(doubts):,} rows may still be replaced by an older request that was given up: they are "
                    f"watched for {sum(PAUSES):.0f} s."
                )
            )
        if not self.transfer.settle():
            raise self.stopper.error()

    def _settled(self, settled: Settled) -> None:
        """A batch has landed: count it, then note it."""
        batch = settled.batch
        self._guess(batch, "rows that were just sent", is_own=True)
        self.evidence.landed(batch)
        if self.settings.reject_content == "ids":
            settled = replace(settled, rejections=tuple(one.without_content() for one in settled.rejections))
        said = self.transfer.delivery.contradictions
        if said and self.journal is not None and "contradiction" not in self._facts():
            self.journal.know(contradiction=said[0])
        for rejection in settled.rejections[len(batch.rejections) :]:  # those before were counted when they were read
            self._reject(rejection)
        if not batch.again:
            sender = self.transfer.sender
            self.tell(
                Landed(
                    batch.part.uri,
                    len(batch),
                    own_bytes(batch),
                    settled.seconds,
                    sender.in_flight,
                    sender.duplicates,
                )
            )
        self.transfer.note(settled, full=self.settings.reject_content == "full")

    def _accepted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Batches as they are read, counted. Raises BadRowError when there are too many bad rows."""
        for batch in batches:
            if batch.again:
                yield batch
                continue
            if self.count["before"] and self.tally.first_read is None:
                self._guess(batch, "rows that were there before", is_own=False)
            if self.settings.reject_content == "ids" and batch.rejections:
                batch = batch.without_content()  # noqa: PLW2901 - from here on nobody sees more
            self.tell(Read(batch.part.uri, batch.stop - batch.start - batch.passed))
            self._note_texts(batch)
            for rejection in batch.rejections:
                self._reject(rejection)
            yield batch

    def _reject(self, rejection: Rejection) -> None:
        """Raises BadRowError where this is one too many."""
        tally = self.tally
        self.tell(RowRejected(rejection))
        if self.settings.dry_run:  # it is there to find them all
            return
        # a share is one of all rows: it is overstepped once no row that may follow can make it smaller
        most = tally.most if self.settings.allows_a_share else 0
        allowed = math.inf if most == math.inf else self.settings.allowed_errors(int(most))
        rejected = tally.rejected
        if rejected <= allowed:
            return
        more = f" It is bad row number {rejected:,}, and --max-errors is {self.settings.max_errors}." if allowed else ""
        raise BadRowError(
            f"{rejection}.{more} Mend or remove the row, or go on after bad rows with --max-errors N; then run the "
            "same command again."
        )

    def tell(self, fact: Event) -> None:
        """Count a fact, then pass it on."""
        self.tally(fact)
        self.emit(fact)

    def _note_missing(self, plan: Plan) -> None:
        """Say which names and conditions came to nothing."""
        rows, is_whole = self.tally.asked, not self.tally.skipped and plan.selection.limit is None
        for text in missing(plan, self.seen, is_whole=is_whole, rows=rows):
            self.tell(Noted(text))

    def _after(self, client: Client, opened: Opened, plan: Plan) -> None:
        """Look at what the index holds now."""
        self._note_missing(plan)
        after = opened.index.count()
        self.count["after"] = after
        if client.is_embedded and after > AUTO_TRAIN_ROWS and not opened.index.describe().is_trained:
            words = ["cyborg-ingest", "index", "train", opened.info.name, "--target", client.target]
            command = shlex.join([*words, *as_options(self.settings)])
            self.tell(
                Noted(
                    f"The index has more than {AUTO_TRAIN_ROWS:,} rows and is not trained, so queries scan all of "
                    f"it. Train it: {command}"
                )
            )
        self.present = present(opened.index, self.tally.rejected_ids)
        if self.present:
            self.tell(
                Noted(
                    f"{len(self.present):,} rejected rows have an id that the index holds with another row "
                    f"({', '.join(map(repr, self.present[:5]))}): that one stays."
                )
            )
        before, precision = self.count["before"] or 0, self.precision
        if self.settings.verify != "none":
            self.verified = verified(
                self.settings.verify, opened.index, plan, self.tally, self.evidence, precision, (before, after)
            )
        said = self._facts().get("contradiction") or next(iter(self.transfer.delivery.contradictions), None)
        faults = list(self.evidence.faults(before, after, said, precision, self._get))
        raise_what_differs(self.verified, faults, self.settings, precision)

    def _get(self, ids: list[str]) -> list[StoredRow]:
        """Rows of the index."""
        return self.opened.index.get(ids) if self.opened is not None else []

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
            retry=RETRY[code],
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
            resume_command=self.command if resumable else None,
            not_read=self.not_read,
            run_id=journal.run_folder.name if journal else None,
            run_folder=str(journal.run_folder) if journal else None,
            rejected_file=str(journal.rejected_file) if journal and journal.rejected.is_there() else None,
            findings=self.findings,
            error=error,
        )


def _first_look(
    plan: Plan,
    cutting: Cutting,
    done: Callable[[Part], Done],
) -> tuple[int | None, int | None, Iterator[Chunk | PartEnd]]:
    """The dimension, from the schema or from the first vector; that of all vectors of the first chunk; and all of it.

    None is lost by looking. What can be read only once is looked at here. Raises MappingError.
    """
    chunks = plan.read(chunk_rows(plan, cutting), done)
    raw = {one.layout.uri: one for one in plan.sources if one.has_raw_ids and places.is_read_once(one.layout.uri)}
    if plan.dimension and not raw:
        return plan.dimension, None, chunks
    passed: list[Chunk | PartEnd] = []
    first = next(chunks, None)
    while first is not None and (isinstance(first, PartEnd) or first.is_passed):
        passed.append(first if isinstance(first, PartEnd) else first.emptied())
        first = next(chunks, None)
    if first is None:
        return plan.dimension, None, iter(passed)
    if first.part.uri in raw:
        check_ids(raw[first.part.uri], first)
    return plan.dimension or first_dimension(first), only_dimension(first), chain([*passed, first], chunks)


def _code_of_foreign(error: BaseException) -> ExitCode:
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.BUG


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
