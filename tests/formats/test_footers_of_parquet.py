"""A Parquet file of which one byte is turned is loaded or refused: Arrow ends the process over some of them."""

from __future__ import annotations

from decimal import Decimal
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


def with_cut_bounds(path: Path, bounds: list[bytes], left: int) -> None:
    """Some writers cut the bounds of long values, as parquet-rs at 64 bytes."""
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[begin:-8]
    for bound in bounds:
        whole = bytes([len(bound)]) + bound
        assert whole in footer
        footer = footer.replace(whole, bytes([left]) + bound[:left])
    path.write_bytes(data[:begin] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


@pytest.mark.parametrize("left", [0, 64])
@pytest.mark.parametrize("condition", [None, "id > 'a'", "year > 1"])
def test_a_file_whose_bounds_of_long_values_are_cut_is_loaded(condition: str | None, left: int, tmp_path: Path) -> None:
    keys = [100 * sign for sign in (b"A", b"B", b"C")]
    vectors = pa.array([[0.5, 1.5]] * ROWS, pa.list_(pa.float32()))
    table = pa.table({"id": ["a", "b", "c"], "vector": vectors, "year": [1, 2, 3], "k": pa.array(keys, pa.binary(100))})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
    with_cut_bounds(tmp_path / "x.parquet", [keys[0], keys[2]], left)
    found = rows_read(tmp_path / "x.parquet", where=condition, metadata_columns=("year",))
    assert found.ids == ["a", "b", "c"][condition is not None :]


def test_a_condition_on_a_column_whose_bounds_are_cut_is_looked_at_row_by_row(tmp_path: Path) -> None:
    """Arrow ends the process where it is asked for such bounds."""
    prices = pa.array([Decimal(1), Decimal(2), Decimal(3)], pa.decimal128(20, 2))
    vectors = pa.array([[0.5, 1.5]] * ROWS, pa.list_(pa.float32()))
    table = pa.table({"id": ["a", "b", "c"], "vector": vectors, "price": prices})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
    with_cut_bounds(tmp_path / "x.parquet", [(100 * value).to_bytes(9, "big") for value in (1, 3)], 4)
    assert rows_read(tmp_path / "x.parquet", where="price > 1").ids == ["b", "c"]


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
