"""What has no agreed form in an index is named and left out, or refused before a row is sent: never guessed."""

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
from cyborg_ingest.errors import FormatError, MappingError
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.loading.report import RunReport

IDS = ["a", "b", "c"]
VECTORS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
RANDOM = [uuid.UUID(int=2**127 + 2**100 * number).bytes for number in range(1, 4)]


def load(source: Any, folder: Path, **options: Any) -> RunReport:
    return cyborg_ingest.load(
        source, index="i", target=f"disk:{folder / 'data'}", create=True, **{"checkpoint": False, **options}
    )


def stored(folder: Path, ids: list[str]) -> dict[str, Any]:
    """The rows' metadata and contents, by the engine itself."""
    import cyborgdb_core  # noqa: PLC0415

    from cyborg_ingest.settings import keys  # noqa: PLC0415

    key = keys.find_kept_key(keys.kept_key_path(f"disk:{folder / 'data'}", "i"))
    storage = cyborgdb_core.StorageConfig.disk(str(folder / "data"))
    found = cyborgdb_core.Client(storage_config=storage).load_index("i", key).get(ids, index_key=key)
    return {
        row["id"]: {"metadata": row.get("metadata") or {}, "contents": row.get("contents") or None} for row in found
    }


def notes_of(path: Path, folder: Path, **options: Any) -> list[str]:
    texts: list[str] = []
    settings = LoadSettings(
        sources=(str(path),), index="i", target=f"disk:{folder / 'data'}", create=True, checkpoint=False, **options
    )
    run(settings, lambda event: texts.append(event.text) if isinstance(event, Noted) else None)
    return texts


UNFIT: dict[str, pa.Array] = {
    "time32": pa.array([datetime.time(1), None, None], pa.time32("s")),
    "time64": pa.array([datetime.time(1), None, None], pa.time64("us")),
    "duration": pa.array([datetime.timedelta(1), None, None], pa.duration("us")),
    "interval": pa.array([(1, 2, 3), None, None], pa.month_day_nano_interval()),
    "bytes of one size": pa.array([b"\x00\x01", None, b"ab"], pa.binary(2)),
    "a digest": pa.array(RANDOM, pa.binary(16)),
    "bytes of one size in a list": pa.array([[b"ab"], None, []], pa.list_(pa.binary(2))),
    "a time in a struct": pa.array([{"t": datetime.time(1)}, None, None], pa.struct([("t", pa.time64("us"))])),
    "a union": pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [pa.array([1, 2, 3])]),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_type_without_a_form_in_metadata_is_left_out_of_all_columns_and_said(tmp_path: Path, name: str) -> None:
    table = pa.table({"id": IDS, "vector": VECTORS, "x": UNFIT[name], "year": [1, 2, 3]})
    path = tmp_path / "rows.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    notes = notes_of(path, tmp_path, metadata_columns=("*",))
    assert [one for one in notes if "'x" in one and str(path) in one and one.endswith("it is left out.")]
    assert [one["metadata"] for one in stored(tmp_path, IDS).values()] == [{"year": 1}, {"year": 2}, {"year": 3}]


@pytest.mark.parametrize("name", UNFIT)
def test_naming_it_is_refused_before_a_row_is_sent(tmp_path: Path, name: str) -> None:
    table = pa.table({"id": IDS, "vector": VECTORS, "x": UNFIT[name]})
    with pytest.raises(MappingError, match=r"'x.*Cast it to"):
        load(table, tmp_path, metadata_columns=("x",))
    assert not (tmp_path / "data").exists()


def test_a_struct_of_metadata_that_holds_one_is_refused(tmp_path: Path) -> None:
    table = pa.table({"id": IDS, "vector": VECTORS, "metadata": UNFIT["a time in a struct"]})
    with pytest.raises(MappingError, match=r"'metadata.t' is time64"):
        load(table, tmp_path)


def objects_of_polars(name: str) -> pl.DataFrame:
    """A column of Python objects, which polars gives to others as the addresses that they have in memory."""
    columns: dict[str, list[Any]] = {"id": IDS, "vector": VECTORS, "text": ["x", "y", "z"]}
    columns[name] = [object(), object(), object()]
    return pl.DataFrame([pl.Series(key, values, pl.Object if key == name else None) for key, values in columns.items()])


def test_addresses_of_objects_are_no_metadata(tmp_path: Path) -> None:
    load(objects_of_polars("field"), tmp_path, metadata_columns=("*",))
    assert [one["metadata"] for one in stored(tmp_path, IDS).values()] == [{}, {}, {}]
    with pytest.raises(MappingError, match=r"'field' is fixed_size_binary\[8\]"):
        load(objects_of_polars("field"), tmp_path, metadata_columns=("field",))


def test_addresses_of_objects_are_no_contents(tmp_path: Path) -> None:
    load(objects_of_polars("text"), tmp_path)
    assert [one["contents"] for one in stored(tmp_path, IDS).values()] == [None, None, None]


def test_addresses_of_objects_are_no_ids(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"'id' are bytes \(fixed_size_binary\[8\]\) that are not text"):
        load(objects_of_polars("id"), tmp_path)
    path = tmp_path / "rows.arrows"
    objects_of_polars("id").write_ipc_stream(path)
    with pytest.raises(MappingError, match=r"not text"):
        load(path, tmp_path)
    assert not (tmp_path / "data").exists()


RAW = {
    "16 bytes": pa.binary(16),
    "bytes": pa.binary(),
    "large bytes": pa.large_binary(),
    "views": pa.binary_view(),
}


def raw_ids(kind: pa.DataType, ids: list[bytes]) -> pa.Table:
    return pa.table({"id": pa.array(ids, kind), "vector": VECTORS})


@pytest.mark.parametrize("kind", RAW.values(), ids=RAW)
@pytest.mark.parametrize("form", ["table", "reader", "file", "stream"])
def test_ids_of_bytes_are_text_where_they_are_utf8_and_else_refused(
    tmp_path: Path, kind: pa.DataType, form: str
) -> None:
    texts = [f"user-{number:011d}" for number in range(3)]

    def source(ids: list[bytes]) -> Any:
        table = raw_ids(kind, ids)
        if form in {"table", "reader"}:
            return table if form == "table" else table.to_reader()
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow"
        with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(path, table.schema) as writer:
            writer.write_table(table)
        return path

    with pytest.raises(MappingError, match=r"the ids in 'id' are bytes .* not text.*UUID"):
        load(source(RANDOM), tmp_path)
    assert not (tmp_path / "data").exists()
    load(source([one.encode() for one in texts]), tmp_path)
    assert sorted(stored(tmp_path, texts)) == texts


def test_a_single_id_that_is_no_text_is_a_bad_row(tmp_path: Path) -> None:
    pq.write_table(raw_ids(pa.binary(), [b"a", b"\xff", b"c"]), tmp_path / "rows.parquet")
    report = load(tmp_path / "rows.parquet", tmp_path, max_errors="1", checkpoint=True)
    assert (report.rows["acknowledged"], dict(report.rejects)) == (2, {"id_invalid": 1})


def test_uuids_are_told_by_the_type_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    query = "SELECT uuid() AS id, [1.0, 2.0] AS vector, {u: uuid(), l: [uuid(), NULL]} AS metadata FROM range(5)"
    with duckdb.connect() as connection:
        connection.from_query(query).write_parquet(str(path))
    load(path, tmp_path)
    read = duckdb.read_parquet(str(path)).project("id::VARCHAR, metadata.u::VARCHAR, metadata.l::VARCHAR[]").fetchall()
    found = stored(tmp_path, [one[0] for one in read])
    assert {key: one["metadata"] for key, one in found.items()} == {
        one: {"u": field, "l": several} for one, field, several in read
    }


def test_decimals_that_are_stored_as_text_are_said_once(tmp_path: Path) -> None:
    numbers = [decimal.Decimal("12345678901234567.89"), decimal.Decimal("0.10"), decimal.Decimal(7)]
    many = [*numbers * 2000]
    table = pa.table({
        "id": [str(number) for number in range(len(many))],
        "vector": [[1.0, 2.0]] * len(many),
        "money": pa.array(many, pa.decimal128(20, 2)),
        "deep": pa.array([{"in": [one]} for one in many], pa.struct([("in", pa.list_(pa.decimal128(20, 2)))])),
        "plain": pa.array([decimal.Decimal("0.5")] * len(many), pa.decimal128(20, 2)),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=1000)
    notes = notes_of(tmp_path / "rows.parquet", tmp_path, metadata_columns=("*",), batch_rows=500)
    assert [one.partition(": ")[2] for one in notes if "holds decimals" in one] == [
        "'deep.in' holds decimals that no float64 is equal to: they are stored as text.",
        "'money' holds decimals that no float64 is equal to: they are stored as text.",
    ]
    money = [one["metadata"]["money"] for one in stored(tmp_path, ["0", "1", "2"]).values()]
    assert [repr(one) for one in money] == ["'12345678901234567.89'", "0.1", "7"]


def test_an_infinity_in_a_list_is_a_bad_row(tmp_path: Path) -> None:
    table = pa.table({"id": IDS, "vector": VECTORS, "x": [[1.0, None], [float("nan")], [float("inf")]]})
    pq.write_table(table, tmp_path / "rows.parquet")
    report = load(tmp_path / "rows.parquet", tmp_path, metadata_columns=("x",), max_errors="1", checkpoint=True)
    assert dict(report.rejects) == {"metadata_not_finite": 1}
    assert [one["metadata"] for one in stored(tmp_path, IDS).values()] == [{"x": [1.0, None]}, {"x": [None]}]


def test_the_index_of_a_frame_is_proposed_for_the_ids(tmp_path: Path) -> None:
    frame = pd.DataFrame({"vector": VECTORS, "text": ["x", "y", "z"]}, index=IDS)
    frame.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(MappingError, match=r"Try id_column='__index_level_0__'\."):
        load(tmp_path / "rows.parquet", tmp_path)
    load(tmp_path / "rows.parquet", tmp_path, id_column="__index_level_0__")
    assert sorted(stored(tmp_path, IDS)) == IDS


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "floats": ({"id": [1.0, 2.0, None], "vector": VECTORS}, r"'id' is double, and id takes .*Int64"),
    "lists of lists": ({"id": IDS, "embedding": [[[1.0, 2.0]] * 2] * 3}, r"'embedding' is list<.*several vectors"),
    "bytes": (
        {"id": IDS, "embedding": [b"12345678"] * 3},
        r"'embedding' is binary.*decide with vector_encoding='f32le' or",
    ),
    "text in lists": ({"id": IDS, "vector": [["1", "2"]] * 3}, r"'vector' is list<.*Cast its items"),
    "one number": ({"id": IDS, "vector": [1.0, 2.0, 3.0]}, r"'vector' is double"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_column_of_a_roles_name_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    columns, words = WRONG[name]
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    with pytest.raises(MappingError, match=words):
        load(tmp_path / "rows.parquet", tmp_path)


def test_matrices_are_no_vectors(tmp_path: Path) -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((3, 2, 2), np.float32))
    with pytest.raises(MappingError, match=r"'vector' is extension<arrow.fixed_shape_tensor"):
        load(pa.table({"id": IDS, "vector": tensors}), tmp_path)


def test_plain_text_in_the_place_of_metadata_says_how_to_store_it(tmp_path: Path) -> None:
    from cyborg_ingest.errors import BadRowError  # noqa: PLC0415

    for text, words in (("wiki", "metadata_columns='meta'"), ("{'lang': 'en'}", r"json\.dumps")):
        pq.write_table(pa.table({"id": IDS, "vector": VECTORS, "meta": [text] * 3}), tmp_path / "rows.parquet")
        with pytest.raises(BadRowError, match=words):
            load(tmp_path / "rows.parquet", tmp_path, metadata_column="meta")
    load(tmp_path / "rows.parquet", tmp_path, metadata_columns=("meta",))
    assert stored(tmp_path, ["a"])["a"]["metadata"] == {"meta": "{'lang': 'en'}"}


def test_two_columns_of_one_name_in_an_object_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays(
        [pa.array(IDS), pa.array(VECTORS), pa.array(IDS), pa.array(IDS)], ["id", "vector", "x", "x"]
    )
    with pytest.raises(FormatError, match=r"two columns are named 'x'"):
        load(table, tmp_path, metadata_columns=("*",))


def test_what_is_left_out_is_among_the_remarks_of_an_inspection(tmp_path: Path) -> None:
    from cyborg_ingest.check.inspecting import inspect  # noqa: PLC0415
    from cyborg_ingest.settings.options import InspectSettings  # noqa: PLC0415

    pq.write_table(pa.table({"id": IDS, "vector": VECTORS, "x": UNFIT["time64"]}), tmp_path / "rows.parquet")
    found = inspect(InspectSettings(sources=(str(tmp_path / "rows.parquet"),), metadata_columns=("*",)))
    assert [one for one in json.loads(json.dumps(found.remarks)) if "'x' is time64[us]" in one]
