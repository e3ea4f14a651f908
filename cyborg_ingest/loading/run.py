"""A run while it lasts. All that happens comes here: what landed is on disk before it is counted, and then told.

A rejected row is counted first, and is on disk with its batch: the one that is one too many ends the run, and the next
run has to try it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest.facts import FileSkipped, Landed, Noted, Read, RowRejected
from cyborg_ingest.loading.budget import Budget
from cyborg_ingest.loading.log import Logged
from cyborg_ingest.loading.mailbox import Mailbox
from cyborg_ingest.loading.remarks import Late
from cyborg_ingest.loading.report import own_bytes
from cyborg_ingest.loading.sampling import Sampler
from cyborg_ingest.plan.parts import PartEnd
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.facts import Emit, Event
    from cyborg_ingest.loading.engines.base import Settled
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.loading.transfer import Transfer
    from cyborg_ingest.model import Batch, Chunk, Rejection
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.journal import Journal

_MOST_NOTES = 100


class Run:
    """The fold: the journal and the log of the run, its counts, what it may reject, and whoever watches."""

    def __init__(self, settings: LoadSettings, watch: Emit) -> None:
        self.tally = Tally()
        self.budget = Budget(settings, self.tally)
        self.late = Late(self.tell)
        self.log = Logged(watch, settings)
        self.sampler = Sampler()
        self.mail = Mailbox(self.tell)
        """What other threads have to tell."""
        self.journal: Journal | None = None
        self.notes: list[str] = []
        self.bad: dict[str, FileSkipped] = {}
        """Files that could not be loaded, or not to their end."""
        self._content = settings.reject_content

    def tell(self, *facts: Event) -> None:
        """Count facts; then they are in the log, and with whoever watches."""
        for fact in facts:
            self.tally(fact)
            self.sampler(fact)
            if isinstance(fact, FileSkipped):
                self.bad[fact.uri] = fact
            if isinstance(fact, Noted) and len(self.notes) < _MOST_NOTES:
                self.notes.append(fact.text)
            self.log(fact)

    def begin(self, journal: Journal | None) -> None:
        """From here on what happens is noted there, if there is one."""
        self.journal = journal
        self.log.begin(journal)
        if journal is not None:
            self.sampler.begin(journal.run.samples)

    def end(self, report: RunReport) -> None:
        """It is over: that is in its log, before the journal is closed."""
        self.sampler.end()
        self.log.end(report)

    def chunks(self, read: Iterable[Chunk | PartEnd]) -> Iterator[Chunk]:
        """The chunks as they are read; where a Part ends is noted."""
        for one in read:
            if not isinstance(one, PartEnd):
                self.late.chunk(one)
                yield one
            elif one.skipped is not None:
                self.tell(one.skipped)
            elif self.journal is not None and one.part.rows is None and one.rows is not None:
                self.journal.complete(one.part, one.rows)

    def batches(self, cut: Iterable[Batch]) -> Iterator[Batch]:
        """The batches as they are cut, their bad rows counted. Raises BadRowError where one is too many."""
        for batch in cut:
            yield batch if batch.again else self._read(batch)

    def _read(self, batch: Batch) -> Batch:
        if self._content == "ids" and batch.rejections:
            batch = batch.without_content()  # from here on nobody sees more
        self.tell(Read(batch.part.uri, batch.stop - batch.start - batch.passed))
        self.late.batch(batch)
        self._reject(batch.rejections)
        return batch

    def _reject(self, rejections: Iterable[Rejection]) -> None:
        for rejection in rejections:
            self.tell(RowRejected(rejection))
            self.budget.check(rejection)

    def settled(self, settled: Settled, transfer: Transfer) -> None:
        """A batch needs nothing more. Raises BadRowError where a row that the target refuses is one too many."""
        if self._content == "ids":
            settled = replace(settled, rejections=tuple(one.without_content() for one in settled.rejections))
        batch, engine = settled.batch, transfer.engine
        self._reject(settled.rejections[len(batch.rejections) :])  # those before were counted when they were read
        transfer.note(settled, full=self._content == "full")
        if not batch.again:
            in_flight, duplicates = engine.in_flight, engine.duplicates
            self.tell(Landed(batch.part.uri, len(batch), own_bytes(batch), settled.seconds, in_flight, duplicates))
