"""Rows as arrays, and the names of what is in them beside: as pandas writes orient="split"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError
from cyborg_ingest.model import Reason

if TYPE_CHECKING:
    from pathlib import Path

BAD = {
    "a number": ("7", "it is not an array of 2 values"),
    "null": ("null", "it is not an array of 2 values"),
    "an object": ('{"id": "bad", "vector": [1, 2]}', "it is not an array of 2 values"),
    "text": ('"[1, 2]"', "it is not an array of 2 values"),
    "short": ('["bad"]', "it has 1 values for 2 names"),
    "empty": ("[]", "it has 0 values for 2 names"),
    "long": ('["bad", [1, 2], 3]', "it has 3 values for 2 names"),
    "without a comma": ('["bad" [1, 2]]', "the array is damaged"),
    "with a comma too many": ('["bad", [1, 2],]', "the array is damaged"),
    "no number": ('["bad", [1, x]]', "column 26: expecting value"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_row_that_is_none_is_rejected_alone_with_its_reason_and_its_text(kind: str, tmp_path: Path) -> None:
    text, why = BAD[kind]
    path = tmp_path / "x.json"
    path.write_text(f'{{"columns": ["id", "vector"], "data": [["a", [1, 2]], {text}, ["c", [5, 6]]]}}')
    found = rows_read(path)
    assert (found.ids, found.vectors) == (["a", "c"], [[1.0, 2.0], [5.0, 6.0]])
    (rejected,) = found.rejected
    assert (rejected.row, rejected.reason, rejected.detail) == (1, Reason.UNPARSABLE, why)
    if kind != "no number":
        assert rejected.record == {"_line": text}


def test_a_row_too_large_is_rejected_as_that(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    rows = [["a", [1, 2]], ["x" * 9000, [1, 2]], ["c", [5, 6]]]
    path.write_text(json.dumps({"columns": ["id", "vector"], "data": rows}))
    found = rows_read(path, max_row_bytes=5000)
    assert (found.ids, [one.reason for one in found.rejected]) == (["a", "c"], [Reason.TOO_LARGE])


def test_any_number_of_columns_is_read(tmp_path: Path) -> None:
    fields = {f"f{place}": [place, place + 1] for place in range(30)}
    frame = pd.DataFrame({"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]], **fields})
    frame.to_json(tmp_path / "x.json", orient="split")
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.vectors) == (["a", "b"], [[1.0, 2.0], [3.0, 4.0]])
    assert found.metadata == [{name: values[row] for name, values in fields.items()} for row in range(2)]


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    frame = pd.DataFrame([["a", [1.0, 2.0], 1, 2]], columns=["id", "vector", "n", "n"])
    frame.to_json(tmp_path / "x.json", orient="split")
    with pytest.raises(FormatError, match='two of its columns are named "n"'):
        rows_read(tmp_path / "x.json")
