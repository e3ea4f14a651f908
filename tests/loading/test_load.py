"""Files are loaded whole and exactly, in every format, on both engines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY

import cyborg_ingest
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.rows.values import contents_text
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine, Stored

ROWS = 257
DIMENSION = 12


def table(rows: int = ROWS) -> dict[str, list[Any]]:
    """Rows of every kind: with and without metadata and contents, in many scripts."""
    random = np.random.default_rng(7)
    vectors = random.normal(size=(rows, DIMENSION)).astype(np.float32)
    metadata: list[Any] = [
        None if row % 5 == 0 else {"n": row, "big": 2**63 + row, "deep": {"list": [1, {"x": "é"}]}, "f": row / 3}
        for row in range(rows)
    ]
    contents: list[Any] = [None if row % 7 == 0 else f'text {row} \N{SNOWMAN} "quoted" \\ \t' for row in range(rows)]
    return {
        "id": [f"row-{row}/é" for row in range(rows)],
        "vector": list(vectors),
        "metadata": metadata,
        "contents": contents,
    }


def expected(rows: dict[str, list[Any]]) -> dict[str, tuple[bytes, Any, str | None]]:
    return {
        identity: (np.asarray(vector, "<f4").tobytes(), metadata or None, contents_text(contents) or None)
        for identity, vector, metadata, contents in zip(*rows.values(), strict=True)
    }


def stored(found: dict[str, Stored]) -> dict[str, tuple[bytes, Any, str | None]]:
    return {identity: (row.vector, row.metadata, row.contents) for identity, row in found.items()}


def write_parquet(folder: Path, rows: dict[str, list[Any]]) -> list[str]:
    arrays = {
        "id": pa.array(rows["id"]),
        "embedding": pa.array([row.tolist() for row in rows["vector"]], pa.list_(pa.float32(), DIMENSION)),
        "meta": pa.array([None if row is None else json.dumps(row) for row in rows["metadata"]], pa.string()),
        "text": pa.array(rows["contents"]).dictionary_encode(),
    }
    pq.write_table(pa.table(arrays), folder / "rows.parquet", row_group_size=100)
    return [str(folder / "rows.parquet")]


def write_npy(folder: Path, rows: dict[str, list[Any]]) -> list[str]:
    np.save(folder / "rows.npy", np.array(rows["vector"]))
    (folder / "ids.txt").write_text("\n".join(rows["id"]), "utf-8")
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows["metadata"]), "utf-8")
    (folder / "contents.jsonl").write_text("".join(json.dumps(row) + "\r\n" for row in rows["contents"]), "utf-8")
    return [str(folder / "rows.npy")]


def write_jsonl(folder: Path, rows: dict[str, list[Any]]) -> list[str]:
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as out:
        for values in zip(*rows.values(), strict=True):
            row = dict(zip(rows, values, strict=True))
            row["vector"] = row["vector"].tolist()
            out.write(json.dumps({name: value for name, value in row.items() if value is not None}) + "\n\n")
    return [str(folder / "rows.jsonl")]


SIDECARS = {"ids": "ids.txt", "metadata": "metadata.jsonl", "contents": "contents.jsonl"}
WRITERS: dict[str, Any] = {"parquet": write_parquet, "npy": write_npy, "jsonl": write_jsonl}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("batch_rows", [None, 10])
def test_every_row_of_every_format_arrives_bit_by_bit(
    engine: Engine, tmp_path: Path, kind: str, batch_rows: int | None
) -> None:
    rows, index = table(), engine.name()
    sources = WRITERS[kind](tmp_path, rows)
    options: dict[str, Any] = {"target": engine.target, "create": True, "batch_rows": batch_rows}
    if kind == "npy":
        options |= {name: tmp_path / file for name, file in SIDECARS.items()}
    report = cyborg_ingest.load(sources, index=index, **options)
    assert stored(engine.read(index, rows["id"])) == expected(rows)
    assert engine.count(index) == ROWS
    assert report.rows == {"read": ROWS, "acknowledged": ROWS, "rejected": 0, "skipped": 0, "unsent": 0}
    assert report.index_count == {"before": 0, "after": ROWS}
    assert (report.exit_code, report.status) == (0, "ok")


def test_an_upsert_replaces_rows_whole(engine: Engine, tmp_path: Path) -> None:
    rows, index = table(20), engine.name()
    cyborg_ingest.load(write_parquet(tmp_path, rows), index=index, target=engine.target, create=True)
    bare = {**rows, "metadata": [None] * 20, "contents": [None] * 20}
    cyborg_ingest.load(write_jsonl(tmp_path, bare), index=index, target=engine.target)
    assert stored(engine.read(index, rows["id"])) == expected(bare)


def test_a_limit_ends_the_load_after_so_many_rows(engine: Engine, tmp_path: Path) -> None:
    rows, index = table(50), engine.name()
    report = cyborg_ingest.load(
        write_parquet(tmp_path, rows), index=index, target=engine.target, create=True, limit=33, batch_rows=10
    )
    assert report.rows["acknowledged"] == report.rows["read"] == 33
    assert set(engine.read(index, rows["id"])) == set(rows["id"][:33])


def test_a_later_row_of_an_id_wins(engine: Engine, tmp_path: Path) -> None:
    vectors = np.arange(1, 4001, dtype=np.float32).reshape(2000, 2)
    ids = [f"id-{row % 37}" for row in range(2000)]
    np.save(tmp_path / "rows.npy", vectors)
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    index = engine.name()
    cyborg_ingest.load(
        tmp_path / "rows.npy", index=index, target=engine.target, create=True, ids=tmp_path / "ids.txt",
        batch_rows=11, workers=8,
    )  # fmt: skip
    last = {identity: vectors[row].tobytes() for row, identity in enumerate(ids)}
    assert {identity: row.vector for identity, row in engine.read(index, list(last)).items()} == last


def test_a_dry_run_sends_nothing_and_creates_nothing(engine: Engine, tmp_path: Path) -> None:
    index = engine.name()
    report = cyborg_ingest.load(
        write_parquet(tmp_path, table()), index=index, target=engine.target, create=True, dry_run=True
    )
    assert report.status == "dry_run"
    assert report.rows["acknowledged"] == 0
    with engine.connect() as client:
        assert index not in client.list_indexes()


def test_a_field_that_comes_late_in_a_jsonl_is_loaded_or_named(engine: Engine, tmp_path: Path) -> None:
    lines: list[Any] = [{"id": str(row), "vector": [1.0, row + 1]} for row in range(300)]
    lines[250] |= {"metadata": {"late": 1}, "contents": "late", "lang": "en"}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    both = {"late": 1, "lang": "en"}
    for columns, expected_metadata in ((("none",), {"late": 1}), (("*",), both), ((), both)):
        settings = LoadSettings(
            sources=(str(tmp_path / "rows.jsonl"),), index=engine.name(), target=engine.target, create=True,
            metadata_columns=columns,
        )  # fmt: skip
        notes: list[str] = []
        run(settings, lambda event, notes=notes: notes.append(event.text) if isinstance(event, Noted) else None)  # type: ignore[misc]
        row = engine.read(settings.index, ["250"])["250"]
        assert (row.metadata, row.contents) == (expected_metadata, "late")
        assert any("'lang' is not in the first rows" in note for note in notes) is (columns == ("none",))


@pytest.mark.parametrize("kind", WRITERS)
def test_a_load_does_not_wait_for_pandas(kind: str, tmp_path: Path) -> None:
    (source,) = WRITERS[kind](tmp_path, table())
    files = {name: str(tmp_path / file) for name, file in SIDECARS.items()} if kind == "npy" else {}
    script = f"""
import pathlib, sys, cyborg_ingest
options = {{name: pathlib.Path(path) for name, path in {files!r}.items()}}
cyborg_ingest.load({source!r}, index="a", target={f"disk:{tmp_path}/data"!r}, create=True, **options)
sys.exit("pandas" in sys.modules)
"""
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
