"""`--only-new` sends what is new and what has changed, and the index is then as if all had been loaded in order."""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran
from conftest import KEY, upload
from cyborgdb import Client
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, LostRowsError, TargetError, UsageError
from cyborg_ingest.state.lines import line_of
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Engine

Rows = list[tuple[str, float]]
"""Ids, and the number that the vector of each begins with."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    (tmp_path / "rows").mkdir()
    return tmp_path


def jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps({"id": one, "vector": [number, 1]}) + "\n" for one, number in rows))


def parquet(path: Path, rows: Rows, group: int = 3) -> None:
    numbers = pa.array(np.array([[number, 1] for _, number in rows], np.float32).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(numbers, 2)
    pq.write_table(pa.table({"id": [one for one, _ in rows], "vector": vectors}), path, row_group_size=group)


def load(**options: Any) -> cyborg_ingest.RunReport:
    given = {"target": "disk:data", "create": True, "only_new": True, "batch_rows": 4, **options}
    return cyborg_ingest.load("rows", index="x", **given)


def stored(ids: list[str]) -> dict[str, float]:
    """The numbers of these rows, as the engine itself gives them."""
    with cyborg_ingest.connect("disk:data") as client, client.index("x", KEY) as index:
        return {row.id: float(row.vector[0]) for row in index.get(ids) if row.vector is not None}


def files(count: int, rows: int = 5) -> dict[str, Rows]:
    return {f"{n:04}.jsonl": [(f"{n}-{row}", n + 1.0) for row in range(rows)] for n in range(count)}


def written(folder: Path, found: dict[str, Rows]) -> None:
    for name, rows in found.items():
        (parquet if name.endswith("parquet") else jsonl)(folder / "rows" / name, rows)


def kinds(report: cyborg_ingest.RunReport) -> dict[str, tuple[int, int]]:
    """New, changed, same, vanished and loaded again: files and rows of each, as the report has them."""
    assert report.compared is not None
    return {name: (one["files"], one["rows"]) for name, one in report.compared.items() if name != "since"}


def test_of_a_thousand_files_those_are_loaded_that_are_new_or_have_changed(folder: Path) -> None:
    written(folder, files(1000))
    first = load()
    assert kinds(first) == {
        "new": (1000, 5000), "changed": (0, 0), "same": (0, 0), "vanished": (0, 0), "again": (0, 0)
    }  # fmt: skip
    assert first.rows["acknowledged"] == 5000
    for n in (3, 500, 999):
        jsonl(folder / "rows" / f"{n:04}.jsonl", [(f"{n}-{row}", -1.0) for row in range(7)])
    jsonl(folder / "rows" / "1000.jsonl", [(f"1000-{row}", -2.0) for row in range(2)])
    (folder / "rows" / "0007.jsonl").unlink()
    report = load()
    assert kinds(report) == {
        "new": (1, 2), "changed": (3, 21), "same": (996, 4980), "vanished": (1, 5), "again": (0, 0)
    }  # fmt: skip
    assert report.rows == {"read": 5003, "acknowledged": 23, "rejected": 0, "skipped": 4980, "unsent": 0}
    assert report.index_count == {"before": 5000, "after": 5008}
    assert {one["uri"] for one in report.sources if one["acknowledged"]} == {
        f"rows/{name}.jsonl" for name in ("0003", "0500", "0999", "1000")
    }
    assert stored(["3-6", "500-0", "1000-1", "7-0", "8-0"]) == {
        "3-6": -1, "500-0": -1, "1000-1": -2, "7-0": 8, "8-0": 9
    }  # fmt: skip
    third = load()  # which goes by what the first has loaded, too
    assert third.rows == {"read": 5003, "acknowledged": 0, "rejected": 0, "skipped": 5003, "unsent": 0}
    assert kinds(third)["same"] == (1000, 5003)
    assert [one for one in third.notes if one.startswith("Nothing new: 1,000 files are as they were at ")]


IDS = "abcdefgh"


def generations(seed: int, count: int) -> Iterator[dict[str, Rows]]:
    """Files of few ids, again and again with others of them; those that are the same are not written again."""
    chance, number = random.Random(seed), 0.0
    found: dict[str, Rows] = {}
    for _ in range(count):
        for name in "123456":
            kind = chance.choice(["same", "same", "same", "other", "none"])
            if kind == "none":
                found.pop(name, None)
            elif kind == "other":
                number += 1
                rows = [(chance.choice(IDS), number * 10 + row) for row in range(chance.randint(1, 8))]
                found[name] = rows
        if found:
            yield dict(sorted(found.items()))


def put(folder: Path, before: dict[str, Rows], now: dict[str, Rows], suffix: str) -> None:
    for name in before.keys() - now.keys():
        (folder / "rows" / f"{name}.{suffix}").unlink()
    written(folder, {f"{name}.{suffix}": rows for name, rows in now.items() if rows != before.get(name)})


def last_rows(found: dict[str, Rows]) -> dict[str, float]:
    return {one: number for rows in found.values() for one, number in rows}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("seed", range(8))
def test_whatever_changes_each_id_has_its_last_row(folder: Path, seed: int, suffix: str) -> None:
    before: dict[str, Rows] = {}
    for found in generations(seed, 6):
        put(folder, before, found, suffix)
        load()
        expected = last_rows(found)
        assert stored(sorted(expected)) == expected
        before = found


class CutError(TargetError):
    """The load breaks off here."""


class Cut:
    """Where a load breaks off: so many calls are `left`, the one that it breaks off at among them; 0: it does not."""

    left = 0

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise CutError("here")


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    """Of the requests that bring rows to the engine."""
    found, real = Cut(), EmbeddedIndex.upsert_binary

    def upsert_binary(index: Any, *arguments: Any) -> None:
        found.count()
        real(index, *arguments)

    monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert_binary)
    yield found
    gc.collect()  # what reads a file is left to it


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("seed", range(8))
def test_it_does_so_where_loads_break_off_and_are_resumed_with_other_files(
    folder: Path, seed: int, suffix: str, cut: Cut
) -> None:
    chance, before = random.Random(seed), dict[str, Rows]()
    for found in generations(seed, 12):
        put(folder, before, found, suffix)
        before = found
        cut.left = chance.choice([0, 1, 2, 3, 4])
        try:
            load(workers=1, batch_rows=2, only_new=chance.random() < 0.7)
        except CutError:
            continue
        expected = last_rows(found)
        assert stored(sorted(expected)) == expected


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_where_a_stopped_load_of_everything_is_resumed_it_is_not_said_that_nothing_is_new(
    folder: Path, cut: Cut
) -> None:
    written(folder, files(3))
    load()
    cut.left = 3
    with pytest.raises(CutError):
        load(workers=1, only_new=False)
    for dry_run in (True, False):
        report = load(dry_run=dry_run)
        assert report.nothing_new is False
        assert not [one for one in report.notes if "Nothing new" in one]
        assert [one for one in report.notes if one.startswith("A load that was stopped is resumed: ")]
    assert report.rows["acknowledged"] > 0
    again = load()
    assert again.nothing_new is True
    assert [one for one in again.notes if one.startswith("Nothing new: 3 files")]


def test_a_load_that_left_out_a_bad_file_is_said_to_be_resumed(folder: Path) -> None:
    written(folder, files(2))
    bad = folder / "rows" / "0002.parquet"
    bad.write_bytes(b"PAR1 cut short")
    load(only_new=False, skip_bad_files=True)
    parquet(bad, [("p", 1.0)])
    for dry_run in (True, False):
        report = load(dry_run=dry_run)
        assert (report.rows["read"], report.rows["skipped"]) == (11, 10)
        assert [one for one in report.notes if "has left out files that were bad: it is resumed" in one]
        assert not [one for one in report.notes if "loaded again" in one]
    assert report.rows["acknowledged"] == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("ended", [None, 5])
def test_where_the_first_load_or_one_after_a_failure_was_stopped_it_is_said_to_be_resumed(
    folder: Path, cut: Cut, ended: int | None
) -> None:
    written(folder, files(3))
    if ended is not None:
        load()
        with (jobs()[0] / "journal.jsonl").open("ab") as journal:
            journal.write(line_of({"end": ended}))
    cut.left = 3
    with pytest.raises(CutError):
        load(workers=1)
    for dry_run in (True, False):
        report = load(dry_run=dry_run)
        assert report.rows["skipped"] > 0
        assert [one for one in report.notes if one.endswith("is resumed.")]
        assert not [one for one in report.notes if "all of it" in one.lower()]


def listed(names: list[str], **options: Any) -> cyborg_ingest.RunReport:
    Path("list").write_text("".join(f"rows/{name}\n" for name in names))
    given = {"target": "disk:data", "create": True, "only_new": True, "batch_rows": 2, **options}
    return cyborg_ingest.load("@list", index="x", **given)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("seed", range(8))
def test_it_does_so_where_the_lines_of_a_list_are_moved(folder: Path, seed: int, suffix: str, cut: Cut) -> None:
    chance, before, skipped = random.Random(seed), dict[str, Rows](), 0
    for number, generation in enumerate(generations(seed, 12)):
        found = generation if number % 3 == 0 else {name: before[name] for name in before}
        put(folder, before, found, suffix)
        before = found
        names = list(found)
        chance.shuffle(names)
        cut.left = chance.choice([0, 0, 1, 2, 3, 4])
        try:
            report = listed([f"{name}.{suffix}" for name in names], workers=chance.choice([1, 2]))
        except CutError:
            continue
        skipped += report.rows["skipped"]
        expected = last_rows({name: found[name] for name in names})
        assert stored(sorted(expected)) == expected
    assert skipped


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("seed", range(8))
def test_a_load_of_everything_is_resumed_in_the_order_that_its_list_has_by_then(
    folder: Path, seed: int, cut: Cut
) -> None:
    chance = random.Random(seed)
    names = [f"{n}.jsonl" for n in range(6)]
    found = {name: [(chance.choice(IDS), 10.0 * n + row) for row in range(6)] for n, name in enumerate(names)}
    written(folder, found)
    for calls in (12, 5, 0):
        cut.left = calls
        chance.shuffle(names)
        try:
            report = listed(names, workers=chance.choice([1, 2]), only_new=False)
        except CutError:
            continue
    expected = last_rows({name: found[name] for name in names})
    assert stored(sorted(expected)) == expected
    assert report.rows["unsent"] == 0


def test_of_files_that_were_moved_those_are_loaded_again_that_share_ids_with_what_they_passed(folder: Path) -> None:
    written(folder, {**files(5), "a.jsonl": [("x", 100.0)], "b.jsonl": [("x", 200.0)]})
    names = [f"{n:04}.jsonl" for n in range(5)]
    listed(["a.jsonl", *names, "b.jsonl"])
    report = listed(["b.jsonl", *reversed(names), "a.jsonl"])
    assert stored(["x"]) == {"x": 100.0}
    assert kinds(report)["again"] == (1, 1)
    assert report.rows == {"read": 27, "acknowledged": 1, "rejected": 0, "skipped": 26, "unsent": 0}
    assert any(one.startswith("Loaded again though they have not changed: rows/a.jsonl.") for one in report.notes)
    third = listed(["b.jsonl", *names, "a.jsonl"])
    assert third.rows["skipped"] == 27


def test_the_order_is_that_of_the_list_and_not_that_in_which_its_files_could_be_read(folder: Path) -> None:
    (folder / "rows" / "a.parquet").write_bytes(b"PAR1 no more than this")
    parquet(folder / "rows" / "b.parquet", [("x", 2.0), ("y", 2.0)])
    names = ["a.parquet", "b.parquet"]
    assert listed(names, only_new=False, skip_bad_files=True).exit_code == 1
    parquet(folder / "rows" / "a.parquet", [("x", 1.0)])
    assert listed(names, only_new=False, skip_bad_files=True).exit_code == 0
    assert stored(["x"]) == {"x": 2.0}
    report = listed(names)
    assert report.rows["skipped"] == 3  # though the first file's rows were sent last
    report = listed(["b.parquet", "a.parquet"])
    assert stored(["x", "y"]) == {"x": 1.0, "y": 2.0}
    assert report.rows["skipped"] == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_resumed_load_says_which_file_has_moved_and_loads_it_again_where_it_shares_ids(folder: Path) -> None:
    written(folder, {"a.jsonl": [("x", 1.0)], "b.jsonl": [("x", 2.0)], "c.jsonl": [("y", 3.0)]})
    (folder / "rows" / "d.jsonl").write_text('{"id": "z", "vector": [1, "bad"]}\n')
    names = ["a.jsonl", "b.jsonl", "c.jsonl"]
    with pytest.raises(BadRowError):
        listed([*names, "d.jsonl"], only_new=False)
    jsonl(folder / "rows" / "d.jsonl", [("z", 4.0)])
    report = listed(["b.jsonl", "a.jsonl", "c.jsonl", "d.jsonl"], only_new=False)
    assert stored(["x", "y", "z"]) == {"x": 1, "y": 3, "z": 4}
    assert report.rows["skipped"] == 2  # a.jsonl alone shares an id with what it has passed
    assert "rows/a.jsonl comes behind sources now that it came before in the last run." in report.notes


def killed(row: int, moment: str, *arguments: object) -> bool:
    """Run it until so many rows were sent, and kill it there; whether it got so far."""
    victim = subprocess.run(
        [sys.executable, str(TESTS / "victim.py"), str(row), moment, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ,
    )  # fmt: skip
    assert victim.returncode in {0, -signal.SIGKILL}, victim.stderr
    return victim.returncode != 0


@pytest.mark.parametrize("seed", range(3))
def test_it_is_killed_at_any_row_and_the_same_command_ends_it(engine: Engine, folder: Path, seed: int) -> None:
    chance, name = random.Random(seed), engine.name()
    command = [
        "upsert",
        "rows",
        "--index",
        name,
        "--target",
        engine.target,
        "--create",
        "--only-new",
        "--batch-rows",
        "3",
    ]
    found = files(20, 6)
    written(folder, found)
    killed(chance.randint(1, 120), chance.choice(["before", "after"]), *command)
    assert ran(*command).returncode == 0
    for n in (2, 5, 11):
        found[f"{n:04}.jsonl"] = [(f"{n + chance.choice([0, 1, 4])}-{row}", 100.0 + n) for row in range(6)]
    found["9999.jsonl"] = [("0-0", 999.0), ("new", 999.0)]
    del found["0008.jsonl"]
    (folder / "rows" / "0008.jsonl").unlink()
    written(folder, {name: found[name] for name in ("0002.jsonl", "0005.jsonl", "0011.jsonl", "9999.jsonl")})
    for _ in range(2):
        killed(chance.randint(1, 20), chance.choice(["before", "after"]), *command)
    done = ran(*command, "--json")
    assert done.returncode == 0, done.stderr
    expected = last_rows(found)
    numbers = engine.read(name, [*expected, "8-0"], KEY)
    assert {one: float(np.frombuffer(row.vector, "<f4")[0]) for one, row in numbers.items()} == {**expected, "8-0": 9.0}


@pytest.mark.parametrize("lost", ["all of it", "some rows", "one row of many"])
def test_what_the_index_has_lost_is_seen_before_anything_is_skipped(engine: Engine, folder: Path, lost: str) -> None:
    written(folder, files(40))
    name, target = engine.name(), engine.target
    options: dict[str, Any] = {"index": name, "target": target, "create": True}
    cyborg_ingest.load("rows", **options)
    lose(engine, name, {"all of it": 200, "some rows": 100, "one row of many": 1}[lost])
    jsonl(folder / "rows" / "0003.jsonl", [("3-0", 7.0)])
    for _ in range(2):
        with pytest.raises(LostRowsError, match=r"restart=True loads everything again") as caught:
            cyborg_ingest.load("rows", only_new=True, **options)
        report = caught.value.report
        assert report is not None
        assert (report.exit_code, report.retry, report.rows["acknowledged"]) == (3, "after-fix", 0)
    again = cyborg_ingest.load("rows", only_new=True, restart=True, **options)
    assert again.rows["acknowledged"] == 196
    assert len(engine.read(name, [one for rows in files(40).values() for one, _ in rows], KEY)) >= 196


def lose(engine: Engine, name: str, count: int) -> None:
    """Rows vanish from the index: through the official client, or the engine itself."""
    ids = [one for rows in files(40).values() for one, _ in rows][:count]
    if engine.kind == "rest":
        Client(engine.target).load_index(name, KEY).delete(ids)
    else:
        storage = cyborgdb_core.StorageConfig.disk(engine.target.removeprefix("disk:"))
        cyborgdb_core.Client(storage_config=storage).load_index(name, KEY).delete(ids, index_key=KEY)


def test_a_lost_index_does_not_hinder_a_load_of_everything(folder: Path) -> None:
    written(folder, files(3))
    load()
    shutil.rmtree(folder / "data")
    for dry_run in (True, False):
        with pytest.raises(LostRowsError):
            load(dry_run=dry_run)
    assert load(only_new=False).rows["acknowledged"] == 15


def test_rejected_rows_stay_rejected_and_are_counted(folder: Path) -> None:
    written(folder, files(2))
    (folder / "rows" / "0001.jsonl").write_text('{"id": "bad", "vector": [0, 0]}\n{"id": "good", "vector": [5, 1]}\n')
    first = load(max_errors=1)
    jsonl(folder / "rows" / "0002.jsonl", [("more", 3.0)])
    second = load(max_errors=1)
    assert second.rows == {"read": 8, "acknowledged": 1, "rejected": 1, "skipped": 6, "unsent": 0}
    assert second.exit_code == 1
    assert second.rejected_file != first.rejected_file
    lines = [json.loads(one) for one in Path(second.rejected_file or "").read_text("utf-8").splitlines()]
    assert [one["id"] for one in lines] == ["bad"]
    with pytest.raises(BadRowError):
        load()


def test_a_load_whose_index_did_not_hold_what_was_sent_is_nothing_to_go_by(folder: Path) -> None:
    written(folder, files(2))
    load()
    (job,) = jobs()
    with (job / "journal.jsonl").open("ab") as journal:
        journal.write(line_of({"end": 5}))
    report = load()
    assert report.rows["acknowledged"] == 10
    assert [one for one in report.notes if "ended with exit code 5" in one]


def jobs() -> list[Path]:
    return list((Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / "jobs").iterdir())


def test_a_load_of_an_older_release_is_gone_by_where_that_is_safe(folder: Path) -> None:
    written(folder, files(4))
    load()
    (job,) = jobs()
    (job / "ids").unlink()  # which older releases did not keep
    jsonl(folder / "rows" / "9.jsonl", [("1-1", 50.0)])
    assert load().rows["skipped"] == 20  # what is new comes last
    (job / "ids").unlink()
    jsonl(folder / "rows" / "0001.jsonl", [("1-2", 60.0)])
    report = load()  # of the rows that were in it nobody knows the ids: they may lie over any
    assert report.rows["skipped"] == 0
    assert "or their ids are not known" in " ".join(report.notes)
    jsonl(folder / "rows" / "0001.jsonl", [("1-3", 70.0)])
    assert load().rows["acknowledged"] == 1


def test_a_dry_run_says_what_would_be_loaded_and_writes_nothing(folder: Path) -> None:
    written(folder, files(10))
    load()
    jsonl(folder / "rows" / "0003.jsonl", [("3-0", 9.0), ("4-0", 9.0)])
    before = tree(jobs()[0])
    report = load(dry_run=True)
    assert tree(jobs()[0]) == before
    assert kinds(report) == {
        "new": (0, 0), "changed": (1, 2), "same": (9, 45), "vanished": (0, 0), "again": (1, 5)
    }  # fmt: skip
    assert report.rows["skipped"] == 40
    assert load().rows["acknowledged"] == 7


def test_a_dry_run_lets_go_of_what_it_looked_at(folder: Path) -> None:
    written(folder, files(2))
    load()
    counts = []
    for _ in range(3):
        load(dry_run=True)
        gc.collect()
        counts.append(len(list(Path("/dev/fd").iterdir())))
    assert counts[1] == counts[2]


def test_fewer_rows_than_in_the_last_load_are_seen_whatever_was_skipped_in_it(folder: Path) -> None:
    written(folder, files(10))
    for _ in range(3):
        load()
    for n in range(4):
        (folder / "rows" / f"{n:04}.jsonl").unlink()
    with pytest.raises(UsageError, match="have 30 rows, and this job's last load that ended had 50"):
        load(max_shrink="10%")
    assert load(max_shrink="50%").rows["skipped"] == 30


def test_what_goes_with_a_file_makes_it_another(folder: Path) -> None:
    np.save(folder / "rows" / "a.npy", np.ones((3, 2), np.float32))
    ids = folder / "ids.txt"
    ids.write_text("a\nb\nc\n")
    load(ids=str(ids))
    assert load(ids=str(ids)).rows["skipped"] == 3
    ids.write_text("a\nb\nd\n")
    report = load(ids=str(ids))
    assert kinds(report)["changed"] == (1, 3)
    assert report.rows["acknowledged"] == 3


def test_objects_of_a_store_are_told_apart_by_their_etags(bucket: Any, folder: Path) -> None:
    written(folder, files(4))
    upload(bucket, folder / "rows", "rows/")

    def load_objects() -> cyborg_ingest.RunReport:
        return cyborg_ingest.load("s3://bucket/rows/", index="x", target="disk:data", create=True, only_new=True)

    assert load_objects().rows["acknowledged"] == 20
    assert load_objects().rows["skipped"] == 20
    jsonl(folder / "rows" / "0002.jsonl", [("2-0", 9.0)])
    upload(bucket, folder / "rows", "rows/")  # all of them once more, of which three are the same
    report = load_objects()
    assert kinds(report)["changed"] == (1, 1)
    assert (report.rows["acknowledged"], report.rows["skipped"]) == (1, 15)


def test_what_a_later_release_has_ended_hinders_no_load_of_everything(folder: Path) -> None:
    written(folder, files(2))
    load()
    shutil.rmtree(folder / "data")
    with pytest.raises(LostRowsError):
        load()
    (job,) = jobs()
    (job / "ended.jsonl").write_bytes(line_of({"begin": 3}))
    assert load(only_new=False).rows["acknowledged"] == 10


def tree(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_what_cannot_be_compared_is_refused(folder: Path) -> None:
    written(folder, files(2))
    for options in ({"skip": 1}, {"limit": 1}, {"sample": 1}):
        with pytest.raises(UsageError, match="only_new=True has to see whole files"):
            load(**options)
    with pytest.raises(UsageError, match="checkpoint=False keeps nothing"):
        load(checkpoint=False)
    table = pa.table({"id": ["a"], "vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))})
    with pytest.raises(UsageError, match="is not a file"):
        cyborg_ingest.load(table, index="x", target="disk:data", only_new=True)


def test_without_it_a_job_that_has_ended_says_that_all_is_loaded_again(folder: Path) -> None:
    written(folder, files(2))
    written(folder, {"more.parquet": [("p", 3.0)]})
    assert not [one for one in load(only_new=False).notes if "only_new=True" in one]
    (note,) = [one for one in load(only_new=False).notes if "only_new=True" in one]
    assert note.startswith("This load finished at ")
    assert note.endswith(" today; loading all rows again (only_new=True loads what changed).")
    report = load()
    assert report.rows["skipped"] == 11
