"""A column of text whose values are names of other columns is one as any other; a list that only names them is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kinds", [["text"] * 10 + ["title"] * 10, ["text", "title"] * 10, ["text", "text"]])
def test_a_column_whose_first_values_name_columns_is_loaded(kinds: list[str], tmp_path: Path) -> None:
    rows = len(kinds)
    table = pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(rows)],
            "text": "t",
            "title": "u",
            "type": kinds,
            "vector": [[0.5, 1.5]] * rows,
        }
    )
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table.to_dict(orient="list")))
    found = rows_read(path)
    assert found.ids == table["id"].tolist()
    assert found.metadata == table[["title", "type"]].to_dict(orient="records")


@pytest.mark.parametrize("rows", [1, 3, 12])
def test_a_list_that_says_which_columns_there_are_is_none(rows: int, tmp_path: Path) -> None:
    """Chroma's get tells in `included` what was asked for."""
    ids = [f"r{row}" for row in range(rows)]
    answer = {"ids": ids, "embeddings": [[0.5, 1.5]] * rows, "metadatas": None, "included": ["embeddings", "metadatas"]}
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer))
    found = rows_read(path)
    assert (found.ids, found.metadata) == (ids, [None] * rows)
