"""A column whose name is empty is one like any other: it becomes metadata, and nothing of it is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.output import wording
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.settings.options import InspectSettings, SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"id": "a", "vector": [1.0, 2.0], "": "x", "n": 1}, {"id": "b", "vector": [3.0, 4.0], "": "y", "n": 2}]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "jsonl", "json"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [{"": "x", "n": 1}, {"": "y", "n": 2}]),
        ({"metadata_columns": ("",)}, [{"": "x"}, {"": "y"}]),
        ({"metadata_columns": ("n",)}, [{"n": 1}, {"n": 2}]),
    ],
)
def test_a_column_without_a_name_is_metadata(
    suffix: str, options: dict[str, Any], expected: list[Any], tmp_path: Path
) -> None:
    path, table = tmp_path / f"rows.{suffix}", pa.Table.from_pylist(ROWS)
    if suffix == "parquet":
        pq.write_table(table, path)
    elif suffix == "arrow":
        pyarrow.feather.write_feather(table, str(path))
    else:
        path.write_text(json.dumps(ROWS) if suffix == "json" else "".join(json.dumps(row) + "\n" for row in ROWS))
    found = rows_read(path, **options)
    assert (found.ids, found.metadata) == (["a", "b"], expected)


@pytest.mark.parametrize("first", [True, False])
def test_a_list_without_a_name_is_metadata_and_the_plan_shows_it(first: bool, tmp_path: Path) -> None:
    lists = pa.array([[1.0, 2.0], [3.0, 4.0]])
    vectors = pa.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    named = {"id": ["a", "b"], "vector": vectors}
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"": lists, **named} if first else {**named, "": lists}), path)
    assert rows_read(path).metadata == [{"": [1.0, 2.0]}, {"": [3.0, 4.0]}]
    plan = make_plan((str(path),), SourceSettings())
    assert "metadata <- ''" in "\n".join(wording.plan(planned(plan, "disk:x", "i")))
    mapping = inspect(InspectSettings(sources=(str(path),))).schemas[0].mapping
    assert mapping == {"id": ["id"], "vector": ["vector"], "metadata": ["''"], "contents": []}
