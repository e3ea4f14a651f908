"""Documents of JSON larger than what is looked at before a load: all in them is found, or named, as in small ones."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats import jsonsurvey

if TYPE_CHECKING:
    from pathlib import Path

IDS = [f"r{place}" for place in range(200)]
VECTORS = [[place + 0.5, -0.25] for place in range(200)]
SPANS: list[Any] = [{"doc_id": place, "spans": [place, 0.5], "pages": [{"box": [1, 2]}]} for place in range(200)]
CHROMA = {"ids": IDS, "embeddings": VECTORS, "metadatas": SPANS, "documents": [f"text {one}" for one in IDS]}


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 rows 20 or so are seen."""
    monkeypatch.setattr(jsonsurvey, "LOOK_BYTES", 1000)


@pytest.mark.parametrize("names", [*itertools.permutations(["ids", "embeddings", "metadatas"])], ids="-".join)
def test_columns_are_columns_whatever_is_in_the_metadata_and_whichever_comes_first(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"uris": None, **{name: CHROMA[name] for name in [*names, "documents"]}, "included": ["uris"]})
    )
    found = rows_read(path)
    assert (found.ids, found.vectors, found.metadata) == (IDS, VECTORS, SPANS)
    assert found.contents == CHROMA["documents"]


@pytest.mark.parametrize("names", [*itertools.permutations(["id", "vector", "metadata"])], ids="-".join)
def test_columns_of_pandas_are_too(names: tuple[str, ...], tmp_path: Path) -> None:
    columns = {"id": IDS, "vector": VECTORS, "metadata": SPANS}
    pd.DataFrame({name: columns[name] for name in names}).to_json(tmp_path / "x.json", orient="columns")
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.vectors, found.metadata) == (IDS, VECTORS, SPANS)


ROWS = [{"id": identity, "vector": vector} for identity, vector in zip(IDS, VECTORS, strict=True)]
FAR: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({"b": ROWS[:2]}, "b"),
    "rows by their id": ({"b": {one["id"]: {"vector": one["vector"]} for one in ROWS[:2]}}, "b"),
    "columns": ({"b": {"ids": IDS[:2], "embeddings": VECTORS[:2]}}, "b"),
    "columns by index": ({"b": {"id": {"0": "x"}, "vector": {"0": [1.0, 2.0]}}}, "b"),
    "split": ({"b": {"columns": ["id", "vector"], "data": [["x", [1.0, 2.0]]]}}, "b"),
    "one row": ({"b": ROWS[0]}, "b"),
    "columns beside the rows": ({"ids": IDS[:2], "embeddings": VECTORS[:2]}, ". as columns"),
}


@pytest.mark.parametrize("kind", FAR)
def test_other_rows_far_behind_the_first_end_the_load_with_their_place(kind: str, tmp_path: Path) -> None:
    more, where = FAR[kind]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": {"rows": ROWS}, **more}))
    with pytest.raises(SourceError, match=re.escape(f"more rows are in {where}, far behind the first ones")):
        rows_read(path)
    assert rows_read(path, records="a.rows").ids == IDS
    path.write_text(json.dumps({"rows": ROWS, "centre": [0.5, 0.5], "about": {"words": ["x"], "n": [{"k": 1}]}}))
    assert rows_read(path).ids == IDS


@pytest.mark.parametrize("document", [{"clusters": VECTORS, "rows": ROWS, "b": ROWS[:2]}, {**CHROMA, "b": ROWS[:2]}])
def test_in_an_object_of_columns_the_look_does_not_end_with_an_array_of_rows(
    document: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    assert rows_read(path, records="b").ids == IDS[:2]
    with pytest.raises(FormatError, match="and 'b' has 2: as columns they do not belong together"):
        rows_read(path)


@pytest.mark.parametrize(
    "document",
    [
        {one["id"]: {"vector": one["vector"]} for one in ROWS[:3]},
        {"columns": ["id", "vector"], "index": [0, 1, 2], "data": [[*one.values()] for one in ROWS[:3]]},
        {"id": {"0": "r0", "1": "r1", "2": "r2"}, "vector": {str(place): VECTORS[place] for place in range(3)}},
    ],
)
def test_rows_of_any_kind_are_read_where_they_are_found_beside_other_files(document: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "vector": [1.0, 2.0]}))
    (tmp_path / "x.json").write_text(json.dumps(document))
    found = rows_read(tmp_path)
    assert (found.ids, found.vectors) == (["a", *IDS[:3]], [[1.0, 2.0], *VECTORS[:3]])


@pytest.mark.parametrize(
    "document",
    [
        {"default": {"features": {"embedding": {"dtype": "float32", "shape": [2]}}, "splits": {"train": {}}}},
        {"train": {"rows": 3, "lengths": [1, 2]}, "test": {"rows": 1, "lengths": [2]}},
        {"least": {"a": [0, 1], "b": [0, 2]}, "most": {"a": [5, 1], "b": [3, 2]}},
    ],
)
def test_sizes_and_ranges_beside_other_files_are_no_rows(document: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "vector": [1.0, 2.0]}))
    (tmp_path / "x.json").write_text(json.dumps(document))
    assert rows_read(tmp_path).ids == ["a"]
