"""Parquet files of very many columns or row groups: in bounded memory and time, or refused before they are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_bounds import MOST, checked

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats import ends, parquet
from cyborg_ingest.formats.ends import footer_of
from cyborg_ingest.formats.parquet import ParquetReader, check_whole, schema_of
from cyborg_ingest.formats.thrift import ParquetFooter
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path


def wide(path: Path, columns: int, groups: int = 1, **options: Any) -> Path:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1, 5, dtype=np.float32)), 2)
    more = {f"c{place}": pa.array([1, 2], pa.int32()) for place in range(columns)}
    table = pa.table({"id": ["a", "b"], "vector": vectors, **more})
    with pq.ParquetWriter(path, table.schema, **options) as file:
        for _ in range(groups):
            file.write_table(table)
    return path


@pytest.mark.soak
def test_a_parquet_of_100_000_columns_is_loaded_within_the_bound(tmp_path: Path) -> None:
    path = wide(tmp_path / "rows.parquet", 100_000, write_statistics=False, use_dictionary=False)
    code, report, said, peak = checked(path, "--metadata-columns", "none")
    assert (code, report["rows"]["read"]) == (0, 2), said
    assert peak < MOST
    assert "left out  c0, c1" in said
    assert " and 99,900 more" in said
    assert len(said) < 10_000


@pytest.mark.parametrize(
    ("limit", "words"),
    [("_MOST_COLUMNS", "names 32 columns, and 31 are"), ("_MOST_PIECES", "names 96 pieces, a column in a row group"),
     ("_MOST_FOOTER", "bytes, and 31 are possible")],
)  # fmt: skip
def test_more_than_may_be_decoded_of_a_footer_is_refused_before_it_is(
    limit: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wide(tmp_path / "rows.parquet", 30, 3)
    most = 95 if limit == "_MOST_PIECES" else 31
    monkeypatch.setattr(parquet, limit, most + 1 if limit != "_MOST_FOOTER" else 100_000)
    check_whole(str(path))
    monkeypatch.setattr(parquet, limit, most)
    monkeypatch.setattr(pq, "ParquetFile", None)  # what is not called cannot take memory
    with pytest.raises(FormatError, match="its footer .*in larger row groups, or in several files") as caught:
        ParquetReader().layout(str(path), SourceSettings())  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_footer_is_read_as_arrow_reads_it(tmp_path: Path) -> None:
    path = wide(tmp_path / "rows.parquet", 7, 5)
    with path.open("rb") as file:
        footer, begin = footer_of(file, path.stat().st_size, 4)
    found, expected = ParquetFooter(footer), pq.read_metadata(path)
    assert (found.columns, found.pieces) == (expected.num_columns, expected.num_columns * expected.num_row_groups)
    assert (found.end, found.is_encrypted) == (begin, False)


@pytest.mark.parametrize("length", [b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x10\0\0\0"])
def test_a_footer_whose_length_is_damaged_is_an_error_and_no_room_is_made_for_it(length: bytes, tmp_path: Path) -> None:
    path = wide(tmp_path / "rows.parquet", 3)
    data = path.read_bytes()
    path.write_bytes(data[:-8] + length + data[-4:])
    with pytest.raises(FormatError, match=r"rows\.parquet: "):
        make_plan((str(path),), SourceSettings())


def test_a_number_without_an_end_in_a_footer_does_not_take_for_ever() -> None:
    with pytest.raises(ValueError, match="without an end"):
        ParquetFooter(b"\x15" + b"\xff" * 10_000_000)
    assert ends.NOT_READ.count(ValueError)


def test_a_footer_is_decoded_once_for_all_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wide(tmp_path / "rows.parquet", 3, 40)
    plan = make_plan((str(path),), SourceSettings())
    decoded = 0
    real = pq.ParquetFile

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal decoded
        decoded += options.get("metadata") is None
        return real(*arguments, **options)

    monkeypatch.setattr(pq, "ParquetFile", counted)
    found = [one for chunk in plan.chunks(10) for one in chunk.batch.column("id").to_pylist()]
    assert found == ["a", "b"] * 40
    assert decoded == 1


def test_another_file_of_the_same_name_is_not_read_by_the_footer_of_the_first(tmp_path: Path) -> None:
    for groups, ids in ((3, ["a", "b"]), (2, ["c", "d", "e"])):
        path = tmp_path / "rows.parquet"
        vectors = pa.array([[1.0, float(row)] for row in range(len(ids))], pa.list_(pa.float32(), 2))
        with pq.ParquetWriter(path, pa.schema([("id", pa.string()), ("vector", vectors.type)])) as file:
            for _ in range(groups):
                file.write_table(pa.table({"id": ids, "vector": vectors}))
        plan = make_plan((str(path),), SourceSettings())
        assert [one for chunk in plan.chunks(10) for one in chunk.batch.column("id").to_pylist()] == ids * groups


def test_the_types_of_many_columns_of_16_bytes_are_told_by_one_look_at_the_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({f"c{place}": pa.array([b"x" * 16], pa.binary(16)) for place in range(50)}), path)
    looked = 0

    class Leaves:
        def __init__(self, schema: Any) -> None:
            self._schema = schema

        def __len__(self) -> int:
            return len(self._schema)

        def column(self, number: int) -> Any:
            nonlocal looked
            looked += 1
            return self._schema.column(number)

    with pq.ParquetFile(path) as file:
        schema, arrow = Leaves(file.schema), file.schema_arrow
        monkeypatch.setattr(pq.ParquetFile, "schema", property(lambda _self: schema))
        assert schema_of(file).equals(arrow)
    assert looked == 50
