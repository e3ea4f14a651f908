"""A load, whole: plan, connect, open, send, report."""

from __future__ import annotations

import datetime
import threading
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from cyborg_ingest.batches import Cutting, cut
from cyborg_ingest.columns import first_dimension
from cyborg_ingest.errors import BadRowError, ExitCode, IngestError, NoIndexError, TooLargeError, UsageError
from cyborg_ingest.events import Ended, Noted, Planned, Retrying, RowRejected, Sending, ignore
from cyborg_ingest.model import Reason, Rejection
from cyborg_ingest.opening import check_cap, check_index, open_client, open_index, open_or_create
from cyborg_ingest.plan import make_plan
from cyborg_ingest.report import STATUSES, RunReport, Tally, latency, row_counts
from cyborg_ingest.retry import Gate, RetryPolicy, call
from cyborg_ingest.sender import Sender
from cyborg_ingest.settings import LoadSettings
from cyborg_ingest.targets.base import AUTO_TRAIN_ROWS, MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cyborg_ingest.errors import RetryableError
    from cyborg_ingest.events import Emit
    from cyborg_ingest.model import Batch, Chunk
    from cyborg_ingest.opening import Opened
    from cyborg_ingest.plan import Plan
    from cyborg_ingest.targets.base import Client, Index

_CHUNK_BYTES = 8_000_000

# The best of 250 to 5,000 rows and 1 to 4 workers, on two cores: see benchmarks
REST_DEFAULTS = Cutting(rows=1000, size=8_000_000, encoded=True)
EMBEDDED_DEFAULTS = Cutting(rows=2000, size=16_000_000, encoded=False)
DEFAULT_WORKERS = 2


def load(sources: Sequence[str | Path] | str | Path, *, index: str, **options: Any) -> RunReport:
    """Load files into an index: `cyborg-ingest upsert` as a function.

    `options` are the fields of `LoadSettings`: target, create, metric, batch_rows and so on. Raises
    IngestError, whose `report` says what was acknowledged until then.
    """
    several = [sources] if not isinstance(sources, list | tuple) else sources
    return run(LoadSettings(sources=tuple(str(source) for source in several), index=index, **options))


def run(settings: LoadSettings, emit: Emit = ignore) -> RunReport:
    """Carry out a load. Raises IngestError with its `report`; both end with an `Ended` event."""
    return _Run(settings, emit).run()


class _Run:
    def __init__(self, settings: LoadSettings, emit: Emit) -> None:
        self.settings = settings
        self.emit = emit
        self.started = _now()
        self.tally = Tally()
        self.target = settings.target or ""
        self.count: dict[str, int | None] = {"before": None, "after": None}
        self.index: Index | None = None
        self.gate = Gate()
        self._lock = threading.Lock()

    def run(self) -> RunReport:
        try:
            self._steps()
        except BaseException as error:
            code = error.exit_code if isinstance(error, IngestError) else ExitCode.BUG
            report = self._report(ExitCode(code), str(error))
            if isinstance(error, IngestError):
                error.report = report
            self.emit(Ended(report))
            raise
        report = self._report(ExitCode.OK, None)
        self.emit(Ended(report))
        return report

    def _steps(self) -> None:
        settings = self.settings
        plan = make_plan(settings.sources, settings)
        self.tally = Tally.of((source.layout for source in plan.sources), settings.limit)
        with open_client(settings) as client:
            self.target = client.target
            self.emit(Planned(plan, client.target, settings.index))
            cutting = self._cutting(client)
            dimension, chunks = _first_look(plan, cutting)
            opened = self._open(client, dimension)
            if opened is None:
                self._check_only(cut(chunks, dimension, cutting))
                return
            with opened.index as self.index:
                self._check(client, opened, plan, dimension)
                batches = cut(chunks, opened.info.dimension or dimension, cutting)
                if settings.dry_run:
                    self._check_only(batches)
                else:
                    self._send(opened, batches)
                    self._look_back(client, opened)

    def _cutting(self, client: Client) -> Cutting:
        size = self.settings.batch_bytes
        if not client.is_embedded and size is not None and size > MAX_BODY:
            raise UsageError(f"--batch-bytes is {size}; a request to a service has at most {MAX_BODY} bytes.")
        defaults = EMBEDDED_DEFAULTS if client.is_embedded else REST_DEFAULTS
        return replace(defaults, rows=self.settings.batch_rows or defaults.rows, size=size or defaults.size)

    def _open(self, client: Client, dimension: int | None) -> Opened | None:
        """The index; None where a dry run would have created it."""
        settings = self.settings
        if settings.create and not settings.dry_run:
            return open_or_create(client, settings, settings, settings.index, dimension, self.emit)
        try:
            return open_index(client, settings, settings.index)
        except NoIndexError as error:
            if settings.create:
                return None
            raise NoIndexError(f"{error} To create it, add --create.") from None

    def _check(self, client: Client, opened: Opened, plan: Plan, dimension: int | None) -> None:
        check_index(opened, self.settings, plan.dimension, self.emit)
        self.count["before"] = opened.index.count()
        check_cap(client, self.count["before"], plan.rows, self.emit)
        self._warn_of_wiping(plan)

    def _warn_of_wiping(self, plan: Plan) -> None:
        """An upsert replaces whole rows, so what is not sent is gone from those that exist."""
        missing = [
            word
            for word, absent in (
                (
                    "metadata",
                    all(
                        not one.columns.metadata and not one.columns.metadata_columns for one in plan.sources
                    ),
                ),
                ("contents", all(not one.columns.contents for one in plan.sources)),
            )
            if absent
        ]
        if self.count["before"] and missing:
            self.emit(
                Noted(
                    f"Rows that are in the index already lose their {' and '.join(missing)}: none is loaded."
                )
            )

    def _check_only(self, batches: Iterable[Batch]) -> None:
        self.emit(Sending(self.tally))
        for _ in self._accepted(batches):
            pass

    def _send(self, opened: Opened, batches: Iterable[Batch]) -> None:
        workers = self.settings.workers or DEFAULT_WORKERS
        sender = Sender(lambda batch: self._upsert(opened.index, batch), workers)
        self.emit(Sending(self.tally))
        for done in sender.send_all(self._accepted(batches)):
            self.tally.acknowledged(done.batch, done.seconds)
            self.tally.in_flight = sender.in_flight

    def _accepted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Batches as they are read, counted. Raises BadRowError at the first bad row."""
        for batch in batches:
            for rejection in batch.rejections[:1]:
                self.tally.read(replace(batch, rejections=(rejection,)))
                self._stop_at(rejection)
            self.tally.read(batch)
            yield batch

    def _stop_at(self, rejection: Rejection) -> None:
        self.emit(RowRejected(rejection))
        raise BadRowError(f"{rejection}. Mend or remove the row and run the same command again.")

    def _upsert(self, index: Index, batch: Batch) -> None:
        """Send one batch, halved as often as the target finds it too large."""
        policy = RetryPolicy(self.settings.retries, self.settings.retry_max_wait)
        try:
            call(
                lambda: index.upsert_binary(batch.ids, batch.vectors, batch.metadata, batch.contents),
                policy,
                self.gate,
                self._retrying,
            )
        except TooLargeError as error:
            if len(batch) == 1:
                raise BadRowError(f"{_only_row(batch, error)}. Shorten its contents or metadata.") from None
            for half in halves(batch):
                self._upsert(index, half)

    def _retrying(self, error: RetryableError, pause: float) -> None:
        with self._lock:
            self.tally.retries[error.cause] += 1
            self.emit(Retrying(error, pause))

    def _look_back(self, client: Client, opened: Opened) -> None:
        self.count["after"] = opened.index.count()
        large = self.count["after"] > AUTO_TRAIN_ROWS
        if client.is_embedded and large and not opened.index.describe().is_trained:
            self.emit(
                Noted(
                    f"The index has more than {AUTO_TRAIN_ROWS:,} rows and is not trained, so queries scan all of "
                    f"it. Train it: cyborg-ingest index train {opened.info.name} --target {client.target}"
                )
            )

    def _report(self, code: ExitCode, error: str | None) -> RunReport:
        tally, seconds = self.tally, self.tally.seconds
        rows = row_counts(tally)
        traffic = self.index.traffic if self.index else None
        return RunReport(
            status="dry_run" if self.settings.dry_run and code is ExitCode.OK else STATUSES[code],
            exit_code=int(code),
            started=self.started,
            ended=_now(),
            target=self.target,
            index=self.settings.index,
            sources=[
                {
                    "uri": uri,
                    "rows": one.asked,
                    "acknowledged": one.acknowledged,
                    "rejected": one.rejected,
                    "skipped": one.skipped,
                }
                for uri, one in tally.sources.items()
            ],
            rows=rows,
            bytes={"raw": tally.raw_bytes, "wire": traffic.wire_bytes if traffic else 0},
            load_seconds=round(seconds, 3),
            rows_per_second=round(rows["acknowledged"] / seconds, 1) if seconds else 0.0,
            latency_ms=latency(tally),
            requests=traffic.requests if traffic else 0,
            retries=dict(tally.retries),
            rejects=dict(tally.rejects),
            index_count=dict(self.count),
            verify=None,
            resume_command=None,
            error=error,
        )


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """A batch as two, each with half of its rows."""
    middle = len(batch) // 2
    return _rows_of(batch, slice(0, middle)), _rows_of(batch, slice(middle, len(batch)))


def _rows_of(batch: Batch, rows: slice) -> Batch:
    places = batch.rows[rows]
    return replace(
        batch,
        start=int(places[0]),
        stop=int(places[-1]) + 1,
        first_row=batch.first_row + int(places[0]) - batch.start,
        ids=batch.ids[rows],
        vectors=batch.vectors[rows],
        metadata=None if batch.metadata is None else batch.metadata[rows],
        contents=None if batch.contents is None else batch.contents[rows],
        rows=places,
        lines=None if batch.lines is None else batch.lines[rows],
        rejections=(),
    )


def _only_row(batch: Batch, error: Exception) -> Rejection:
    """The rejection of a batch of one row."""
    return Rejection(
        uri=batch.part.uri,
        row=batch.first_row + int(batch.rows[0]) - batch.start,
        reason=Reason.TOO_LARGE,
        detail=str(error),
        id=batch.ids[0],
        line=None if batch.lines is None else int(batch.lines[0]),
    )


def _first_look(plan: Plan, cutting: Cutting) -> tuple[int | None, Iterator[Chunk]]:
    """The dimension, from the schema or from the first vector; and all chunks, none lost by looking."""
    width = 4 * (plan.dimension or 384)
    rows = min(cutting.rows, max(1, cutting.size // width))
    chunks = plan.chunks(rows * max(1, _CHUNK_BYTES // (rows * width)))
    if plan.dimension:
        return plan.dimension, chunks
    first = next(chunks, None)
    if first is None:
        return None, iter(())
    return first_dimension(first.batch.column(first.columns.vector)), chain([first], chunks)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
