"""Rows on their way into an index: sent in order, and noted in the journal as what they are by then.

What is noted when decides what a run that is killed here leaves to the next one. Before a batch leaves, the journal
has it as sent; a batch that landed is done, or held where an older request may still replace one of its rows, and then
those of its ids are in doubt of which a request was given up. So at any moment:

- what is sent and neither done nor held was in flight, in more requests than one perhaps, and no row behind it with one
  of its ids is done;
- a row that is newer than a doubt of its id is held for that id, or was in flight.

A resumed run forgets what is done behind the first gap, reads what is held once more for the rows that it is held
for, and sends all else in order; then the later row of an id wins, whatever was killed, lost or applied late.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.loading.delivery import Delivery
from cyborg_ingest.loading.doubts import Doubts
from cyborg_ingest.loading.engines.base import Leaving, Refused, Settled, handled
from cyborg_ingest.loading.engines.threads import Threads
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.ledger import State

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from cyborg_ingest.loading.engines.base import BatchEvent, Engine
    from cyborg_ingest.loading.engines.threads import Runner
    from cyborg_ingest.loading.mailbox import Mailbox
    from cyborg_ingest.model import Batch
    from cyborg_ingest.rows.compare import Row
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.base import Index
    from cyborg_ingest.targets.retry import Retry, RetryPolicy


class Transfer:
    """Sends batches into an index, with a journal or without; `mail` hears of retries, from any thread.

    `applies_late`: a request of a run that was killed may still be applied, as by a service.
    """

    def __init__(
        self,
        index: Index,
        journal: Journal | None,
        *,
        workers: int,
        policy: RetryPolicy,
        stop: Stop,
        applies_late: bool,
        mail: Mailbox,
        runner: Runner | None = None,
    ) -> None:
        self._journal = journal
        self._stop = stop
        self._applies_late = applies_late
        self._mail = mail
        self._is_recovering = False
        state = journal.state if journal else State()
        self.doubts = Doubts(state.doubts, state.late if applies_late else ())
        self.delivery = Delivery(index, policy, stop, self._retrying)
        self.engine: Engine = Threads(workers, stop=stop, mail=self._mail, runner=runner)

    def send(self, batches: Iterable[Batch]) -> Generator[Settled, None, None]:
        """Send them; yield each batch when it is settled, for the caller to `note` before it asks for more.

        A caller that fails has to `close` this: then what is in flight is awaited, and nothing is applied later.
        """
        with contextlib.closing(self.engine.run(self._wanted(batches), self.delivery.send)) as events:
            yield from handled(events, self._handled)

    def note(self, settled: Settled, *, full: bool) -> None:
        """Note that a batch has landed, and its rejected rows; with all of their content, or their ids alone."""
        self.delivery.landed(settled.batch)
        held = self.doubts.landed(settled.batch)
        if self._journal is not None and not settled.batch.again:
            ids = [*settled.batch.ids, *(one.id for one in settled.rejections if one.id is not None)]
            self._journal.reject(settled.rejections, full=full)
            self._journal.acknowledged(settled.batch, settled.rejections, held=held, doubted=self.doubts.to_note(ids))

    def settle(self) -> bool:
        """Wait until no older request replaces a newer row; False where the stop ended the wait."""
        is_quiet = self.doubts.settle(self.delivery.read, self._send_rows, self._stop, self.delivery.tolerance)
        if is_quiet and self._journal is not None:
            self._journal.release()
        return is_quiet

    def _wanted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches; of what is held those rows whose id was in doubt before they were sent.

        Not those whose id came into doubt since: a newer row of it may be done.
        """
        for batch in batches:
            wanted = self._held(batch) if batch.again else batch
            if wanted.ids or not batch.again:
                yield wanted

    def _held(self, batch: Batch) -> Batch:
        watched = self._journal.watched(batch.part) if self._journal is not None else []
        near = [one for one in watched if one[0] < batch.stop and batch.start < one[1]]
        rows = zip(batch.ids, batch.rows.tolist(), strict=True)
        return batch.picked(
            [place for place, (name, row) in enumerate(rows) if any(s <= row < e and name in ids for s, e, ids in near)]
        )

    def _handled(self, event: BatchEvent) -> Iterator[Settled]:
        if isinstance(event, Leaving):
            self._leaving(event.batch)
        elif isinstance(event, Refused):
            yield from self._recover(event.batch, event.error)
        else:
            yield event

    def _leaving(self, batch: Batch) -> None:
        unheard = self._journal.in_doubt(batch.part) if self._journal and self._applies_late else RangeSet()
        self.doubts.starting(batch, unheard)
        if self._journal is not None:
            self._journal.sending(batch)

    def _recover(self, batch: Batch, error: BaseException) -> Iterator[Settled]:
        if batch.again:  # the index had these rows: none of them is to blame
            raise error
        self._is_recovering = True
        yield from self.delivery.recover(batch, error)
        self._is_recovering = False

    def _retrying(self, ids: list[str], retry: Retry) -> None:
        if retry.error.outcome_unknown:
            self.doubts.add(ids)
            if self._is_recovering and self._journal is not None:  # a row that has landed is sent again, as a test
                self._journal.doubt(self.doubts.to_note(ids))
        self._mail.put(retry.fact)

    def _send_rows(self, rows: list[Row]) -> None:
        self.delivery.upsert(
            [row.id for row in rows],
            np.stack([row.vector for row in rows]),
            [row.metadata for row in rows],
            [row.contents for row in rows],
        )
