"""Metadata that is text in some rows, in JSON and in Parquet: the row is told by what it holds, and what loads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from advised import says
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path

BAD = {
    "words": ("hello world", "is text, and no object of JSON: 'hello world'. {way}"),
    "many words": ("word " * 20, f"is text, and no object of JSON: '{'word ' * 8}'.... {{way}}"),
    "cut": ('{"a": [1', "is not JSON: Expecting ',' delimiter, in column 9 of '{\"a\": [1'"),
    "python": (
        "{'a': 1}",
        "column 2 of \"{'a': 1}\". It looks like Python's own form of a dict: write it with json.dumps",
    ),
    "array": ("[1]", "is an array, not an object. {way}"),
}
WAY = "--metadata-columns metadata stores it as a field of its own"


def lines(path: Path, values: list[Any]) -> Path:
    rows = [{"id": str(row), "vector": [1.0, 2.0], "metadata": value} for row, value in enumerate(values)]
    path = path.with_suffix(".jsonl")
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def table(path: Path, values: list[Any]) -> Path:
    path = path.with_suffix(".parquet")
    ids = [str(row) for row, _ in enumerate(values)]
    pd.DataFrame({"id": ids, "vector": [[1.0, 2.0]] * len(ids), "metadata": values}).to_parquet(path)
    return path


@pytest.mark.parametrize("written", [lines, table])
@pytest.mark.parametrize("kind", BAD)
def test_a_text_that_is_no_object_is_shown_and_stored_as_a_field_by_its_option(
    written: Any, kind: str, tmp_path: Path
) -> None:
    text, words = BAD[kind]
    path = written(tmp_path / "rows", ['{"a": 1}', text])
    found = rows_read(path)
    (rejection,) = found.rejected
    assert (rejection.row, found.metadata) == (1, [{"a": 1}])
    assert rejection.detail.startswith("the metadata ")
    assert rejection.detail.endswith(words.format(way=WAY) if "{way}" in words else words)
    if "{way}" in words:
        says(rejection.detail, ". --metadata-columns {} stores it as a field of its own")
    found = rows_read(path, metadata_columns=("metadata",))
    assert (found.metadata, found.rejected) == ([{"metadata": '{"a": 1}'}, {"metadata": text}], [])


@pytest.mark.parametrize(
    ("value", "words"), [("text", "is text, and no object of JSON: 'text'"), (["a"], "is an array")]
)
def test_so_it_is_where_other_rows_have_objects_of_json_itself(value: Any, words: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "rows", [{"k": 1}, value, "", None])
    found = rows_read(path)
    assert [one.row for one in found.rejected] == [1]
    assert words in found.rejected[0].detail
    assert WAY in found.rejected[0].detail
    assert found.metadata == [{"k": 1}, None, None]
    kept = rows_read(path, metadata_columns=("metadata",)).metadata
    assert kept == [{"metadata": {"k": 1}}, {"metadata": value}, {"metadata": ""}, {"metadata": None}]
