"""Batches are sent in bounded parallel, never past a row of the same id, and drained before an error."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
from batches import Sender, batch
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.loading.engines.base import Settled
    from cyborg_ingest.model import Batch


class Store:
    """An engine that is a dictionary; it notices how many calls run at once, and each takes a while."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.rows: dict[str, int] = {}
        self.most = 0
        self._fail_at = fail_at
        self._running = 0
        self._lock = threading.Lock()

    def send(self, one: Batch) -> None:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.002 * (one.start % 3))
        with self._lock:
            self._running -= 1
            if one.start // 10 == self._fail_at:
                raise RuntimeError("refused")
            self.rows.update(dict.fromkeys(one.ids, one.start // 10))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=12), st.integers(1, 8))
def test_the_later_row_of_an_id_wins_whatever_runs_in_parallel(tables: list[list[str]], workers: int) -> None:
    store, expected = Store(), {}
    for number, ids in enumerate(tables):
        expected.update(dict.fromkeys(ids, number))
    sent = [one.batch.start for one in Sender(store.send, workers).send_all(_batches(tables))]
    assert store.rows == expected
    assert sorted(sent) == [10 * number for number in range(len(tables))]


def _batches(tables: list[list[str]]) -> Iterator[Batch]:
    for number, ids in enumerate(tables):
        yield batch(number, ids)


def test_no_more_requests_run_at_once_than_there_are_workers() -> None:
    store = Store()
    list(Sender(store.send, 3).send_all(_batches([[str(number)] for number in range(40)])))
    assert 1 < store.most <= 3


def test_reading_does_not_run_ahead_of_sending() -> None:
    pulled = 0

    def slowly() -> Iterator[Batch]:
        nonlocal pulled
        for number in range(50):
            pulled += 1
            yield batch(number, [str(number)])

    for acknowledged, _ in enumerate(Sender(Store().send, 2).send_all(slowly()), 1):
        assert pulled <= acknowledged + 2 + 2


def test_after_an_error_of_the_target_what_is_in_flight_is_still_acknowledged() -> None:
    store = Store(fail_at=5)
    landed: list[int] = []
    sending = Sender(store.send, 4).send_all(_batches([[str(number)] for number in range(40)]))
    with pytest.raises(RuntimeError, match="refused"):
        landed.extend(done.batch.start // 10 for done in sending)
    assert sorted(landed) == sorted(store.rows.values())
    assert 5 not in landed


def test_after_an_error_of_the_source_likewise() -> None:
    store = Store()

    def breaking() -> Iterator[Batch]:
        yield from _batches([[str(number)] for number in range(3)])
        raise ValueError("the file broke off")

    landed: list[Settled] = []
    with pytest.raises(ValueError, match="broke off"):
        landed.extend(Sender(store.send, 4).send_all(breaking()))
    assert len(landed) == len(store.rows) == 3


def test_a_caller_that_gives_up_leaves_nothing_in_flight() -> None:
    store = Store()
    sending = Sender(store.send, 4).send_all(_batches([[str(number)] for number in range(40)]))
    with contextlib.closing(sending):
        for _ in range(5):
            next(sending)
    at_once = dict(store.rows)
    time.sleep(0.05)
    assert store.rows == at_once
    assert len(at_once) < 15
