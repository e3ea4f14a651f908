"""Dates far from ours, and INT96 as its writers differ: what duckdb reads is what is stored."""

from __future__ import annotations

import datetime
import itertools
import struct
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from conftest import Engine
from reading_table import stored as as_json

import cyborg_ingest
from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

M = datetime.datetime
_EPOCH_DAY = 2_440_588
_DAY = 86_400_000_000_000

MOMENTS = [
    M(1, 1, 1), M(1, 1, 1, 5), M(1582, 10, 15), M(1677, 9, 21, 1), M(1815, 6, 18, 11, 30),
    M(1950, 6, 1, 12, 0, 0, 123_456), M(1969, 12, 31, 23, 59, 59, 999_999), M(1970, 1, 1), M(2024, 2, 29, 12),
    M(2262, 4, 12), M(2300, 1, 1),
    M(2554, 7, 21, 23, 34, 33, 709_551), M(2554, 7, 21, 23, 34, 33, 709_552), M(9999, 12, 31, 23, 59, 59, 999_999),
]  # fmt: skip
NEAR = [one for one in MOMENTS if M(1678, 1, 1) < one < M(2262, 1, 1)]


def table_of(moments: list[M | None], unit: str) -> pa.Table:
    kind = pa.timestamp(unit)
    return pa.table({
        "id": [str(row) for row in range(len(moments))],
        "vector": [[1.0, 2.0]] * len(moments),
        "at": pa.array(moments, kind),
        "many": pa.array([[one, None] if row % 3 else None for row, one in enumerate(moments)], pa.list_(kind)),
        "deep": pa.array(
            [{"at": one, "more": [{"at": one}]} if row % 4 else None for row, one in enumerate(moments)],
            pa.struct([("at", kind), ("more", pa.list_(pa.struct([("at", kind)])))]),
        ),
    })  # fmt: skip


def _rewritten(path: Path, change: Callable[[int, int], tuple[int, int]]) -> None:
    """Change the nanoseconds and the day of each INT96 of before 1970; they stand in the file as they are."""
    data = bytearray(path.read_bytes())
    for at in range(len(data) - 12):
        nanoseconds, day = struct.unpack_from("<qI", data, at)
        if nanoseconds and abs(nanoseconds) < _DAY and 1_721_000 < day <= _EPOCH_DAY:
            struct.pack_into("<qI", data, at, *change(nanoseconds, day))
    path.write_bytes(data)


def by_old_arrow(path: Path) -> None:
    """As pyarrow wrote it for long: before 1970 negative nanoseconds of the next day."""
    _rewritten(path, lambda rest, day: (rest - _DAY, day + 1) if rest > 0 and day < _EPOCH_DAY else (rest, day))


def by_spark(path: Path) -> None:
    """As others write it: never negative, and with another name in the footer."""
    _rewritten(path, lambda rest, day: (rest + _DAY, day - 1) if rest < 0 else (rest, day))
    data = path.read_bytes()
    name = f"parquet-cpp-arrow version {pa.__version__}".encode()
    assert name in data
    path.write_bytes(data.replace(name, b"parquet-mr".ljust(len(name))))


def as_it_is(path: Path) -> None:
    """Leave it."""
    assert path.exists()


WRITERS = {"Arrow": as_it_is, "old Arrow": by_old_arrow, "Spark": by_spark}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine("embedded", f"disk:{tmp_path / 'data'}", itertools.count())


def check(engine: Engine, path: Path, **options: Any) -> None:
    """Compare what is loaded with what duckdb reads."""
    index = engine.name()
    cyborg_ingest.load(
        path, index=index, target=engine.target, create=True, metadata_columns=("*",), verify="full", **options
    )
    with duckdb.connect() as connection:
        rows = connection.read_parquet(str(path)).project('id, "at", many, deep').fetchall()
    wanted = {row[0]: as_json(dict(zip(("at", "many", "deep"), row[1:], strict=True))) for row in rows}
    found = engine.read(index, list(wanted))
    assert {identity: one.metadata or {} for identity, one in found.items()} == wanted


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("unit", "moments"), [("us", MOMENTS), ("ns", NEAR)], ids=["us", "ns"])
def test_int96_is_the_date_that_was_written(
    engine: Engine, tmp_path: Path, writer: str, unit: str, moments: list[M]
) -> None:
    table = table_of([*moments, None], unit)
    pq.write_table(
        table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True, use_dictionary=False, compression="none",
        row_group_size=5,
    )  # fmt: skip
    WRITERS[writer](tmp_path / "a.parquet")
    check(engine, tmp_path / "a.parquet", batch_rows=2)
    with duckdb.connect() as connection:  # whom the test believes: it reads what was written
        assert [row[0] for row in connection.read_parquet(str(tmp_path / "a.parquet"))["at"].fetchall()] == [
            *moments, None
        ]  # fmt: skip


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_timestamps_of_every_year_are_their_milliseconds(engine: Engine, tmp_path: Path, unit: str) -> None:
    moments = [one.replace(microsecond=one.microsecond // 1000 * 1000) for one in MOMENTS]
    pq.write_table(table_of([*moments, None], unit), tmp_path / "a.parquet")
    check(engine, tmp_path / "a.parquet")


def test_nanoseconds_are_rounded_down(engine: Engine, tmp_path: Path) -> None:
    numbers = np.array([-1, 0, 1, -999_999, 999_999, -1_000_000, 1_000_001, 2**63 - 1, -(2**63) + 1], np.int64)
    table = pa.table({
        "id": [str(row) for row in range(len(numbers))],
        "vector": [[1.0, 2.0]] * len(numbers),
        "at": pa.array(numbers, pa.int64()).cast(pa.timestamp("ns")),
    })  # fmt: skip
    for options in ({}, {"use_deprecated_int96_timestamps": True}):
        pq.write_table(table, tmp_path / "a.parquet", **options)
        index = engine.name()
        cyborg_ingest.load(
            tmp_path / "a.parquet", index=index, target=engine.target, create=True, metadata_columns=("at",),
            checkpoint=False,
        )  # fmt: skip
        found = engine.read(index, table["id"].to_pylist())
        assert [(one.metadata or {})["at"] for one in found.values()] == [int(one) // 1_000_000 for one in numbers]


def test_int96_beside_an_array_is_read_the_same(engine: Engine, tmp_path: Path) -> None:
    table = table_of([*MOMENTS, None], "us")
    np.save(tmp_path / "a.npy", np.ones((len(table), 2), np.float32))
    options = {"use_deprecated_int96_timestamps": True, "use_dictionary": False, "compression": "none"}
    pq.write_table(table.select(["at"]), tmp_path / "meta.parquet", **options, row_group_size=4)
    by_old_arrow(tmp_path / "meta.parquet")
    index = engine.name()
    cyborg_ingest.load(
        tmp_path / "a.npy", index=index, target=engine.target, create=True, metadata=tmp_path / "meta.parquet"
    )
    found = engine.read(index, [str(row) for row in range(len(table))])
    assert [(found[str(row)].metadata or {}).get("at") for row in range(len(table))] == as_json([*MOMENTS, None])


def test_a_dataset_that_would_overflow_is_refused_and_one_that_does_not_is_read(engine: Engine, tmp_path: Path) -> None:
    table, folder = table_of([*MOMENTS, None], "us"), tmp_path / "files"
    folder.mkdir()
    pq.write_table(table.select(["id", "vector"]).slice(0, 0), folder / "0.parquet")
    options: dict[str, Any] = {"use_dictionary": False, "compression": "none"}
    pq.write_table(table, folder / "1.parquet", use_deprecated_int96_timestamps=True, **options)
    by_spark(folder / "1.parquet")
    schema = pq.read_schema(folder / "1.parquet")
    options = {"index": "i", "target": engine.target, "create": True, "metadata_columns": ("*",)}
    with pytest.raises(FormatError, match=r"1\.parquet has INT96 .*coerce_int96_timestamp_unit=.us"):
        cyborg_ingest.load(pads.dataset(folder, schema), **options)
    unit = pads.ParquetFileFormat(coerce_int96_timestamp_unit="us")
    cyborg_ingest.load(pads.dataset(folder / "1.parquet", format=unit), **options)
    found = engine.read("i", [str(row) for row in range(len(table))])
    assert [(found[str(row)].metadata or {}).get("at") for row in range(len(table))] == as_json([*MOMENTS, None])
