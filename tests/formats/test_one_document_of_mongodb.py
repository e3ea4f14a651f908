"""One document of mongoexport alone in a file: it is a row, whatever its numbers and its id are written as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rows_read import rows_read
from where import TESTS

if TYPE_CHECKING:
    from pathlib import Path

LAYOUTS = ["mongoexport-canonical", "mongoexport-relaxed", "mongoexport-binary-vector"]


def documents(layout: str) -> list[dict[str, Any]]:
    """As pymongo wrote them."""
    text = (TESTS / "layouts" / layout / "wiki.json").read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(text) if text.startswith("[") else [*map(json.loads, text.splitlines())]
    return found


def expected(layout: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((TESTS / "layouts" / layout / "expected.json").read_text("utf-8"))["rows"]
    return rows


def are_equal(one: list[list[float]], other: list[list[float]]) -> bool:
    return np.array_equal(np.array(one, np.float32), np.array(other, np.float32))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_loaded_as_it_is_among_others(layout: str, indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    for document, row in zip(documents(layout)[:3], expected(layout), strict=False):
        path.write_text(json.dumps(document, indent=indent))
        found = rows_read(path)
        assert (found.ids, found.metadata, found.contents) == ([row["id"]], [row["metadata"]], [row["contents"]])
        assert are_equal(found.vectors, [row["vector"]])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_objects_in_it_are_no_rows_beside_its_own_vector(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    seen = [{"at": {"$date": {"$numberLong": "5"}}}, {"at": {"$date": {"$numberLong": "6"}}}]
    path.write_text(json.dumps({**documents(layout)[0], "visits": seen}))
    found = rows_read(path)
    assert found.ids == [expected(layout)[0]["id"]]
    assert (found.metadata[0] or {})["visits"] == [{"at": 5}, {"at": 6}]


def test_documents_in_one_by_their_names_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    some = documents("mongoexport-canonical")[:3]
    path.write_text(json.dumps({f"n{place}": one for place, one in enumerate(some)}))
    found = rows_read(path, records=".")
    assert len(found.vectors) == 3
    assert are_equal(found.vectors, [row["vector"] for row in expected("mongoexport-canonical")[:3]])
