"""Bad input ends with a message that names it and says what to do, with the right exit code, and no traceback."""

# ruff: noqa: E501 - a case is a line of a table
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from service import free_port
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine
    from service import Service

GOOD = np.random.default_rng(1).standard_normal((10, 4)).astype(np.float32)


def run(*arguments: object) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def error_of(stderr: str) -> str:
    """The error, which is the last thing said, and one or two lines."""
    assert "Traceback" not in stderr
    before, mark, error = stderr.partition("error     ")
    assert mark, stderr
    assert "error" not in before.replace("--max-errors", "")
    assert len(error.strip().splitlines()) <= 2, error
    return error.strip()


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def fixed(rows: np.ndarray[Any, Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def good_parquet(folder: Path) -> Path:
    return parquet(folder / "good.parquet", id=[f"r{row}" for row in range(10)], vector=fixed(GOOD))


def jsonl(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))
    return path


def saved(folder: Path, array: Any, *, allow_pickle: bool = False) -> Path:
    np.save(folder / "rows.npy", array, allow_pickle=allow_pickle)
    return folder / "rows.npy"


def cut(path: Path, bytes_left: int) -> Path:
    path.write_bytes(path.read_bytes()[:bytes_left])
    return path


def with_text(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path


def directory(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


ROW = {"id": "a", "vector": [1.0, 2, 3, 4]}
NAN = float("nan")

FILES: dict[str, tuple[Callable[[Path], object], int, list[str]]] = {
    "no such file": (lambda folder: folder / "none.parquet", 2, ["none.parquet", "no such file"]),
    "an empty Parquet": (lambda folder: with_text(folder / "e.parquet", b""), 2, ["e.parquet", "empty"]),
    "an empty npy": (lambda folder: with_text(folder / "e.npy", b""), 2, ["e.npy", "empty"]),
    "an empty JSONL": (lambda folder: with_text(folder / "e.jsonl", b""), 2, ["e.jsonl", "empty"]),
    "a JSONL of blank lines": (lambda folder: with_text(folder / "e.jsonl", b"\n\r\n \n"), 2, ["e.jsonl"]),
    "an empty directory": (directory, 2, ["folder", "no file"]),
    "an unknown suffix": (lambda folder: with_text(folder / "rows.dat", b"1,2"), 2, ["rows.dat", "--format"]),
    "no suffix": (lambda folder: with_text(folder / "rows", b"1,2"), 2, ["rows", "--format"]),
    "text named Parquet": (lambda folder: with_text(folder / "t.parquet", b'{"id": 1}\n' * 9), 2, ["t.parquet"]),
    "text named npy": (lambda folder: with_text(folder / "t.npy", b'{"id": 1}\n' * 9), 2, ["t.npy"]),
    "a cut Parquet": (lambda folder: cut(good_parquet(folder), 400), 2, ["good.parquet"]),
    "a cut npy": (lambda folder: cut(saved(folder, GOOD), 200), 2, ["rows.npy", "cut short"]),
    "a cut JSONL": (
        lambda folder: jsonl(folder, ROW, b'{"id": "b", "vector": [1.0, 2,'), 4, ["rows.jsonl", "line 2", "--max-errors"]
    ),
    "a pickled npy": (
        lambda folder: saved(folder, np.array([{"a": 1}], object), allow_pickle=True), 2, ["rows.npy", "object"]
    ),
    "a 1-D npy": (lambda folder: saved(folder, GOOD[0]), 2, ["rows.npy", "(4,)", "(rows, dimension)"]),
    "a 3-D npy": (lambda folder: saved(folder, GOOD[None]), 2, ["rows.npy", "(1, 10, 4)"]),
    "a npy of text": (lambda folder: saved(folder, np.array([["a", "b"]])), 2, ["rows.npy", "<U1"]),
    "vectors of no dimension": (lambda folder: saved(folder, np.empty((3, 0), np.float32)), 2, ["(3, 0)"]),
    "no columns": (lambda folder: parquet(folder / "none.parquet"), 2, ["none.parquet"]),
    "no vector column": (
        lambda folder: parquet(folder / "v.parquet", id=["a"], text=["b"]), 2, ["v.parquet", "--vector-column", "id", "text"]
    ),
    "no id column": (lambda folder: parquet(folder / "i.parquet", vector=fixed(GOOD)), 2, ["i.parquet", "--id-column"]),
    "two vector columns": (
        lambda folder: parquet(folder / "t.parquet", id=["a"] * 10, vector=fixed(GOOD), embedding=fixed(GOOD)), 2,
        ["vector", "embedding", "--vector-column"],
    ),
    "vectors of text": (lambda folder: parquet(folder / "t.parquet", id=["a"], vector=["[1, 2]"]), 2, ["vector"]),
    "another dimension in the schema": (
        lambda folder: parquet(folder / "d.parquet", id=["a"], vector=fixed(np.ones((1, 3), np.float32))), 2,
        ["3 dimensions", "4"],
    ),
    "another dimension in the first row": (
        lambda folder: jsonl(folder, {**ROW, "vector": [1.0] * 3}, ROW), 4, ["line 1", "3 dimensions, not 4"]
    ),
    "another dimension in every row": (
        lambda folder: jsonl(folder, {**ROW, "vector": [1.0] * 3}), 2, ["3 dimensions", "has 4", "--vector-column"]
    ),
    "ragged vectors": (
        lambda folder: parquet(folder / "r.parquet", id=["a", "b"], vector=[[1.0, 2, 3, 4], [1.0]]), 4,
        ["r.parquet, row 1", "'b'", "1 dimension"],
    ),
    "a null id": (lambda folder: parquet(folder / "n.parquet", id=["a", None], vector=fixed(GOOD[:2])), 4, ["row 1", "id"]),
    "an empty id": (lambda folder: jsonl(folder, ROW, {**ROW, "id": ""}), 4, ["line 2", "id"]),
    "no id in a line": (lambda folder: jsonl(folder, ROW, {"vector": [1.0, 2, 3, 4]}), 4, ["line 2", "id"]),
    "an id that is not UTF-8": (
        lambda folder: parquet(
            folder / "u.parquet",
            id=pa.array([b"ok", b"\xff\xfe"], pa.binary()).view(pa.string()),
            vector=fixed(GOOD[:2]),
        ), 4, ["row 1", "UTF-8"],
    ),
    "a line that is not UTF-8": (
        lambda folder: jsonl(folder, ROW, b'{"id": "\xff", "vector": [1.0, 2, 3, 4]}'), 4, ["line 2"]
    ),
    "NaN": (lambda folder: jsonl(folder, ROW, {**ROW, "vector": [1.0, NAN, 3, 4]}), 4, ["line 2", "nan", "position 1"]),
    "infinity": (lambda folder: saved(folder, np.array([[1, np.inf, 1, 1]], np.float32)), 4, ["row 0", "inf"]),
    "beyond float32": (lambda folder: saved(folder, np.array([[1, 1e300, 1, 1]])), 4, ["row 0", "float32"]),
    "all zeros": (lambda folder: saved(folder, np.zeros((1, 4), np.float32)), 4, ["row 0", "zero"]),
    "a null vector": (lambda folder: jsonl(folder, ROW, {"id": "b", "vector": None}), 4, ["line 2", "vector"]),
    "metadata that is not an object": (lambda folder: jsonl(folder, ROW, {**ROW, "metadata": [1]}), 4, ["line 2", "metadata"]),
    "NaN in metadata": (lambda folder: jsonl(folder, ROW, {**ROW, "metadata": {"n": NAN}}), 4, ["line 2", "metadata"]),
    "contents that are a number": (lambda folder: jsonl(folder, ROW, {**ROW, "contents": 7}), 4, ["line 2", "contents"]),
    "a vector that is text": (lambda folder: jsonl(folder, ROW, {**ROW, "vector": "[1]"}), 4, ["line 2", "vector"]),
    "an id that is a list": (lambda folder: jsonl(folder, {**ROW, "id": [1]}, ROW), 4, ["line 1", "id"]),
    "contents that are a list": (
        lambda folder: jsonl(folder, {**ROW, "contents": [1]}, {**ROW, "contents": "a"}), 4, ["line 1", "contents"]
    ),
    "a line that is a list": (lambda folder: jsonl(folder, ROW, [1, 2]), 4, ["line 2", "object"]),
    "a line that is not JSON": (lambda folder: jsonl(folder, ROW, b"{'id': 1}"), 4, ["line 2", "column"]),
    "a time in metadata": (
        lambda folder: parquet(
            folder / "t.parquet", id=["a"], vector=fixed(GOOD[:1]), metadata=pa.array([{"at": 5}], pa.struct({"at": pa.time32("s")}))
        ), 2, ["metadata", "at", "time"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(engine: Engine) -> str:
    """An index of four dimensions with one row in it."""
    with engine.connect() as client, engine.make(client) as index:
        index.upsert_binary(["before"], GOOD[:1])
        return index.name


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_named(
    engine: Engine, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, expected_code, words = FILES[name]
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    before = engine.count(filled, KEY)
    code, stdout, stderr = run("upsert", make(tmp_path), "--index", filled, "--target", engine.target, "--json")
    error = error_of(stderr)
    assert [word for word in words if word not in error] == [], error
    assert code == expected_code, error
    report = json.loads(stdout)
    rows = report["rows"]
    assert report["exit_code"] == code
    assert rows["read"] == rows["acknowledged"] + rows["rejected"] + rows["skipped"] + rows["unsent"]
    # what is said to be acknowledged is there, and nothing else
    assert engine.count(filled, KEY) <= before + rows["acknowledged"]
    assert code == 4 or not rows["acknowledged"]


SIDECARS: dict[str, tuple[Callable[[Path], list[object]], list[str]]] = {
    "fewer ids": (lambda folder: ["--ids", with_text(folder / "ids.txt", b"a\nb\n")], ["ids.txt", "2 rows", "10"]),
    "no such ids": (lambda folder: ["--ids", folder / "ids.txt"], ["--ids", "no such file"]),
    "more contents": (lambda folder: ["--contents", with_text(folder / "c.txt", b"a\n" * 11)], ["c.txt", "11", "10"]),
    "another kind of file": (lambda folder: ["--ids", with_text(folder / "ids.xlsx", b"a\n")], ["--ids", ".xlsx", ".txt"]),
    "ids and a prefix": (
        lambda folder: ["--ids", with_text(folder / "ids.txt", b"a\n" * 10), "--id-prefix", "p"], ["--id-prefix", "--ids"]
    ),
    "two files that share row numbers": (lambda folder: [saved(folder / "..", GOOD)], ["--id-prefix", "{file}"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SIDECARS)
def test_what_goes_with_a_npy_has_to_fit(tmp_path: Path, name: str) -> None:
    make, words = SIDECARS[name]
    (tmp_path / "in").mkdir()
    source = saved(tmp_path / "in", GOOD)
    code, _, stderr = run("upsert", source, "--index", "i", "--target", f"disk:{tmp_path}", *make(tmp_path / "in"))
    error = error_of(stderr)
    assert [word for word in words if word not in error] == [], error
    assert code == 2


OPTIONS: dict[str, tuple[list[str], int, list[str]]] = {
    "no target without a terminal": (["--index", "i"], 2, ["--target", "CYBORG_INGEST_TARGET"]),
    "a missing index": (["--index", "none", "--target", "{engine}"], 2, ["none", "--create"]),
    "a bad choice of errors": (["--index", "i", "--target", "{engine}", "--max-errors", "few"], 2, ["--max-errors", "0.5%"]),
    "errors without a place for them": (
        ["--index", "i", "--target", "{engine}", "--max-errors", "3", "--no-checkpoint"], 2, ["--no-checkpoint", "--max-errors"]
    ),
    "no such column": (["--index", "i", "--target", "{engine}", "--id-column", "nope"], 2, ["nope", "id", "vector"]),
    "a metric that is not that of the index": (["--index", "{index}", "--target", "{engine}", "--metric", "cosine"], 2, ["cosine", "euclidean"]),
    "a key that is not a key": (["--index", "{index}", "--target", "{engine}", "--index-key-file", "{file}"], 2, ["--index-key-file"]),
    "no such key file": (["--index", "{index}", "--target", "{engine}", "--index-key-file", "none.key"], 2, ["none.key"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_a_bad_option_is_named(
    engine: Engine, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments, expected_code, words = OPTIONS[name]
    if "--index-key-file" not in arguments:
        monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    source = good_parquet(tmp_path)
    known = {"{engine}": engine.target, "{index}": filled, "{file}": source}
    code, stdout, stderr = run("upsert", source, *(known.get(one, one) for one in arguments))
    error = error_of(stderr)
    assert [word for word in words if word not in error] == [], error
    assert code == expected_code
    assert stdout == ""


def test_a_choice_that_there_is_not_is_answered_with_those_there_are(tmp_path: Path) -> None:
    code, _, stderr = run("upsert", good_parquet(tmp_path), "--index", "i", "--metric", "dot")
    assert code == 2
    assert all(word in stderr for word in ("--metric", "dot", "cosine", "euclidean"))


def test_a_service_that_is_not_there_is_named_with_its_address(tmp_path: Path) -> None:
    port = free_port()
    code, _, stderr = run(
        "upsert", good_parquet(tmp_path), "--index", "i", "--target", f"http://127.0.0.1:{port}", "--retries", 0
    )
    assert f"http://127.0.0.1:{port}" in error_of(stderr)
    assert code == 3


@pytest.mark.parametrize(("variable", "value"), [("API", None), ("API", "wrong"), ("INDEX", "ab" * 32)])
def test_a_key_that_does_not_open_is_named(
    secured_service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    from conftest import ROOT_KEY  # noqa: PLC0415

    with cyborg_ingest.connect(secured_service.url, ROOT_KEY) as client:
        if "bad-keys" not in client.list_indexes():
            client.create("bad-keys", KEY, CreateOptions(dimension=4)).close()
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", ROOT_KEY)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    if value is None:
        monkeypatch.delenv(f"CYBORG_INGEST_{variable}_KEY")
    else:
        monkeypatch.setenv(f"CYBORG_INGEST_{variable}_KEY", value)
    code, _, stderr = run("upsert", good_parquet(tmp_path), "--index", "bad-keys", "--target", secured_service.url)
    error = error_of(stderr)
    assert f"CYBORG_INGEST_{variable}_KEY" in error
    assert code == 2
    assert ROOT_KEY not in stderr
    assert KEY.hex() not in stderr
    assert value is None or value not in stderr


def test_an_index_that_another_process_has_open_is_named(tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    target = f"disk:{tmp_path / 'data'}"
    with cyborg_ingest.connect(target) as client, client.create("busy", KEY, CreateOptions(dimension=4)) as index:
        index.upsert_binary(["a"], GOOD[:1])
        done = subprocess.run(
            [sys.executable, "-m", "cyborg_ingest", "upsert", str(good_parquet(tmp_path)), "--index", "busy",
             "--target", target],
            capture_output=True, text=True, timeout=60, check=False,
            env={**__import__("os").environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()},
        )  # fmt: skip
    assert "Another process has it open" in error_of(done.stderr)
    assert done.returncode == 75
