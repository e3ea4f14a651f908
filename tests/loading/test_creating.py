"""An index that a load makes: what it will be like is said before, and none is left behind by rows that do not load."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import says
from commands import load, ran

from cyborg_ingest import connect

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


def indexes() -> list[str]:
    with connect("disk:data") as client:
        return sorted(client.list_indexes())


@pytest.fixture
def angular(here: Path) -> Path:
    """A file as ann-benchmarks has them, which says its distance."""
    with h5py.File(here / "glove-4-angular.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"] = np.random.default_rng(1).random((50, 4), np.float32)
    return here / "glove-4-angular.hdf5"


def test_what_cannot_be_undone_is_said_before_a_row_is_sent(here: Path) -> None:
    told = load("--dry-run").stderr
    says(told, "{} (default; --metric)")
    made = "index     i  new: 2 dimensions, euclidean (default; --metric), float32; it keeps these"
    assert made in told.splitlines()
    assert made in load().stderr.splitlines()
    other = load("--metric", "cosine", "--storage-precision", "float16", index="j").stderr
    assert "index     j  new: 2 dimensions, cosine, float16; it keeps these" in other.splitlines()
    again = load()
    assert " new: " not in again.stderr
    with connect("disk:data") as client, client.index("i", (here / "key").read_text()) as one:
        assert one.describe().metric == "euclidean"


def test_a_file_that_says_another_distance_than_the_default_is_a_note(angular: Path) -> None:
    told = load("--dry-run", file=angular.name).stderr
    says(told, "--metric {} makes one of that")
    assert "says that its vectors are compared by 'angular'" in told
    done = load("--metric", "cosine", file=angular.name, index="c")
    assert (done.returncode, "angular" in done.stderr.replace(angular.name, "")) == (0, False)
    with h5py.File(angular, "a") as file:
        file.attrs["distance"] = "euclidean"
    assert "compared by" not in load(file=angular.name, index="e").stderr


def test_no_index_is_left_behind_by_rows_that_do_not_load(here: Path) -> None:
    (here / "nan.jsonl").write_text('{"id": "a", "vector": [1, null]}\n')
    assert load(file="nan.jsonl", index="left").returncode == 4
    assert load(file="missing.jsonl", index="left").returncode == 2
    assert load("--where", "nothing = 1", index="left").returncode == 2
    with pytest.raises(Exception, match="left|data"):
        ran("index", "info", "left", "--target", "disk:data").check_returncode()
    assert load().returncode == 0
    assert indexes() == ["i"]


def test_rejected_rows_of_a_load_that_makes_no_index_are_kept_and_resume(here: Path) -> None:
    (here / "worse.jsonl").write_text('{"id": "a", "vector": [1, null]}\n' + (here / "rows.jsonl").read_text())
    refused = load(file="worse.jsonl", index="w")
    assert refused.returncode == 4
    assert "resume    cyborg-ingest upsert" in refused.stderr
    done = load("--max-errors", "1", file="worse.jsonl", index="w")
    assert (done.returncode, "5 of 6 rows loaded" in done.stderr) == (1, True), done.stderr


def test_vectors_of_another_dimension_are_one_error(engine: Engine, here: Path) -> None:
    """Whether the file says its dimension beforehand or not, and whatever may be rejected."""
    index = engine.name()
    assert load("--target", engine.target, index=index).returncode == 0
    pq.write_table(pa.table({"id": ["a", "b"], "vector": [[1.0, 2.0, 3.0]] * 2}), here / "lists.parquet")
    np.save(here / "three.npy", np.ones((9, 3), np.float32))
    (here / "three.jsonl").write_text('{"id": "a", "vector": [1, 2, 3]}\n' * 9)
    for file in ("lists.parquet", "three.npy", "three.jsonl"):
        done = load("--target", engine.target, "--max-errors", "100%", file=file, index=index)
        assert done.returncode == 2, (file, done.stderr)
        said = f"The vectors have 3 dimensions, index '{index}' has 2: another model or column?"
        assert said in done.stderr, (file, done.stderr)
        assert "rejected" not in done.stderr


def test_many_files_of_a_folder_are_one_line_and_with_v_one_each(here: Path) -> None:
    (here / "many").mkdir()
    for number in range(5):
        (here / "many" / f"{number}.jsonl").write_text((here / "rows.jsonl").read_text().replace("row-", f"{number}-"))
    done = load(file="many", index="m")
    assert re.search(r"^sources   many/  5 jsonl files, ~\d+ rows", done.stderr, re.MULTILINE), done.stderr
    assert "          many/: 5 files, 25 of 25 loaded" in done.stderr.splitlines()
    assert "0.jsonl" not in done.stderr
    singly = load("-v", file="many", index="m")
    for number in range(5):
        assert f"          many/{number}.jsonl: 5 of 5 loaded" in singly.stderr.splitlines()
        assert re.search(rf" many/{number}.jsonl  jsonl, ~\d+ rows", singly.stderr)


def test_the_summary_of_a_resumed_load_adds_up(here: Path) -> None:
    (here / "half.jsonl").write_text((here / "rows.jsonl").read_text() + '{"id": "z", "vector": [0, null]}\n')
    assert load("--batch-rows", "2", file="half.jsonl").returncode == 4
    told = load("--max-errors", "1", file="half.jsonl").stderr
    found = re.search(r"^done      5 of 6 rows loaded \((\d) now, (\d) before\)", told, re.MULTILINE)
    assert found is not None, told
    assert int(found[1]) + int(found[2]) == 5
    assert "          1 rejected, 0 not sent" in told.splitlines()
