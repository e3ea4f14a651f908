"""Errors of other programs in JSON: a message holds as much of a long one as a person reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = {"response": {"status_code": 200, "body": {"data": [{"embedding": [0.5, 1.5]}]}}}
EMBEDDING = {"modelOutput": {"embedding": [0.5, 1.5]}}


@pytest.mark.parametrize(
    "rows",
    [
        [{"custom_id": "a", **VECTOR}, {"custom_id": "b", "response": None, "error": {"message": "%"}}],
        [{"custom_id": "a", **VECTOR}, {"custom_id": "b", "response": None, "error": "%"}],
        [{"recordId": "a", **EMBEDDING}, {"recordId": "b", "error": "%"}],
    ],
)
@pytest.mark.parametrize(("length", "shown"), [(200, "e" * 200), (201, "e" * 200 + "...")])
def test_the_error_of_a_failed_row_is_cut(rows: list[Any], length: int, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row).replace("%", "e" * length) + "\n" for row in rows))
    found = rows_read(path)
    assert found.ids == ["a"]
    assert [one.detail for one in found.rejected] == [f"the request failed: {shown}"]


def test_the_error_of_a_document_without_rows_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"error": {"message": "e" * 300, "code": 5}}))
    with pytest.raises(FormatError) as caught:
        rows_read(path, format="json")
    assert str(caught.value) == f"{path}: it holds an error and no vectors: '{'e' * 199}.... Get the data again."
