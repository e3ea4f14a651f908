"""The rows of a load on their way into an open index: what is checked before, how they are sent, what is there then."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from cyborg_ingest.check.distinct import KEPT, KEPT_TO_COMPARE
from cyborg_ingest.check.verifier import present
from cyborg_ingest.facts import Noted, Sending
from cyborg_ingest.loading import remarks
from cyborg_ingest.loading.ending import Evidence, raise_what_differs, verified
from cyborg_ingest.loading.pace import pace_of
from cyborg_ingest.loading.stored import Stored
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.targets.opening import check_cap, check_index
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from cyborg_ingest.loading.engines.base import Settled
    from cyborg_ingest.loading.incremental import Incremental
    from cyborg_ingest.loading.report import Known
    from cyborg_ingest.loading.run import Run
    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened


class Upload:
    """`begin`, `send`, `finish`, in this order. What happens is for the `run` to note, what is found goes into `known`.

    `begin` raises what can stop a load before its first row is sent; `dimension` is that of the rows, if it is known.
    """

    def __init__(
        self, client: Client, opened: Opened, plan: Plan, settings: LoadSettings, run: Run, known: Known, stop: Stop
    ) -> None:
        self._client = client
        self._opened = opened
        self._plan = plan
        self._settings = settings
        self._run = run
        self._known = known
        self._stop = stop

    def begin(self, dimension: int | None, earlier: Incremental) -> None:
        """Everything that can stop the load before the first row is sent."""
        client, opened, plan, settings = self._client, self._opened, self._plan, self._settings
        journal, tell, tally = self._run.journal, self._run.tell, self._run.tally
        check_index(opened, client, settings, dimension, tell, is_own=bool(self._noted().get("sole")))
        before = opened.index.count()
        self._known.count["before"] = before
        self._stored = Stored(opened, settings.storage_precision, journal, opened.index.get)
        earlier.check(opened, plan, before)
        if journal is not None and journal.goes_on:
            journal.write()
        kept = KEPT_TO_COMPARE if settings.verify == "count" else KEPT
        probes = journal.state.probes if journal is not None else None
        self._evidence = Evidence(probes, tally.skipped, kept=kept)
        self._evidence.sample.exact = self._stored.is_exact
        check_cap(client, before, None if plan.rows is None else plan.rows - tally.skipped, tell)
        if before and not tally.skipped:
            tell(*remarks.wiping(plan))

    def _noted(self) -> Mapping[str, Any]:
        """What earlier runs of the job have noted."""
        return self._run.journal.state.facts if self._run.journal is not None else {}

    def send(
        self, batches: Generator[Batch, None, None], workers: int, permit: Callable[[], None] | None = None
    ) -> None:
        """Send what is read, so many requests at once, each once it is permitted.

        What lands is noted before anything else is read.
        """
        settings, stop, tell = self._settings, self._stop, self._run.tell
        self._transfer = Transfer(
            self._opened.index,
            self._run.journal,
            workers=workers,
            policy=RetryPolicy(settings.retries, settings.retry_max_wait),
            stop=stop,
            applies_late=not self._client.is_embedded,
            mail=self._run.mail,
        )
        self._transfer.delivery.tolerance = self._stored.tolerance
        self._transfer.delivery.pace = pace_of(settings, stop)
        self._transfer.delivery.permit = permit
        tell(Sending())
        stop.is_draining = True
        with (
            contextlib.closing(self._looked_at(batches)) as looked_at,
            contextlib.closing(self._transfer.send(looked_at)) as landed,  # drained, whoever raises
        ):
            for settled in landed:
                self._settled(settled)
        stop.is_draining = False
        if stop.is_asked():
            raise stop.error()
        tell(*remarks.watched(len(self._transfer.doubts)))
        if not self._transfer.settle():
            raise stop.error()

    def _looked_at(self, batches: Generator[Batch, None, None]) -> Generator[Batch, None, None]:
        """The batches; before the first leaves, its rows are looked at where the index may hold older ones."""
        is_known = not self._known.count["before"]
        with contextlib.closing(batches):
            for batch in batches:
                if not (is_known or batch.again):
                    self._look_at(batch, "rows that were there before", is_own=False)
                    is_known = True
                yield batch

    def _look_at(self, batch: Batch, source: str, *, is_own: bool) -> None:
        """Look at what the index holds of a batch, where nobody knows how it stores vectors."""
        if self._stored.look(batch, source, is_own=is_own):
            self._transfer.delivery.tolerance = self._stored.tolerance
            self._evidence.sample.exact = self._stored.is_exact
            if not self._stored.is_exact:
                self._run.tell(Noted(f"Vectors that are read back are compared {self._stored.precision}."))

    def _settled(self, settled: Settled) -> None:
        self._look_at(settled.batch, "rows that were just sent", is_own=True)
        self._evidence.landed(settled.batch)
        said, journal = self._transfer.delivery.contradictions, self._run.journal
        if said and journal is not None and "contradiction" not in self._noted():
            journal.know(contradiction=said[0])
        self._run.settled(settled, self._transfer)

    def finish(self) -> None:
        """Look at what the index holds now. Raises DifferenceError where that is not what was sent."""
        index, settings, tally, tell = self._opened.index, self._settings, self._run.tally, self._run.tell
        self._run.late.end(self._plan, tally)
        before, after = self._known.count["before"] or 0, index.count()
        self._known.count["after"] = after
        tell(*remarks.untrained(self._client, self._opened, after, settings))
        tell(*remarks.replaced(tally.acknowledged, self._evidence.replaced(before, after)))
        self._known.present = present(index, tally.rejected_ids)
        tell(*remarks.still_there(self._known.present))
        precision = self._stored.precision
        if settings.verify != "none":
            self._known.verified = verified(
                settings.verify, index, self._plan, tally, self._evidence, precision, (before, after), tell
            )
        said = self._noted().get("contradiction") or next(iter(self._transfer.delivery.contradictions), None)
        faults = list(self._evidence.faults(before, after, said, precision, index.get))
        raise_what_differs(self._known.verified, faults, settings, precision)
