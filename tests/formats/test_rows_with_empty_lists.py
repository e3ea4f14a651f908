"""A document of one row is not without rows because a list in it is empty: it is loaded, or said to be refused."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import EmptySourceError, FormatError, MappingError

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = [0.25, -0.5] * 9
PACKED = base64.b64encode(struct.pack("<18f", *VECTOR)).decode()
MONGO = {
    "_id": {"$oid": "507f1f77bcf86cd799439011"},
    "title": "x",
    "tags": [],
    "embedding": {
        "$binary": {"base64": base64.b64encode(struct.pack("<BB18f", 0x27, 0, *VECTOR)).decode(), "subType": "09"}
    },
}
"""As mongoexport writes a vector of BSON."""
WIDE = {"id": "507f1f77bcf86cd799439011", "tags": [], **{f"m{place}": place for place in range(1100)}}


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "document", [MONGO, {**WIDE, "vector": VECTOR}, {**WIDE, "error": "none", "embedding": PACKED}]
)
def test_a_row_with_an_empty_list_is_loaded(document: Any, tmp_path: Path) -> None:
    written(tmp_path / "a.json", document)
    written(tmp_path / "b.json", [{"id": "b", "vector": VECTOR}])
    found = rows_read(tmp_path)
    assert found.ids == ["507f1f77bcf86cd799439011", "b"]
    assert found.vectors == [VECTOR, VECTOR]


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"rows": {"k1": MONGO, "k2": MONGO}}},
        {"data": {"rows": {"k1": {**WIDE, "embedding": PACKED}, "k2": {}}}},
        {"id": "a", "tags": [], "mine": PACKED},
        {"id": "a", "tags": [], "mine": struct.pack("<18f", *VECTOR).hex()},
        {"id": "a", "tags": [], "mine": json.dumps(VECTOR)},
        {"id": "a", "tags": [], "mine": " ".join(map(str, VECTOR))},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"tags": [], "embedding": VECTOR}}}}}}}}, "tags": []},
    ],
)
def test_a_document_that_may_have_rows_is_no_file_without(document: Any, tmp_path: Path) -> None:
    written(tmp_path / "a.json", document)
    written(tmp_path / "b.json", [{"id": "b", "vector": VECTOR}])
    with pytest.raises((FormatError, MappingError)) as caught:
        rows_read(tmp_path)
    assert not isinstance(caught.value, EmptySourceError)
    assert str(tmp_path / "a.json") in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {"_scroll_id": "DXF1ZXJ5QW5kRmV0Y2gBAAAAAAAAAD4WYm9laVYtZndUQlNsdDcwakFMNjU1QQ==", "hits": {"hits": []}},
        {"request_id": "0b6a2a1e-2b56-4a6e-9c6e-0f0b1c0e7f11", "data": [], "took": "0.1", "at": "2024-01-01 12:00"},
        {"vectors": [], "nextToken": "c29tZSB0b2tlbiB0aGF0IHRlbGxzIHdoZXJlIHRvIGdvIG9u"},
        {"id": "d", "title": "A title of a document without chunks", "chunks": []},
    ],
)
def test_a_last_page_stays_a_file_without_rows(document: Any, tmp_path: Path) -> None:
    written(tmp_path / "a.json", document)
    written(tmp_path / "b.json", [{"id": "b", "vector": VECTOR}])
    assert rows_read(tmp_path).ids == ["b"]
