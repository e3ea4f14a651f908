"""`get`, `query` and `head`: rows as lines that `upsert` reads again, bit by bit."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import ran
from conftest import KEY
from cyborgdb import Client as SdkClient

from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

COUNT = 1_200
IDS = [f"row {row}" for row in range(COUNT)]
VECTORS = np.random.default_rng(14).standard_normal((COUNT, 4)).astype(np.float32)
VECTORS[0] = [1e-45, -0.0, 3.4028235e38, 16777217]  # the smallest, the largest, a tie
METADATA: list[Any] = [
    {"row": row, "deep": {"list": [1, None, 2**70, "é\x7f\u202e\U0001f600"]}} for row in range(COUNT)
]
CONTENTS: list[Any] = [f"line\n{row} é" for row in range(COUNT)]
METADATA[3] = CONTENTS[4] = None
CONTENTS[5] = b"\x00\xff"

Filled = tuple["Engine", str]


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Filled:
    with engine.connect() as client, client.create(engine.name(), KEY, CreateOptions(dimension=4)) as index:
        index.upsert_binary(IDS, VECTORS, METADATA, CONTENTS)
        return engine, index.name


@pytest.fixture(autouse=True)
def its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def printed(filled: Filled, *words: object, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """The rows of a command, and what it said."""
    command, *more = words
    done = ran(command, *more, "--index", filled[1], "--target", filled[0].target)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_what_get_prints_is_what_others_read_and_upsert_loads_it_bit_by_bit(filled: Filled, tmp_path: Path) -> None:
    engine, index = filled
    file = tmp_path / "ids"
    file.write_text("\n".join(IDS) + "\n")
    done = ran("get", "--ids-from", file, "-i", index, "-t", engine.target)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == IDS
    (tmp_path / "rows.jsonl").write_text(done.stdout)
    other = engine.name()
    again = ran("upsert", tmp_path / "rows.jsonl", "-i", other, "-t", engine.target, "--create")
    assert again.returncode == 0, again.stderr
    assert engine.read(other, IDS, KEY) == engine.read(index, IDS, KEY)
    assert engine.read(other, IDS, KEY)[IDS[0]].vector == VECTORS[0].tobytes()


def test_a_line_has_what_the_row_has_and_nothing_that_a_terminal_obeys(filled: Filled) -> None:
    done = ran("get", IDS[3], IDS[4], "-i", filled[1], "-t", filled[0].target)
    third, fourth = map(json.loads, done.stdout.splitlines())
    assert (list(third), list(fourth)) == (["id", "vector", "contents"], ["id", "vector", "metadata"])
    assert fourth["metadata"] == METADATA[4]
    assert "é\\u007f\\u202e\U0001f600" in done.stdout


def test_ids_that_are_not_there_are_named_and_end_with_1(filled: Filled) -> None:
    rows, said = printed(filled, "get", "nobody", IDS[7], IDS[5], IDS[7], "no\x1bone", code=1)
    assert [row["id"] for row in rows] == [IDS[7], IDS[5]]
    assert f"2 ids are not in index {filled[1]!r}: 'nobody', 'no\\x1bone'." in said
    assert "1 id is not in" in printed(filled, "get", "nobody", code=1)[1]
    assert "'x9' and 3 more" in printed(filled, "get", *(f"x{n}" for n in range(13)), code=1)[1]


def test_ids_come_through_a_pipe_and_with_other_ends_of_lines(filled: Filled) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", "get", "--ids-from", "-", "-i", filled[1], "-t", filled[0].target],
        input=f"\ufeff{IDS[1]}\r\n\n{IDS[2]}".encode(), capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == IDS[1:3]


def test_head_prints_so_many_rows(filled: Filled) -> None:
    rows, _ = printed(filled, "head")
    assert len(rows) == 10
    theirs = filled[0].read(filled[1], [row["id"] for row in rows], KEY)
    for row in rows:
        assert np.array(row["vector"], "<f4").tobytes() == theirs[row["id"]].vector
        assert row.get("metadata") == theirs[row["id"]].metadata
    assert {row["id"] for row in printed(filled, "head", "-n", 5_000)[0]} == set(IDS)
    assert len(printed(filled, "head", "-n", 1_001)[0]) == 1_001


def test_query_prints_the_nearest_with_their_distance(filled: Filled, tmp_path: Path) -> None:
    engine, index = filled
    np.save(tmp_path / "flat.npy", VECTORS[9])
    np.save(tmp_path / "table.npy", VECTORS[9:10])
    (tmp_path / "list.json").write_text(json.dumps(VECTORS[9].tolist()))
    (tmp_path / "row.jsonl").write_text(json.dumps(printed(filled, "get", IDS[9])[0][0]))
    found = [
        printed(filled, "query", "--vector-file", tmp_path / name, "-k", 4)[0]
        for name in ("flat.npy", "table.npy", "list.json", "row.jsonl")
    ]
    assert found[1:] == found[:1] * 3
    distances = np.linalg.norm(VECTORS.astype(float) - VECTORS[9].astype(float), axis=1)
    assert [row["id"] for row in found[0]] == [IDS[row] for row in np.argsort(distances)[:4]]
    assert np.allclose([row["_query"]["distance"] for row in found[0]], np.sort(distances)[:4], rtol=1e-5)
    if engine.kind == "rest":
        theirs = SdkClient(engine.target).load_index(index, KEY).query(VECTORS[9].tolist(), top_k=4)
        assert [row["id"] for row in theirs] == [row["id"] for row in found[0]]
    assert [row["id"] for row in printed(filled, "query", "--like", IDS[9], "-k", 3)[0]] == [
        row["id"] for row in found[0][1:]
    ]


def test_what_a_query_says_of_a_row_is_not_loaded_and_that_is_said(filled: Filled, tmp_path: Path) -> None:
    engine, index = filled
    done = ran("query", "--like", IDS[9], "-i", index, "-t", engine.target)
    (tmp_path / "near.jsonl").write_text(done.stdout)
    other, ids = engine.name(), [json.loads(line)["id"] for line in done.stdout.splitlines()]
    again = ran("upsert", tmp_path / "near.jsonl", "-i", other, "-t", engine.target, "--create")
    assert "_query (what `query` says of a row)" in again.stderr
    assert engine.read(other, ids, KEY) == engine.read(index, ids, KEY)


def test_shortened_vectors_are_for_people_and_never_loaded(filled: Filled, tmp_path: Path) -> None:
    engine, index = filled
    done = ran("get", IDS[9], "--short", "-i", index, "-t", engine.target)
    assert json.loads(done.stdout)["vector"].endswith(", ... (4 numbers)")
    (tmp_path / "short.jsonl").write_text(done.stdout)
    again = ran("upsert", tmp_path / "short.jsonl", "-i", engine.name(), "-t", engine.target, "--create")
    assert again.returncode == 2
    assert "'... (4 numbers)'" in again.stderr


def test_a_query_that_cannot_be_says_why(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text("[1, 2]")
    said = printed(filled, "query", "--vector-file", tmp_path / "two.json", code=2)[1]
    assert "The vector has 2 numbers, and those of index" in said
    assert "has no row 'nobody'" in printed(filled, "query", "--like", "nobody", code=2)[1]


def test_nobody_is_waited_for_who_has_had_enough(filled: Filled) -> None:
    words = f"{sys.executable} -m cyborg_ingest get --ids-from - -i {filled[1]} -t {filled[0].target}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} | head -n 1"],
        input="\n".join(IDS).encode(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["id"], done.stderr) == (0, IDS[0], b"")


@pytest.mark.parametrize("words", [["get", "row 1", "nobody"], ["head"], ["query", "--like", "row 1"]])
def test_rows_that_a_full_disk_swallows_are_no_success(filled: Filled, words: list[str]) -> None:
    command = [sys.executable, "-I", "-m", "cyborg_ingest", *words, "--index", filled[1], "--target", filled[0].target]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert "Not all of the result could be written to standard output: No space left on device." in done.stderr
