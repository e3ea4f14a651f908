"""`verify` finds every row that is missing or differs, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.errors import DifferenceError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.rows.compare import TOLERANCES

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

ROWS, DIMENSION = 1200, 8
VECTORS = np.random.default_rng(8).standard_normal((ROWS, DIMENSION)).astype(np.float32)


def lines(rows: int = ROWS) -> list[dict[str, Any]]:
    return [
        {"id": f"r{row}", "vector": VECTORS[row].tolist(), "metadata": {"row": row}, "contents": f"text {row}"}
        for row in range(rows)
    ]


def write(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder / name


def verify(engine: Engine, path: Path, index: str, *more: object) -> tuple[int, dict[str, Any]]:
    environment = {"CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    arguments = ["verify", path, "--index", index, "--target", engine.target, "--json", *more]
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments], env=environment, catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"text": done.stderr}


@pytest.fixture(scope="module")
def loaded(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = write(tmp_path_factory.mktemp("verify"), lines())
    with engine.connect() as client, engine.make(client, DIMENSION) as index:
        rows = lines()
        index.upsert_binary(
            [row["id"] for row in rows], VECTORS, [row["metadata"] for row in rows], [row["contents"] for row in rows]
        )
    return index.name, path


@pytest.mark.parametrize("mode", ["full", "sample", "count"])
def test_an_index_that_is_as_its_source_is_equal(engine: Engine, loaded: tuple[str, Path], mode: str) -> None:
    index, path = loaded
    code, result = verify(engine, path, index, "--mode", mode)
    assert (code, result["differences"]) == (0, 0)
    assert result["checked"] == (1000 if mode == "sample" else ROWS)


BREAKS: dict[str, Any] = {
    "vector": lambda row: row["vector"].__setitem__(
        3, float(np.nextafter(np.float32(row["vector"][3]), np.float32(9)))
    ),
    "metadata": lambda row: row["metadata"].__setitem__("row", True),
    "contents": lambda row: row.__setitem__("contents", row["contents"] + " "),
    "missing": lambda row: row.__setitem__("id", row["id"] + "?"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_every_kind_of_difference_is_found_and_written(
    engine: Engine, loaded: tuple[str, Path], tmp_path: Path, kind: str
) -> None:
    index, _ = loaded
    rows = lines()
    for row in (0, 777, ROWS - 1):
        BREAKS[kind](rows[row])
    code, result = verify(engine, write(tmp_path, rows), index, "--differences", tmp_path / "found.jsonl")
    assert (code, result["differences"], result["kinds"]) == (5, 3, {kind: 3})
    found = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text("utf-8").splitlines()]
    assert [(one["row"], one["differs"]) for one in found] == [(0, [kind]), (777, [kind]), (ROWS - 1, [kind])]


def test_a_row_that_a_later_one_of_its_id_replaced_is_no_difference(engine: Engine, tmp_path: Path) -> None:
    rows = lines(300)
    rows[5] = {**rows[250], "id": "r5"}
    rows.append({**rows[7], "id": "r5"})
    path, index = write(tmp_path, rows), engine.name()
    report = cyborg_ingest.load(path, index=index, target=engine.target, create=True, verify="full")
    assert report.verify is not None
    assert report.verify["differences"] == 0
    report = cyborg_ingest.load(path, index=index, target=engine.target, verify="count")
    assert report.verify is not None
    assert report.verify["differences"] == 0


def test_ids_that_occur_twice_do_not_spoil_a_count(engine: Engine, loaded: tuple[str, Path], tmp_path: Path) -> None:
    index, _ = loaded
    code, result = verify(engine, write(tmp_path, lines() + lines(10)), index, "--mode", "count")
    assert (code, result["differences"]) == (0, 0)
    more = [{**row, "id": f"new-{row['id']}"} for row in lines(4)]
    code, result = verify(engine, write(tmp_path, lines() + more), index, "--mode", "count")
    assert (code, result["differences"]) == (5, 4)


def test_bad_rows_of_the_source_are_counted_and_not_looked_for(
    engine: Engine, loaded: tuple[str, Path], tmp_path: Path
) -> None:
    rows = lines()
    rows[3]["vector"] = [float("nan")] * DIMENSION
    code, result = verify(engine, write(tmp_path, rows), loaded[0])
    assert (code, result["checked"], result["unreadable"]) == (0, ROWS - 1, 1)
    assert "1 bad rows" in result["text"]


@pytest.mark.parametrize("precision", ["float16", "tq12", "tq8", "tq6", "tq4"])
def test_what_an_index_rounds_is_no_difference_once_it_is_said(engine: Engine, tmp_path: Path, precision: Any) -> None:
    width = 64  # tq formats have a smallest dimension
    rows = np.random.default_rng(9).standard_normal((400, width)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    index = engine.name()
    report = cyborg_ingest.load(
        tmp_path / "rows.npy",
        index=index,
        target=engine.target,
        create=True,
        storage_precision=precision,
        verify="full",
    )
    assert report.verify is not None
    assert (report.verify["differences"], report.verify["tolerance"]) == (0, TOLERANCES[precision])
    # once more, without a word on precision: it is found out from the first rows
    report = cyborg_ingest.load(tmp_path / "rows.npy", index=index, target=engine.target, verify="sample")
    assert report.verify is not None
    assert report.verify["differences"] == 0


def test_verify_suggests_the_precision_where_only_vectors_differ_a_little(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path, lines(50))
    options = CreateOptions(dimension=DIMENSION, storage_precision="float16")
    with engine.connect() as client, client.create(engine.name(), KEY, options) as index:
        index.upsert_binary(
            [f"r{row}" for row in range(50)], VECTORS[:50], [{"row": row} for row in range(50)],
            [f"text {row}" for row in range(50)],
        )  # fmt: skip
    code, result = verify(engine, path, index.name)
    assert code == 5
    assert "--storage-precision float16" in result["text"]
    assert verify(engine, path, index.name, "--storage-precision", "float16")[0] == 0


def test_a_load_that_verifies_ends_with_5_where_the_index_differs(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer replaces a row while the load runs."""
    from cyborg_ingest.loading import ending  # noqa: PLC0415

    index, real = engine.name(), ending.Verifier.run

    def late(self: Any, mode: str) -> Any:
        self._index.upsert_binary(["r7"], VECTORS[:1])
        return real(self, mode)

    monkeypatch.setattr(ending.Verifier, "run", late)
    with pytest.raises(DifferenceError, match="id 'r7'") as caught:
        cyborg_ingest.load(write(tmp_path, lines(60)), index=index, target=engine.target, create=True, verify="full")
    report = caught.value.report
    assert report is not None
    assert (report.exit_code, report.status) == (5, "different")
    assert report.rows["acknowledged"] == 60
    assert report.resume_command is None
