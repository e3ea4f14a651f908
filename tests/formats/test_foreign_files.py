"""Files that other tools wrote are loaded as those tools meant them."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cyborg_ingest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

ROWS = 50
VECTORS = np.random.default_rng(11).standard_normal((ROWS, 6)).astype(np.float32)
IDS = [f"id-{row}" for row in range(ROWS)]
DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 15, 123_000)  # noqa: DTZ001 - a naive one is what is tested
EPOCH = 1_709_209_815_123


def frame() -> dict[str, list[Any]]:
    return {
        "id": IDS,
        "vector": VECTORS.tolist(),
        "text": [None if row % 5 == 0 else f"text {row} é" for row in range(ROWS)],
        "year": [None if row % 3 == 0 else 1900 + row for row in range(ROWS)],
        "score": [float("nan") if row % 4 == 0 else row / 7 for row in range(ROWS)],
        "at": [MOMENT + datetime.timedelta(days=row) for row in range(ROWS)],
        "day": [DAY] * ROWS,
        "tags": [["a", f"t{row}"] for row in range(ROWS)],
        "flag": [row % 2 == 0 for row in range(ROWS)],
    }


def expected(row: int) -> dict[str, Any]:
    found: dict[str, Any] = {"at": EPOCH + row * 86_400_000, "day": 1_709_164_800_000, "tags": ["a", f"t{row}"]}
    found["flag"] = row % 2 == 0
    if row % 3:
        found["year"] = 1900 + row
    if row % 4:
        found["score"] = row / 7
    return found


def by_pandas(path: Path) -> None:
    data = pd.DataFrame(frame())
    data["vector"] = list(VECTORS)
    data["year"] = data["year"].astype("Int64")
    data["text"] = data["text"].astype("category")
    data.to_parquet(path)


def by_pandas_with_an_index(path: Path) -> None:
    data = pd.DataFrame(frame())
    data["vector"] = list(VECTORS.astype(np.float64))
    data["year"] = data["year"].astype("Int64")
    data.set_index("id").to_parquet(path, compression="gzip")


def by_polars(path: Path) -> None:
    data = pl.DataFrame(frame()).with_columns(pl.col("vector").cast(pl.Array(pl.Float32, 6)))
    data.with_columns(pl.col("text").cast(pl.Categorical)).write_parquet(path, row_group_size=20)


def by_polars_with_lists(path: Path) -> None:
    pl.DataFrame(frame()).write_parquet(path, compression="zstd", statistics=False)


def by_duckdb(path: Path) -> None:
    table = pa.table(frame())
    connection = duckdb.connect()
    connection.register("rows", table)
    connection.execute(
        f'COPY (SELECT id, vector::FLOAT[6] AS vector, text, year, score, "at", day, tags, flag FROM rows) '  # noqa: S608
        f"TO '{path}' (FORMAT PARQUET, ROW_GROUP_SIZE 20)"
    )
    connection.close()


def by_duckdb_as_json(path: Path) -> None:
    connection = duckdb.connect()
    connection.register("rows", pa.table({name: values for name, values in frame().items() if name != "score"}))
    at = 'epoch_ms("at") AS "at", epoch_ms(day::TIMESTAMP) AS day'
    connection.execute(f"COPY (SELECT id, vector, text, year, {at}, tags, flag FROM rows) TO '{path}' (FORMAT JSON)")  # noqa: S608
    connection.close()


WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pandas": (by_pandas, "rows.parquet"),
    "pandas with an index": (by_pandas_with_an_index, "rows.parquet"),
    "polars": (by_polars, "rows.parquet"),
    "polars with lists": (by_polars_with_lists, "rows.pq"),
    "duckdb": (by_duckdb, "rows.parquet"),
    "duckdb as JSON": (by_duckdb_as_json, "rows.jsonl"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_value_arrives(engine: Engine, tmp_path: Path, name: str) -> None:
    writer, file = WRITERS[name]
    writer(tmp_path / file)
    index = engine.name()
    report = cyborg_ingest.load(
        tmp_path / file, index=index, target=engine.target, create=True, metadata_columns=("*",), verify="full"
    )
    assert report.rows["acknowledged"] == ROWS
    found = engine.read(index, IDS)
    for row, identity in enumerate(IDS):
        one = found[identity]
        assert one.vector == VECTORS[row].tobytes()
        assert one.contents == (None if row % 5 == 0 else f"text {row} é")
        metadata = dict(one.metadata or {})
        wanted = expected(row)
        if "JSON" in name:  # in JSON null is a value
            wanted.pop("score", None)
            metadata = {key: value for key, value in metadata.items() if value is not None}
        assert metadata == wanted


VALUES: dict[str, tuple[pa.Array, list[Any]]] = {
    "decimals": (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(9, 2)), [1.5, None]),
    "whole decimals": (pa.array([decimal.Decimal(10) ** 20, None], pa.decimal128(30, 0)), [10**20, None]),
    "bytes": (pa.array([b"\x00\xff", None]), ["AP8=", None]),
    "nested": (
        pa.array([{"a": None, "b": [{"c": float("nan"), "d": [None, 2]}]}, None]),
        [{"b": [{"d": [None, 2]}]}, None],
    ),
    "a map": (pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int32())), [{"k": 1}, None]),
    "nanoseconds": (pa.array([1_500_000, None], pa.timestamp("ns", "Europe/Paris")), [1, None]),
    "days": (pa.array([DAY, None], pa.date32()), [1_709_164_800_000, None]),
    "large numbers": (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
    "half floats": (pa.array(np.array([0.5, np.nan], np.float16)), [0.5, None]),
    "dictionaries": (pa.array(["a", None]).dictionary_encode(), ["a", None]),
    "large text": (pa.array(["a", None], pa.large_string()), ["a", None]),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("form", ["column", "struct"])
def test_every_type_of_metadata_has_its_value(tmp_path: Path, name: str, form: str) -> None:
    array, values = VALUES[name]
    vectors = pa.array([[1.0, 2], [3, 4]])
    if form == "column":
        table, options = pa.table({"id": ["0", "1"], "vector": vectors, "x": array}), {"metadata_columns": ("x",)}
    else:
        table, options = (
            pa.table({"id": ["0", "1"], "vector": vectors, "meta": pa.StructArray.from_arrays([array], ["x"])}),
            {},
        )
    pq.write_table(table, tmp_path / "rows.parquet")
    target = f"disk:{tmp_path / 'data'}"
    cyborg_ingest.load(tmp_path / "rows.parquet", index="i", target=target, create=True, verify="full", **options)  # type: ignore[arg-type]
    with cyborg_ingest.connect(target) as client:
        from cyborg_ingest.settings import keys  # noqa: PLC0415

        key = keys.find_kept_key(keys.kept_key_path(client.target, "i"))
        with client.index("i", key) as index:
            found = [row.metadata for row in index.get(["0", "1"])]
    assert found == [None if value is None else {"x": value} for value in values]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([1, -5], pa.int64()),
        pa.array([2**64 - 1, 0], pa.uint64()),
        pa.array([uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes], pa.binary(16)).cast(pa.uuid()),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"]).dictionary_encode(),
    ],
    ids=str,
)
def test_every_type_of_id_has_its_text(tmp_path: Path, ids: pa.Array) -> None:
    pq.write_table(pa.table({"id": ids, "vector": [[1.0, 2], [3, 4]]}), tmp_path / "rows.parquet")
    wanted = [str(uuid.UUID(bytes=one)) if isinstance(one, bytes) else str(one) for one in ids.to_pylist()]
    target = f"disk:{tmp_path / 'data'}"
    cyborg_ingest.load(tmp_path / "rows.parquet", index="i", target=target, create=True)
    with cyborg_ingest.connect(target) as client:
        from cyborg_ingest.settings import keys  # noqa: PLC0415

        with client.index("i", keys.find_kept_key(keys.kept_key_path(client.target, "i"))) as index:
            assert [row.id for row in index.get(wanted)] == wanted


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint16(), pa.int64()])
@pytest.mark.parametrize("layout", ["list", "large", "fixed", "sliced"])
def test_every_type_of_vector_arrives(tmp_path: Path, kind: pa.DataType, layout: str) -> None:
    numbers = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]).astype(kind.to_pandas_dtype())
    flat = pa.array(numbers.reshape(-1), kind)
    array: Any = pa.FixedSizeListArray.from_arrays(flat, 3)
    if layout in {"list", "large"}:
        array = array.cast(pa.list_(kind) if layout == "list" else pa.large_list(kind))
    table = pa.table({"id": ["0", "1", "2"], "vector": array})
    pq.write_table(table.slice(1) if layout == "sliced" else table, tmp_path / "rows.parquet")
    target = f"disk:{tmp_path / 'data'}"
    report = cyborg_ingest.load(tmp_path / "rows.parquet", index="i", target=target, create=True, verify="full")
    assert report.verify is not None
    assert report.verify["checked"] == (2 if layout == "sliced" else 3)
    assert report.verify["differences"] == 0
    with cyborg_ingest.connect(target) as client:
        from cyborg_ingest.settings import keys  # noqa: PLC0415

        with client.index("i", keys.find_kept_key(keys.kept_key_path(client.target, "i"))) as index:
            row = index.get(["2"])[0]
    assert row.vector is not None
    assert row.vector.tolist() == [7.0, 8.0, 9.0]


def test_a_report_is_json_that_others_read(tmp_path: Path) -> None:
    by_polars(tmp_path / "rows.parquet")
    report = cyborg_ingest.load(tmp_path / "rows.parquet", index="i", target=f"disk:{tmp_path / 'data'}", create=True)
    assert pl.DataFrame([json.loads(json.dumps(report.to_dict()["rows"]))])["acknowledged"].to_list() == [ROWS]
