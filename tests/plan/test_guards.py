"""A load whose sources are not what its guards ask for ends before its first row: nothing is sent, made or marked."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran
from conftest import KEY

import cyborg_ingest
from cyborg_ingest import sources
from cyborg_ingest.errors import StoppedError, UsageError
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.sources import stores
from cyborg_ingest.sources.stdin import StandardInput
from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = 86_400


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    return tmp_path


def table(rows: int) -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2.0 * rows, dtype=np.float32) + 1), 2)
    return pa.table({"id": [f"r{row}" for row in range(rows)], "vector": vectors})


def parquet(path: Path, rows: int) -> None:
    pq.write_table(table(rows), path)


def jsonl(path: Path, rows: int) -> None:
    path.write_text("".join(json.dumps({"id": f"r{row}", "vector": [row + 1, 1]}) + "\n" for row in range(rows)))


def csv(path: Path, rows: int) -> None:
    path.write_text("id,vector\n" + "".join(f'r{row},"[{row + 1}, 1]"\n' for row in range(rows)))


WRITERS: dict[str, Callable[[Path, int], None]] = {"parquet": parquet, "jsonl": jsonl, "csv": csv}


def load(*names: object, **options: Any) -> cyborg_ingest.RunReport:
    given = {"target": "disk:data", "create": True, "state_dir": "state", **options}
    return cyborg_ingest.load([str(one) for one in names], index="x", **given)


def refused(*names: object, **options: Any) -> str:
    """What a load is refused with that has sent nothing."""
    with pytest.raises(UsageError) as caught:
        load(*names, **options)
    report = caught.value.report
    assert report is not None
    assert (report.exit_code, report.retry, report.requests) == (2, "after-fix", 0)
    assert report.rows["acknowledged"] == 0
    return str(caught.value)


def left(folder: Path) -> dict[str, bytes]:
    """All files of the index and of the state, with what is in them."""
    found = [one for name in ("data", "state") for one in (folder / name).rglob("*") if one.is_file()]
    return {str(one): one.read_bytes() for one in found}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("dry_run", [False, True])
def test_too_few_rows_send_nothing_whatever_format_they_are_in(folder: Path, form: str, *, dry_run: bool) -> None:
    WRITERS[form](folder / f"rows.{form}", 9)
    told = refused(f"rows.{form}", min_rows=10, dry_run=dry_run)
    assert "The sources have 9 rows; min_rows is 10." in told
    assert left(folder) == {}
    assert load(f"rows.{form}", min_rows=9).rows["acknowledged"] == 9


def test_rows_of_all_sources_count_together_and_those_that_are_chosen_alone(folder: Path) -> None:
    parquet(folder / "a.parquet", 6)
    jsonl(folder / "b.jsonl", 5)
    assert "have 11 rows" in refused("a.parquet", "b.jsonl", min_rows=12)
    assert "have 8 rows" in refused("a.parquet", "b.jsonl", min_rows=9, skip=3)
    assert "have 7 rows" in refused("a.parquet", "b.jsonl", min_rows=9, limit=7)
    assert "have 2 rows" in refused("a.parquet", "b.jsonl", min_rows=3, where="id = 'r0'")
    assert load("a.parquet", "b.jsonl", min_rows=11).rows["read"] == 11


def test_no_more_rows_are_counted_than_are_asked_for(folder: Path) -> None:
    jsonl(folder / "rows.jsonl", 5_000)
    with (folder / "rows.jsonl").open("a") as file:
        file.write("no json\n" * 5)
    notes = load("rows.jsonl", min_rows=4_000, max_errors=5).notes
    assert "No header says how many rows there are: up to 4,000 are counted before the load." in notes
    assert "have 5,005 rows" in refused("rows.jsonl", min_rows=6_000)
    parquet(folder / "rows.parquet", 10)
    assert not any("header" in one for one in load("rows.parquet", min_rows=10).notes)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., cyborg_ingest.RunReport]:
    """Loads what comes from a pipe, which has room for all of it."""

    def load_piped(data: bytes, form: str, **options: Any) -> cyborg_ingest.RunReport:
        out, end = os.pipe()
        with os.fdopen(end, "wb") as pipe:
            pipe.write(data)
        with os.fdopen(out, "rb") as pipe, monkeypatch.context() as patch:
            patch.setattr(stores, "by_scheme", {**stores.by_scheme, sources.STDIN: StandardInput()})
            patch.setattr(sys, "stdin", pipe)
            return load("-", format=form, **options)

    return load_piped


def npy(rows: int) -> bytes:
    out = io.BytesIO()
    np.save(out, np.ones((rows, 2), np.float32))
    return out.getvalue()


def test_a_stream_that_does_not_say_how_many_it_has_is_refused_and_one_that_does_is_not(
    folder: Path, piped: Callable[..., cyborg_ingest.RunReport]
) -> None:
    jsonl(folder / "rows.jsonl", 5)
    with pytest.raises(UsageError, match="min_rows has to know the rows .* - can be read once only"):
        piped((folder / "rows.jsonl").read_bytes(), "jsonl", min_rows=3)
    assert left(folder) == {}
    assert piped(npy(5), "npy", min_rows=3).rows["acknowledged"] == 5
    with pytest.raises(UsageError, match="have 2 rows"):
        piped(npy(2), "npy", min_rows=3)


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_newest_source_may_not_be_older(folder: Path, *, dry_run: bool) -> None:
    for name, age in (("old.parquet", 9 * DAY), ("newer.parquet", 2 * DAY + 3_700)):
        parquet(folder / name, 3)
        aged(folder / name, age)
    told = refused("old.parquet", "newer.parquet", max_age="24h", dry_run=dry_run)
    assert "newest source, " in told
    assert "newer.parquet, is of " in told
    assert "so 2d1h old; max_age is 24h" in told
    assert left(folder) == {}
    assert load("old.parquet", "newer.parquet", max_age="3d").exit_code == 0


def test_a_file_that_goes_with_a_source_makes_it_no_newer(folder: Path) -> None:
    np.save(folder / "rows.npy", np.ones((2, 2), np.float32))
    aged(folder / "rows.npy", 2 * DAY)
    (folder / "ids.txt").write_text("a\nb\n")
    assert "rows.npy, is of" in refused("rows.npy", ids="ids.txt", max_age="1d")


def test_a_source_without_a_time_is_refused_by_name(piped: Callable[..., cyborg_ingest.RunReport]) -> None:
    with pytest.raises(UsageError, match="max_age is 1d, and - has no time that says how old it is"):
        piped(npy(3), "npy", max_age="1d")
    with pytest.raises(UsageError, match="has no time that says how old it is"):
        cyborg_ingest.load(table(3), index="x", target="disk:data", create=True, max_age="1d")


@pytest.mark.parametrize(("bound", "rows", "is_refused"), [("20%", 80, False), ("20%", 79, True), ("5", 95, False),
                                                           (5, 94, True), ("0", 99, True), ("100%", 1, False),
                                                           ("0%", 120, False)])  # fmt: skip
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_fewer_rows_than_the_last_load_had_send_nothing(
    folder: Path, form: str, bound: object, rows: int, *, is_refused: bool
) -> None:
    path = folder / f"rows.{form}"
    WRITERS[form](path, 100)
    notes = load(path, max_shrink=bound).notes
    assert "No load of this job has ended yet, so there is nothing that max_shrink could compare with." in notes
    before = left(folder)
    WRITERS[form](path, rows)
    if not is_refused:
        assert load(path, max_shrink=bound).rows["acknowledged"] == rows
        return
    for more in ({}, {"dry_run": True}, {"restart": True}):
        told = refused(path, max_shrink=bound, **more)
        assert f"The sources have {rows} rows, and this job's last load that ended had 100" in told
        assert f"max_shrink is {bound}" in told
        assert left(folder) == before


def test_what_is_compared_with_are_the_rows_that_were_asked_for_bad_ones_too(folder: Path) -> None:
    path = folder / "rows.jsonl"
    jsonl(path, 98)
    with path.open("a") as file:
        file.write('{"id": "bad", "vector": [1, null]}\n' * 2)
    options: dict[str, Any] = {"max_errors": 5, "where": "id <> 'r0'", "max_shrink": "0"}
    assert load(path, **options).rows == {"read": 99, "acknowledged": 97, "rejected": 2, "skipped": 0, "unsent": 0}
    jsonl(path, 99)
    assert "have 98 rows, and this job's last load that ended had 99" in refused(path, **options)


def test_rows_are_counted_once_for_all_guards(folder: Path) -> None:
    jsonl(folder / "rows.jsonl", 100)
    load("rows.jsonl")
    notes = load("rows.jsonl", min_rows=50, max_shrink="10%").notes
    assert [one for one in notes if "counted" in one] == [
        "No header says how many rows there are: up to 90 are counted before the load."
    ]
    jsonl(folder / "rows.jsonl", 40)
    assert "max_shrink is 10%" in refused("rows.jsonl", min_rows=50, max_shrink="10%")
    assert "min_rows is 95" in refused("rows.jsonl", min_rows=95, max_shrink="10%")


def test_no_rows_at_all_are_too_few_even_where_they_are_allowed(folder: Path) -> None:
    jsonl(folder / "rows.jsonl", 10)
    load("rows.jsonl", max_shrink="50%")
    jsonl(folder / "rows.jsonl", 0)
    assert "have 0 rows; min_rows is 1" in refused("rows.jsonl", allow_empty=True, min_rows=1)
    assert "have 0 rows, and" in refused("rows.jsonl", allow_empty=True, max_shrink="50%")
    aged(folder / "rows.jsonl", DAY)
    assert "max_age is 1h" in refused("rows.jsonl", allow_empty=True, max_age="1h")
    report = load("rows.jsonl", allow_empty=True, max_age="2d")
    assert (report.exit_code, report.status) == (0, "ok")
    assert any(
        one.startswith("No source has a row, so nothing is loaded: 1 file without rows (") for one in report.notes
    )


def stopped_half_way(path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    """Load, and be stopped once there is an acknowledgement: how many rows there were by then."""
    real, calls = embedded.EmbeddedIndex.upsert_binary, []

    def upsert(self: Any, *arguments: Any) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(embedded.EmbeddedIndex, "upsert_binary", upsert)
        with pytest.raises((KeyboardInterrupt, StoppedError)) as caught:
            load(path, batch_rows=10, workers=1, **options)
    report: Any = caught.value.report  # type: ignore[attr-defined]
    assert 0 < report.rows["acknowledged"] < report.rows["read"]
    return int(report.rows["acknowledged"])


def test_a_load_that_is_resumed_is_not_refused_for_what_it_has_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its source was new enough when it began. Another load of the same file is refused."""
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32))
    guards: dict[str, Any] = {"max_age": "2s", "min_rows": 100, "max_shrink": "0"}
    done = stopped_half_way(path, monkeypatch, **guards)
    time.sleep(max(0.0, path.stat().st_mtime + 2.1 - time.time()))
    assert "max_age is 2s" in refused(path, restart=True, **guards)
    report = load(path, **guards)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (done, 100 - done)
    assert "max_age is 2s" in refused(path, **guards)


def test_a_load_of_which_nobody_knows_when_it_began_is_as_old_as_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32))
    aged(path, 7200)
    done = stopped_half_way(path, monkeypatch)
    (journal,) = folder.glob("**/journal.jsonl")
    lines = journal.read_text()
    assert "+00:00" in lines
    journal.write_text(lines.replace("+00:00", ""))
    assert "max_age is 1h" in refused(path, max_age="1h")
    assert load(path, max_age="3h").rows["skipped"] == done


def test_a_guard_is_no_part_of_the_job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32))
    done = stopped_half_way(path, monkeypatch, min_rows=5)
    assert load(path, min_rows=7, max_age="1d", max_shrink="3%").rows["skipped"] == done


def test_guards_are_options_variables_and_keys_of_the_file(folder: Path) -> None:
    parquet(folder / "rows.parquet", 3)
    arguments = ["upsert", "rows.parquet", "--index", "x", "--target", "disk:data", "--create", "--json"]
    done = ran(*arguments, "--min-rows", 4)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (2, "usage_error")
    assert ran(*arguments, CYBORG_INGEST_MIN_ROWS="4").returncode == 2
    (folder / "cyborg-ingest.toml").write_text(
        '[job.nightly]\nsources = ["rows.parquet"]\nindex = "x"\ntarget = "disk:data"\nmin-rows = 4\nmax_age = "7d"\n'
    )
    done = ran("run", "nightly", "--create")
    assert done.returncode == 2
    assert "--min-rows is 4" in done.stderr
    assert ran("run", "nightly", "--create", "--min-rows", 3).returncode == 0


@pytest.mark.parametrize(("options", "told"), [
    ({"max_age": "24"}, "--max-age is '24'; it takes a duration like"),
    ({"max_age": "0s"}, "--max-age is '0s'; it takes a duration like"),
    ({"max_age": "h"}, "--max-age is 'h'; it takes a duration like"),
    ({"max_age": ""}, "--max-age is ''; it takes a duration like"),
    ({"max_age": "50m5h"}, "--max-age is '50m5h'; it takes a duration like"),
    ({"max_shrink": "-1"}, "--max-shrink is '-1'; it takes a number like 1000, or a share like 20%."),
    ({"max_shrink": "0.5"}, "--max-shrink is '0.5'; it takes a number like 1000, or a share like 20%."),
    ({"min_rows": 0}, "--min-rows is 0; it must be at least 1."),
    ({"max_shrink": "1%", "checkpoint": False}, "--no-checkpoint keeps nothing. Drop one."),
])  # fmt: skip
def test_what_is_no_guard_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told.replace("(", r"\(")):
        LoadSettings(sources=("x",), index="i", **options)
