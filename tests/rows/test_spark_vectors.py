"""Vectors of Spark's VectorUDT, dense and sparse, are the numbers that they stand for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.rows.sparkvectors import dense, dense_one

if TYPE_CHECKING:
    from pathlib import Path

UDT = pa.struct(
    [("type", pa.int8()), ("size", pa.int32()), ("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))]
)
"""As pyspark.ml.linalg.VectorUDT.sqlType has it."""


def whole(*values: float) -> dict[str, Any]:
    return {"type": 1, "size": None, "indices": None, "values": [*values]}


def sparse(size: int, **values: float) -> dict[str, Any]:
    places = [int(name[1:]) for name in values]
    return {"type": 0, "size": size, "indices": places, "values": [*values.values()]}


VECTORS: list[Any] = [
    whole(1.0, 2.0, 3.0),
    sparse(3, _0=0.5, _2=-1.0),
    None,
    sparse(3, _1=2.5),
    whole(0.25, 0.0, 0.0),
    sparse(3, _3=1.0),
    {"type": 0, "size": 3, "indices": [0, 1], "values": [1.0]},
    sparse(70_000, _1=1.0),
    whole(9.0, 8.0, 7.0),
]
GOOD = {0: [1.0, 2.0, 3.0], 1: [0.5, 0.0, -1.0], 3: [0.0, 2.5, 0.0], 4: [0.25, 0.0, 0.0], 8: [9.0, 8.0, 7.0]}


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_dense_and_sparse_vectors_of_spark_are_loaded(name: str, chunk: int, tmp_path: Path) -> None:
    rows = [{"id": f"r{place}", "vector": one, "text": "t"} for place, one in enumerate(VECTORS)]
    path = tmp_path / name
    if name == "rows.parquet":
        schema = pa.schema([("id", pa.string()), ("vector", UDT), ("text", pa.string())])
        pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=4)
    else:  # Spark leaves out what is null
        kept = [
            {**row, "vector": None if one is None else {key: item for key, item in one.items() if item is not None}}
            for row, one in zip(rows, VECTORS, strict=True)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    found = rows_read(path, chunk=chunk, vector_column="vector")
    assert dict(zip(found.ids, found.vectors, strict=True)) == {f"r{place}": one for place, one in GOOD.items()}
    assert [(one.id, one.reason.value) for one in found.rejected] == [
        ("r2", "vector_missing"),
        ("r5", "vector_invalid"),
        ("r6", "vector_invalid"),
        ("r7", "vector_invalid"),
    ]
    assert rows_read(path, chunk=chunk).ids == found.ids


def test_a_slice_of_a_column_has_its_own_vectors() -> None:
    array = pa.array(VECTORS, UDT)
    for start in range(len(VECTORS)):
        problems: dict[int, str] = {}
        found = dense(array.slice(start), problems).to_pylist()
        assert found == [GOOD.get(place) for place in range(start, len(VECTORS))]
        assert sorted(problems) == [place - start for place in (5, 6, 7) if place >= start]


def test_one_vector_is_the_same_as_in_a_column() -> None:
    for place, one in enumerate(VECTORS):
        if place in GOOD:
            assert np.array_equal(dense_one(one), GOOD[place])
        elif one is not None:
            with pytest.raises(ValueError, match="of Spark"):
                dense_one(one)
    for wrong in ("text", {"type": 1}, {"type": 1, "values": ["x"]}, {"type": 0, "values": [1.0]}, {"a": 1}):
        with pytest.raises(ValueError, match="as Spark writes it"):
            dense_one(wrong)
