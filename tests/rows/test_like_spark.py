"""What only looks like a vector of Spark is none: it is refused by name, or rejected by row, never other numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import MappingError
from cyborg_ingest.rows.sparkvectors import dense, dense_one, is_spark_vector

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = pa.list_(pa.float64())
LIKE_IT: dict[str, list[tuple[str, pa.DataType]]] = {
    "the long form of Vespa": [("type", pa.string()), ("values", NUMBERS)],
    "a size of text": [("type", pa.int8()), ("size", pa.string()), ("values", NUMBERS)],
    "values of text": [("type", pa.int8()), ("values", pa.list_(pa.string()))],
    "values that are matrices": [("type", pa.int8()), ("values", pa.list_(NUMBERS))],
    "places of text": [("type", pa.int8()), ("indices", pa.list_(pa.string())), ("values", NUMBERS)],
    "one place": [("type", pa.int8()), ("indices", pa.int32()), ("values", NUMBERS)],
}


@pytest.mark.parametrize("name", list(LIKE_IT))
def test_a_struct_of_other_types_is_not_read_as_one(name: str, tmp_path: Path) -> None:
    kind = pa.struct(LIKE_IT[name])
    assert not is_spark_vector(kind)
    path = tmp_path / "rows.parquet"
    given: dict[str, Any] = {"type": "tensor<float>(x[2])" if pa.types.is_string(kind.field("type").type) else 1}
    given |= {"values": None if name.startswith("values") else [1.0, 2.0]}
    pq.write_table(pa.table({"id": ["a"], "embedding": pa.array([given], kind)}), path)
    if name.startswith("values"):
        with pytest.raises(MappingError, match="column 'embedding' is struct"):
            rows_read(path)
    else:  # the only numbers in it
        assert rows_read(path).vectors == [[1.0, 2.0]]
        assert rows_read(path, vector_column="embedding.values").vectors == [[1.0, 2.0]]
    with pytest.raises(MappingError, match="embedding"):
        rows_read(path, vector_column="embedding")


@pytest.mark.parametrize("indices", [pa.null(), pa.list_(pa.null())])
def test_dense_vectors_need_no_places_of_a_type(indices: pa.DataType) -> None:
    kind = pa.struct([("type", pa.int64()), ("size", pa.null()), ("indices", indices), ("values", NUMBERS)])
    assert is_spark_vector(kind)
    array = pa.array([{"type": 1, "values": [1.0, 2.0]}, {"type": 0, "values": [1.0]}], kind)
    problems: dict[int, str] = {}
    assert dense(array, problems).to_pylist() == [[1.0, 2.0], None]
    assert list(problems) == [1]


WRONG: dict[str, dict[str, Any]] = {
    "a type that is not a whole number": {"type": 1.5, "values": [1.0, 2.0]},
    "a type of neither kind": {"type": 2, "values": [1.0, 2.0]},
    "no type": {"type": None, "values": [1.0, 2.0]},
    "a size that is not a whole number": {"type": 0, "size": 2.5, "indices": [0, 1], "values": [1.0, 2.0]},
    "an infinite size": {"type": 0, "size": float("inf"), "indices": [0, 1], "values": [1.0, 2.0]},
    "no size": {"type": 0, "indices": [0, 1], "values": [1.0, 2.0]},
    "a place that is not a whole number": {"type": 0, "size": 2, "indices": [0, 0.5], "values": [1.0, 2.0]},
    "a place of null": {"type": 0, "size": 2, "indices": [0, None], "values": [1.0, 2.0]},
    "a place before the first": {"type": 0, "size": 2, "indices": [0, -1], "values": [1.0, 2.0]},
}


@pytest.mark.parametrize("name", list(WRONG))
def test_numbers_that_cannot_be_are_the_fault_of_their_row(name: str) -> None:
    floats = pa.list_(pa.float64())
    kind = pa.struct([("type", pa.float64()), ("size", pa.float64()), ("indices", floats), ("values", floats)])
    problems: dict[int, str] = {}
    good = {"type": 0.0, "size": 2.0, "indices": [1.0], "values": [3.0]}
    assert dense(pa.array([WRONG[name], good], kind), problems).to_pylist() == [None, [0.0, 3.0]]
    assert list(problems) == [0]
    with pytest.raises(ValueError, match="Spark"):
        dense_one(WRONG[name])
    assert np.array_equal(dense_one(good), [0.0, 3.0])


NO_NUMBERS: list[Any] = [
    [[1.0, 2.0]], [[1.0], [2.0]], ["1", "2"], "12", [True, False], {"0": 1.0}, 1.0, None, [10**400, 1],
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(NO_NUMBERS)))
def test_no_text_and_no_matrix_of_json_becomes_numbers(place: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="as Spark writes it"):
        dense_one({"type": 1, "values": NO_NUMBERS[place]})
    rows = [{"id": f"r{at}", "vector": {"type": 1, "values": [1.0, 2.0]}} for at in range(3)]
    rows.insert(2, {"id": "wrong", "vector": {"type": 1, "values": NO_NUMBERS[place]}})
    rows[:0] = [{"id": f"a{at}", "vector": {"type": 1, "values": [1.0, 2.0]}} for at in range(200)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = rows_read(path)
    assert [one.id for one in found.rejected] == ["wrong"]
    assert len(found.ids) == 203
    assert found.vectors == [[1.0, 2.0]] * 203
