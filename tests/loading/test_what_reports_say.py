"""The report of a run says what became of every column, and what the user was told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import cyborg_ingest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


def test_a_report_says_which_columns_were_loaded_and_why_others_were_not(tmp_path: Path, engine: Engine) -> None:
    vectors = pa.array(np.eye(4, dtype=np.float32).tolist(), pa.list_(pa.float32(), 4))
    table = {"id": list("abcd"), "vector": vectors, "title": list("wxyz"), "text": list("efgh")}
    pq.write_table(pa.table({**table, "bits_vector": vectors}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": "e", "vector": [1, 2, 3, 4], "lang": "de"}) + "\n")
    report = cyborg_ingest.load(
        [tmp_path / "a.parquet", tmp_path / "b.jsonl"],
        index=engine.name(), target=engine.target, create=True, key_out=tmp_path / "k", vector_column="vector",
    )  # fmt: skip
    assert report.created
    assert report.columns == {
        "id": ["id"], "vector": ["vector"], "metadata": ["title", "metadata", "lang"], "contents": ["text", "contents"],
    }  # fmt: skip
    assert report.not_loaded == {"bits_vector": "other vectors"}
    (note,) = report.notes
    assert f"is kept in {tmp_path / 'k'}" in note
    kept = json.loads(json.dumps(report.to_dict()))
    assert (kept["columns"], kept["created"], kept["notes"]) == (report.columns, True, report.notes)
