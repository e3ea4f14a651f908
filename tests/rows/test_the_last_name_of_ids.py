"""`id_` is the id where no column has another name of ids, and never makes one of these unclear."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import MappingError

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = [[float(row), 1.0, 2.0] for row in range(3)]
NODES = ["n0", "n1", "n2"]


@pytest.mark.parametrize("name", ["id_", "ID_"])
def test_it_is_the_id_of_a_table_without_others(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({name: NODES, "embedding": VECTORS, "url": NODES}), tmp_path / "rows.parquet")
    found = rows_read(tmp_path / "rows.parquet")
    assert (found.ids, found.metadata) == (NODES, [{"url": node} for node in NODES])
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({name: one, "vector": v}) + "\n" for one, v in zip(NODES, VECTORS, strict=True)))
    assert rows_read(path).ids == NODES


@pytest.mark.parametrize("other", ["id", "uuid", "key", "doc_id"])
def test_beside_another_name_of_ids_it_is_a_field(tmp_path: Path, other: str) -> None:
    pq.write_table(pa.table({"id_": NODES, other: ["a", "b", "c"], "embedding": VECTORS}), tmp_path / "rows.parquet")
    found = rows_read(tmp_path / "rows.parquet")
    assert (found.ids, found.metadata) == (["a", "b", "c"], [{"id_": node} for node in NODES])


def test_two_of_one_tier_are_still_asked_about(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id_": NODES, "pk": NODES, "key": NODES, "v": VECTORS}), tmp_path / "rows.parquet")
    with pytest.raises(MappingError, match="--id-column pk or --id-column key"):
        rows_read(tmp_path / "rows.parquet", vector_column="v")
