"""A document of JSON with one member, an object: rows or columns in it are found, and what is a row is one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path

IDS, VECTORS = ["a", "b"], [[0.5, 1.5], [2.5, 3.5]]
NAMES = ["x", "y"]


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("path", [["data"], ["answer", "data"]])
def test_rows_by_their_id_in_one_object_are_rows(path: list[str], rows: int, tmp_path: Path) -> None:
    inner: dict[str, Any] = {IDS[place]: {"vector": VECTORS[place], "name": NAMES[place]} for place in range(rows)}
    for name in reversed(path):
        inner = {name: inner}
    (tmp_path / "x.json").write_text(json.dumps(inner))
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.vectors) == (IDS[:rows], VECTORS[:rows])
    assert found.metadata == [{"name": one} for one in NAMES[:rows]]


@pytest.mark.parametrize("orient", ["columns", "index"])
def test_what_pandas_writes_is_found_in_one_object(orient: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": IDS, "vector": VECTORS, "name": NAMES})
    (tmp_path / "x.json").write_text(f'{{"data": {frame.to_json(orient=orient)}}}')
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.vectors) == (IDS, VECTORS)
    keys = [{"_key": "0"}, {"_key": "1"}] if orient == "index" else [{}, {}]
    assert found.metadata == [{"name": one, **key} for one, key in zip(NAMES, keys, strict=True)]


@pytest.mark.parametrize(
    "row",
    [
        {"vector": VECTORS[0], "name": "x"},
        {"vector": {"values": VECTORS[0]}},
        {"vector": {"values": VECTORS[0]}, "about": {"name": "x"}},
    ],
)
def test_a_single_row_by_its_id_stays_one(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"a": row}))
    column = "vector" if isinstance(row["vector"], list) else "vector.values"
    found = rows_read(tmp_path / "x.json", vector_column=column)
    assert (found.ids, found.vectors) == (["a"], VECTORS[:1])
