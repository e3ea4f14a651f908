"""Tables that other programs write, in any format that has such columns, are loaded as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import says
from rows_read import rows_read

from cyborg_ingest.errors import MappingError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def as_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


BOTH = pytest.mark.parametrize("write", [as_jsonl, as_parquet])
PLACES = range(4)


def point(place: int, vector: Any) -> dict[str, Any]:
    """A point as Qdrant gives it."""
    return {"id": f"p{place}", "payload": {"n": place, "city": "Rome"}, "vector": vector, "version": place}


@BOTH
def test_the_only_named_vector_is_the_vector(write: Callable[..., Path], tmp_path: Path) -> None:
    rows = [point(place, {"dense": [1.0 + place, 2.0]}) for place in PLACES]
    path = write(tmp_path / "points", rows)
    found = rows_read(path)
    assert found.ids == [f"p{place}" for place in PLACES]
    assert found.vectors == [[1.0 + place, 2.0] for place in PLACES]
    assert [one and one["n"] for one in found.metadata] == [*PLACES]
    assert make_plan((str(path),), SourceSettings()).sources[0].layout.shape == "named vectors (vector.dense)"


@BOTH
def test_of_several_named_vectors_one_has_to_be_named(write: Callable[..., Path], tmp_path: Path) -> None:
    sparse = {"indices": [1, 5], "values": [0.5, 0.25]}
    rows = [point(place, {"a": [1.0 + place, 2.0], "b b": [3.0], "s": sparse}) for place in PLACES]
    path = write(tmp_path / "points", rows)
    with pytest.raises(MappingError) as caught:
        rows_read(path)
    says(str(caught.value), "each row has several vectors by their names. Name the one to load: {}.")
    assert "--vector-column vector.a or --vector-column 'vector.b b'." in str(caught.value)
    assert rows_read(path, vector_column="vector.a").vectors == [[1.0 + place, 2.0] for place in PLACES]
    assert rows_read(path, vector_column="vector.b b").vectors == [[3.0]] * 4


@BOTH
def test_a_vector_of_its_own_goes_before_named_ones(write: Callable[..., Path], tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "vector": [1.0, 2.0], "vectors": {"x": [3.0], "y": [4.0]}}]
    assert rows_read(write(tmp_path / "objects", rows)).vectors == [[1.0, 2.0]]
    rows = [{"id": "a", "vector": None, "vectors": {"x": [3.0, 4.0]}, "properties": {"t": 1}, "class": "C"}]
    assert rows_read(write(tmp_path / "objects", rows)).vectors == [[3.0, 4.0]]


def test_a_row_without_the_named_vector_is_at_fault_itself(tmp_path: Path) -> None:
    rows = [point(0, {"dense": [1.0, 2.0]}), point(1, {"other": [1.0, 2.0]}), point(2, [1.0, 2.0])]
    path = as_jsonl(tmp_path / "points", [rows[0]] * 100 + rows[1:])
    found = rows_read(path)
    assert [(one.id, one.reason.value) for one in found.rejected] == [
        ("p1", "vector_missing"),
        ("p2", "vector_missing"),
    ]


@BOTH
def test_the_id_of_a_node_of_llamaindex_is_not_its_number(write: Callable[..., Path], tmp_path: Path) -> None:
    rows = [
        {"id": place, "text": f"t{place}", "metadata_": {"k": place}, "node_id": f"n{place}", "embedding": [1.0, place]}
        for place in PLACES
    ]
    path = write(tmp_path / "data_index", rows)
    found = rows_read(path)
    assert found.ids == [f"n{place}" for place in PLACES]
    assert found.vectors == [[1.0, place] for place in PLACES]
    assert found.contents == [f"t{place}" for place in PLACES]
    assert [one and one["k"] for one in found.metadata] == [*PLACES]
    assert rows_read(path, id_column="id").ids == ["0", "1", "2", "3"]
