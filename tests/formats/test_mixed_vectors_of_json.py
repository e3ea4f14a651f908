"""Vectors that are lists in some rows of JSON and text in others: each row by itself, however many there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cyborg_ingest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


@pytest.mark.parametrize("rows", [99, 100, 101, 200])
def test_one_text_among_lists_costs_its_row_alone(tmp_path: Path, engine: Engine, rows: int) -> None:
    """A hundred rows are looked at: where they end with the file, so does the look."""
    vectors: list[object] = [[1.0, row] for row in range(rows)]
    vectors[7] = "none"
    lines = [json.dumps({"id": str(row), "vector": vector}) for row, vector in enumerate(vectors)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    report = cyborg_ingest.load(
        tmp_path / "rows.jsonl", index=engine.name(), target=engine.target, create=True, max_errors=1
    )
    assert (report.rows["acknowledged"], report.rows["rejected"]) == (rows - 1, 1)
