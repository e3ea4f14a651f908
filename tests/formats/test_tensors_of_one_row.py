"""A tensor in each row is its vector where it has one dimension of several numbers, and a matrix is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import MappingError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

COUNT, DIMENSION = 5, 9
VECTORS = np.random.default_rng(3).standard_normal((COUNT, DIMENSION)).astype(np.float32)
IDS = [f"t{row}" for row in range(COUNT)]


def tensors(*shape: int, kind: type = np.float32) -> pa.Array:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(VECTORS.astype(kind).reshape(COUNT, *shape))


def saved(path: Path, **columns: pa.Array) -> Path:
    table = pa.table({"id": IDS, **columns})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as out:
            out.write_table(table)
    return path


def array_2d(inner: int, outer: int) -> pa.Table:
    """A column as `datasets` writes its Array2D: lists of lists, by an extension that only `datasets` knows."""
    values = VECTORS.reshape(COUNT, outer, inner).tolist()
    marks = {
        "ARROW:extension:name": "datasets.features.features.Array2DExtensionType",
        "ARROW:extension:metadata": f'[[{outer}, {inner}], "float32"]',
    }
    kind = pa.list_(pa.list_(pa.float32()))
    schema = pa.schema([pa.field("id", pa.string()), pa.field("embedding", kind, metadata=marks)])
    return pa.table([pa.array(IDS), pa.array(values, kind)], schema)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("shape", [(DIMENSION,), (1, DIMENSION), (DIMENSION, 1), (1, DIMENSION, 1)])
def test_a_tensor_of_one_row_or_one_column_is_the_vector(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path / f"rows{suffix}", embedding=tensors(*shape), n=pa.array(range(COUNT)))
    found = rows_read(path)
    assert (found.ids, found.rejected) == (IDS, [])
    assert found.vectors == VECTORS.tolist()
    assert found.metadata == [{"n": row} for row in range(COUNT)]


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_whatever_its_numbers_are(tmp_path: Path, kind: type) -> None:
    found = rows_read(saved(tmp_path / "rows.parquet", anything=tensors(1, DIMENSION, kind=kind)))
    assert found.vectors == VECTORS.astype(kind).astype(np.float32).tolist()


def test_its_dimension_is_known_before_a_row_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.parquet", vector=tensors(1, DIMENSION))
    assert make_plan((str(path),), SourceSettings()).dimension == DIMENSION


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 3)])
def test_a_matrix_is_refused_as_the_vector_by_its_name_and_left_out_beside_one(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(MappingError, match=r"'vector' is extension<arrow.fixed_shape_tensor"):
        rows_read(saved(tmp_path / "rows.parquet", vector=tensors(*shape)))
    path = saved(tmp_path / "more.parquet", vector=tensors(DIMENSION), image=tensors(*shape))
    (source,) = make_plan((str(path),), SourceSettings()).sources
    assert dict(source.columns.reasons) == {"image": "a matrix in each row"}


def test_an_array_of_datasets_with_one_row_is_the_vector(tmp_path: Path) -> None:
    pq.write_table(array_2d(DIMENSION, 1), tmp_path / "rows.parquet")
    found = rows_read(tmp_path / "rows.parquet")
    assert (found.ids, found.vectors) == (IDS, VECTORS.tolist())


def test_an_array_of_datasets_with_several_rows_is_refused_by_its_name(tmp_path: Path) -> None:
    pq.write_table(array_2d(3, 3), tmp_path / "rows.parquet")
    with pytest.raises(MappingError, match="'embedding'"):
        rows_read(tmp_path / "rows.parquet")
