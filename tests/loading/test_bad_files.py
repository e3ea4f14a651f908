"""One damaged file of many does not stop the others where that is asked for: it is named, and loaded once repaired."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import says
from commands import ran
from conftest import KEY, Engine
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import MappingError, SourceChangedError, SourceError, UsageError
from cyborg_ingest.plan import reading

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, GROUP = 200, 50


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    (tmp_path / "shards").mkdir()
    return tmp_path


def table(name: str, rows: int = ROWS, dimension: int = 4, first: float = 1.0) -> pa.Table:
    values = np.full((rows, dimension), 0.5, np.float32)
    values[:, 0] = first + np.arange(rows)
    return pa.table({
        "id": [f"{name}{row}" for row in range(rows)],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), dimension),
    })  # fmt: skip


def parquet(path: Path, name: str, **more: Any) -> bytes:
    """A file of four row groups; its bytes."""
    pq.write_table(table(name, **more), path, row_group_size=GROUP, compression="none", use_dictionary=False)
    return path.read_bytes()


def shards(folder: Path) -> dict[str, bytes]:
    return {name: parquet(folder / "shards" / f"{name}.parquet", name) for name in "abc"}


def load(**more: Any) -> Any:
    return cyborg_ingest.load("shards", index="x", target="disk:data", create=True, skip_bad_files=True, **more)


def held(names: str = "abc", rows: int = ROWS) -> dict[str, float]:
    """The first number of each row's vector, as the engine has it."""
    engine = Engine("embedded", "disk:data", itertools.count())
    found = engine.read("x", [f"{name}{row}" for name in names for row in range(rows)], KEY)
    return {name: float(np.frombuffer(one.vector, "<f4")[0]) for name, one in found.items()}


def of(name: str, rows: int = ROWS, first: float = 1.0) -> dict[str, float]:
    return {f"{name}{row}": first + row for row in range(rows)}


def adds_up(report: Any) -> bool:
    rows = report.rows
    return bool(rows["read"] == rows["acknowledged"] + rows["rejected"] + rows["skipped"] and not rows["unsent"])


def third_group_damaged(data: bytes) -> bytes:
    """The pages of a Parquet's third row group, as a disk that fails would give them."""
    place = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(2).column(0).data_page_offset
    return data[:place] + b"\xff" * 400 + data[place + 400 :]


def test_a_file_without_its_end_is_named_and_the_others_are_loaded(folder: Path) -> None:
    whole = shards(folder)["b"]
    (folder / "shards" / "b.parquet").write_bytes(whole[:-100])
    with pytest.raises(UsageError):
        cyborg_ingest.load("shards", index="x", target="disk:data", create=True)
    report = load()
    assert (report.exit_code, report.status, report.retry) == (1, "ok_with_skipped_files", "after-fix")
    assert adds_up(report)
    assert report.rows["acknowledged"] == 2 * ROWS
    (bad,) = report.bad_files
    assert (bad["file"], bad["reason"], bad["rows"], bad["not_read"]) == ("shards/b.parquet", "format", 0, None)
    assert "shards/b.parquet" in bad["text"]
    assert held() == {**of("a"), **of("c")}


def test_of_a_file_that_is_damaged_in_its_middle_the_rows_before_are_loaded_and_the_rest_is_counted(
    folder: Path,
) -> None:
    whole = shards(folder)["b"]
    (folder / "shards" / "b.parquet").write_bytes(third_group_damaged(whole))
    report = load()
    assert report.exit_code == 1
    assert adds_up(report)
    assert report.rows["acknowledged"] == 2 * ROWS + 100
    (bad,) = report.bad_files
    assert (bad["file"], bad["reason"], bad["rows"], bad["not_read"]) == ("shards/b.parquet", "unreadable", 100, 100)
    assert [one["rows"] for one in report.sources] == [ROWS, 100, ROWS]
    assert held() == {**of("a"), **of("b", 100), **of("c")}
    with pytest.raises(SourceError):
        cyborg_ingest.load("shards", index="x", target="disk:data")


def gzipped(path: Path) -> Path:
    rows = ({"id": f"b{row}", "vector": [row + 1.0, 1, 1, 1]} for row in range(ROWS))
    data = bytearray(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))
    data[-8] ^= 255  # of the checksum
    (path / "b.jsonl.gz").write_bytes(data)
    return path / "b.jsonl.gz"


def cut_array(path: Path) -> Path:
    np.save(path / "b.npy", np.ones((ROWS, 4), np.float32))
    (path / "b.npy").write_bytes((path / "b.npy").read_bytes()[:-100])
    return path / "b.npy"


def cut_hdf5(path: Path) -> Path:
    with h5py.File(path / "b.h5", "w") as file:
        file["vectors"] = np.ones((ROWS, 4), np.float32)
    (path / "b.h5").write_bytes((path / "b.h5").read_bytes()[:-500])
    return path / "b.h5"


def cut_arrow(path: Path) -> Path:
    found = table("b")
    with pa.ipc.new_stream(path / "b.arrow", found.schema) as out:
        out.write_table(found, max_chunksize=50)
    (path / "b.arrow").write_bytes((path / "b.arrow").read_bytes()[:-1500])
    return path / "b.arrow"


def no_json(path: Path) -> Path:
    (path / "b.json").write_text("<html>503 Service Unavailable</html>")
    return path / "b.json"


def of_other_columns(path: Path) -> Path:
    pq.write_table(pa.table({"name": ["a"], "size": [1]}), path / "b.parquet")
    return path / "b.parquet"


def of_another_dimension(path: Path) -> Path:
    parquet(path / "b.parquet", "b", dimension=6)
    return path / "b.parquet"


KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "gzip whose checksum does not hold": (gzipped, "unreadable"), "npy that is cut": (cut_array, "format"),
    "hdf5 that is cut": (cut_hdf5, "format"), "arrow that is cut": (cut_arrow, "unreadable"),
    "json that is none": (no_json, "format"), "other columns": (of_other_columns, "columns"),
    "another dimension": (of_another_dimension, "dimensions"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_wrong_with_one_file_the_others_are_loaded(folder: Path, kind: str) -> None:
    shards(folder)
    (folder / "shards" / "b.parquet").unlink()
    make, reason = KINDS[kind]
    path = make(folder / "shards")
    report = load()
    assert report.exit_code == 1
    assert adds_up(report)
    assert [(one["file"], one["reason"]) for one in report.bad_files] == [(f"shards/{path.name}", reason)]
    assert {**of("a"), **of("c")}.items() <= held().items()


def test_what_is_said_names_the_file_and_what_to_do(folder: Path) -> None:
    whole = shards(folder)["b"]
    (folder / "shards" / "b.parquet").write_bytes(third_group_damaged(whole))
    options = ("--index", "x", "--target", "disk:data", "--create", "--skip-bad-files")
    done = ran("upsert", "shards", *options, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert any(line.startswith("bad file  shards/b.parquet") for line in lines)
    assert "bad files shards/b.parquet: 100 of 200 rows were read (unreadable)" in lines
    assert "          repair them, and run the same command again: it loads them" in lines
    assert f"resume    {report['resume_command']}" in lines
    log = Path(report["run_folder"], "log.jsonl").read_text()
    assert [json.loads(line)["file"] for line in log.splitlines() if '"fileskipped"' in line] == ["shards/b.parquet"]
    dry = ran("upsert", "shards", *options, "--dry-run")
    assert dry.returncode == 1
    assert "bad files shards/b.parquet: 100 of 200 rows were read (unreadable)" in dry.stderr
    (folder / "shards" / "b.parquet").write_bytes(whole)
    assert ran("upsert", "shards", *options).returncode == 0
    assert held() == {**of("a"), **of("b"), **of("c")}


@pytest.mark.parametrize("damage", [third_group_damaged, lambda data: data[:-100]])
def test_a_file_that_is_still_bad_costs_nothing_of_the_others_and_is_loaded_once_it_is_repaired(
    folder: Path, damage: Callable[[bytes], bytes]
) -> None:
    whole = shards(folder)["b"]
    (folder / "shards" / "b.parquet").write_bytes(damage(whole))
    assert load().exit_code == 1
    for _ in range(2):
        report = load()
        assert (report.exit_code, report.rows["acknowledged"], report.rows["skipped"]) == (1, 0, 2 * ROWS)
        assert [one["file"] for one in report.bad_files] == ["shards/b.parquet"]
        assert adds_up(report)
    (folder / "shards" / "b.parquet").write_bytes(whole)
    report = load(verify="full")
    assert (report.exit_code, report.bad_files, report.status) == (0, [], "ok")
    assert (report.rows["acknowledged"], report.rows["skipped"]) == (ROWS, 2 * ROWS)
    assert held() == {**of("a"), **of("b"), **of("c")}
    report = load()
    assert report.rows["skipped"] == 0  # that load is over: this is the next one


@pytest.mark.parametrize("damage", [third_group_damaged, lambda data: data[:-100]])
@pytest.mark.parametrize("rows", [1, 50, ROWS])
def test_rows_of_a_file_that_was_repaired_do_not_replace_those_of_later_files(
    folder: Path, damage: Callable[[bytes], bytes], rows: int
) -> None:
    parquet(folder / "shards" / "a.parquet", "b", first=500.0)
    whole = parquet(folder / "shards" / "b.parquet", "b")
    last = pa.concat_tables([table("c"), table("b", first=1000.0, rows=rows), table("d")])
    pq.write_table(last, folder / "shards" / "c.parquet", row_group_size=30)
    (folder / "shards" / "b.parquet").write_bytes(damage(whole))
    assert load().exit_code == 1
    (folder / "shards" / "b.parquet").write_bytes(whole)
    report = load(batch_rows=7)
    assert report.exit_code == 0
    assert adds_up(report)
    # two row groups of the damaged file lay over rows of the first: these go again, and with them groups of the last
    over = 2 * GROUP if damage is third_group_damaged else 0
    again = over + 30 * len({row // 30 for row in range(ROWS, ROWS + min(rows, over))})
    assert (report.rows["acknowledged"], report.rows["skipped"]) == (ROWS + again, ROWS + len(last) - again)
    kept = max(0, rows - over)  # of those that do not go again
    told = f"{kept:,} rows of files after it have ids that are in it, too"
    assert (told in "\n".join(report.notes)) is (kept > 0)
    assert held("bcd") == {**of("c"), **of("b"), **of("b", rows, 1000.0), **of("d")}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("row", [150, 300])
def test_they_do_not_where_that_load_is_killed_too(folder: Path, row: int, moment: str) -> None:
    whole = shards(folder)["a"]
    parquet(folder / "shards" / "b.parquet", "a", first=1000.0)
    (folder / "shards" / "a.parquet").write_bytes(whole[:-100])
    assert load().exit_code == 1
    (folder / "shards" / "a.parquet").write_bytes(whole)
    command = [
        sys.executable, str(TESTS / "victim.py"), str(row), moment, "upsert", "shards", "--index", "x", "--target",
        "disk:data", "--skip-bad-files", "--batch-rows", "20",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    report = load(batch_rows=30)
    assert report.exit_code == 0
    assert adds_up(report)
    assert held("ac") == {**of("a", first=1000.0), **of("c")}


def test_with_a_condition_what_comes_after_a_repaired_file_is_loaded_again(folder: Path) -> None:
    whole = shards(folder)["b"]
    parquet(folder / "shards" / "c.parquet", "b", first=1000.0, rows=50)
    (folder / "shards" / "b.parquet").write_bytes(whole[:-100])
    assert load(where="id <> 'b3'").exit_code == 1
    (folder / "shards" / "b.parquet").write_bytes(whole)
    report = load(where="id <> 'b3'")
    assert (report.exit_code, report.rows["skipped"]) == (0, ROWS)
    expected = {**of("a"), **of("b"), **of("b", 50, 1000.0)}
    del expected["b3"]
    assert held("ab") == expected


def test_sources_that_are_all_bad_are_an_error(folder: Path) -> None:
    for name, data in shards(folder).items():
        (folder / "shards" / f"{name}.parquet").write_bytes(data[:-100])
    with pytest.raises(SourceError) as caught:
        load()
    assert caught.value.exit_code == 3
    says(str(caught.value), "{}, so that --skip-bad-files leaves none: {}")
    whole = shards(folder)
    for name, data in whole.items():
        (folder / "shards" / f"{name}.parquet").write_bytes(third_group_damaged(data))
    with pytest.raises(SourceError, match="All 3 files are bad") as caught:
        load()
    assert caught.value.report is not None
    assert caught.value.report.rows["acknowledged"] == 300
    for name, data in whole.items():
        (folder / "shards" / f"{name}.parquet").write_bytes(data)
    assert load().exit_code == 0
    for name in whole:
        of_other_columns(folder / "shards").rename(folder / "shards" / f"{name}.parquet")
    with pytest.raises(MappingError):
        load()


def test_a_file_that_is_gone_before_it_is_read_is_bad_and_one_that_is_changed_is_not_skipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shards(folder)["c"]
    path, real = folder / "shards" / "c.parquet", reading.read_part

    def before_it(act: Callable[[], object]) -> None:
        def read(task: Any, **more: Any) -> Any:
            if task.part.uri.endswith("c.parquet") and task.part.number == 0:
                act()
            yield from real(task, **more)

        monkeypatch.setattr(reading, "read_part", read)

    before_it(path.unlink)
    report = load()
    assert (report.exit_code, [one["file"] for one in report.bad_files]) == (1, ["shards/c.parquet"])
    assert adds_up(report)
    path.write_bytes(whole)
    before_it(lambda: path.write_bytes(whole + b"more"))
    with pytest.raises(SourceChangedError):
        load()


def test_a_stream_is_never_skipped(folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"id": "a", "vector": [1, 2, 3, 4]}\n')
    with pytest.raises(SourceError, match="exit code 1"):
        cyborg_ingest.load(
            index="x", target="disk:data", create=True, skip_bad_files=True,
            from_command=["sh", "-c", "cat rows.jsonl; exit 1"],
        )  # fmt: skip


def test_rows_that_are_chosen_by_their_number_and_files_that_are_skipped_exclude_each_other(folder: Path) -> None:
    shards(folder)
    for option in ("skip", "sample"):
        with pytest.raises(UsageError) as caught:
            load(**{option: 3})
        says(
            str(caught.value),
            "--skip and --sample count rows, and --skip-bad-files leaves out rows that nobody can count. Drop one.",
        )
    (folder / "shards" / "a.parquet").write_bytes(b"PAR1")
    report = load(limit=250)
    assert (report.exit_code, report.rows["acknowledged"]) == (1, 250)
