"""What folders and patterns stand for, and what of the rest is said: as whoever wrote the folder has it."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from conftest import BUCKET, KEY, upload
from where import ROOT

import cyborg_ingest
from cyborg_ingest import smallfiles
from cyborg_ingest.errors import EmptySourceError, FormatError, SourceNotFoundError, UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.sources import Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.plan.reading import Plan


def row(identity: str) -> dict[str, Any]:
    return {"id": identity, "vector": [1.0, 2.0, float(len(identity))]}


def write(path: Path, *ids: str) -> Path:
    """A file of these rows, in the format that its suffix says; Parquet where it says nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row(one) for one in ids]
    text = "".join(json.dumps(one) + "\n" for one in rows)
    if ".jsonl" in path.name:
        path.write_text(text, "utf-8")
    elif path.suffix == ".csv":
        path.write_text("id,vector\n" + "".join(f'{one["id"]},"{one["vector"]}"\n' for one in rows), "utf-8")
    elif path.suffix == ".npy":
        np.save(path, np.array([one["vector"] for one in rows], np.float32))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def plan(*sources: str | Path, **options: Any) -> Plan:
    return make_plan(tuple(map(str, sources)), SourceSettings(**options))


def names(found: Plan, root: Path | str = "") -> list[str]:
    return [one.layout.uri.removeprefix(str(root)).lstrip("/") for one in found.sources]


def left_out(found: Plan, root: Path | str = "") -> dict[str, list[str]]:
    """By reason; fails where not all are named."""
    assert all(one.count == len(one.first) for one in found.not_read)
    return {
        one.reason.value: [name.removeprefix(str(root)).lstrip("/") for name in one.first] for one in found.not_read
    }


def ids(found: Plan) -> list[str]:
    """Every id, in order."""
    return [one for chunk in found.chunks(100) for one in chunk.batch.column(chunk.columns.id or "").to_pylist()]


def run(*arguments: str | bytes, folder: Path, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    done = subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


# Every file is accounted for


def write_mess(root: Path) -> dict[str, list[str]]:
    """A folder with one file to read, `a.parquet`, and all that is left out, by reason."""
    write(root / "a.parquet", "a")
    (root / "README.md").write_text("x")
    write(root / "000000000001", "b")
    write(root / "part-2.parquet.snappy", "c")
    write(root / "part-3.jsonl.001", "d")
    with zipfile.ZipFile(root / "z.zip", "w") as archive:
        archive.write(root / "a.parquet", "a.parquet")
    with tarfile.open(root / "t.tar.gz", "w:gz") as packed:
        packed.add(root / "a.parquet", "a.parquet")
    (root / "x.avro").write_bytes(b"Obj\x01rest")
    (root / "_SUCCESS").write_text("")
    (root / ".a.crc").write_text("x")
    write(root / "_temporary" / "b.parquet", "e")
    (root / "gone.parquet").symlink_to(root / "nowhere")
    (root / "again.parquet").symlink_to(root / "a.parquet")
    os.mkfifo(root / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as one:
        before = Path.cwd()
        os.chdir(root)  # a socket's path has 108 bytes at most
        one.bind("s.jsonl")
        os.chdir(before)
    write(root / "empty.parquet")
    (root / "loop").symlink_to(root)
    return {
        "unknown_suffix": ["000000000001", "README.md", "part-2.parquet.snappy", "part-3.jsonl.001"],
        "archive": ["t.tar.gz", "z.zip"],
        "other_format": ["x.avro"],
        "hidden": [".a.crc", "_SUCCESS", "_temporary"],
        "no_rows": ["empty.parquet"],
        "same_file": ["again.parquet"],
        "same_folder": ["loop"],
        "dangling_link": ["gone.parquet"],
        "not_regular": ["pipe.jsonl", "s.jsonl"],
    }


def test_all_that_a_folder_has_is_read_or_named_with_the_reason(tmp_path: Path) -> None:
    expected = write_mess(tmp_path / "d")
    found = plan(tmp_path / "d")
    assert names(found, tmp_path / "d") == ["a.parquet"]
    assert left_out(found, tmp_path / "d") == expected
    everything = {one.name for one in (tmp_path / "d").iterdir()}
    assert {"a.parquet", *(name for some in expected.values() for name in some)} == everything


def test_plan_report_and_inspection_name_what_is_not_read(tmp_path: Path) -> None:
    expected = write_mess(tmp_path / "d")
    arguments = ["d", "--index", "x", "--target", "disk:data", "--create", "--json"]
    done = run("upsert", *arguments, folder=tmp_path)
    report = json.loads(done.stdout)
    counted = {one["reason"]: one["count"] for one in report["not_read"]}
    assert counted == {reason: len(some) for reason, some in expected.items()}
    for some in expected.values():
        assert all(f"d/{name}" in done.stderr.decode() for name in some)
    assert "read them with --format" in done.stderr.decode()
    looked = json.loads(run("inspect", "d", "--json", folder=tmp_path).stdout)
    assert looked["not_read"] == report["not_read"]
    assert "2 files that are archives" in run("inspect", "d", folder=tmp_path).stdout.decode()


def test_many_files_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "a")
    for number in range(20):
        (tmp_path / f"{number:02}.log").write_text("x")
    (one,) = plan(tmp_path).not_read
    assert (one.count, one.first) == (20, tuple(f"{tmp_path}/{number:02}.log" for number in range(5)))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", None, "unpack it first"),
        ("a.jsonl.zip", None, "unpack it first"),
        ("a.tar", None, "unpack it first"),
        ("a.dat", b"Obj\x01", "Avro"),
        ("a.dat", b"ORC\n\x03", "ORC"),
        ("a.dat", b"SQLite format 3\0rest", "SQLite"),
        ("a.safetensors", b"\x10\0\0\0\0\0\0\0{}", "safetensors"),
        ("glove.txt", b"the 0.1 0.2 0.3\nof 0.3 0.2 0.1\n", "a word and its numbers"),
        ("a.dat", b"\x01\x02\x03", "--format parquet|"),
    ],
)
def test_a_name_that_was_typed_and_cannot_be_read_is_an_error_with_the_next_step(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    write(tmp_path / "in.parquet", "a")
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "in.parquet", "in.parquet")
    elif name.endswith(".tar"):
        with tarfile.open(path, "w") as packed:
            packed.add(tmp_path / "in.parquet", "in.parquet")
    else:
        path.write_bytes(content or b"")
    for source in (path, f"{tmp_path}/{name[:3]}*"):
        with pytest.raises(UsageError) as error:
            plan(source)
        assert words in str(error.value)
        assert "memory" not in str(error.value)


def test_what_a_plain_pattern_matches_is_read_by_its_first_bytes_or_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "part-0.parquet", "a")
    write(tmp_path / "part-1.parquet.snappy", "b")
    write(tmp_path / "part-2", "c")
    assert ids(plan(f"{tmp_path}/part-*")) == ["a", "b", "c"]
    (tmp_path / "part-3.md").write_text("text")
    with pytest.raises(FormatError, match=r"part-3\.md"):
        plan(f"{tmp_path}/part-*")
    found = plan(f"{tmp_path}/**/part-*")
    assert names(found, tmp_path) == ["part-0.parquet"]
    assert left_out(found, tmp_path) == {"unknown_suffix": ["part-1.parquet.snappy", "part-2", "part-3.md"]}


def test_a_file_that_goes_with_the_vectors_is_not_said_to_be_left_out(tmp_path: Path) -> None:
    write(tmp_path / "v.npy", "x", "yy")
    (tmp_path / "ids.txt").write_text("a\nb\n")
    (tmp_path / "notes.txt").write_text("x")
    found = plan(tmp_path, ids=tmp_path / "ids.txt")
    assert ids(found) == ["a", "b"]
    assert left_out(found, tmp_path) == {"unknown_suffix": ["notes.txt"]}


def test_a_folder_of_which_nothing_can_be_read_is_an_error_that_names_it_all(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06")
    (tmp_path / "b.log").write_text("x")
    with pytest.raises(SourceNotFoundError, match=r"a\.zip.*unpack them first|b\.log"):
        plan(tmp_path)


def test_json_that_holds_no_rows_beside_rows_of_another_format_is_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "idx" / "i1.parquet", "a", "b")
    (tmp_path / "VDF_META.json").write_text(json.dumps({"version": "0.1", "indexes": {"idx": [{"dims": 3}]}}, indent=2))
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": {"features": {}}}))
    (tmp_path / "labels.json").write_text(json.dumps(["cat", "dog"]))
    found = plan(tmp_path)
    assert ids(found) == ["a", "b"]
    assert left_out(found, tmp_path) == {"about_data": ["VDF_META.json", "dataset_infos.json", "labels.json"]}
    with pytest.raises(UsageError, match="VDF_META"):
        plan(tmp_path / "VDF_META.json")


def test_json_that_may_be_rows_is_never_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "a")
    (tmp_path / "one.json").write_text(json.dumps(row("b")))
    assert sorted(ids(plan(tmp_path))) == ["a", "b"]
    (tmp_path / "one.json").write_text('{"id": "b", "vector": [1, 2')
    with pytest.raises(UsageError, match=r"one\.json"):
        plan(tmp_path)
    (tmp_path / "one.json").write_text(json.dumps([row("b")]))
    (tmp_path / "two.json").write_text(json.dumps({"ids": ["c"], "vectors": [[1, 2, 3]]}))
    assert sorted(ids(plan(tmp_path))) == ["a", "b", "c"]
    (tmp_path / "two.json").write_text(json.dumps({"ids": ["c"], "vectors": [[1, 2, 3], [4, 5, 6]]}))
    with pytest.raises(UsageError, match=r"two\.json"):
        plan(tmp_path)


def test_what_is_no_file_neither_hangs_nor_fails_a_pattern_and_is_named(tmp_path: Path) -> None:
    expected = write_mess(tmp_path / "d")
    write(tmp_path / "d" / "b.jsonl", "b")
    for pattern in ("*.jsonl", "**/*.jsonl"):
        found = plan(f"{tmp_path}/d/{pattern}")
        assert names(found, tmp_path / "d") == ["b.jsonl"]
        assert left_out(found, tmp_path / "d")["not_regular"] == expected["not_regular"]
    with pytest.raises(FormatError, match="name it -"):
        plan(tmp_path / "d" / "pipe.jsonl")
    with pytest.raises(SourceNotFoundError, match="leads nowhere"):
        plan(tmp_path / "d" / "gone.parquet")


def test_every_reason_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    assert [why.value for why in Why if f"`{why.value}`" not in text] == []


# Formats in one folder


def test_rows_of_one_name_in_two_formats_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    write(tmp_path / "rows.parquet", "a", "b")
    write(tmp_path / "rows.jsonl", "a", "b")
    with pytest.raises(FormatError, match="--format or a pattern"):
        plan(tmp_path)
    found = plan(tmp_path, format="parquet")
    assert names(found, tmp_path) == ["rows.parquet"]
    assert left_out(found, tmp_path) == {"not_chosen": ["rows.jsonl"]}
    assert names(plan(f"{tmp_path}/*.jsonl"), tmp_path) == ["rows.jsonl"]
    assert ids(plan(tmp_path / "rows.parquet", tmp_path / "rows.jsonl")) == ["a", "b", "a", "b"]


def test_several_formats_in_a_folder_are_loaded_and_said(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", "a")
    write(tmp_path / "y.csv", "b")
    found = plan(tmp_path)
    assert ids(found) == ["a", "b"]
    assert any("csv" in note and "parquet" in note for note in found.notes)


def test_a_format_that_no_suffix_says_is_that_of_all_files(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a")
    (tmp_path / "a.csv").rename(tmp_path / "a.txt")
    write(tmp_path / "b", "b")
    assert ids(plan(tmp_path / "a.txt", format="csv")) == ["a"]
    (tmp_path / "b").unlink()
    assert ids(plan(tmp_path, format="csv")) == ["a"]


# Links


def test_links_to_folders_are_followed_once_and_said(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "b.parquet", "b")
    write(tmp_path / "d" / "a.parquet", "a")
    (tmp_path / "d" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "once-more").symlink_to(tmp_path / "elsewhere")
    for number in range(2):
        (tmp_path / "d" / f"self-{number}").symlink_to(".")
    for source in (tmp_path / "d", f"{tmp_path}/d/**", f"{tmp_path}/d/**/*.parquet"):
        found = plan(source)
        assert names(found, tmp_path) == ["d/a.parquet", "d/more/b.parquet"]
        assert left_out(found, tmp_path)["same_folder"] == ["d/once-more", "d/self-0", "d/self-1"]
        assert any("d/more" in note for note in found.notes)


def test_a_file_under_two_names_is_loaded_once(tmp_path: Path) -> None:
    write(tmp_path / "d" / "a.parquet", "a")
    (tmp_path / "d" / "0-latest.parquet").symlink_to("a.parquet")
    os.link(tmp_path / "d" / "a.parquet", tmp_path / "d" / "b.parquet")
    found = plan(tmp_path / "d")
    assert names(found, tmp_path) == ["d/a.parquet"]
    assert left_out(found, tmp_path) == {"same_file": ["d/0-latest.parquet", "d/b.parquet"]}
    for again in ("d/0-latest.parquet", "d/b.parquet", "d/../d/a.parquet", "d/./a.parquet"):
        with pytest.raises(UsageError, match="named twice"):
            plan(tmp_path / "d" / "a.parquet", f"{tmp_path}/{again}")
    with pytest.raises(UsageError, match="named twice"):
        plan(tmp_path / "d", tmp_path / "d" / "a.parquet")


# The folder's own list


def delta(root: Path) -> None:
    """A table of two commits: the second has removed the first one's file."""
    write(root / "part-0.parquet", "deleted")
    write(root / "part-1.parquet", "kept")
    log = root / "_delta_log"
    log.mkdir()
    (log / f"{0:020}.json").write_text(json.dumps({"add": {"path": "part-0.parquet"}}))
    (log / f"{1:020}.json").write_text(
        json.dumps({"remove": {"path": "part-0.parquet"}}) + "\n" + json.dumps({"add": {"path": "part-1.parquet"}})
    )


def iceberg(root: Path) -> None:
    write(root / "data" / "lang=en" / "0.parquet", "a")
    (root / "metadata").mkdir()
    (root / "metadata" / "00000-5f.metadata.json").write_text("{}")


def hudi(root: Path) -> None:
    write(root / "2024" / "0.parquet", "a")
    (root / "2024" / ".hoodie_partition_metadata").write_text("depth=1")
    (root / ".hoodie").mkdir()
    (root / ".hoodie" / "hoodie.properties").write_text("hoodie.table.name=t")


def lance(root: Path) -> None:
    write(root / "data" / "0.parquet", "a")
    (root / "_versions").mkdir()
    (root / "_versions" / "1.manifest").write_bytes(b"x")


def spark_sink(root: Path) -> None:
    write(root / "part-0.parquet", "a")
    (root / "_spark_metadata").mkdir()
    (root / "_spark_metadata" / "0").write_text("v1\n")


def hive(root: Path) -> None:
    write(root / "base_0000002" / "0.parquet", "a")
    write(root / "delete_delta_0000003_0000003_0000" / "0.parquet", "a")


def indices(root: Path) -> None:
    write(root / "data-0.parquet", "a")
    state = {"_data_files": [{"filename": "data-0.parquet"}], "_indices_data_files": [{"filename": "indices.arrow"}]}
    (root / "state.json").write_text(json.dumps(state))


TABLES: dict[str, tuple[Callable[[Path], None], str]] = {
    "Delta": (delta, "DeltaTable"),
    "Iceberg": (iceberg, "load_table"),
    "Hudi": (hudi, "Hudi"),
    "Lance": (lance, "lance.dataset"),
    "Spark": (spark_sink, "spark.read"),
    "Hive": (hive, "Hive"),
    "indices": (indices, "flatten_indices"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_with_a_log_stops_the_load_however_its_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    maker, words = TABLES[kind]
    maker(tmp_path / "lake" / "t")
    write(tmp_path / "lake" / "a.parquet", "b")
    files = sorted(one for one in (tmp_path / "lake" / "t").rglob("*.parquet") if "_delta_log" not in one.parts)
    ways: list[str | Path] = [tmp_path / "lake", tmp_path / "lake" / "t", f"{tmp_path}/lake/**/*.parquet"]
    ways += [f"{tmp_path}/lake/*/" + "/".join(files[0].relative_to(tmp_path / "lake" / "t").parts)]
    if kind not in {"Hive", "indices"}:
        ways += [files[0], files[0].parent, f"{files[0].parent}/*.parquet"]
    for way in ways:
        with pytest.raises(FormatError, match=words):
            plan(way)
    if kind not in {"Hive", "indices"}:
        monkeypatch.chdir(files[0].parent)
        with pytest.raises(FormatError, match=words):
            plan(files[0].name)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_with_a_log_stops_the_load_from_a_bucket_too(bucket: Any, tmp_path: Path, kind: str) -> None:
    maker, words = TABLES[kind]
    maker(tmp_path / "t")
    upload(bucket, tmp_path, "lake/")
    one = min((tmp_path / "t").rglob("*.parquet")).relative_to(tmp_path)
    ways = [f"s3://{BUCKET}", f"s3://{BUCKET}/lake/", f"s3://{BUCKET}/lake/t", f"s3://{BUCKET}/lake/**/*.parquet"]
    if kind not in {"Hive", "indices"}:
        ways += [f"s3://{BUCKET}/lake/{one}", f"s3://{BUCKET}/lake/{one.parent}/*.parquet"]
    for way in ways:
        with pytest.raises(FormatError, match=words):
            plan(way)


def saved_to_disk(root: Path) -> list[str]:
    """What `datasets.save_to_disk` leaves, and what `map` has put beside it."""
    shards = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    root.mkdir(parents=True)
    for name in (*shards, "cache-0123456789abcdef.arrow"):
        rows = pa.Table.from_pylist([row(f"{root.name}-{name}")])
        with pa.ipc.new_stream(root / name, rows.schema) as stream:
            stream.write_table(rows)
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in shards]}))
    (root / "dataset_info.json").write_text("{}")
    return [f"{root.name}-{name}" for name in shards]


def test_shards_that_state_json_lists_are_loaded_and_caches_beside_them_are_not(tmp_path: Path, bucket: Any) -> None:
    expected = saved_to_disk(tmp_path / "ds" / "train") + saved_to_disk(tmp_path / "ds" / "valid")
    saved_to_disk(tmp_path / "ds" / "old")
    (tmp_path / "ds" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "valid"]}))
    upload(bucket, tmp_path)
    for root in (f"{tmp_path}", f"s3://{BUCKET}"):
        for way in (f"{root}/ds", f"{root}/ds/**/*.arrow", root):
            found = plan(way)
            assert ids(found) == expected, way
            assert sum(one.count for one in found.not_read if one.reason.value == "not_listed") == 5
        assert ids(plan(f"{root}/ds/train/*.arrow")) == expected[:2]
        assert ids(plan(f"{root}/ds/train/data-00001-of-00002.arrow")) == expected[1:2]
        with pytest.raises(FormatError, match="not in the list"):
            plan(f"{root}/ds/train/cache-0123456789abcdef.arrow")
    (tmp_path / "ds" / "train" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(FormatError, match=r"data-00001-of-00002\.arrow, which is not there"):
        plan(tmp_path / "ds")


def test_what_databricks_has_not_committed_or_has_removed_is_left_out(tmp_path: Path) -> None:
    for transaction in ("11", "22", "33"):
        write(tmp_path / f"part-00000-tid-{transaction}-a-1-c000.snappy.parquet", transaction)
        (tmp_path / f"_started_{transaction}").write_text("")
    (tmp_path / "_committed_11").write_text(json.dumps({"added": [], "removed": []}))
    removed = ["part-00000-tid-11-a-1-c000.snappy.parquet"]
    (tmp_path / "_committed_22").write_text(json.dumps({"added": [], "removed": removed}))
    assert ids(plan(tmp_path)) == ["22"]


def test_a_summary_of_footers_that_is_out_of_date_stops_the_load(tmp_path: Path) -> None:
    collected: list[Any] = []
    rows = pa.Table.from_pylist([{**row("a"), "lang": "en"}, {**row("b"), "lang": "de"}])
    pq.write_to_dataset(rows, tmp_path / "d", partition_cols=["lang"], metadata_collector=collected)
    pq.write_metadata(rows.drop(["lang"]).schema, tmp_path / "d" / "_metadata", collected)
    assert sorted(ids(plan(tmp_path / "d"))) == ["a", "b"]
    write(tmp_path / "d" / "left.parquet", "c")
    with pytest.raises(FormatError, match=r"_metadata does not name .*left\.parquet"):
        plan(tmp_path / "d")
    assert ids(plan(f"{tmp_path}/d/*.parquet")) == ["c"]


# Folders are columns


def test_folders_are_columns_however_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Any
) -> None:
    rows = pa.Table.from_pylist(
        [{**row(f"{year}-{lang}"), "year": year, "lang": lang} for year in (2023, 2024) for lang in ("de", "en")]
    )
    pq.write_to_dataset(rows, tmp_path / "d", partition_cols=["year", "lang"])
    upload(bucket, tmp_path)
    expected = pads.dataset(tmp_path / "d", partitioning="hive").to_table()
    wanted = {one["id"]: (one["year"], one["lang"]) for one in expected.to_pylist() if one["year"] == 2024}
    folder = tmp_path / "d" / "year=2024"
    files = sorted(map(str, folder.rglob("*.parquet")))
    (tmp_path / "list").write_text("\n".join(files))
    objects = [f"s3://{BUCKET}/{Path(one).relative_to(tmp_path)}" for one in files]
    monkeypatch.chdir(folder)
    relative = [str(Path(one).relative_to(folder)) for one in files]
    ways: list[list[str]] = [
        [f"{tmp_path}/d/year=2024"], files, relative, ["."], ["lang=*"], [f"@{tmp_path}/list"],
        [f"{tmp_path}/d/*4/*/*.parquet"], [f"{tmp_path}/**/year=2024"], objects, [f"s3://{BUCKET}/d/year=2024/"],
        [f"s3://{BUCKET}/d/*4/**"], [Path(files[0]).as_uri(), files[1]],
    ]  # fmt: skip
    for way in ways:
        found = plan(*way, metadata_columns=("year", "lang"))
        seen = {
            identity: tuple(dict(source.columns.constants)[name] for name in ("year", "lang"))
            for source in found.sources
            for identity in ids(plan(source.layout.uri))
        }
        assert seen == wanted, way


# Ids that are made


def test_files_of_one_name_never_share_made_ids(tmp_path: Path) -> None:
    for name in ("a/part-0.npy", "b/part-0.npy"):
        write(tmp_path / name, "x", "yy")
    with pytest.raises(UsageError, match="share ids"):
        plan(tmp_path, id_prefix="{file}-")
    for name in ("y.jsonl", "y.csv"):
        write(tmp_path / "c" / name, "x")
    both = [tmp_path / "c" / "y.jsonl", tmp_path / "c" / "y.csv"]
    for template in ("{file}-{row}", "{file}-{id}"):
        with pytest.raises(UsageError, match="share ids"):
            plan(*both, id_template=template)
    for template in ("{row}", "x{row}"):
        with pytest.raises(UsageError, match="share their row numbers"):
            plan(*both, id_template=template)
    with pytest.raises(UsageError, match="one id"):
        plan(both[0], id_template="{file}")
    assert len(plan(*both, id_template="{id}").sources) == 2


@pytest.mark.parametrize("text", ["{file}", "{file}{row}"])
def test_a_row_number_that_runs_into_a_file_name_is_refused_where_two_ids_would_be_one(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path / "s1.npy", *map(str, range(12)))
    write(tmp_path / "s11.npy", "a", "b")
    options = {"id_template": text} if "{row}" in text else {"id_prefix": text}
    made = [f"s1{row}" for row in range(12)] + [f"s11{row}" for row in range(2)]
    assert len(set(made)) < len(made)
    with pytest.raises(UsageError, match="could share ids"):
        plan(tmp_path, **options)
    write(tmp_path / "s1.npy", *map(str, range(10)))
    made = [f"s1{row}" for row in range(10)] + [f"s11{row}" for row in range(2)]
    assert len(set(made)) == len(made)
    assert len(plan(tmp_path, **options).sources) == 2


def test_a_folder_in_the_template_tells_files_of_one_name_apart(tmp_path: Path) -> None:
    for year in (2023, 2024):
        write(tmp_path / f"year={year}" / "part-0.npy", "x", "yy")
    found = plan(tmp_path, id_template="{year}-{file}-{row}")
    assert ids(found) == [f"{year}-part-0-{number}" for year in (2023, 2024) for number in range(2)]


def test_a_compression_is_no_part_of_a_files_name_in_ids(tmp_path: Path) -> None:
    write(tmp_path / "rows.npy", "a", "b")
    (tmp_path / "rows.npy.gz").write_bytes(gzip.compress((tmp_path / "rows.npy").read_bytes()))
    for name in ("rows.npy", "rows.npy.gz"):
        assert ids(plan(tmp_path / name, id_prefix="{file}-")) == ["rows-0", "rows-1"]


# Names


ODD = [
    "-.jsonl", "--help.jsonl", "~x.jsonl", "ünï ☃.jsonl", "[a].jsonl", "50%.jsonl", "a%20b.jsonl", "#h.jsonl",
    "q?.jsonl", " blank .jsonl", "star*.jsonl", "back\\slash.jsonl", "@list.jsonl", "a&b=c.jsonl", "x:y.jsonl",
    "{file}.jsonl", "a'\"b.jsonl", "+.jsonl", "a.b.c.jsonl", "$HOME.jsonl", "!x.jsonl", "]b[.jsonl",
]  # fmt: skip


def write_odd(root: Path) -> list[str]:
    for name in ODD:
        write(root / name, name)
    return sorted(ODD)


def test_odd_names_are_found_and_read_in_every_place_by_one_rule(tmp_path: Path, bucket: Any) -> None:
    everything = write_odd(tmp_path / "d")
    write_odd(tmp_path / "d" / "in" / "ner")
    upload(bucket, tmp_path)
    for root in (f"{tmp_path}", f"s3://{BUCKET}"):
        by_path = sorted([*((name,) for name in everything), *(("in", "ner", name) for name in everything)])
        assert ids(plan(f"{root}/d")) == [parts[-1] for parts in by_path]
        assert sorted(ids(plan(f"{root}/d/*.jsonl"))) == everything
        assert sorted(ids(plan(f"{root}/d/**/ner/"))) == everything
        for name in everything:
            assert ids(plan(f"{root}/d/{name}")) == [name]


def test_odd_names_are_sources_as_they_are_typed_in_their_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = write_odd(tmp_path)
    write(tmp_path / "-", "dash")
    monkeypatch.chdir(tmp_path)
    for name in everything:
        source = f"./{name}" if name.startswith("@") else name
        assert ids(plan(source)) == [name]
        assert ids(plan(Path(name).absolute().as_uri())) == [name]
    assert ids(plan("./-", format="parquet")) == ["dash"]
    (tmp_path / "names").write_text("\r\n".join(f"./{name}" for name in everything if name == name.strip()))
    assert ids(plan("@names")) == [name for name in everything if name == name.strip()]


def test_a_literal_name_wins_over_the_pattern_that_it_looks_like(tmp_path: Path, bucket: Any) -> None:
    write(tmp_path / "[ab].jsonl", "literal")
    write(tmp_path / "a.jsonl", "a")
    upload(bucket, tmp_path)
    for root in (f"{tmp_path}", f"s3://{BUCKET}"):
        assert ids(plan(f"{root}/[ab].jsonl")) == ["literal"]
        assert ids(plan(f"{root}/[a].jsonl")) == ["a"]


def test_a_slash_at_the_end_means_the_folder(tmp_path: Path, bucket: Any) -> None:
    bucket.put_object(Bucket=BUCKET, Key="x", Body=json.dumps(row("object")).encode())
    bucket.put_object(Bucket=BUCKET, Key="x/y.jsonl", Body=json.dumps(row("below")).encode())
    assert ids(plan(f"s3://{BUCKET}/x")) == ["object"]
    assert ids(plan(f"s3://{BUCKET}/x/")) == ["below"]
    bucket.put_object(Bucket=BUCKET, Key="z.jsonl", Body=json.dumps(row("z")).encode())
    write(tmp_path / "z.jsonl", "z")
    for root in (f"{tmp_path}", f"s3://{BUCKET}"):
        with pytest.raises(SourceNotFoundError):
            plan(f"{root}/z.jsonl/")


def test_a_key_that_no_client_can_ask_for_is_named_and_never_dropped(bucket: Any) -> None:
    for key in ("p/a.jsonl", "p//b.jsonl", "q/a.jsonl", "q//notes.md"):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(row(key)).encode())
    for source in ("p", "p/", "p/**", "p/**/*.jsonl", "p//b.jsonl", "/p/a.jsonl", "p/../p/a.jsonl"):
        with pytest.raises(UsageError, match="reader can ask for"):
            plan(f"s3://{BUCKET}/{source}")
    assert ids(plan(f"s3://{BUCKET}/p/*.jsonl")) == ["p/a.jsonl"]
    found = plan(f"s3://{BUCKET}/q")
    assert ids(found) == ["q/a.jsonl"]
    assert left_out(found) == {"unaddressable": [f"s3://{BUCKET}/q//notes.md"]}


def test_a_bucket_is_found_as_its_lister_lists_it(bucket: Any, tmp_path: Path) -> None:
    write_mess(tmp_path / "d")
    for name in ("pipe.jsonl", "s.jsonl", "loop", "gone.parquet", "again.parquet"):
        (tmp_path / "d" / name).unlink()
    upload(bucket, tmp_path)
    bucket.put_object(Bucket=BUCKET, Key="d/sub/", Body=b"")
    bucket.put_object(Bucket=BUCKET, Key="d/zero.jsonl", Body=b"")
    keys = {one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]}
    found = plan(f"s3://{BUCKET}/d")
    said = {name.removeprefix(f"s3://{BUCKET}/") for some in left_out(found).values() for name in some}
    assert names(found, f"s3://{BUCKET}/d") == ["a.parquet"]
    assert "d/zero.jsonl" in said
    assert {"d/a.parquet", *said} == {key.replace("_temporary/b.parquet", "_temporary") for key in keys} - {"d/sub/"}


def test_a_name_that_is_no_utf8_is_loaded_and_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    folder = os.fsencode(tmp_path / "d")
    for name, identity in ((b"bad\xff.jsonl", "a"), (b"n\nl\x1b[31m.jsonl", "b")):
        with open(folder + b"/" + name, "w") as file:  # noqa: PTH123 - a name of bytes
            file.write(json.dumps(row(identity)))
    write(tmp_path / "rows", "c", "d")
    (tmp_path / "rows").rename(os.fsdecode(folder + b"/p\xff.parquet"))
    target = ["--index", "x", "--target", "disk:data"]
    done = run("upsert", "d", *target, "--create", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["rows"]["acknowledged"] == 4
    assert b"bad\\xff.jsonl" in done.stderr
    assert b"\x1b" not in done.stderr
    assert b"n\\nl\\x1b[31m.jsonl" in done.stderr
    again = run("upsert", "d", *target, "--json", folder=tmp_path)
    assert json.loads(again.stdout)["rows"]["skipped"] in {0, 4}
    (tmp_path / "list").write_bytes(b"d/bad\xff.jsonl\nd/p\xff.parquet\n")
    assert b"3 rows compared" in run("verify", "@list", *target, folder=tmp_path).stdout
    assert b"d/none\\xff" in run("upsert", b"d/none\xff", *target, folder=tmp_path, code=2).stderr


# Lists


def test_a_list_may_be_of_any_encoding_and_hold_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "é.jsonl", "a")
    write(tmp_path / "b.jsonl", "b")
    text = "# two\r\né.jsonl\r\n\r\n  b.jsonl  \r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "list").write_bytes(text.encode(encoding))
        assert ids(plan("@list")) == ["a", "b"]
    (tmp_path / "outer").write_text("b.jsonl\n@inner\n")
    (tmp_path / "inner").write_text("é.jsonl\n")
    assert ids(plan("@outer")) == ["b", "a"]
    (tmp_path / "inner").write_text("@outer\n")
    with pytest.raises(SourceNotFoundError, match="names itself"):
        plan("@outer")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(smallfiles, "LONGEST_SILENCE", 0.2)
    for odd in ("@pipe", "@/dev/zero", "@."):
        with pytest.raises(SourceNotFoundError, match="list"):
            plan(odd)


# Sources without rows


def write_empties(root: Path) -> list[str]:
    """Files without rows, as their writers make them."""
    root.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"id": [], "vector": []}).to_parquet(root / "e1.parquet")
    pd.DataFrame({"id": [], "vector": []}).to_csv(root / "e2.csv", index=False)
    (root / "e3.jsonl").write_text("")
    (root / "e4.jsonl.gz").write_bytes(gzip.compress(b"\n \n"))
    (root / "e5.json").write_text("[\n]\n")
    np.save(root / "e6.npy", np.zeros((0, 3), np.float32))
    pd.DataFrame({"id": [], "vector": []}).to_feather(root / "e7.feather")
    pd.DataFrame().to_parquet(root / "e9.parquet")
    pd.DataFrame().to_feather(root / "e10.feather")
    pl.DataFrame({"id": [], "vector": []}).write_ipc_stream(root / "e11.arrows")
    pl.DataFrame({"id": [], "vector": []}).write_ndjson(root / "e12.ndjson")
    np.savez(root / "e8.npz", vectors=np.zeros((0, 3), np.float32), ids=np.zeros(0, "U1"))
    return [f"e{number}" for number in range(1, 13)]


def test_files_without_rows_among_others_are_skipped_and_said(tmp_path: Path) -> None:
    expected = write_empties(tmp_path)
    write(tmp_path / "r1.parquet", "a")
    write(tmp_path / "r2.jsonl", "b")
    found = plan(tmp_path)
    assert ids(found) == ["a", "b"]
    (one,) = found.not_read
    assert (one.reason.value, one.count) == ("no_rows", len(expected))
    typed = plan(*sorted(tmp_path.iterdir()))
    assert ids(typed) == ["a", "b"]
    assert typed.not_read == found.not_read


def test_nothing_at_all_to_load_is_an_error_unless_it_may_be(tmp_path: Path) -> None:
    write_empties(tmp_path / "d")
    arguments = ["--index", "x", "--target", "disk:data", "--create", "--json"]
    for source in sorted((tmp_path / "d").iterdir()):
        with pytest.raises(EmptySourceError, match=rf"{source.name}.*--allow-empty"):
            plan(source)
        assert make_plan((str(source),), SourceSettings(), allow_empty=True).sources == ()
    done = run("upsert", "d", *arguments, folder=tmp_path, code=2)
    assert b"--allow-empty" in done.stderr
    report = json.loads(run("upsert", "d", *arguments, "--allow-empty", folder=tmp_path).stdout)
    assert report["status"] == "ok"
    assert set(report["rows"].values()) == {0}
    assert report["not_read"][0]["reason"] == "no_rows"
    assert not (tmp_path / "data" / "x").exists()


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.npy", "a.npz"])
def test_a_file_with_a_header_that_has_not_a_byte_was_cut_and_is_no_empty_shard(tmp_path: Path, name: str) -> None:
    write(tmp_path / "b.parquet", "b")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FormatError, match=name):
        plan(tmp_path)


def test_a_stream_without_rows_is_an_error_too(tmp_path: Path) -> None:
    schema = pa.schema({"id": pa.string(), "vector": pa.list_(pa.float32(), 3)})
    options: dict[str, Any] = {"index": "x", "target": f"disk:{tmp_path}", "create": True}
    for empty in (schema.empty_table(), schema.empty_table().to_reader()):
        with pytest.raises(EmptySourceError):
            cyborg_ingest.load(empty, **options)
    report = cyborg_ingest.load(schema.empty_table().to_reader(), allow_empty=True, **options)
    assert report.rows["read"] == 0
