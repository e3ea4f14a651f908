"""Threads of this process: a bounded number of batches at once, and never one past a row of the same id."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.facts import Stopping, ignore
from cyborg_ingest.loading.engines.base import BatchEvent, Leaving, Refused, Settled
from cyborg_ingest.loading.mailbox import Mailbox
from cyborg_ingest.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from cyborg_ingest.model import Batch


class Runner(Protocol):
    """What requests run on; tests put an order of their own in the place of threads."""

    def submit(self, action: Callable[[Batch], float], batch: Batch) -> Future[float]:
        """Let it run beside others."""

    def wait(self, futures: Iterable[Future[Any]], timeout: float | None) -> None:
        """Return when one of them is done, at the latest after so many seconds."""

    def end(self, *, wait: bool) -> None:
        """Start no more; wait for what runs, or leave it alone."""


class Pool:
    """Requests on threads, at most `workers` at once."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="sender")

    def submit(self, action: Callable[[Batch], float], batch: Batch) -> Future[float]:
        """Let it run as soon as a thread is free."""
        return self._pool.submit(action, batch)

    def wait(self, futures: Iterable[Future[Any]], timeout: float | None) -> None:
        """Return when one of them is done."""
        wait(futures, timeout, return_when=FIRST_COMPLETED)

    def end(self, *, wait: bool) -> None:
        """Start no more."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


class Threads:
    """See `base.Engine`. `send` runs on `workers` threads, everything else on the caller's.

    One more batch than there are workers is taken, so that a thread that is done finds the next one ready. What `send`
    leaves in `mail` goes on from the caller's thread, too.
    """

    def __init__(
        self,
        workers: int,
        *,
        stop: Stop | None = None,
        mail: Mailbox | None = None,
        runner: Runner | None = None,
    ) -> None:
        self._workers = workers
        self._stop = stop or Stop()
        self._mail = mail or Mailbox(ignore)
        self._runner = runner
        self._flying: dict[Future[float], Batch] = {}
        self._held: dict[Future[float], set[str]] = {}
        self._refused: list[Refused] = []
        self.duplicates = 0
        """Rows whose id stood in the same batch already, or was in flight."""

    @property
    def in_flight(self) -> int:
        """Batches that are on their way."""
        return len(self._flying)

    def run(self, batches: Iterator[Batch], send: Callable[[Batch], None]) -> Generator[BatchEvent, None, None]:
        """See `base.Engine`.

        After a stop too what is in flight is awaited, but no longer than its deadline: `in_flight` says then what was
        given up. A KeyboardInterrupt, where nobody listens to signals, asks for a stop.
        """
        error: BaseException | None = None
        runner = self._runner or Pool(self._workers)
        try:
            try:
                yield from self._pull(runner, batches, partial(_timed, send))
            except KeyboardInterrupt as interrupt:
                self._stop.ask()
                error = interrupt
            except Exception as failure:  # noqa: BLE001 - raised again below, after the acks that are due
                error = failure
            if self._flying and self._stop.is_asked():
                self._mail.put(self._stopping())
            yield from self._drain(runner)
        finally:
            runner.end(wait=not (self._flying and self._stop.is_asked()))
            self._mail.deliver()
        if error is not None and (isinstance(error, KeyboardInterrupt) or not self._stop.is_asked()):
            raise error

    def _pull(
        self, runner: Runner, batches: Iterator[Batch], send: Callable[[Batch], float]
    ) -> Generator[BatchEvent, None, None]:
        for batch in batches:
            conflicts = self._conflicts(batch)
            if conflicts:
                self.duplicates += len(set(batch.ids).intersection(set().union(*self._held.values())))
            while len(self._flying) > self._workers or self._refused or (conflicts and self._conflicts(batch)):
                yield from self._landed(runner)
                yield from self._told(runner)
                if self._stop.is_asked():
                    return
            if self._stop.is_asked():
                return
            yield Leaving(batch)
            self._start(runner, batch, send)
        while self._flying or self._refused:
            yield from self._landed(runner)
            yield from self._told(runner)
            if self._stop.is_asked():
                return

    def _stopping(self) -> Stopping:
        left = max(0.0, (self._stop.deadline or 0.0) - time.monotonic())
        return Stopping(len(self._flying), left, self._stop.exit_code is ExitCode.INTERRUPTED)

    def _drain(self, runner: Runner) -> Iterator[Settled]:
        """Await what is on its way; what waits for a thread is not sent if the target refuses or on a stop."""
        while self._flying:
            if self._refused or self._stop.is_asked():
                for future in [one for one in self._flying if one.cancel()]:
                    self._taken_off(future)
            yield from self._landed(runner)
            if self._stop.deadline is not None and time.monotonic() >= self._stop.deadline:
                return

    def _start(self, runner: Runner, batch: Batch, send: Callable[[Batch], float]) -> None:
        ids = set(batch.ids)
        self.duplicates += len(batch.ids) - len(ids)
        future = runner.submit(send, batch)
        self._flying[future], self._held[future] = batch, ids

    def _conflicts(self, batch: Batch) -> bool:
        """Whether a row of the batch has the id of one in flight: it must not overtake it."""
        return any(not held.isdisjoint(batch.ids) for held in self._held.values())

    def _landed(self, runner: Runner) -> Iterator[Settled]:
        """Wait for something to land, or for a stop; note what was refused."""
        timeout = None
        waited: list[Future[Any]] = [*self._flying, self._mail.arrived]
        if self._stop.deadline is not None:
            timeout = max(0.0, self._stop.deadline - time.monotonic())
        else:
            waited.append(self._stop.wake)
        if not self._flying:
            return
        runner.wait(waited, timeout)
        self._mail.deliver()
        for future in [one for one in self._flying if one.done()]:
            batch = self._taken_off(future)
            failure = future.exception()
            if failure is None:
                yield Settled(batch, future.result(), batch.rejections)
            else:
                self._refused.append(Refused(batch, failure))

    def _taken_off(self, future: Future[float]) -> Batch:
        """The batch of a request that is over; its ids are free."""
        del self._held[future]
        return self._flying.pop(future)

    def _told(self, runner: Runner) -> Iterator[BatchEvent]:
        """Tell what was refused, once nothing is in flight that it could overtake."""
        if not self._refused or self._stop.is_asked():
            return
        while self._flying:
            yield from self._landed(runner)
            if self._stop.is_asked():
                return
        while self._refused:
            yield self._refused[0]
            self._refused.pop(0)


def _timed(send: Callable[[Batch], None], batch: Batch) -> float:
    """The seconds that it took."""
    begun = time.perf_counter()
    if batch.ids:
        send(batch)
    return time.perf_counter() - begun
