"""Vectors of text and bytes, loaded, verified, rejected and loaded again, by the command and on the real engine."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import run
from conftest import KEY
from pgvector import Vector

import cyborg_ingest

VECTORS = np.random.default_rng(8).standard_normal((130, 8)).astype(np.float32)
IDS = [f"k{row}" for row in range(len(VECTORS))]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def stored() -> dict[str, bytes]:
    """The bits of each vector in the index, by the client."""
    with cyborg_ingest.connect("disk:data") as client, client.index("x", KEY) as index:
        return {row.id: row.vector.tobytes() for row in index.get(IDS) if row.vector is not None}


def rejected(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.rglob("rejected.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


FORMS: dict[str, tuple[list[Any], Any, Any]] = {
    "text": ([Vector(row).to_text() for row in VECTORS], "[1,2", "[1,2"),
    "blobs": ([row.tobytes() for row in VECTORS], b"abc", base64.b64encode(b"abc").decode()),
    "base64": ([base64.b64encode(row.tobytes()).decode() for row in VECTORS], "no base64", "no base64"),
    "a list of one list": ([[row.tolist()] for row in VECTORS], [[1.0], [2.0]], [[1.0], [2.0]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_encoded_vectors_are_loaded_bit_by_bit_and_a_rejected_one_once_it_is_mended(tmp_path: Path, form: str) -> None:
    good, bad, as_rejected = FORMS[form]
    column = [bad if row == 120 else value for row, value in enumerate(good)]
    pq.write_table(pa.table({"id": IDS, "embedding": column}), "rows.parquet")
    code, told = run(
        "upsert", "rows.parquet", "--index", "x", "--create", "--max-errors", 1, "--verify", "full", "--state-dir", "a"
    )
    assert code == 1, told
    expected = {one: row.tobytes() for one, row in zip(IDS, VECTORS, strict=True)}
    assert stored() == {one: data for one, data in expected.items() if one != "k120"}
    (row,) = rejected(tmp_path / "a")
    assert (row["id"], row["vector"], row["_rejected"]["reason"]) == ("k120", as_rejected, "vector_invalid")
    text = json.loads(json.dumps(good[120], default=lambda data: base64.b64encode(data).decode()))
    Path("mended.jsonl").write_text(json.dumps({**row, "vector": text}) + "\n")
    code, told = run("upsert", "mended.jsonl", "--index", "x", "--verify", "full", "--state-dir", "b")
    assert code == 0, told
    assert stored() == expected
