"""Batches of small numbers, for what sends them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.loading.engines.base import Leaving, Refused, handled
from cyborg_ingest.loading.engines.threads import Threads
from cyborg_ingest.model import Batch, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from cyborg_ingest.loading.engines.base import BatchEvent, Settled
    from cyborg_ingest.stop import Stop

PART = Part("f", "npy", 0, 0, 100, 100, 0, 100)


def batch(number: int, ids: list[str]) -> Batch:
    """Batch `number`, with these ids, at row 10 times its number; its vectors are that number twice."""
    size = len(ids)
    vectors = np.full((size, 2), number, np.float32)
    rows = np.arange(number * 10, number * 10 + size)
    return Batch(PART, number * 10, number * 10 + size, number * 10, ids, vectors, None, None, rows, None, 8)


class Sender:
    """An engine, what it sends with, and what is made of what it tells: of a batch that leaves, and of one refused."""

    def __init__(
        self,
        send: Callable[[Batch], None],
        workers: int,
        *,
        on_start: Callable[[Batch], None] = lambda _batch: None,
        on_refused: Callable[[Batch, BaseException], Iterator[Settled]] | None = None,
        stop: Stop | None = None,
    ) -> None:
        self.engine = Threads(workers, stop=stop)
        self._send = send
        self._on_start = on_start
        self._on_refused = on_refused

    @property
    def in_flight(self) -> int:
        return self.engine.in_flight

    @property
    def duplicates(self) -> int:
        return self.engine.duplicates

    def send_all(self, batches: Iterator[Batch]) -> Generator[Settled, None, None]:
        with contextlib.closing(self.engine.run(batches, self._send)) as events:
            yield from handled(events, self._handled)

    def _handled(self, event: BatchEvent) -> Iterator[Settled]:
        if isinstance(event, Leaving):
            self._on_start(event.batch)
        elif not isinstance(event, Refused):
            yield event
        elif self._on_refused is None:
            raise event.error
        else:
            yield from self._on_refused(event.batch, event.error)
