"""What an engine promises, and what it tells of the batches that it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from cyborg_ingest.model import Batch, Rejection


@dataclass(frozen=True, slots=True)
class Leaving:
    """A batch leaves as soon as the next event is asked for: what has to be known of it before is noted now."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows [start, stop) of a Part need nothing more: those of `batch` are in the index, the rest rejected.

    It took `seconds`.
    """

    batch: Batch
    seconds: float
    rejections: tuple[Rejection, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Refused:
    """A batch that could not be sent. Nothing is in flight that what is made of it now could overtake."""

    batch: Batch
    error: BaseException


BatchEvent = Leaving | Settled | Refused


class Engine(Protocol):
    """Sends batches, several at once, in an order that lets the later row of an id win."""

    @property
    def in_flight(self) -> int:
        """Batches that are on their way."""

    @property
    def duplicates(self) -> int:
        """Rows whose id stood in the same batch already, or was in flight."""

    def run(self, batches: Iterator[Batch], send: Callable[[Batch], None]) -> Generator[BatchEvent, None, None]:
        """Pull batches, and `send` them; tell when each leaves, and that it is settled or refused.

        An error of the batches is raised once what is in flight was awaited and told; so is one that is thrown into it.
        """


_Made = TypeVar("_Made")


def handled(
    events: Generator[BatchEvent, None, None], handle: Callable[[BatchEvent], Iterator[_Made]]
) -> Generator[_Made, None, None]:
    """What is made of each event. Where that fails, the engine hears of it: what is in flight is still awaited."""
    event = next(events, None)
    while event is not None:
        failure: BaseException | None = None
        try:
            yield from handle(event)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised by the engine, after the acks that are due
            failure = error
        event = next(events, None) if failure is None else _after(events, failure)


def _after(events: Generator[BatchEvent, None, None], failure: BaseException) -> BatchEvent | None:
    """The next event of an engine that hears of a failure; raises it where there is none, unless it is stopped."""
    try:
        return events.throw(failure)
    except StopIteration:
        return None
