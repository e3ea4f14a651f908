"""Rows count over all sources, also over those that an earlier run has dealt with and that are not read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.parts import PartEnd, read_part
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.reading import Plan

ROWS = 10


def planned(folder: Path, suffix: str, **options: Any) -> Plan:
    """Three files of ten rows: a0 to a9, b0 to b9, c0 to c9."""
    for name in "abc":
        ids = [f"{name}{row}" for row in range(ROWS)]
        if suffix == ".npz":
            np.savez(folder / name, id=ids, vectors=np.ones((ROWS, 2), np.float32))
        else:
            lines = [f'{{"id": "{one}", "vector": [1, 2]}}\n' for one in ids]
            (folder / f"{name}{suffix}").write_text("".join(lines))
    return make_plan(tuple(str(folder / f"{name}{suffix}") for name in "abc"), SourceSettings(**options))


def asked_for(plan: Plan, done: dict[str, Done]) -> list[str]:
    """The ids of the rows that are read, and were asked for."""

    def known(part: Part) -> Done:
        return done.get(part.uri.rpartition("/")[2][0], Done(RangeSet(), None))

    found = []
    for chunk in plan.chunks(4, known):
        ids = chunk.batch.column(chunk.columns.id or "").to_pylist()
        found += [one for place, one in enumerate(ids) if chunk.chosen is None or chunk.chosen[place]]
    return found


def all_of(rows: int = ROWS) -> Done:
    return Done(RangeSet([(0, rows)]), rows)


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_rows_that_are_skipped_are_those_behind_all_that_were_dealt_with(suffix: str, tmp_path: Path) -> None:
    plan = planned(tmp_path, suffix, skip=12)
    everything = [f"b{row}" for row in range(2, ROWS)] + [f"c{row}" for row in range(ROWS)]
    assert asked_for(plan, {}) == everything
    assert asked_for(plan, {"a": all_of()}) == everything
    assert asked_for(plan, {"a": all_of(), "b": all_of()}) == everything[8:]
    assert asked_for(plan, {"b": Done(RangeSet([(0, 5)]), None, passed=2)}) == everything[3:]
    plan = planned(tmp_path, suffix, skip=22)
    assert asked_for(plan, {"b": all_of()}) == asked_for(plan, {}) == [f"c{row}" for row in range(2, ROWS)]


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_rows_that_are_picked_at_random_are_the_same_where_some_were_dealt_with(suffix: str, tmp_path: Path) -> None:
    plan = planned(tmp_path, suffix)
    plan = replace(plan, selection=replace(plan.selection, sample=np.array([0, 9, 10, 13, 19, 20, 27, 29])))
    everything = asked_for(plan, {})
    assert everything == ["a0", "a9", "b0", "b3", "b9", "c0", "c7", "c9"]
    assert asked_for(plan, {"a": all_of()}) == everything[2:]
    assert asked_for(plan, {"b": all_of()}) == [one for one in everything if one[0] != "b"]
    assert asked_for(plan, {"a": Done(RangeSet([(0, 4)]), None)}) == everything[1:]


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_a_limit_counts_rows_that_were_dealt_with_and_not_those_that_nobody_asked_for(
    suffix: str, tmp_path: Path
) -> None:
    plan = planned(tmp_path, suffix, limit=14)
    everything = [f"a{row}" for row in range(ROWS)] + ["b0", "b1", "b2", "b3"]
    assert asked_for(plan, {}) == everything
    assert asked_for(plan, {"a": all_of()}) == everything[10:]
    assert asked_for(plan, {"a": all_of(), "b": Done(RangeSet([(0, 3)]), None)}) == everything[13:]
    assert asked_for(plan, {"a": all_of(), "b": Done(RangeSet([(0, 4)]), None)}) == []
    plan = planned(tmp_path, suffix, limit=4, skip=8)
    assert asked_for(plan, {"a": replace(all_of(), passed=8)}) == ["b0", "b1"]


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_who_reads_a_part_of_which_all_is_done_reads_nothing_and_says_how_many_rows_it_has(
    suffix: str, tmp_path: Path
) -> None:
    """The task may have been made before another did it."""
    task = next(iter(planned(tmp_path, suffix).tasks(4)))
    (end,) = read_part(replace(task, done=all_of()))
    assert isinstance(end, PartEnd)
    assert (end.rows, end.taken, end.next_row) == (ROWS, 0, ROWS)


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_rows_that_are_held_are_read_once_more_and_say_so(suffix: str, tmp_path: Path) -> None:
    """With those that are missing, and in their order; whatever the limit, since they were counted before."""
    done = Done(RangeSet([(0, 7)]), ROWS, held=RangeSet([(2, 4), (5, 6)]))
    for limit, last in ((None, ["a7", "a8", "a9"]), (8, ["a7"]), (7, [])):
        task = next(iter(planned(tmp_path, suffix, limit=limit).tasks(4, lambda _: done)))
        found = []
        for chunk in read_part(task):
            if not isinstance(chunk, PartEnd):
                ids = chunk.batch.column(chunk.columns.id or "").to_pylist()
                found += [(one, chunk.again) for one in ids]
        assert found == [("a2", True), ("a3", True), ("a5", True), *((one, False) for one in last)]
