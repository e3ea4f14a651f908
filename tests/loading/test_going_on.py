"""The same command goes on, whatever has become of the sources and of the choice of rows meanwhile."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.loading.report import RunReport

Row = dict[str, Any]
BAD: Row = {"id": "bad", "vector": [None, 1.0]}


def rows(name: str, count: int, first: int = 0) -> list[Row]:
    return [{"id": f"{name}{row}", "vector": [1.0, first + row]} for row in range(count)]


def write(path: Path, content: list[Row], age: int = 0) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    if age:
        os.utime(path, (1_700_000_000 + age,) * 2)


def stored(engine: Engine, index: str, content: list[Row]) -> dict[str, list[float]]:
    found = engine.read(index, list({str(row["id"]) for row in content}))
    return {one: np.frombuffer(row.vector, "<f4").tolist() for one, row in found.items()}


def last_of(content: list[Row]) -> dict[str, list[float]]:
    return {str(row["id"]): row["vector"] for row in content}


class Job:
    """A job that stops at its first bad row; `goes_on` runs the same command and allows one."""

    def __init__(self, engine: Engine, folder: Path, **options: Any) -> None:
        self.folder, self.index = folder / "rows", engine.name()
        self.folder.mkdir()
        self.options = {"index": self.index, "target": engine.target, "create": True, "batch_rows": 7, **options}

    def stops(self, **options: Any) -> None:
        with pytest.raises(BadRowError):
            cyborg_ingest.load(self.folder, **{**self.options, **options})

    def goes_on(self, **options: Any) -> tuple[RunReport, list[str]]:
        notes: list[str] = []
        everything = {**self.options, "max_errors": "1", **options}
        report = run(
            LoadSettings(sources=(str(self.folder),), **everything),
            lambda event: notes.append(event.text) if isinstance(event, Noted) else None,
        )
        return report, notes


def test_a_source_that_changed_does_not_replace_newer_rows_of_later_sources(engine: Engine, tmp_path: Path) -> None:
    job = Job(engine, tmp_path)
    first, second = rows("x", 30), rows("x", 30, 100)
    write(job.folder / "a.jsonl", first)
    write(job.folder / "b.jsonl", [*second, BAD])
    job.stops()
    changed = rows("x", 30, 500)
    write(job.folder / "a.jsonl", [*changed, *rows("new", 3)])
    report, notes = job.goes_on()
    everything = [*changed, *rows("new", 3), *second]
    assert stored(engine, job.index, everything) == last_of(everything)
    assert report.rows["read"] == len(everything) + 1
    assert any("a.jsonl has changed since the last run" in one for one in notes)
    assert any("the later row of an id wins" in one for one in notes)


def test_a_source_that_is_new_and_comes_first_does_not_either(engine: Engine, tmp_path: Path) -> None:
    job = Job(engine, tmp_path)
    later = rows("x", 30, 100)
    write(job.folder / "b.jsonl", [*later, BAD])
    job.stops()
    write(job.folder / "a.jsonl", rows("x", 40))
    report, notes = job.goes_on()
    everything = [*rows("x", 40), *later]
    assert stored(engine, job.index, everything) == last_of(everything)
    assert report.rows["acknowledged"] == 70
    assert any("a.jsonl is new since the last run" in one for one in notes)


def test_a_source_that_is_new_and_comes_last_is_loaded_and_nothing_again(engine: Engine, tmp_path: Path) -> None:
    job = Job(engine, tmp_path)
    write(job.folder / "a.jsonl", [*rows("x", 28), BAD])
    job.stops()
    write(job.folder / "b.jsonl", rows("x", 10, 100))
    report, notes = job.goes_on()
    everything = [*rows("x", 28), *rows("x", 10, 100)]
    assert stored(engine, job.index, everything) == last_of(everything)
    assert report.rows == {"read": 39, "acknowledged": 10, "rejected": 1, "skipped": 28, "unsent": 0}
    assert not any("since the last run" in one for one in notes)


def test_a_source_that_was_changed_and_put_back_is_loaded_again(engine: Engine, tmp_path: Path) -> None:
    job = Job(engine, tmp_path)
    write(job.folder / "a.jsonl", rows("x", 20), age=1)
    write(job.folder / "b.jsonl", [*rows("y", 9), BAD])
    job.stops()
    write(job.folder / "a.jsonl", rows("x", 20, 300), age=2)
    job.stops()
    write(job.folder / "a.jsonl", rows("x", 20), age=1)
    job.goes_on()
    everything = [*rows("x", 20), *rows("y", 9)]
    assert stored(engine, job.index, everything) == last_of(everything)


@pytest.mark.parametrize("skip", [3, 25])
def test_rows_that_skip_passed_over_are_loaded_once_it_means_others(engine: Engine, tmp_path: Path, skip: int) -> None:
    job = Job(engine, tmp_path, skip=skip)
    write(job.folder / "b.jsonl", rows("b", 20))
    write(job.folder / "c.jsonl", [*rows("c", 20), BAD])
    job.stops()
    write(job.folder / "a.jsonl", rows("a", 10))
    report, _ = job.goes_on()
    everything = [*rows("a", 10), *rows("b", 20), *rows("c", 20)]
    assert last_of(everything[skip:]).items() <= stored(engine, job.index, everything).items()
    assert report.rows["read"] == len(everything) - skip + 1


@pytest.mark.parametrize(("before", "after"), [(15, 100), (100, 15), (20, 30)])
def test_a_sample_with_another_limit_ends_with_the_rows_of_that_sample(
    engine: Engine, tmp_path: Path, before: int, after: int
) -> None:
    content = [{**row, "vector": [0, 0]} if place % 5 == 0 else row for place, row in enumerate(rows("a", 200))]
    jobs = []
    for name in ("stopped", "fresh"):
        (tmp_path / name).mkdir()
        jobs.append(Job(engine, tmp_path / name, sample=40))
        write(jobs[-1].folder / "a.jsonl", content)
    stopped, fresh = jobs
    stopped.stops(limit=before)
    report, _ = stopped.goes_on(limit=after, max_errors="200")
    expected, _ = fresh.goes_on(limit=after, max_errors="200")
    assert report.rows["read"] == expected.rows["read"] == min(40, after)
    assert report.rows["rejected"] == expected.rows["rejected"]
    wanted = stored(engine, fresh.index, content)
    assert wanted
    assert wanted.items() <= stored(engine, stopped.index, content).items()


def test_a_raised_and_a_lowered_limit_go_on_in_order(engine: Engine, tmp_path: Path) -> None:
    job = Job(engine, tmp_path, where="n >= 2")
    content = [{**row, "n": place % 4} for place, row in enumerate(rows("x", 60))]
    write(job.folder / "a.jsonl", [*content[:30], {**BAD, "n": 3}, *content[30:]])
    job.stops(limit=20)
    asked = [row for row in content if row["n"] >= 2]
    report, _ = job.goes_on(limit=10)
    assert report.rows["read"] == 10
    assert report.rows["unsent"] == 0
    report, _ = job.goes_on(limit=25)
    found = stored(engine, job.index, content)
    assert found.keys() >= last_of(asked[:24]).keys()  # and the bad one
    assert not found.keys() & {str(row["id"]) for row in content if row["n"] < 2}
