"""Text that is nested too deeply for any parser, beside rows or in a file's header, ends no command in a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = 100_000
ARRAY = "[" * LEVELS + "]" * LEVELS
OBJECT = '{"a":' * LEVELS + "1" + "}" * LEVELS
TABLE = pa.table({"id": ["a"], "vector": [[1.0, 2.0]]})


@pytest.mark.parametrize("text", [ARRAY, OBJECT], ids=["array", "object"])
def test_json_beside_rows_is_read_for_what_it_is_and_named(text: str, tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "data.parquet")
    (tmp_path / "extra.json").write_text(text)
    with pytest.raises(FormatError, match=r"extra\.json"):
        rows_read(tmp_path)


@pytest.mark.parametrize("name", ["state.json", "dataset_dict.json"])
def test_a_list_of_files_that_is_none_is_no_list(name: str, tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "data.parquet")
    (tmp_path / name).write_text(OBJECT)
    assert rows_read(tmp_path).ids == ["a"]


def test_what_is_said_of_a_pandas_index_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(TABLE.replace_schema_metadata({b"pandas": OBJECT.encode()}), path)
    assert rows_read(path).ids == ["a"]
