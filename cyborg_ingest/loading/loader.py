"""A load, whole: plan, open, resume, send, settle, verify, report."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.check.commanded import sources_of
from cyborg_ingest.check.progress import began
from cyborg_ingest.errors import (
    EmptySourceError,
    ExitCode,
    IngestError,
    LostRowsError,
    SourceChangedError,
    StateError,
)
from cyborg_ingest.facts import Ended, Noted, ignore
from cyborg_ingest.loading import remarks
from cyborg_ingest.loading.badfiles import note_bad
from cyborg_ingest.loading.boxes import boxed
from cyborg_ingest.loading.elsewhere import copied_state
from cyborg_ingest.loading.exclusive import Exclusive
from cyborg_ingest.loading.guards import check_guards
from cyborg_ingest.loading.incremental import Incremental
from cyborg_ingest.loading.memory import memory_of
from cyborg_ingest.loading.rehearsal import Rehearsal
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
from cyborg_ingest.loading.upcoming import Upcoming
from cyborg_ingest.loading.upload import Upload
from cyborg_ingest.plan.ahead import ahead
from cyborg_ingest.plan.badfiles import all_bad
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.signals import listening
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.opening import open_client

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import Batch, Chunk
    from cyborg_ingest.plan.parts import PartEnd
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.settings.options import LoadSettings


def run(settings: LoadSettings, emit: Emit = ignore, *, command: Sequence[str] = ()) -> RunReport:
    """Carry out a load. Raises IngestError with its `report`; both end with an `Ended` event.

    `command` is the command line that resumes it, where there is one: then SIGINT and SIGTERM are taken.
    """
    with copied_state(settings) as copied:
        return _Load(settings, emit, command, copied).carry_out()


class _Load:
    """The steps of a load, and what is known when it ends. What happens in them is for its `run` to note and count."""

    def __init__(self, given: LoadSettings, emit: Emit, command: Sequence[str], settings: LoadSettings) -> None:
        self.settings = settings
        self.run = Run(settings, emit)
        self.known = Known(
            started=_now(), target=settings.target or "", index=settings.index, command=shlex.join(command) or None
        )
        self.stop = Stop(settings.drain_timeout)
        self.exclusive = Exclusive(
            given, self.stop, self.run.tell, self.known.command, copied=settings, post=self.run.mail.put
        )
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
        memory = memory_of(settings)
        plan = make_plan(
            sources,
            settings,
            allow_empty=settings.allow_empty,
            skips_bad=settings.skip_bad_files,
            at_once=memory.at_once,
            tell=tell,
        )
        self.known.not_read = [one.to_dict() for one in plan.not_read]
        refuse_second_look(plan, settings.verify)
        with open_client(settings, tell, self.stop) as client, contextlib.ExitStack() as stack:
            self.known.target = client.target
            self.known.planned = planned(plan, client.target, settings.index)
            tell(self.known.planned, *plan.bad, *memory.notes(), *remarks.of_plan(plan))
            check_guards(client, plan, settings, tell)
            if not plan.sources:
                tell(remarks.nothing_to_load(plan))
                if not (settings.delete_missing and has_index(client, settings, tell)):
                    return ExitCode.OK
            refuse_a_part(plan, settings)
            cutting = cutting_of(client, settings, memory)
            refuse_outputs(client, plan, settings)
            self.exclusive.take(client.target)
            self.run.begin(open_journal(client.target, settings, self.known.command))
            plan = self.earlier.begin(client.target, plan)
            found, only, read = first_look(plan, cutting, self.earlier.done)
            batches = stack.enter_context(Upcoming(lambda dimension: self._batches(read, dimension, cutting)))
            opened = self.known.opened = opened_index(
                client,
                settings,
                found,
                tell,
                self.known.command,
                before=lambda: self._before_creating(plan, batches, found),
            )
            dimension = (opened.info.dimension if opened is not None else 0) or found
            if opened is None:
                tell(*remarks.other_metric(plan, settings))
            if opened is None or settings.dry_run:
                dimension = plan.dimension or dimension
                return Rehearsal(client, plan, settings, self.run, self.known, self.earlier).carry_out(
                    batches.all(dimension), dimension, cutting
                )
            with opened.index:
                upload = Upload(client, opened, plan, settings, self.run, self.known, self.stop)
                # of a resumed load, the first chunk may be the bad rows' alone
                upload.begin(plan.dimension or (None if self.earlier.goes_on else only), self.earlier)
                self.exclusive.keep()
                upload.send(batches.all(dimension), memory.workers, self.exclusive.permit)
                upload.finish()
                self.earlier.delete_missing(opened.index, plan, self.exclusive.confirm)
            plan.check(self.run.bad)
            note_bad(self.run.journal, plan, self.run.bad)
            if self.run.journal is not None:
                self.run.journal.check_kept()
        if self.run.bad and all(one.layout.uri in self.run.bad for one in plan.sources):
            raise all_bad(len(self.run.bad), next(iter(self.run.bad.values())).text)
        self._refuse_nothing(plan)
        self.run.budget.check_end()
        self.exclusive.confirm()
        return ExitCode.REJECTED if self.run.tally.rejected or self.run.bad else ExitCode.OK

    def _refuse_nothing(self, plan: Plan) -> None:
        """Of a stream it is known at its end alone that there was no row in it."""
        chooses = plan.selection.skip or any(one.shaping.filter is not None for one in plan.sources)
        if not chooses and not self.run.tally.asked and not self.settings.allow_empty:
            raise EmptySourceError("No source had a row. If that may be, say so with --allow-empty.")

    def _before_creating(self, plan: Plan, batches: Upcoming, dimension: int | None) -> None:
        """No index is left behind by rows that cannot be loaded."""
        self.run.tell(*remarks.other_metric(plan, self.settings))
        if not self.earlier.goes_on:  # else the index that is missing had rows: that is said first
            self.run.tell(began("read", [plan]))  # a slow pipe may take its time
            batches.look(dimension)

    def _batches(
        self, read: Iterator[Chunk | PartEnd], dimension: int | None, cutting: Cutting
    ) -> Generator[Batch, None, None]:
        """Batches as they are read ahead, counted. Raises BadRowError when there are too many bad rows."""
        is_generator = any(map(places.is_generator, self.settings.sources))
        with ahead(read, self.stop, self.run.mail, here=is_generator) as ready:
            yield from self.run.batches(cut(self.run.chunks(ready), dimension, cutting))

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
            self.run.end(report)
            journal.close()
        self.earlier.close()
        self.exclusive.close()
        self.run.tell(Ended(report))
        return report


def _code_of_foreign(error: BaseException) -> ExitCode:
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.BUG


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
