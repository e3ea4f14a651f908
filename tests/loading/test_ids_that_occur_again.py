"""A row that a later one of the same load replaced is not lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import says

import cyborg_ingest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

ROWS = [("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1), ("c", 2)]


@pytest.fixture
def chunks(tmp_path: Path) -> Path:
    """Chunks of documents, whose id is that of the document."""
    table = {"doc_id": [name for name, _ in ROWS], "chunk": [number for _, number in ROWS]}
    vectors = [[1.0, float(row)] for row in range(len(ROWS))]
    pq.write_table(pa.table({**table, "vector": vectors}), tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


def test_how_many_rows_were_replaced_is_said_and_ids_of_several_columns_keep_them(chunks: Path, engine: Engine) -> None:
    index = engine.name()
    options: dict[str, Any] = {"target": engine.target, "create": True}
    report = cyborg_ingest.load(chunks, index=index, **options)
    (note,) = [one for one in report.notes if "replaced" in one]
    assert note.startswith("3 of the rows that were loaded have the id of a later one")
    says(note, "--id-template makes ids of several columns")
    apart = cyborg_ingest.load(chunks, index=engine.name(), id_template="{doc_id}-{chunk}", **options)
    assert not [one for one in apart.notes if "replaced" in one]
    assert apart.index_count["after"] == len(ROWS)


def test_rows_that_replace_those_of_an_earlier_load_are_no_such_rows(chunks: Path, engine: Engine) -> None:
    options: dict[str, Any] = {"index": engine.name(), "target": engine.target, "id_template": "{doc_id}-{chunk}"}
    cyborg_ingest.load(chunks, create=True, **options)
    again = cyborg_ingest.load(chunks, **options)
    assert not [one for one in again.notes if "replaced" in one]
