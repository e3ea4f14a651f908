"""A batch that the target refuses: looked at alone, in its turn, whenever it was refused; nothing else is lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from batches import Sender, batch

from cyborg_ingest.loading.engines.base import Settled
from cyborg_ingest.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.model import Batch

WAIT_SECONDS = 30


class Index:
    """Refuses one batch, once all others that are on their way have landed, or at once."""

    def __init__(self, refused: int, others: int) -> None:
        self.landed: list[int] = []
        self.mended: list[tuple[int, list[int]]] = []
        self._refused, self._others = refused, others
        self._all_others = threading.Event()
        if not others:
            self._all_others.set()

    def send(self, one: Batch) -> None:
        number = one.start // 10
        if number == self._refused:
            assert self._all_others.wait(WAIT_SECONDS)
            raise RuntimeError(f"no to {number}")
        self.landed.append(number)
        if len(self.landed) >= self._others:
            self._all_others.set()

    def mend(self, one: Batch, error: BaseException) -> Iterator[Settled]:
        assert str(error) == f"no to {one.start // 10}"
        self.mended.append((one.start // 10, sorted(self.landed)))
        yield Settled(one, 0.0)


def numbers(settled: Iterable[Settled]) -> list[int]:
    return [one.batch.start // 10 for one in settled]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("others", [0, 4])
def test_a_batch_that_is_refused_after_all_others_landed_is_mended_once(workers: int, others: int) -> None:
    """It is the last one: nothing comes behind it that would lead the sender to look."""
    index = Index(4, others if workers > 1 else min(others, 4))
    sender = Sender(index.send, workers, on_refused=index.mend)
    assert sorted(numbers(sender.send_all(batch(number, [str(number)]) for number in range(5)))) == [0, 1, 2, 3, 4]
    assert index.mended == [(4, [0, 1, 2, 3])]
    assert sender.in_flight == 0


def test_a_batch_is_mended_when_nothing_is_in_flight_and_before_a_later_one_leaves() -> None:
    index, left, at_mending = Index(0, 0), list[int](), list[list[int]]()

    def mend(one: Batch, error: BaseException) -> Iterator[Settled]:
        at_mending.append(sorted(left))
        yield from index.mend(one, error)

    sender = Sender(index.send, 1, on_refused=mend, on_start=lambda one: left.append(one.start // 10))
    found = numbers(sender.send_all(batch(number, [str(number)]) for number in range(9)))
    assert sorted(found) == list(range(9))
    assert index.mended == [(0, [1])]
    assert at_mending == [[0, 1]]


def test_without_anybody_to_mend_it_the_error_is_raised_and_the_others_are_yielded() -> None:
    index = Index(2, 2)
    found: list[int] = []
    with pytest.raises(RuntimeError, match="no to 2"):
        found.extend(one.batch.start // 10 for one in Sender(index.send, 2).send_all(
            batch(number, [str(number)]) for number in range(3)
        ))  # fmt: skip
    assert sorted(found) == [0, 1]


def test_what_cannot_be_mended_ends_the_sending_with_its_error() -> None:
    def mend(one: Batch, _error: BaseException) -> Iterator[Settled]:
        if one.ids:
            raise LookupError("nothing to be done")
        yield Settled(one, 0.0)

    index = Index(1, 1)
    with pytest.raises(LookupError, match="nothing to be done"):
        list(Sender(index.send, 1, on_refused=mend).send_all(batch(number, [str(number)]) for number in range(9)))
    assert index.landed in ([0], [0, 2])


def test_rows_of_one_id_are_counted_within_a_batch_and_beside_one_in_flight() -> None:
    is_free = threading.Event()

    def send(one: Batch) -> None:
        if one.start == 0:
            assert is_free.wait(WAIT_SECONDS)

    def several() -> Iterator[Batch]:
        yield batch(0, ["a", "b", "a", "a"])
        yield batch(1, ["c"])
        is_free.set()
        yield batch(2, ["d", "d"])

    sender = Sender(send, 2)
    assert len(list(sender.send_all(several()))) == 3
    assert sender.duplicates == 3

    def overlapping() -> Iterator[Batch]:
        yield batch(0, ["a", "b", "c"])
        threading.Timer(0.02, is_free.set).start()
        yield batch(1, ["b", "c", "x"])

    is_free.clear()
    sender = Sender(send, 2)
    assert len(list(sender.send_all(overlapping()))) == 2
    assert sender.duplicates == 2


def test_a_batch_without_rows_is_settled_and_not_sent() -> None:
    sent: list[int] = []
    started: list[int] = []
    sender = Sender(lambda one: sent.append(one.start), 2, on_start=lambda one: started.append(one.start))
    assert numbers(sender.send_all(iter([batch(0, []), batch(1, ["a"])]))) in ([0, 1], [1, 0])
    assert (sent, started) == ([10], [0, 10])


def test_it_takes_as_many_batches_as_there_are_workers_and_one_more() -> None:
    """Then a thread that is done finds the next one ready; and no more is held in memory."""
    is_free, pulled = threading.Event(), 0

    def several() -> Iterator[Batch]:
        nonlocal pulled
        for number in range(20):
            pulled += 1
            if pulled == 4 + 1 + 1:  # one more than may be on its way: nobody asks for a further one
                threading.Timer(0.1, is_free.set).start()
            assert pulled <= 4 + 2 or is_free.is_set()
            yield batch(number, [str(number)])

    def send(_one: Batch) -> None:
        assert is_free.wait(WAIT_SECONDS)

    sender = Sender(send, 4)
    assert len(list(sender.send_all(several()))) == 20
    assert is_free.is_set()


def test_a_stop_ends_the_pulling_and_what_is_in_flight_is_awaited() -> None:
    stop, landed, pulled = Stop(WAIT_SECONDS), [], []

    def several() -> Iterator[Batch]:
        for number in range(100):
            pulled.append(number)
            yield batch(number, [str(number)])

    def send(one: Batch) -> None:
        landed.append(one.start // 10)
        if one.start == 50:
            stop.ask()

    found = numbers(Sender(send, 2, stop=stop).send_all(several()))
    assert sorted(found) == sorted(landed)
    assert 5 in found
    assert len(pulled) < 15


def test_after_a_stop_what_does_not_land_in_time_is_given_up_and_counted() -> None:
    stop, is_over = Stop(0.2), threading.Event()

    def send(one: Batch) -> None:
        if one.start:
            stop.ask()
            is_over.wait(WAIT_SECONDS)

    sender = Sender(send, 2, stop=stop)
    try:
        assert numbers(sender.send_all(batch(number, [str(number)]) for number in range(9))) == [0]
        assert sender.in_flight in {1, 2}
    finally:
        is_over.set()
