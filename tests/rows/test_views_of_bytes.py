"""Lists of bytes are read in every layout that Arrow has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from rows_read import rows_read

from cyborg_ingest.rows.encodings import listed_bytes

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [[1, 2, 3, 4], None, [5, 6], [], [7, None], [8, 9, 10]]
BYTES = [b"\x01\x02\x03\x04", None, b"\x05\x06", b"", None, b"\x08\x09\x0a"]
KINDS: list[Any] = [pa.list_(pa.uint8()), pa.large_list(pa.uint8()), pa.list_view(pa.uint8()),
                    pa.large_list_view(pa.uint8())]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_each_list_is_its_own_bytes(kind: pa.DataType) -> None:
    array = pa.array(ROWS, kind)
    for start in range(len(ROWS)):
        for length in range(len(ROWS) - start + 1):
            found = listed_bytes(array.slice(start, length))
            found.validate(full=True)
            assert found.to_pylist() == BYTES[start : start + length]


def test_lists_of_one_size_are_their_bytes() -> None:
    array = pa.array([[1, 2], None, [3, 4], [None, 5]], pa.list_(pa.uint8(), 2))
    assert listed_bytes(array).to_pylist() == [b"\x01\x02", None, b"\x03\x04", None]
    assert listed_bytes(array.slice(1, 2)).to_pylist() == [None, b"\x03\x04"]


def test_views_that_are_out_of_order_or_share_items_are_read_as_they_are() -> None:
    items = pa.array([1, 2, 3, 4], pa.uint8())
    views = pa.ListViewArray.from_arrays(pa.array([2, 0, 1], pa.int32()), pa.array([2, 2, 3], pa.int32()), items)
    assert listed_bytes(views).to_pylist() == [b"\x03\x04", b"\x01\x02", b"\x02\x03\x04"]


def test_no_row_of_float16_in_views_is_lost(tmp_path: Path) -> None:
    vectors = np.array([[0.5, -1.5], [2.0, 0.25], [8.0, -0.125]], "<f2")
    rows = [list(one.tobytes()) for one in vectors]
    table = pa.table({
        "id": ["a", "none", "b", "c"],
        "vector": pa.array([rows[0], None, rows[1], rows[2]], pa.list_view(pa.uint8())),
    })  # fmt: skip
    path = tmp_path / "rows.arrow"
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    found = rows_read(path, vector_encoding="f16le")
    assert dict(zip(found.ids, found.vectors, strict=True)) == dict(zip("abc", vectors.tolist(), strict=True))
    assert [one.id for one in found.rejected] == ["none"]
