"""What a look at a document of JSON keeps: what decides where its rows are, and not the texts in it."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING

from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path

ROW = {"id": "a", "vector": [0.5, 1.5]}


def test_long_texts_in_lists_beside_the_rows_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    texts = {f"c{number}": ["x" * 80_000 for _ in range(10)] for number in range(30)}
    path.write_text(json.dumps({"rows": [ROW], **texts}, indent=1))
    (small := tmp_path / "small.json").write_text(json.dumps({"rows": [ROW]}))
    assert rows_read(small).ids == ["a"]  # what is imported on the way counts for nothing
    tracemalloc.start()
    found = rows_read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.ids == ["a"]
    assert peak < path.stat().st_size / 2


def test_a_list_that_names_long_columns_is_no_column_itself(tmp_path: Path) -> None:
    long = "n" * 5000
    columns = {"id": ["a", "b"], "vector": [[0.5, 1.5], [2.5, 3.5]], long: [1, 2]}
    (tmp_path / "x.json").write_text(json.dumps({"names": ["vector", long, "id"], **columns}))
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.vectors) == (["a", "b"], [[0.5, 1.5], [2.5, 3.5]])
    assert found.metadata == [{long: 1}, {long: 2}]
