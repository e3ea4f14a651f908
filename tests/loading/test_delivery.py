"""One batch: halved, bisected, read back at the cap; a row is blamed only by evidence of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cyborg_ingest.errors import (
    CapReachedError,
    ConnectionLostError,
    RefusedError,
    StorageError,
    TooLargeError,
    UnavailableError,
)
from cyborg_ingest.loading.delivery import Delivery
from cyborg_ingest.model import Batch, Part, Reason, StoredRow
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.loading.engines.base import Settled

PART = Part("f", "npy", 0, 0, 100, 100, 0, 100)


def batch(*ids: str, start: int = 0) -> Batch:
    """A row an id; the first number of each vector is its row."""
    rows = np.arange(start, start + len(ids))
    vectors = np.stack([rows + 1, np.ones(len(ids))], axis=1).astype(np.float32)
    return Batch(PART, start, start + len(ids), start, list(ids), vectors, None, None, rows, None, 8 * len(ids))


class Store:
    """An index that is a dictionary, before which `check` may raise; `sent` are the ids of each request."""

    def __init__(self, check: Callable[[Store, list[str]], None] = lambda _store, _ids: None) -> None:
        self.rows: dict[str, float] = {}
        self.sent: list[list[str]] = []
        self._check = check

    def upsert_binary(self, ids: list[str], vectors: Any, *_: Any) -> None:
        self.sent.append(list(ids))
        self._check(self, ids)
        self.rows.update(zip(ids, vectors[:, 0].tolist(), strict=True))

    def get(self, ids: Iterable[str]) -> list[StoredRow]:
        rows = self.rows
        return [StoredRow(one, np.array([rows[one], 1], np.float32), None, None) for one in ids if one in rows]


def delivery(store: Store) -> Delivery:
    policy = RetryPolicy(retries=0, max_wait=0.0, base=0.0)
    return Delivery(store, policy, Stop(), lambda *_: None)  # type: ignore[arg-type]


def outcome(settled: Iterable[Settled]) -> tuple[list[str], list[tuple[str | None, Reason]], list[tuple[int, int]]]:
    """The ids that were settled, those that were rejected, and the ranges that are covered."""
    done = list(settled)
    ids = [identity for one in done for identity in one.batch.ids]
    rejected = [(one.id, one.reason) for each in done for one in each.rejections]
    return ids, rejected, sorted((one.batch.start, one.batch.stop) for one in done)


def refusing(*bad: str) -> Callable[[Store, list[str]], None]:
    def check(_store: Store, ids: list[str]) -> None:
        if not set(bad).isdisjoint(ids):
            raise RefusedError("no")

    return check


def test_at_the_cap_only_what_is_not_there_already_is_sent() -> None:
    def cap(store: Store, ids: list[str]) -> None:
        if len(store.rows) + len(ids) > 4:
            raise CapReachedError("full")

    store = Store(cap)
    store.rows.update({"a": 1.0, "b": 99.0, "c": 3.0})
    rows = batch("a", "b", "c")
    with pytest.raises(CapReachedError) as caught:
        delivery(store).send(rows)
    ids, rejected, covered = outcome(delivery(store).recover(rows, caught.value))
    assert store.sent == [["a", "b", "c"], ["b"]]
    assert store.rows == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert (ids, rejected, covered) == (["a", "b", "c"], [], [(0, 1), (1, 2), (2, 3)])


def test_a_row_that_is_too_large_is_rejected_and_all_others_are_sent() -> None:
    def too_large(_store: Store, ids: list[str]) -> None:
        if "r2" in ids:
            raise TooLargeError("too large")

    store, rows = Store(too_large), batch("r0", "r1", "r2", "r3", "r4")
    with pytest.raises(TooLargeError) as caught:
        delivery(store).send(rows)
    ids, rejected, covered = outcome(delivery(store).recover(rows, caught.value))
    assert sorted(ids) == ["r0", "r1", "r3", "r4"] == sorted(store.rows)
    assert rejected == [("r2", Reason.TOO_LARGE)]
    assert [row for start, stop in covered for row in range(start, stop)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("bad", [{"r0"}, {"r3"}, {"r7"}, {"r0", "r1"}, {"r2", "r5", "r6"}])
def test_exactly_the_refused_rows_are_rejected(bad: set[str]) -> None:
    store, rows = Store(refusing(*bad)), batch(*(f"r{row}" for row in range(8)))
    ids, rejected, covered = outcome(delivery(store).recover(rows, RefusedError("no")))
    assert {one for one, _ in rejected} == bad
    assert len(rejected) == len(bad)
    assert sorted(ids) == sorted(set(rows.ids) - bad) == sorted(store.rows)
    assert [row for start, stop in covered for row in range(start, stop)] == list(range(8))


@pytest.mark.parametrize("error", [UnavailableError("500", cause="500"), RefusedError("no")])
@pytest.mark.parametrize("is_known", [True, False])
def test_an_outage_that_ends_while_a_batch_is_bisected_costs_no_good_row(error: Exception, *, is_known: bool) -> None:
    """The first requests of the bisecting are refused, whatever is in them; the row r5 always is."""
    endings = set()
    for length in range(30):

        def outage(store: Store, ids: list[str], length: int = length) -> None:
            if len(store.sent) <= length:
                raise error
            if "r5" in ids:
                raise RefusedError("no")

        store, rows = Store(outage), batch(*(f"r{row}" for row in range(8)))
        one = delivery(store)
        if is_known:
            one.landed(batch("earlier", start=50))
        try:
            _, rejected, _ = outcome(one.recover(rows, error))
        except (RefusedError, UnavailableError):
            endings.add("nothing is taken")
            continue
        endings.add("bisected")
        assert rejected == [("r5", Reason.REFUSED)]
        assert sorted(set(store.rows) - {"earlier"}) == sorted(set(rows.ids) - {"r5"})
    assert endings == {"nothing is taken", "bisected"}


def test_an_outage_that_comes_and_goes_leaves_no_older_row() -> None:
    whole = 0
    for seed in range(300):
        fate = np.random.default_rng(seed).random(400) < 0.4

        def flapping(store: Store, _ids: list[str], fate: Any = fate) -> None:
            if fate[len(store.sent)]:
                raise UnavailableError("500", cause="500")

        store, rows = Store(flapping), batch("a", "b", "a", "c", "b", "a")
        try:
            _, rejected, _ = outcome(delivery(store).recover(rows, UnavailableError("500", cause="500")))
        except UnavailableError:
            continue
        if not rejected:
            whole += 1
            assert store.rows == {"a": 6.0, "b": 5.0, "c": 4.0}
    assert whole > 20


@pytest.mark.parametrize(("ids", "refusals"), [("aa", 1), ("aba", 3), ("aaab", 3), ("abab", 3)])
def test_a_suspect_that_is_taken_in_the_end_does_not_replace_a_newer_row_of_its_id(ids: str, refusals: int) -> None:
    def outage(store: Store, _ids: list[str]) -> None:
        if len(store.sent) <= refusals:
            raise RefusedError("no")

    store, rows = Store(outage), batch(*ids)
    settled, rejected, _ = outcome(delivery(store).recover(rows, RefusedError("no")))
    assert (sorted(settled), rejected) == (sorted(ids), [])
    assert store.rows == {identity: row + 1.0 for row, identity in enumerate(ids)}


@pytest.mark.parametrize("error", [StorageError("full"), ConnectionLostError("gone", cause="reset")])
def test_an_error_that_no_row_can_cause_is_passed_on(error: Exception) -> None:
    with pytest.raises(type(error)):
        list(delivery(Store()).recover(batch("a"), error))


def test_a_target_that_takes_nothing_is_asked_few_times() -> None:
    store = Store(refusing(*(f"r{row}" for row in range(1000))))
    with pytest.raises(RefusedError):
        list(delivery(store).recover(batch(*(f"r{row}" for row in range(1000))), RefusedError("no")))
    assert len(store.sent) < 60
