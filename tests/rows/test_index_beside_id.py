"""Of a column named id and an index of pandas that has another name of ids, the column has the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path

OWN, INDEX = ["a", "b"], ["x", "y"]


def written(folder: Path, index: str, column: str) -> Path:
    path = folder / "frame.parquet"
    vectors = [[0.5, 1.5], [2.5, 3.5]]
    pd.DataFrame({column: OWN, "vector": vectors}, index=pd.Index(INDEX, name=index)).to_parquet(path)
    return path


@pytest.mark.parametrize("index", ["key", "pk", "doc_id", "chunk_id", "Key", "uuid"])
def test_a_column_named_id_comes_before_an_index_of_another_name(index: str, tmp_path: Path) -> None:
    found = rows_read(written(tmp_path, index, "id"))
    assert (found.ids, found.metadata) == (OWN, [{index: one} for one in INDEX])


@pytest.mark.parametrize(
    ("index", "column"), [("id", "uuid"), ("uuid", "_id"), ("id", "ID"), ("key", "uuid"), ("key", "pk")]
)
def test_an_index_comes_before_a_column_of_any_other_name(index: str, column: str, tmp_path: Path) -> None:
    found = rows_read(written(tmp_path, index, column))
    assert (found.ids, found.metadata) == (INDEX, [{column: one} for one in OWN])
