"""`--delete-missing` deletes what the job has brought and its sources no longer have: all of it, and nothing else."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pytest
from commands import ran
from conftest import KEY
from cyborgdb import Client
from test_only_new import Cut, CutError, cut, files, folder, generations, jobs, jsonl, last_rows, put, tree, written

import cyborg_ingest
from cyborg_ingest.errors import RefusedError, TooManyMissingError, UnavailableError, UsageError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.rows import idhashes
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

__all__ = ["cut", "folder"]

KILLER = """
import os, signal, sys
from cyborg_ingest import cli
from cyborg_ingest.rows import idhashes
from cyborg_ingest.targets.embedded import EmbeddedIndex
from cyborg_ingest.targets.rest import RestIndex

moment, left = sys.argv[1], [int(sys.argv[2])]
for kind in (EmbeddedIndex, RestIndex):
    def delete_rows(self, ids, real=kind.delete_rows):
        left[0] -= 1
        if left[0] == 0 and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, ids)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    kind.delete_rows = delete_rows
import cyborg_ingest.loading.missing as missing
missing._AT_ONCE = 3
sys.argv = ["cyborg-ingest", *sys.argv[3:]]
cli.main()
"""


def load(**options: Any) -> cyborg_ingest.RunReport:
    given = {"target": "disk:data", "create": True, "delete_missing": True, "max_delete": "100%", **options}
    return cyborg_ingest.load("rows", index=given.pop("index", "x"), **given)


def listed(engine: Engine, name: str) -> set[str]:
    """All ids of an index, through the official client or the engine itself."""
    if engine.kind == "rest":
        return set(Client(engine.target).load_index(name, KEY).list_ids())
    return in_disk(engine.target.removeprefix("disk:"), name)


def in_disk(place: str = "data", name: str = "x") -> set[str]:
    storage = cyborgdb_core.StorageConfig.disk(place)
    return set(cyborgdb_core.Client(storage_config=storage).load_index(name, KEY).list_ids(index_key=KEY))


def ids_of(found: dict[str, Any]) -> set[str]:
    return {one for rows in found.values() for one, _ in rows}


@pytest.mark.parametrize("only_new", [False, True])
def test_what_left_the_sources_is_deleted_and_rows_of_others_stay(
    engine: Engine, folder: Path, *, only_new: bool
) -> None:
    name, found = engine.name(), files(50)
    options: dict[str, Any] = {"index": name, "target": engine.target, "only_new": only_new, "max_delete": "10%"}
    written(folder, found)
    first = load(**options)
    assert first.missing == {"brought": 250, "missing": 0, "deleted": 0, "ids": [], "why_none": None}
    with cyborg_ingest.connect(engine.target) as client, client.index(name, KEY) as index:
        index.upsert_binary(["theirs"], np.ones((1, 2), np.float32))
    del found["0007.jsonl"]
    (folder / "rows" / "0007.jsonl").unlink()
    found["0003.jsonl"] = [("3-0", 1.0), ("3-9", 1.0)]
    jsonl(folder / "rows" / "0003.jsonl", found["0003.jsonl"])
    gone = [*(f"3-{row}" for row in range(1, 5)), *(f"7-{row}" for row in range(5))]
    report = load(**options)
    assert report.missing == {"brought": 251, "missing": 9, "deleted": 9, "ids": sorted(gone), "why_none": None}
    assert report.index_count == {"before": 251, "after": 243}
    assert report.rows["acknowledged"] == (2 if only_new else 242)
    assert listed(engine, name) == ids_of(found) | {"theirs"}
    for _ in range(2):
        again = load(**options)
        assert again.missing is not None
        assert (again.missing["missing"], again.missing["brought"]) == (0, 242)
    assert listed(engine, name) == ids_of(found) | {"theirs"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("seed", range(10))
def test_whatever_changes_and_breaks_off_the_index_is_as_the_sources_are(
    folder: Path, seed: int, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, before, real = random.Random(seed), dict[str, Any](), EmbeddedIndex.delete_rows

    def delete_rows(index: Any, ids: Any) -> None:
        real(index, ids)
        cut.count()

    monkeypatch.setattr(EmbeddedIndex, "delete_rows", delete_rows)
    monkeypatch.setattr("cyborg_ingest.loading.missing._AT_ONCE", 1)
    for found in generations(seed + 100, 10):
        put(folder, before, found, "jsonl")
        before, cut.left = found, chance.choice([0, 0, 1, 2, 4, 8])
        try:
            load(only_new=True, workers=1, batch_rows=3)
        except CutError:
            continue
        assert in_disk() == set(last_rows(found))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_it_is_killed_while_it_deletes_and_the_same_command_ends_it(engine: Engine, folder: Path, moment: str) -> None:
    name, found = engine.name(), files(10)
    command = ["upsert", "rows", "--index", name, "--target", engine.target, "--create", "--only-new"]
    command += ["--delete-missing", "--max-delete", "60%"]
    written(folder, found)
    assert ran(*command).returncode == 0
    for n in range(5):
        del found[f"{n:04}.jsonl"]
        (folder / "rows" / f"{n:04}.jsonl").unlink()
    for _ in range(2):
        victim = subprocess.run(
            [sys.executable, "-c", KILLER, moment, "3", *command], capture_output=True, check=False, env=os.environ
        )
        assert victim.returncode == -signal.SIGKILL, victim.stderr
    done = ran(*command, "--json")
    assert done.returncode == 0, done.stderr
    assert listed(engine, name) == ids_of(found)
    assert json.loads(done.stdout)["rows"]["skipped"] == 25


def test_above_the_bound_none_is_deleted_and_a_higher_one_ends_the_load(folder: Path) -> None:
    found = files(10)
    written(folder, found)
    load()
    for n in (0, 1):
        (folder / "rows" / f"{n:04}.jsonl").unlink()
    jsonl(folder / "rows" / "9999.jsonl", [("new", 1.0)])
    for bound in ("10%", "9"):
        with pytest.raises(TooManyMissingError, match=r"10 of 51 rows \(19\.6%\).*max_delete is") as caught:
            load(max_delete=bound, only_new=True)
        report = caught.value.report
        assert report is not None
        assert (report.exit_code, report.retry, report.rows["unsent"]) == (4, "after-fix", 0)
        assert in_disk() == ids_of(found) | {"new"}
    report = load(max_delete=10, only_new=True)
    assert report.missing is not None
    assert report.missing["deleted"] == 10
    assert in_disk() == ids_of(found) - {f"{n}-{row}" for n in (0, 1) for row in range(5)} | {"new"}


def test_a_dry_run_lists_what_would_be_deleted_and_deletes_and_notes_nothing(folder: Path) -> None:
    found = files(10)
    written(folder, found)
    load()
    (folder / "rows" / "0004.jsonl").unlink()
    before, gone = tree(jobs()[0]), [f"4-{row}" for row in range(5)]
    for only_new in (False, True):
        report = load(dry_run=True, only_new=only_new)
        assert report.missing == {"brought": 50, "missing": 5, "deleted": 0, "ids": gone, "why_none": None}
    stopped = load(dry_run=True, max_delete=4)
    assert [one for one in stopped.notes if one.startswith("A load would stop: 5 of 50 rows")]
    assert tree(jobs()[0]) == before
    assert in_disk() == ids_of(found)
    shown = ran("upsert", "rows", "--index", "x", "--target", "disk:data", "--delete-missing", "--dry-run")
    assert "missing   5 rows are no longer in the sources; would be deleted:\n          '4-0'\n" in shown.stderr


def test_a_dry_run_lists_none_where_the_load_forgets_what_was_brought(folder: Path) -> None:
    jsonl(folder / "rows" / "a.jsonl", [("a", 1.0), ("b", 1.0)])
    load()
    (job,) = jobs()
    jsonl(folder / "rows" / "a.jsonl", [("a", 1.0)])
    before = tree(job)
    foreseen = load(dry_run=True, restart=True).missing
    assert foreseen is not None
    assert (foreseen["ids"], foreseen["why_none"]) == ([], None)
    with cyborg_ingest.connect("disk:data") as client, client.index("x", KEY) as index:
        index.upsert_binary(["a", "b"], np.full((2, 2), 7, np.float32))
    report = load(dry_run=True)
    assert report.missing is not None
    assert report.missing["ids"] == []
    assert [one for one in report.notes if "what earlier loads brought is forgotten" in one]
    assert tree(job) == before
    load()
    assert in_disk() == {"a", "b"}


def test_a_rejected_row_has_not_left_the_sources(folder: Path) -> None:
    written(folder, files(3))
    load()
    jsonl(folder / "rows" / "0001.jsonl", [("1-0", 1.0)])
    with (folder / "rows" / "0001.jsonl").open("a") as file:
        file.write('{"id": "1-1", "vector": [0, 0]}\n')
    report = load(only_new=True, max_errors=1)
    assert report.missing is not None
    assert report.missing["ids"] == ["1-2", "1-3", "1-4"]
    assert "1-1" in in_disk()
    jsonl(folder / "rows" / "0002.jsonl", [("2-1", 1.0)])
    with (folder / "rows" / "0002.jsonl").open("a") as file:
        file.write("no row\n")
    report = load(only_new=True, max_errors=2)
    assert report.missing is not None
    assert report.missing["deleted"] == 0
    assert "1 rejected rows have no id" in report.missing["why_none"]
    assert "2-0" in in_disk()


@pytest.mark.parametrize("only_new", [False, True])
def test_a_row_that_was_rejected_and_leaves_the_sources_later_is_deleted(folder: Path, *, only_new: bool) -> None:
    jsonl(folder / "rows" / "a.jsonl", [("x", 1.0), ("keep", 2.0)])
    load()
    for _ in range(2):
        with (folder / "rows" / "a.jsonl").open("w") as file:
            file.write('{"id": "x", "vector": "bad"}\n{"id": "keep", "vector": [2, 1]}\n')
        report = load(max_errors=1, only_new=only_new)
        assert report.missing is not None
        assert (report.missing["deleted"], in_disk()) == (0, {"x", "keep"})
    jsonl(folder / "rows" / "a.jsonl", [("keep", 2.0)])
    report = load(only_new=only_new)
    assert report.missing is not None
    assert (report.missing["ids"], in_disk()) == (["x"], {"keep"})


@pytest.mark.parametrize("only_new", [False, True])
def test_a_row_that_was_loaded_and_then_refused_is_deleted_once_it_leaves_the_sources(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, only_new: bool
) -> None:
    real = EmbeddedIndex.upsert_binary

    def upsert_binary(index: Any, ids: list[str], vectors: Any, *more: Any) -> None:
        if (vectors[:, 0] == 13).any():
            raise RefusedError("13 is not to its taste")
        real(index, ids, vectors, *more)

    monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert_binary)
    path = folder / "rows" / "a.jsonl"
    jsonl(path, [("x", 1.0), ("keep", 2.0)])
    load()
    with cyborg_ingest.connect("disk:data") as client, client.index("x", KEY) as index:
        index.upsert_binary(["theirs"], np.ones((1, 2), np.float32))
    jsonl(path, [("keep", 2.0), ("x", 13.0), ("theirs", 13.0)])
    for _ in range(2):
        load(max_errors=2, only_new=only_new)
        assert in_disk() == {"x", "keep", "theirs"}
    jsonl(path, [("keep", 3.0)])
    report = load(only_new=only_new)
    assert report.missing is not None
    assert (report.missing["ids"], in_disk()) == (["x"], {"keep", "theirs"})


def test_a_row_of_others_that_was_only_ever_rejected_here_is_not_deleted(folder: Path) -> None:
    jsonl(folder / "rows" / "a.jsonl", [("keep", 2.0)])
    load()
    with cyborg_ingest.connect("disk:data") as client, client.index("x", KEY) as index:
        index.upsert_binary(["theirs"], np.ones((1, 2), np.float32))
    with (folder / "rows" / "a.jsonl").open("a") as file:
        file.write('{"id": "theirs", "vector": "bad"}\n')
    load(max_errors=1)
    jsonl(folder / "rows" / "a.jsonl", [("keep", 2.0)])
    load()
    assert in_disk() == {"keep", "theirs"}


def test_sources_that_are_all_empty_have_lost_all_rows_where_that_may_be(folder: Path) -> None:
    path = folder / "rows" / "a.jsonl"
    jsonl(path, [("x", 1.0), ("y", 2.0)])
    load()
    path.write_text("")
    with pytest.raises(TooManyMissingError, match=r"2 of 2 rows \(100.0%\)"):
        load(allow_empty=True, max_delete="10%")
    foreseen = load(allow_empty=True, dry_run=True).missing
    assert foreseen is not None
    assert (foreseen["ids"], in_disk()) == (["x", "y"], {"x", "y"})
    report = load(allow_empty=True)
    assert report.missing is not None
    assert (report.missing["ids"], in_disk()) == (["x", "y"], set())
    assert (report.exit_code, report.nothing_new, report.index_count) == (0, False, {"before": 2, "after": 0})
    again = load(allow_empty=True, only_new=True)
    assert (again.exit_code, again.nothing_new) == (0, True)
    jsonl(path, [("x", 3.0)])
    load(only_new=True)
    assert in_disk() == {"x"}


def test_of_empty_sources_and_an_index_that_is_not_there_nothing_is_deleted_nor_made(folder: Path) -> None:
    (folder / "rows" / "a.jsonl").write_text("")
    report = load(allow_empty=True)
    assert report.exit_code == 0
    assert [one for one in report.notes if one.startswith("Nothing is deleted: ")]
    with cyborg_ingest.connect("disk:data") as client:
        assert client.list_indexes() == []


def test_after_an_older_release_the_first_load_learns_and_the_next_one_deletes(folder: Path) -> None:
    written(folder, files(4))
    load(delete_missing=False)
    (jobs()[0] / "ids").unlink()
    (folder / "rows" / "0001.jsonl").unlink()
    report = load(only_new=True)
    assert [one for one in report.notes if "were not kept, as by an older release" in one]
    assert report.rows["acknowledged"] == 15
    (folder / "rows" / "0002.jsonl").unlink()
    report = load(only_new=True)
    assert report.missing is not None
    assert report.missing["ids"] == [f"2-{row}" for row in range(5)]
    assert report.rows["acknowledged"] == 0


def test_what_somebody_else_has_put_there_since_is_not_deleted(folder: Path) -> None:
    written(folder, files(4))
    load()
    with cyborg_ingest.connect("disk:data") as client:
        client.index("x", KEY).delete()
        with client.create("x", KEY, CreateOptions(dimension=2)) as index:
            index.upsert_binary(["1-0"], np.ones((1, 2), np.float32))
    (folder / "rows" / "0001.jsonl").unlink()
    report = load()
    assert [one for one in report.notes if "what earlier loads brought is forgotten" in one]
    assert "1-0" in in_disk()


@pytest.mark.parametrize("is_own", [False, True])
def test_rows_that_the_index_rounds_are_what_the_last_load_left_there(folder: Path, *, is_own: bool) -> None:
    for name in "ab":
        vectors = np.random.default_rng(ord(name)).normal(size=(20, 64))
        lines = [json.dumps({"id": f"{name}{n}", "vector": row.tolist()}) for n, row in enumerate(vectors)]
        (folder / "rows" / f"{name}.jsonl").write_text("\n".join(lines))
    if not is_own:
        with cyborg_ingest.connect("disk:data") as client:
            client.create("x", KEY, CreateOptions(dimension=64, storage_precision="tq8")).close()
    load(storage_precision="tq8" if is_own else None)
    (folder / "rows" / "b.jsonl").unlink()
    gone = {f"b{n}" for n in range(20)}
    for dry_run in (True, False):
        report = load(dry_run=dry_run)
        assert report.missing is not None
        assert set(report.missing["ids"]) == gone
    assert in_disk() == {f"a{n}" for n in range(20)}


def test_ids_that_share_their_bits_keep_a_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idhashes, "MODULUS", 2**61 - 1)  # by which 2 ** 64 is 8, so that the two share them
    jsonl(folder / "rows" / "a.jsonl", [("b", 1.0), ("user0:item001", 1.0)])
    load()
    jsonl(folder / "rows" / "a.jsonl", [("b", 1.0), ("user8:item000", 1.0)])
    report = load()
    assert report.missing is not None
    assert report.missing["missing"] == 0
    assert in_disk() == {"b", "user8:item000", "user0:item001"}


def test_ids_of_one_scheme_are_told_apart(folder: Path) -> None:
    """Of these many shared their bits once: rows that had left the sources stayed, and those of others went."""
    users = [[(f"user{user}:item{item:03d}", 1.0) for item in range(30)] for user in range(10)]
    jsonl(folder / "rows" / "a.jsonl", [row for user in users for row in user])
    load()
    jsonl(folder / "rows" / "a.jsonl", [row for user in users[:8] for row in user])
    report = load()
    assert report.missing is not None
    assert report.missing["deleted"] == 60
    assert in_disk() == {name for user in users[:8] for name, _ in user}


def test_a_request_to_delete_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder, files(4))
    load()
    (folder / "rows" / "0001.jsonl").unlink()
    real, calls = EmbeddedIndex.delete_rows, list[int]()

    def delete_rows(index: Any, ids: Any) -> None:
        calls.append(len(ids))
        if len(calls) == 1:
            raise UnavailableError("busy", cause="503")
        real(index, ids)

    monkeypatch.setattr(EmbeddedIndex, "delete_rows", delete_rows)
    report = load(retry_max_wait=0.1)
    assert (report.retries, calls) == ({"503": 1}, [5, 5])
    assert in_disk() == ids_of(files(4)) - ids_of({"1": files(2)["0001.jsonl"]})


def test_where_not_all_rows_are_seen_it_is_refused(folder: Path) -> None:
    written(folder, files(2))
    for options in ({"skip": 1}, {"limit": 1}, {"sample": 1}, {"where": "id = 'a'"}):
        with pytest.raises(UsageError, match="delete_missing=True has to see whole files"):
            load(**options)
    with pytest.raises(UsageError, match="checkpoint=False keeps nothing"):
        load(checkpoint=False)
    with pytest.raises(UsageError, match="max_delete='x'"):
        load(max_delete="x")
