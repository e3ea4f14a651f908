"""The type that a field of JSON has by its first rows: whole numbers and others together are float64."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import Sidecars

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([2.5, None, 1], pa.float64()),
        (["a", None], pa.string()),
        ([{"n": 1}, {"n": 2.5}], pa.struct([("n", pa.float64())])),
        ([{"n": 1}, {"m": "x"}], pa.struct([("n", pa.int64()), ("m", pa.string())])),
        ([True, None], pa.bool_()),
        ([None, None], pa.null()),
    ],
)
def test_the_type_of_a_field_fits_all_of_its_values(values: list[Any], kind: pa.DataType, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"id": str(place), "vector": [1.0, 2.0], "x": value} for place, value in enumerate(values)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert READERS["jsonl"].layout(str(path), Sidecars()).schema.field("x").type == kind
