"""At the end of every history each id has its last row: all short ones are played, and longer ones by chance."""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import order_model
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_model import Picker, Seen, Setting, World, explore, history

from cyborg_ingest.loading.engines.threads import Threads
from cyborg_ingest.loading.resume import done_of
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.state.journal import Journal

ONE, TWO, PAIRS = Setting(1, 1), Setting(1, 2), Setting(2, 1)


@dataclass(frozen=True)
class Histories:
    """All those of a source with these ids, a row each, and so many faults; the first run is cut as `first`."""

    ids: str
    faults: int
    first: Setting
    later: Setting
    applies_late: bool = True
    kinds: frozenset[str] = frozenset()
    """The faults that there are; all where none is named."""

    def __str__(self) -> str:
        kind = "service" if self.applies_late else "embedded"
        return f"{self.ids}-{self.faults}-{self.first.batch_rows}{self.first.workers}-{self.later.batch_rows}-{kind}"


SHORT = [
    Histories("aa", 2, ONE, ONE),
    Histories("aba", 1, TWO, PAIRS),
    Histories("aaba", 1, PAIRS, TWO),
    Histories("aa", 2, TWO, TWO, applies_late=False),
    Histories("aba", 1, TWO, TWO, applies_late=False),
]
HELD = Histories("acabb", 2, PAIRS, PAIRS)
"""The second request is held back for the first one's sake, and a third follows that shares an id with it alone."""
DOUBTED = Histories("xccaa", 3, PAIRS, PAIRS, kinds=frozenset({"lost before", "killed behind a line"}))
"""The third request comes into doubt after the second, which is held and has an older row of an id of it."""
SHORT.append(DOUBTED)
LONG = [
    HELD,
    Histories("aaa", 2, ONE, ONE),
    Histories("aba", 2, TWO, TWO, applies_late=False),
    Histories("abab", 2, TWO, TWO, applies_late=False),
    Histories("aba", 2, ONE, PAIRS),
    Histories("aba", 2, ONE, ONE),
    Histories("aba", 2, TWO, TWO),
    Histories("abba", 2, TWO, PAIRS),
    Histories("abcabc", 1, Setting(1, 3), PAIRS),
    Histories("acabb", 2, PAIRS, ONE),
    Histories("acabba", 2, PAIRS, PAIRS),
    Histories("aa", 3, ONE, ONE),
    Histories("abab", 3, TWO, PAIRS, applies_late=False),
]


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut in these histories."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)


def plan_of(ids: str | list[str], folder: Path, part_rows: int = 4) -> Plan:
    """A Parquet of these rows, the vector of each beginning with its number from 1, in Parts of so many rows."""
    numbers = np.array([[row + 1, 1] for row in range(len(ids))], np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), 2)
    pq.write_table(pa.table({"id": list(ids), "vector": vectors}), folder / "rows.parquet", row_group_size=part_rows)
    return make_plan((str(folder / "rows.parquet"),), SourceSettings())


def last_rows(ids: str | list[str]) -> dict[str, float]:
    return {identity: row + 1.0 for row, identity in enumerate(ids)}


def check(world: World, ids: str | list[str]) -> None:
    assert world.stored == last_rows(ids), f"not the last rows after: {world.story}"


def play_all(histories: Histories, folder: Path) -> int:
    plan, seen = plan_of(histories.ids, folder), Seen()

    def play(pick: Picker) -> None:
        shutil.rmtree(folder / "job", ignore_errors=True)
        world = World(pick, histories.faults, histories.applies_late, kinds=histories.kinds)
        runs = itertools.chain([histories.first], itertools.repeat(histories.later))
        if history(world, plan, folder / "job", runs, seen):
            check(world, histories.ids)

    return explore(play)


@pytest.mark.parametrize("histories", SHORT, ids=str)
def test_every_short_history_ends_with_the_last_row_of_each_id(histories: Histories, tmp_path: Path) -> None:
    assert play_all(histories, tmp_path) > 20


@pytest.mark.soak
@pytest.mark.parametrize("histories", LONG, ids=str)
def test_every_longer_history_does_too(histories: Histories, tmp_path: Path) -> None:
    print(f"{play_all(histories, tmp_path):,} histories")  # noqa: T201 - a figure that is asked for


def _forget_what_is_held(transfer: Transfer, settled: Any, *, full: bool) -> None:
    """As it was once: what is held is not noted before the end of the run."""
    transfer.delivery.landed(settled.batch)
    held = transfer.doubts.landed(settled.batch)
    if transfer._journal is not None and not held:
        transfer._journal.acknowledged(settled.batch, settled.rejections)
    assert full


def _done_without_held(journal: Journal | None) -> Callable[[Any], Any]:
    return lambda part: replace(done_of(journal)(part), held=RangeSet())


def _any_doubt(transfer: Transfer, batch: Any) -> Any:
    return batch.picked([place for place, one in enumerate(batch.ids) if one in transfer.doubts._ids])


FAULTY: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "what is held is noted at the end": lambda patch: patch.setattr(Transfer, "note", _forget_what_is_held),
    "what is held is never read again": lambda patch: patch.setattr(order_model, "done_of", _done_without_held),
    "what is held is sent again for later doubts too": lambda patch: patch.setattr(Transfer, "_held", _any_doubt),
    "no id is ever in doubt": lambda patch: patch.setattr(Transfer, "_retrying", lambda *_: None),
    "rows overtake others of their id": lambda patch: patch.setattr(Threads, "_conflicts", lambda *_: False),
    "a killed run's requests are forgotten": lambda patch: patch.setattr(RangeSet, "overlaps", lambda *_: False),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_the_model_notices_a_loader_that_forgets_one_of_these_rules(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAULTY[fault](monkeypatch)
    histories = {"what is held is noted at the end": HELD, "what is held is sent again for later doubts too": DOUBTED}
    with pytest.raises(AssertionError, match="not the last rows after"):
        play_all(histories.get(fault, SHORT[0]), tmp_path)


WITHOUT_LIMITS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


class Drawn:
    """Choices that hypothesis makes."""

    def __init__(self, data: st.DataObject) -> None:
        self.taken: list[int] = []
        self._data = data

    def __call__(self, possibilities: int) -> int:
        self.taken.append(self._data.draw(st.integers(0, possibilities - 1)))
        return self.taken[-1]


def runs(data: st.DataObject) -> Iterator[Setting]:
    while True:
        yield Setting(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))


def by_chance(folder: Path, ids: list[str], faults: int, data: st.DataObject) -> None:
    shutil.rmtree(folder / "job", ignore_errors=True)
    world = World(Drawn(data), faults, data.draw(st.booleans()))
    assert history(world, plan_of(ids, folder, data.draw(st.integers(1, 6))), folder / "job", runs(data))
    check(world, ids)


def edited(found: dict[str, list[str]], draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[str]:
    """Somebody works on the files: each is left alone, written anew, or not. The list of them, in any order."""
    for name in "pqrs":
        if name not in found or draw(st.integers(0, 3)) == 0:
            found[name] = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
    return list(draw(st.lists(st.sampled_from("pqrs"), min_size=1, max_size=4, unique=True)))


class Edited:
    """Files of rows that are numbered as they are written; a file is written when it has become another."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found, self.written = folder, dict[str, list[str]](), dict[str, list[tuple[str, float]]]()
        self.number = 0

    def plan(self, data: st.DataObject) -> tuple[Plan, dict[str, float]]:
        """What a run reads, and the last row of each id in it."""
        before = {name: list(ids) for name, ids in self.found.items()}
        names = edited(self.found, data.draw)
        for name, ids in self.found.items():
            if before.get(name) != ids:
                self._write(name, ids)
        uris = tuple(str(self.folder / f"{name}.parquet") for name in names)
        rows = [row for name in names for row in self.written[name]]
        return make_plan(uris, SourceSettings()), dict(rows)

    def _write(self, name: str, ids: list[str]) -> None:
        rows = self.written[name] = [(one, float(self.number + row + 1)) for row, one in enumerate(ids)]
        self.number += len(ids)
        numbers = np.array([[number, 1] for _, number in rows], np.float32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), 2)
        pq.write_table(pa.table({"id": ids, "vector": vectors}), self.folder / f"{name}.parquet", row_group_size=2)


def with_edits(folder: Path, data: st.DataObject, *, applies_late: bool) -> None:
    """Runs that are killed, between which the files and their list become others."""
    shutil.rmtree(folder / "job", ignore_errors=True)
    world, files = World(Drawn(data), 0, applies_late), Edited(folder)
    for _ in range(data.draw(st.integers(2, 6))):
        plan, expected = files.plan(data)
        world.faults = data.draw(st.integers(0, 3))
        world.story.append(f"the sources are {[one.layout.uri[-9] for one in plan.sources]} of {files.written}")
        setting = Setting(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
        if order_model.load(world, plan, folder / "job", setting, only_new=data.draw(st.booleans())):
            world.all_arrive()
            assert {one: world.stored.get(one) for one in expected} == expected, world.story


@pytest.mark.parametrize("how", ["another file", "changed", "anew", "anew, and then another file"])
def test_what_was_in_flight_of_a_source_that_is_gone_may_still_be_applied(tmp_path: Path, how: str) -> None:
    """A run is killed before its request is applied; it is, once the next load has ended."""
    old, new = tmp_path / "p.parquet", tmp_path / ("q.parquet" if "another" in how else "p.parquet")

    def plan(path: Path, number: float) -> Plan:
        vectors = pa.array([[number, 1.0]] * 2, pa.list_(pa.float32()))
        pq.write_table(pa.table({"id": ["a", "b"], "vector": vectors}), path)
        return make_plan((str(path),), SourceSettings())

    class Waits(order_model.ModelIndex):
        def upsert_binary(self, ids: list[str], vectors: Any, *_: Any) -> None:
            self.world.late.append([(one, float(vector[0])) for one, vector in zip(ids, vectors, strict=True)])
            raise order_model.KilledError

    world, first = World(Picker([]), 0, applies_late=True), plan(old, 1)
    for restart in (False, True) if how == "anew, and then another file" else (False,):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(order_model, "ModelIndex", Waits)
            assert not order_model.load(world, first, tmp_path / "job", ONE, restart=restart)
    world.late = world.late[:1]
    assert order_model.load(world, plan(new, 2), tmp_path / "job", PAIRS, restart=how == "anew")
    world.all_arrive()
    assert world.stored == {"a": 2, "b": 2}, world.story


@pytest.mark.parametrize("examples", [60, pytest.param(3000, marks=pytest.mark.soak)])
def test_sources_that_are_edited_between_runs_end_in_the_order_of_the_last_list(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, **WITHOUT_LIMITS)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        with_edits(tmp_path, data, applies_late=False)

    check()


rows_of_few_ids = st.lists(st.sampled_from("abcd"), min_size=1, max_size=14)


@settings(max_examples=75, **WITHOUT_LIMITS)
@given(ids=rows_of_few_ids, faults=st.integers(1, 6), data=st.data())
def test_longer_histories_by_chance_end_so_too(
    tmp_path: Path, ids: list[str], faults: int, data: st.DataObject
) -> None:
    by_chance(tmp_path, ids, faults, data)


@pytest.mark.parametrize("examples", [75, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_damaged_journal_sends_rows_again_and_none_too_late(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, **WITHOUT_LIMITS)
    @given(ids=rows_of_few_ids, data=st.data())
    def check(ids: list[str], data: st.DataObject) -> None:
        with_damage(tmp_path, ids, data)

    check()


def with_damage(tmp_path: Path, ids: list[str], data: st.DataObject) -> None:
    def damage(journal: Path) -> None:
        written = bytearray(journal.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
        journal.write_bytes(bytes(written))

    shutil.rmtree(tmp_path / "job", ignore_errors=True)
    world = World(Drawn(data), data.draw(st.integers(1, 4)), applies_late=False)
    plan = plan_of(ids, tmp_path, data.draw(st.integers(1, 6)))
    assert history(world, plan, tmp_path / "job", runs(data), between=damage)
    check(world, ids)


@pytest.mark.soak
@settings(max_examples=5000, **WITHOUT_LIMITS)
@given(ids=rows_of_few_ids, faults=st.integers(1, 10), data=st.data())
def test_many_more_histories_by_chance(tmp_path: Path, ids: list[str], faults: int, data: st.DataObject) -> None:
    by_chance(tmp_path, ids, faults, data)
