"""`--id-template` makes ids of the text that is exactly a value, the same from every format, in chunks of any size."""

from __future__ import annotations

import datetime
import json
import math
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cyborg_ingest
from cyborg_ingest.errors import MappingError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.templates import parse_template
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.model import Batch

UTC = datetime.timezone.utc
MOMENTS = [
    datetime.datetime(2024, 5, 17, 12, 30, 15, 999_999, UTC),
    datetime.datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
    datetime.datetime(1, 1, 1, tzinfo=UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]
DOUBLES = [1.1, 1.0, 1e16, 1e-7, 123456789.123, -0.0, 5e-324, 2.0**60, 0.1 + 0.2]


def batches(path: Path, template: str, rows: int = 1000, **options: Any) -> list[Batch]:
    plan = make_plan((str(path),), SourceSettings(id_template=template, **options))
    return list(cut(plan.chunks(rows), None, Cutting(rows, 100_000, encoded=True)))


def ids(path: Path, template: str, **options: Any) -> list[str]:
    return [one for batch in batches(path, template, **options) for one in batch.ids]


def rejected(path: Path, template: str, **options: Any) -> list[tuple[int, str]]:
    return [(one.row, one.reason.value) for batch in batches(path, template, **options) for one in batch.rejections]


def parquet(folder: Path, values: pa.Array) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(pa.table({"v": values, "vector": [[1.0]] * len(values)}), path, row_group_size=3)
    return path


def arrow(folder: Path, values: pa.Array) -> Path:
    path = folder / "rows.arrow"
    table = pa.table({"v": values, "vector": pa.array([[1.0]] * len(values))})
    with pa.ipc.new_file(path, table.schema) as out:
        out.write_table(table, max_chunksize=2)
    return path


TYPED: dict[str, tuple[pa.Array, list[str]]] = {
    "double": (pa.array(DOUBLES), [repr(one) for one in DOUBLES]),
    "float": (pa.array([1.1, 0.1, 2.0, 1e10], pa.float32()), [str(np.float32(one)) for one in (1.1, 0.1, 2.0, 1e10)]),
    "half": (pa.array(np.array([1.5, 0.1], np.float16)), [str(np.float16(1.5)), str(np.float16(0.1))]),
    "decimal": (pa.array([Decimal("1.10"), Decimal("-0.01"), Decimal("12345.90")]), ["1.10", "-0.01", "12345.90"]),
    "large decimal": (pa.array([Decimal("9007199254740993.00")], pa.decimal256(40, 2)), ["9007199254740993.00"]),
    "boolean": (pa.array([True, False]), ["true", "false"]),
    "integer": (pa.array([-1, 2**63 - 1]), ["-1", str(2**63 - 1)]),
    "unsigned": (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
    "text": (pa.array(["a", "é", " b "]), ["a", "é", " b "]),
    "words": (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    "date": (pa.array([one.date() for one in MOMENTS]), [one.date().isoformat() for one in MOMENTS]),
    "date64": (pa.array([one.date() for one in MOMENTS], pa.date64()), [one.date().isoformat() for one in MOMENTS]),
    "moment": (pa.array(MOMENTS, pa.timestamp("us", "UTC")), [one.isoformat() for one in MOMENTS]),
    "elsewhere": (pa.array(MOMENTS, pa.timestamp("us", "Asia/Tokyo")), [one.isoformat() for one in MOMENTS]),
    "no zone": (
        pa.array([one.replace(tzinfo=None) for one in MOMENTS], pa.timestamp("us")),
        [one.replace(tzinfo=None).isoformat() for one in MOMENTS],
    ),
    "nanoseconds": (
        pa.array([1_700_000_000_123_456_789, -1], pa.timestamp("ns")),
        [pd.Timestamp(1_700_000_000_123_456_789).isoformat(), pd.Timestamp(-1).isoformat()],
    ),
    "seconds": (pa.array([0], pa.timestamp("s")), ["1970-01-01T00:00:00"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize("write", [parquet, arrow])
def test_a_part_of_an_id_is_exactly_the_value(tmp_path: Path, name: str, write: Any) -> None:
    values, expected = TYPED[name]
    path = write(tmp_path, values)
    for rows in (1, 2, 1000):
        assert ids(path, "{v}-{row}", rows=rows) == [f"{one}-{row}" for row, one in enumerate(expected)]


def test_numbers_have_the_text_that_duckdb_and_polars_give_them(tmp_path: Path) -> None:
    data = pa.table({
        "f": pa.array([1.1, 1.25, 2.5, -3.75], pa.float32()),
        "d": [1.1, 0.1 + 0.2, 2.0, 123456.789],
        "b": [True, False] * 2,
        "p": pa.array([Decimal("1.10"), Decimal("1.20"), Decimal("0.00"), Decimal("-9.99")]),
        "vector": [[1.0]] * 4,
    })  # fmt: skip
    pq.write_table(data, tmp_path / "rows.parquet")
    expected = duckdb.from_arrow(data).project("concat_ws('|', f, d, b, p)").fetchall()
    found = ids(tmp_path / "rows.parquet", "{f}|{d}|{b}|{p}")
    assert found == [row[0] for row in expected]
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    assert found == frame.select(pl.concat_str(["f", "d", "b", "p"], separator="|")).to_series().to_list()


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False), min_size=1, unique_by=lambda one: (one, math.copysign(1, one))
    )
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_different_numbers_make_different_ids(tmp_path: Path, numbers: list[float]) -> None:
    assert ids(parquet(tmp_path, pa.array(numbers)), "{v}") == [repr(one) for one in numbers]


MISSING: dict[str, pa.Array] = {
    "null": pa.array([1.5, None]),
    "nan": pa.array([1.5, math.nan]),
    "infinity": pa.array([1.5, math.inf]),
    "empty": pa.array(["a", ""]),
    "no date": pa.array([datetime.date(2024, 1, 1), None]),
    "no boolean": pa.array([True, None]),
    "no UTF-8": pa.array([b"a", b"\xff"]).view(pa.string()),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_row_without_a_part_of_its_id_is_rejected_and_the_part_is_named(tmp_path: Path, name: str) -> None:
    for path in (parquet(tmp_path, MISSING[name]), arrow(tmp_path, MISSING[name])):
        (fault,) = [one for batch in batches(path, "x{v}") for one in batch.rejections]
        assert fault.row == 1
        assert fault.reason.value == ("id_invalid" if name == "no UTF-8" else "id_missing")
        assert name == "no UTF-8" or "'v'" in fault.detail


@pytest.mark.parametrize(
    "values",
    [
        pa.array([["a"]]), pa.array([{"a": 1}]), pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([datetime.time(1)]), pa.array([datetime.timedelta(1)]),
    ],
    ids=lambda one: str(one.type),
)  # fmt: skip
def test_what_has_no_text_of_its_own_is_refused_before_a_row_is_read(tmp_path: Path, values: pa.Array) -> None:
    with pytest.raises(MappingError, match="--id-template names 'v'") as caught:
        make_plan((str(parquet(tmp_path, values)),), SourceSettings(id_template="{v}"))
    assert caught.value.exit_code == 2
    with pytest.raises(MappingError, match="--id-template names 'vector'"):
        make_plan((str(parquet(tmp_path, values)),), SourceSettings(id_template="{vector}"))


def test_a_uuid_is_the_uuids_text(tmp_path: Path) -> None:
    some = [uuid.UUID(int=1), uuid.UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")]
    values = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([one.bytes for one in some], pa.binary(16)))
    assert ids(parquet(tmp_path, values), "{v}") == [str(one) for one in some]


MIXED: list[Any] = ["a", 7, "b", 1.5, True, False, 2.0, 2**70, "7", 0.1, 1e22, "ü"]


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_field_of_several_kinds_has_each_rows_own_text_whatever_is_decoded_at_once(tmp_path: Path, kind: str) -> None:
    rows = [{"doc": value, "vector": [1.0]} for value in [*MIXED, None, [1], {"a": 1}]]
    path = tmp_path / f"rows.{kind}"
    path.write_text(json.dumps(rows) if kind == "json" else "".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    expected = [f"{one if isinstance(one, str) else json.dumps(one)}-{row}" for row, one in enumerate(MIXED)]
    for size in (1, 2, 5, 1000):
        assert ids(path, "{doc}-{row}", rows=size) == expected
        assert rejected(path, "{doc}-{row}", rows=size) == [(12, "id_missing"), (13, "id_invalid"), (14, "id_invalid")]


def test_a_part_that_is_a_list_in_every_row_is_refused_before_a_row_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"doc": "a", "vector": [1.0]}\n' * 3, "utf-8")
    with pytest.raises(MappingError, match="--id-template names 'vector'"):
        make_plan((str(path),), SourceSettings(id_template="{vector}"))


def test_parts_in_csv_are_the_text_that_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    numbers = [str(row) for row in range(110)] + ["0120", "1.10", "1.1", "x"]
    path.write_text("doc,page,flag,vector\n" + "".join(f'd,{one},TRUE,"[1]"\n' for one in numbers))
    expected = pd.read_csv(path, dtype=str)
    for rows in (1, 7, 1000):
        found = ids(path, "{doc}/{page}/{flag}", rows=rows)
        assert found == (expected["doc"] + "/" + expected["page"] + "/" + expected["flag"]).to_list()
    loaded = batches(path, "{doc}/{page}", metadata_columns=("page",))
    values = [one["page"] for batch in loaded for one in batch.metadata or () if one]
    assert values == expected["page"].to_list(), "one cell that is not a number keeps the column text, as written"


def test_columns_of_the_name_file_or_row_come_first(tmp_path: Path) -> None:
    rows = [{"row": f"own{row}", "vector": [1.0]} for row in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for path in (tmp_path / "rows.parquet", tmp_path / "rows.jsonl"):
        assert ids(path, "{file}:{row}") == ["rows:own0", "rows:own1", "rows:own2"]


def test_the_pieces_of_a_template_are_its_text_and_its_names() -> None:
    assert parse_template("a{b}{{c}}{d.e}").pieces == (("a", "b"), ("{", None), ("c}", None), ("", "d.e"))


def test_rows_that_differ_in_a_part_are_all_there(engine: Engine, tmp_path: Path) -> None:
    pages = [Decimal("1.10"), Decimal("1.20"), Decimal("1.30"), Decimal("2.00")]
    index = engine.name()
    report = cyborg_ingest.load(
        parquet(tmp_path, pa.array(pages)), index=index, target=engine.target, create=True, id_template="d-{v}",
        verify="full",
    )  # fmt: skip
    assert report.rows["acknowledged"] == 4
    assert sorted(engine.read(index, [f"d-{one}" for one in pages])) == ["d-1.10", "d-1.20", "d-1.30", "d-2.00"]
    assert engine.count(index) == 4


def test_a_folder_that_stands_for_null_is_no_number_and_no_text(tmp_path: Path) -> None:
    for year in ("2023", "2024", "__HIVE_DEFAULT_PARTITION__"):
        folder = tmp_path / "data" / f"year={year}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": [f"r{year}"], "vector": [[1.0]]}), folder / "rows.parquet")
    for where, expected in (("year = 2024", ["r2024"]), ("year IS NULL", ["r__HIVE_DEFAULT_PARTITION__"])):
        chunks = make_plan((str(tmp_path / "data"),), SourceSettings(where=where)).chunks(10)
        assert [one for batch in cut(chunks, None, Cutting(7, 9999, encoded=True)) for one in batch.ids] == expected
    made = rejected(tmp_path / "data", "{year}/{id}")
    assert made == [(0, "id_missing")]
    assert ids(tmp_path / "data", "{year}/{id}") == ["2023/r2023", "2024/r2024"]
