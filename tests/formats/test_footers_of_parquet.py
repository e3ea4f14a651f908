"""A Parquet file of which one byte is turned is loaded or refused: Arrow ends the process over some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, IngestError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 3
FLOAT, DOUBLE = b"\x15\x08\x19", b"\x15\x0a\x19"
"""How a row group names the type of a column, and that its encodings follow."""


def written(path: Path) -> bytearray:
    table = pa.table(
        {
            "id": ["a", "b", "c"],
            "vector": pa.array([[0.5, 1.5]] * ROWS, pa.list_(pa.float32())),
            "year": [1, 2, None],
        }
    )
    pq.write_table(table, path)
    return bytearray(path.read_bytes())


def test_a_row_group_with_another_type_than_the_schema_is_damaged(tmp_path: Path) -> None:
    data = written(tmp_path / "x.parquet")
    assert data.count(FLOAT) == 1
    (tmp_path / "x.parquet").write_bytes(data.replace(FLOAT, DOUBLE))
    with pytest.raises(FormatError, match="row group 0 has another type in column 'element'. The file is damaged"):
        rows_read(tmp_path / "x.parquet")


def end(path: Path, condition: str | None) -> str:
    try:
        rows_read(path, where=condition)
    except IngestError as error:
        return "refused" if path.name in str(error) else "refused without its name"
    return "loaded"


@pytest.mark.parametrize("condition", [None, "year > 1", "id > 'a'"])
def test_no_byte_of_a_footer_ends_the_process(condition: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    good = written(path)
    begin = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    ends = {"loaded": 0, "refused": 0}
    for place in range(begin, len(good) - 8):
        if good[place : place + 1].isalpha():  # names, and the schema that Arrow keeps beside its own
            continue
        for by in (-2, 2):
            data = bytearray(good)
            data[place] = (data[place] + by) % 256
            path.write_bytes(data)
            ends[end(path, condition)] += 1
    assert min(ends.values()) > 100, ends
