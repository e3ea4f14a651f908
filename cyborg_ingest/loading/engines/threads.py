"""Send batches: a bounded number at once, in an order that lets the later row of an id win."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cyborg_ingest.facts import ignore
from cyborg_ingest.loading.mailbox import Mailbox
from cyborg_ingest.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from cyborg_ingest.model import Batch, Rejection


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows [start, stop) of a Part need nothing more: those of `batch` are in the index, the rest rejected.

    It took `seconds`.
    """

    batch: Batch
    seconds: float
    rejections: tuple[Rejection, ...] = field(default=())


class Runner(Protocol):
    """What requests run on; tests put an order of their own in the place of threads."""

    def submit(self, action: Callable[[Batch], float], batch: Batch) -> Future[float]:
        """Let it run beside others."""

    def wait(self, futures: Iterable[Future[Any]], timeout: float | None) -> None:
        """Return when one of them is done, at the latest after so many seconds."""

    def end(self, *, wait: bool) -> None:
        """Start no more; wait for what runs, or leave it alone."""


class Threads:
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


class Sender:
    """Sends what it pulls from `batches`; `send` runs on `workers` threads, everything else on the caller's.

    `on_start` is called before a batch leaves. `on_refused` gets a batch that `send` failed on, when nothing
    else is in flight, and yields what it made of it, or raises. One more batch than there are workers is
    taken, so that a thread that is done finds the next one ready. What `send` leaves in `mail` goes on from the
    caller's thread, too.
    """

    def __init__(
        self,
        send: Callable[[Batch], None],
        workers: int,
        *,
        on_start: Callable[[Batch], None] = lambda _batch: None,
        on_refused: Callable[[Batch, BaseException], Iterator[Settled]] | None = None,
        stop: Stop | None = None,
        mail: Mailbox | None = None,
        runner: Runner | None = None,
    ) -> None:
        self._send = send
        self._workers = workers
        self._on_start = on_start
        self._on_refused = on_refused
        self._stop = stop or Stop()
        self._mail = mail or Mailbox(ignore)
        self._runner = runner
        self._flying: dict[Future[float], Batch] = {}
        self._held: dict[Future[float], set[str]] = {}
        self._refused: list[tuple[Batch, BaseException]] = []
        self.duplicates = 0
        """Rows whose id stood in the same batch already, or was in flight."""

    @property
    def in_flight(self) -> int:
        """Batches that are on their way."""
        return len(self._flying)

    def send_all(self, batches: Iterator[Batch]) -> Generator[Settled, None, None]:
        """Yield each batch when it is settled.

        After an error, of the sources or of the target, what is in flight is still awaited and yielded; then
        the error is raised. After a stop likewise, but no longer than its deadline: `in_flight` says then
        what was given up. A KeyboardInterrupt, where nobody listens to signals, asks for a stop.
        """
        error: BaseException | None = None
        runner = self._runner or Threads(self._workers)
        try:
            try:
                yield from self._pull(runner, batches)
            except KeyboardInterrupt as interrupt:
                self._stop.ask()
                error = interrupt
            except Exception as failure:  # noqa: BLE001 - raised again below, after the acks that are due
                error = failure
            yield from self._drain(runner)
        finally:
            runner.end(wait=not (self._flying and self._stop.is_asked()))
            self._mail.deliver()
        if error is not None and (isinstance(error, KeyboardInterrupt) or not self._stop.is_asked()):
            raise error

    def _pull(self, runner: Runner, batches: Iterator[Batch]) -> Iterator[Settled]:
        for batch in batches:
            conflicts = self._conflicts(batch)
            if conflicts:
                self.duplicates += len(set(batch.ids).intersection(set().union(*self._held.values())))
            while len(self._flying) > self._workers or self._refused or (conflicts and self._conflicts(batch)):
                yield from self._landed(runner)
                yield from self._mended(runner)
                if self._stop.is_asked():
                    return
            if self._stop.is_asked():
                return
            self._start(runner, batch)
        while self._flying or self._refused:
            yield from self._landed(runner)
            yield from self._mended(runner)
            if self._stop.is_asked():
                return

    def _drain(self, runner: Runner) -> Iterator[Settled]:
        """Await what is on its way; what waits for a thread is not sent if the target refuses or on a stop."""
        while self._flying:
            if self._refused or self._stop.is_asked():
                for future in [one for one in self._flying if one.cancel()]:
                    self._taken_off(future)
            yield from self._landed(runner)
            if self._stop.deadline is not None and time.monotonic() >= self._stop.deadline:
                return

    def _start(self, runner: Runner, batch: Batch) -> None:
        self._on_start(batch)
        ids = set(batch.ids)
        self.duplicates += len(batch.ids) - len(ids)
        future = runner.submit(self._timed, batch)
        self._flying[future], self._held[future] = batch, ids

    def _timed(self, batch: Batch) -> float:
        begun = time.perf_counter()
        if batch.ids:
            self._send(batch)
        return time.perf_counter() - begun

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
                self._refused.append((batch, failure))

    def _taken_off(self, future: Future[float]) -> Batch:
        """The batch of a request that is over; its ids are free."""
        del self._held[future]
        return self._flying.pop(future)

    def _mended(self, runner: Runner) -> Iterator[Settled]:
        """Look at what was refused, once nothing is in flight that it could overtake."""
        if not self._refused or self._stop.is_asked():
            return
        while self._flying:
            yield from self._landed(runner)
            if self._stop.is_asked():
                return
        while self._refused:
            batch, error = self._refused[0]
            if self._on_refused is None:
                raise error
            yield from self._on_refused(batch, error)
            self._refused.pop(0)
