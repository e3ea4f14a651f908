"""Ids in doubt: which rows are watched from when on, what the journal is told, and how they are settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cyborg_ingest.errors import ConnectionLostError
from cyborg_ingest.loading import doubts
from cyborg_ingest.loading.doubts import PAUSES, Doubts
from cyborg_ingest.model import Batch, Part, StoredRow
from cyborg_ingest.rows.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.rows.compare import Row

NOTHING = RangeSet()


def part(number: int = 0, uri: str = "f") -> Part:
    return Part(uri, "npy", number, 0, 1000, 1000, 0, 100)


def batch(ids: str, start: int, number: int = 0, uri: str = "f") -> Batch:
    """A row a letter; the vector's first number is its row, which is its metadata too."""
    rows = np.arange(start, start + len(ids))
    vectors = np.stack([rows + 1, np.ones(len(ids))], axis=1).astype(np.float32)
    return Batch(
        part(number, uri), start, start + len(ids), start, list(ids), vectors, [{"row": int(row)} for row in rows],
        [f"text {row}" for row in rows], rows, None, 8,
    )  # fmt: skip


class Index:
    """Rows by id; `late` are those that come back over a newer one when it is looked at, one a look."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredRow] = {}
        self.late: list[StoredRow] = []
        self.asked: list[list[str]] = []
        self.sent: list[list[str]] = []

    def put(self, one: Batch) -> None:
        for place, name in enumerate(one.ids):
            self.rows[name] = self.row(one, place)

    @staticmethod
    def row(one: Batch, place: int) -> StoredRow:
        assert one.metadata is not None
        assert one.contents is not None
        return StoredRow(one.ids[place], one.vectors[place].copy(), one.metadata[place], one.contents[place])

    def get(self, ids: list[str]) -> list[StoredRow]:
        if self.late:
            one = self.late.pop(0)
            self.rows[one.id] = one
        self.asked.append(ids)
        return [self.rows[name] for name in ids if name in self.rows]

    def send(self, rows: list[Row]) -> None:
        self.sent.append([row.id for row in rows])
        self.rows.update({one.id: StoredRow(one.id, one.vector, one.metadata, one.contents) for one in rows})


class Clock:
    """A stop whose waits take no time; it ends the waiting after so many of them."""

    def __init__(self, most: int = 10**6) -> None:
        self.waits: list[float] = []
        self._most = most

    def passes(self, seconds: float = 0.0) -> bool:
        self.waits.append(seconds)
        return len(self.waits) <= self._most


def settle(one: Doubts, index: Index, clock: Clock) -> bool:
    return one.settle(index.get, index.send, clock, 0.0)  # type: ignore[arg-type]


def watched(one: Doubts, several: list[Batch], *, unheard: RangeSet = NOTHING) -> list[set[str]]:
    found = []
    for some in several:
        one.starting(some, unheard)
        found.append(one.landed(some))
    return found


def test_only_rows_that_leave_after_the_doubt_are_watched() -> None:
    one = Doubts()
    early = batch("ab", 0)
    one.starting(early, NOTHING)
    one.add(["a"])
    assert one.landed(early) == set()
    assert watched(one, [batch("bc", 2), batch("xa", 4)]) == [set(), {"a"}]
    assert len(one) == 1


def test_of_an_id_that_occurs_again_and_again_the_last_row_is_the_one_that_is_put_back() -> None:
    one, index = Doubts(["a", "b"]), Index()
    several = [batch("aba", 0), batch("cb", 10), batch("a", 20)]
    assert watched(one, several) == [{"a", "b"}, {"b"}, {"a"}]
    for some in several:
        index.put(some)
    expected = dict(index.rows)
    index.late = [Index.row(several[0], 0)]
    assert settle(one, index, Clock())
    assert index.sent == [["a"]]
    assert {name: (row.vector.tolist() if row.vector is not None else None, row.metadata, row.contents)
            for name, row in index.rows.items()} == {
        name: (row.vector.tolist() if row.vector is not None else None, row.metadata, row.contents)
        for name, row in expected.items()
    }  # fmt: skip


def test_a_batch_of_another_part_or_of_other_rows_is_not_taken_for_the_one_that_is_watched() -> None:
    one = Doubts(["a"])
    one.starting(batch("ax", 10), NOTHING)
    assert one.landed(batch("ax", 10, number=1)) == set()
    assert one.landed(batch("ax", 10, uri="g")) == set()
    assert one.landed(batch("a", 9)) == set()
    assert one.landed(batch("a", 12)) == set()
    assert one.landed(batch("a", 10)) == {"a"}


def test_pieces_of_a_batch_are_watched_until_the_whole_of_it_has_landed() -> None:
    one = Doubts(["a"])
    whole = batch("axay", 0)
    one.starting(whole, NOTHING)
    first, second = whole.halves()
    assert one.landed(first) == {"a"}
    assert one.landed(second) == {"a"}
    assert one.landed(whole) == {"a"}
    assert one.landed(whole) == set()  # it is over


def test_a_row_behind_one_that_an_earlier_run_sent_is_watched_and_that_one_is_not() -> None:
    """Rows 0 and 1 were sent by a run that was killed: their ids are in doubt from there on."""
    one = Doubts()
    assert watched(one, [batch("abc", 0)], unheard=RangeSet([(0, 2)])) == [set()]
    assert one.to_note(["a", "b", "c"]) == {"a", "b"}
    assert watched(one, [batch("xc", 3), batch("yb", 5)]) == [set(), {"b"}]
    two = Doubts()
    assert watched(two, [batch("aabb", 0)], unheard=RangeSet([(0, 1), (3, 4)])) == [{"a"}]


def test_the_journal_hears_of_each_id_once_and_not_of_those_that_it_told() -> None:
    one = Doubts(["old"])
    one.add(["a", "b", "old"])
    one.add(["b"])
    assert one.to_note(["a", "old", "x"]) == {"a"}
    assert one.to_note(["a", "b"]) == {"b"}
    assert one.to_note(["a", "b"]) == set()


def test_without_a_row_to_watch_nothing_is_asked_and_nobody_waits() -> None:
    one, index, clock = Doubts(["a"]), Index(), Clock()
    assert settle(one, index, clock)
    assert (index.asked, clock.waits) == ([], [])


def test_all_is_well_only_once_the_index_has_held_the_rows_for_all_pauses() -> None:
    one, index, clock = Doubts(["a"]), Index(), Clock()
    some = batch("ab", 0)
    watched(one, [some])
    index.put(some)
    assert settle(one, index, clock)
    assert clock.waits == [0.0, *PAUSES]
    assert index.asked == [["a"]] * (1 + len(PAUSES))
    assert index.sent == []
    assert sum(PAUSES) == 15  # as the documentation has it


@pytest.mark.parametrize("looks", range(1, 1 + len(PAUSES)))
def test_a_row_that_is_replaced_late_is_sent_again_and_watched_from_the_start(looks: int) -> None:
    one, index, clock = Doubts(["a"]), Index(), Clock()
    old, new = batch("a", 0), batch("a", 5)
    watched(one, [new])
    index.put(new)
    index.late = [Index.row(new, 0)] * (looks - 1) + [Index.row(old, 0)]
    assert settle(one, index, clock)
    assert index.sent == [["a"]]
    assert index.rows["a"].metadata == {"row": 5}
    assert clock.waits == [0.0, *PAUSES[: looks - 1], 0.0, *PAUSES]


@pytest.mark.parametrize("change", ["vector", "metadata", "contents", "missing"])
def test_whatever_differs_is_put_back(change: str) -> None:
    one, index = Doubts(["a"]), Index()
    some = batch("a", 0)
    watched(one, [some])
    index.put(some)
    good = index.rows["a"]
    parts: dict[str, Any] = {"vector": good.vector, "metadata": good.metadata, "contents": good.contents}
    changed = {"vector": np.array([9, 9], np.float32), "metadata": {"row": 1}, "contents": "other"}
    if change == "missing":
        del index.rows["a"]
    else:
        index.rows["a"] = StoredRow("a", **{**parts, change: changed[change]})
    assert settle(one, index, Clock())
    assert index.sent == [["a"]]


@pytest.mark.parametrize("most", range(6))
def test_a_stop_ends_the_wait_and_says_that_nothing_is_settled(most: int) -> None:
    one, index, clock = Doubts(["a"]), Index(), Clock(most)
    some = batch("a", 0)
    watched(one, [some])
    index.put(some)
    assert not settle(one, index, clock)
    assert len(index.asked) == most


def test_a_row_that_is_replaced_for_ever_ends_with_an_error_that_names_it() -> None:
    one, index = Doubts(["a"]), Index()
    old, new = batch("a", 0), batch("a", 5)
    watched(one, [new])
    index.put(new)
    index.late = [Index.row(old, 0)] * 1000
    with pytest.raises(ConnectionLostError, match=r"Older requests keep replacing newer rows \(ids like 'a'\)"):
        settle(one, index, Clock())
    assert 3 < len(index.sent) < 100


def test_many_rows_are_asked_for_and_sent_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "_IDS_AT_ONCE", 3)
    one, index = Doubts("abcdefg"), Index()
    several = [batch("abcd", 0), batch("efg", 4)]
    watched(one, several)
    assert settle(one, index, Clock())  # the index has none of them
    assert [len(some) for some in index.asked[:3]] == [3, 3, 1]
    assert index.sent == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert sorted(index.rows) == list("abcdefg")


def test_what_is_remembered_does_not_keep_its_batch_in_memory() -> None:
    one, some = Doubts(["a"]), batch("ab", 0)
    watched(one, [some])
    expected = some.vectors[0].copy()
    some.vectors[:] = 0
    sent: list[Row] = []
    keep: Callable[[list[Row]], None] = sent.extend
    rounds = iter([[], [StoredRow("a", expected, {"row": 0}, "text 0")]])
    found: list[StoredRow] = []

    def get(_ids: list[str]) -> list[StoredRow]:
        found[:] = next(rounds, found)
        return found

    assert one.settle(get, keep, Clock(), 0.0)  # type: ignore[arg-type]
    assert [row.vector.tolist() for row in sent] == [expected.tolist()]
