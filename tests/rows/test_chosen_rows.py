"""Rows are chosen first and judged then; a field is what its rows hold, whatever its name and however it is read."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import cyborgdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cyborg_ingest
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.errors import BadRowError, UsageError
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.model import Batch

SIZES = [1, 2, 3, 7, 1000]


def batches(*sources: Path, rows: int = 7, **options: Any) -> list[Batch]:
    plan = make_plan(tuple(map(str, sources)), SourceSettings(**options))
    return list(cut(plan.chunks(rows), plan.dimension, Cutting(rows, 100_000, encoded=True)))


def ids(*sources: Path, **options: Any) -> list[str]:
    return [one for batch in batches(*sources, **options) for one in batch.ids]


def rejected(*sources: Path, **options: Any) -> list[tuple[int, str]]:
    return [(one.row, one.reason.value) for batch in batches(*sources, **options) for one in batch.rejections]


def write(folder: Path, kind: str, rows: list[dict[str, Any]], name: str = "rows") -> Path:
    path = folder / f"{name}.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif kind == "json":
        path.write_text(json.dumps(rows), "utf-8")
    elif kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(rows[0])
            out.writerows([one if isinstance(one, str) else json.dumps(one) for one in row.values()] for row in rows)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)
    else:
        data = pa.Table.from_pylist(rows)
        with pa.ipc.new_file(path, data.schema) as out:
            out.write_table(data, max_chunksize=4)
    return path


# Roles and fields are kept apart


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "arrow"])
@pytest.mark.parametrize("name", ["id", "vector", "contents", "id_", "__id__", "__row__"])
def test_a_field_with_the_name_of_a_role_is_looked_at_and_never_loaded_in_its_place(
    tmp_path: Path, kind: str, name: str
) -> None:
    rows: list[dict[str, Any]] = [
        {"doc_id": f"d{row}", "embedding": [float(row), 1.0], "body": f"text {row}", "id": row, "vector": row,
         "contents": row, "id_": row, "__id__": row, "__row__": row}
        for row in range(12)
    ]  # fmt: skip
    path = write(tmp_path, kind, rows)
    own: dict[str, Any] = {"id_column": "doc_id", "vector_column": "embedding", "contents_column": "body"}
    found = batches(path, where=f'"{name}" >= 4 AND "{name}" != 7', **own)
    expected = [row for row in rows if row[name] >= 4 and row[name] != 7]
    assert [one for batch in found for one in batch.ids] == [row["doc_id"] for row in expected]
    assert [one.tolist() for batch in found for one in batch.vectors] == [row["embedding"] for row in expected]
    assert [one for batch in found for one in batch.contents or ()] == [row["body"] for row in expected]
    made = batches(path, id_template=f"x{{{name}}}", vector_column="embedding", contents_column="body")
    assert [one for batch in made for one in batch.ids] == [f"x{row}" for row in range(12)]
    assert [one.tolist() for batch in made for one in batch.vectors] == [row["embedding"] for row in rows]
    assert [one for batch in made for one in batch.contents or ()] == [row["body"] for row in rows]


def test_the_index_holds_the_ids_that_were_asked_for_though_the_condition_names_a_field_id(
    engine: Engine, tmp_path: Path
) -> None:
    rows = [{"doc_id": f"d{row}", "vector": [float(row), 1.0], "id": row} for row in range(5)]
    index = engine.name()
    cyborg_ingest.load(
        write(tmp_path, "jsonl", rows), index=index, target=engine.target, create=True, id_column="doc_id",
        where="id >= 3",
    )  # fmt: skip
    assert sorted(engine.read(index, ["d3", "d4", "3", "4"])) == ["d3", "d4"]
    assert engine.count(index) == 2


def test_a_component_of_the_vector_can_be_looked_at(tmp_path: Path) -> None:
    rows = [{"id": f"r{row}", "x": row, "y": 0.5} for row in range(6)]
    for kind in ("jsonl", "csv", "parquet"):
        found = batches(write(tmp_path, kind, rows), vector_column="x,y", where="x > 3", id_template="{x}:{id}")
        assert [one for batch in found for one in batch.ids] == ["4:r4", "5:r5"]
        assert [one.tolist() for batch in found for one in batch.vectors] == [[4.0, 0.5], [5.0, 0.5]]


# Fields of several kinds

MIXED: list[Any] = [
    "en", 5, "de", None, 5.5, True, "5", [1], {"a": 1}, 2**63, 2**70, "en", -1, False, "true", 2**53 + 1, 10**80, 0.1,
]  # fmt: skip


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


BY_KIND: dict[str, Any] = {
    "v = 'en'": lambda one: one == "en",
    "v != 'en'": lambda one: isinstance(one, str) and one != "en",
    "NOT v = 'en'": lambda one: isinstance(one, str) and one != "en",
    "v NOT IN ('en', '5')": lambda one: isinstance(one, str) and one not in {"en", "5"},
    "v LIKE 'e%'": lambda one: isinstance(one, str) and one.startswith("e"),
    "v NOT LIKE 'e%'": lambda one: isinstance(one, str) and not one.startswith("e"),
    "v = 5": lambda one: is_number(one) and one == 5,
    "v > 5": lambda one: is_number(one) and one > 5 and one < 10**80,
    "v BETWEEN 5 AND 5.5": lambda one: is_number(one) and 5 <= one <= 5.5,
    "v = 9223372036854775808": lambda one: is_number(one) and one == 2**63,
    "v = 1180591620717411303424": lambda one: is_number(one) and one == 2**70,
    "v = 9007199254740992": lambda _one: False,
    "v = 9007199254740993": lambda one: is_number(one) and one == 2**53 + 1,
    "v = true": lambda one: one is True,
    "v": lambda one: one is True,
    "NOT v": lambda one: one is False,
    "v IS NULL": lambda one: one is None,
    "v IS NOT NULL": lambda one: one is not None,
    "v = 'en' OR v = 5 OR v IS NULL": lambda one: one == "en" or (is_number(one) and one == 5) or one is None,
}
"""A value of another kind is neither equal nor unequal: as JSON itself has it, with SQL's unknown."""


@pytest.mark.parametrize("kind", ["jsonl", "json"])
@pytest.mark.parametrize("where", BY_KIND)
def test_values_of_several_kinds_are_compared_by_their_kind_whatever_is_decoded_at_once(
    tmp_path: Path, kind: str, where: str
) -> None:
    rows = [{"id": f"r{place}", "vector": [1.0], "v": value} for place, value in enumerate(MIXED)]
    path = write(tmp_path, kind, rows)
    expected = [row["id"] for row in json.loads(json.dumps(rows)) if BY_KIND[where](row["v"])]
    for size in SIZES:
        assert ids(path, where=where, rows=size) == expected


def test_numbers_in_csv_are_found_though_the_first_rows_are_of_another_kind(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": str(row), "vector": [1.0], "score": 0 if row < 150 else row / 100, "flag": row % 2 == 0}
        for row in range(200)
    ]
    rows[180]["score"] = "n/a"
    path = write(tmp_path, "csv", rows)
    expected = [row["id"] for row in rows if row["score"] != "n/a" and row["score"] > 1.77 and row["flag"]]
    for size in SIZES:
        assert ids(path, where="score > 1.77 AND flag", rows=size) == expected
    assert ids(path, where="id > 197") == ["198", "199"]
    assert ids(path, where="id >= 197", id_template="{id}-{score}")[0] == "197-1.97"


def test_a_chunk_without_any_value_is_no_error(tmp_path: Path) -> None:
    for kind in ("jsonl", "json"):
        rows = [{"id": f"r{row}", "vector": [1.0], "t": None if row < 300 else f"t{row}"} for row in range(400)]
        for row in rows[:100]:
            row["t"] = "t"
        path = write(tmp_path, kind, rows)
        for size in (1, 50, 1000):
            assert ids(path, where="t LIKE 't3%'", rows=size) == [f"r{row}" for row in range(300, 400)]


# A name is believed


def late() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0], "data": {"a": 1}} for row in range(150)]
    for row in range(120, 150):
        rows[row] |= {"late": row, "note": f"n{row}", "numbers": [row, 1], "data": {"b": row}, "about": {"x": row}}
    return rows


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_field_behind_the_first_rows_is_loaded_and_looked_at(tmp_path: Path, kind: str) -> None:
    path, rows = write(tmp_path, kind, late()), late()
    found = [one for batch in batches(path, metadata_columns=("late", "data.b")) for one in batch.metadata or ()]
    expected = [{"late": row["late"], "data.b": row["data"]["b"]} if "late" in row else {} for row in rows]
    assert [one or {} for one in found] == expected
    found = [
        one
        for batch in batches(path, metadata_column="about", metadata_columns=("none",))
        for one in batch.metadata or ()
    ]
    assert [one or {} for one in found] == [row.get("about", {}) for row in rows]
    texts = [one for batch in batches(path, contents_column="note") for one in batch.contents or [None] * len(batch)]
    assert texts == [row.get("note") for row in rows]
    for where in ("late >= 140", "note >= 'n140'", "data.b >= 140", "about.x >= 140"):
        assert ids(path, where=where) == [f"r{row}" for row in range(140, 150)]
    assert ids(path, where="late >= 140", id_template="{late}/{data.b}")[0] == "140/140"
    assert ids(path, where="late >= 140", id_column="note")[0] == "n140"
    last = batches(path, where="late = 149", vector_column="numbers")
    assert [one.tolist() for batch in last for one in batch.vectors] == [[149.0, 1.0]]
    with pytest.raises(UsageError, match="'numbers'"):
        batches(path, vector_column="numbers")


def test_a_field_that_another_file_has_is_only_missing(tmp_path: Path) -> None:
    few = [{"id": f"f{row}", "vector": [1.0]} for row in range(3)]
    other = [{"id": f"o{row}", "vector": [1.0], "year": row, "data": {"n": row}} for row in range(3)]
    paths = [write(tmp_path, "jsonl", few, "few"), write(tmp_path, "jsonl", other, "other")]
    for both in (paths, paths[::-1]):
        assert ids(*both, where="year > 1") == ["o2"]
        assert sorted(ids(*both, where="data.n IS NULL")) == ["f0", "f1", "f2"]
        found = [one for batch in batches(*both, metadata_columns=("year",)) for one in batch.metadata or ()]
        assert sorted(one["year"] for one in found if one) == [0, 1, 2]
        assert len(found) == 6
    with pytest.raises(UsageError, match="years"):
        ids(*paths, where="years > 1")


def test_a_folders_column_and_the_names_of_a_template_are_no_late_fields(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "year=2024"
    folder.mkdir()
    write(folder, "jsonl", late())
    options: dict[str, Any] = {"where": "year = 2024 AND late > 147", "id_template": "{year}:{file}:{row}"}
    assert ids(tmp_path, **options) == ["2024:rows:148", "2024:rows:149"]
    notes, rows = noted(engine, tmp_path, metadata_columns=("year",), **options)
    assert rows["acknowledged"] == 2
    assert not [one for one in notes if "No row" in one]


def test_objects_of_several_shapes_have_the_fields_of_all(tmp_path: Path) -> None:
    rows = [{"id": "a", "vector": [1.0], "data": {"x": 1}}, {"id": "b", "vector": [1.0], "data": {"y": {"z": "s"}}}]
    path = write(tmp_path, "jsonl", rows)
    assert ids(path, where="data.y.z = 's'") == ["b"]
    with pytest.raises(UsageError, match=r"data\.y\.w"):
        ids(path, where="data.y.w = 's'")


def noted(engine: Engine, path: Path, **options: Any) -> tuple[list[str], dict[str, int]]:
    events: list[Any] = []
    report = run(
        LoadSettings(sources=(str(path),), index=engine.name(), target=engine.target, create=True, **options),
        events.append,
    )
    return [one.text for one in events if isinstance(one, Noted)], report.rows


def test_what_was_named_and_came_to_nothing_is_said(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl", late())
    notes, rows = noted(engine, path, where="id = 'nobody'")
    assert rows["read"] == 0
    assert [one for one in notes if "No row meets --where" in one] == [
        "No row meets --where \"id = 'nobody'\": nothing is loaded."
    ]
    notes, rows = noted(engine, path, metadata_columns=("laet", "late"))
    assert rows["acknowledged"] == 150
    assert [one for one in notes if "No row has a field" in one] == [
        "No row has a field 'laet', which an option names. Is it spelled as in the files?"
    ]
    notes, _ = noted(engine, path, metadata_columns=("late",), where="late > 1")
    assert not [one for one in notes if "No row" in one]


def test_inspect_says_that_no_row_meets_a_condition(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl", late())
    found = inspect(InspectSettings(sources=(str(path),), where="id = 'nobody'"))
    assert [one for one in found.remarks if "No row meets --where" in one]
    assert not inspect(InspectSettings(sources=(str(path),), where="id = 'r1'")).remarks


def test_the_advice_for_a_field_that_was_not_planned_works(engine: Engine, tmp_path: Path) -> None:
    path, index = write(tmp_path, "jsonl", late()), engine.name()
    options: dict[str, Any] = {"index": index, "target": engine.target}
    events: list[Any] = []
    run(LoadSettings(sources=(str(path),), create=True, metadata_columns=("none",), **options), events.append)
    assert any("--metadata-columns about would load it" in one.text for one in events if isinstance(one, Noted))
    cyborg_ingest.load(path, metadata_columns=("about",), **options)
    assert engine.read(index, ["r130"])["r130"].metadata == {"about": {"x": 130}}


# Choose first, judge then


def faulty() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"id": f"r{row}", "vector": [1.0, 2.0], "keep": row % 2 == 0, "n": row} for row in range(12)
    ]
    rows[1]["vector"] = [1.0, 2.0, 3.0]
    rows[3]["vector"] = None
    rows[5]["vector"] = [0.0, 0.0]
    rows[7]["id"] = ""
    return rows


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "arrow"])
def test_a_row_that_is_not_asked_for_is_not_judged(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, faulty())
    for size in SIZES:
        assert rejected(path, where="keep", rows=size) == []
        assert ids(path, where="keep", rows=size) == [f"r{row}" for row in range(0, 12, 2)]
        assert [row for row, _ in rejected(path, where="n <= 5", rows=size)] == [1, 3, 5]


def test_json_that_a_reader_cannot_use_is_not_judged_either(tmp_path: Path) -> None:
    rows = faulty()
    rows[1] |= {"metadata": [1], "contents": 5, "id": 1.5}
    rows[3] |= {"vector": "no list", "metadata": {"f": math.nan}}
    rows[5] |= {"vector": [True, 1.0], "contents": {"base64": "?"}}
    rows[7] |= {"vector": [1.0, "x"]}
    rows[9] |= {"vector": [1.0, 10**400], "metadata": {"deep": math.inf}}
    for kind in ("jsonl", "json"):
        path = write(tmp_path, kind, rows)
        for size in SIZES:
            assert rejected(path, where="keep", rows=size) == []
            assert {row for row, _ in rejected(path, rows=size)} == {1, 3, 5, 7, 9}


def test_metadata_that_is_no_json_is_only_found_in_rows_that_are_asked_for(tmp_path: Path) -> None:
    rows = [
        {"id": f"r{row}", "vector": [1.0], "f": math.inf if row in {1, 2, 5} else 1.0, "n": row} for row in range(8)
    ]
    for kind in ("parquet", "arrow"):
        path = write(tmp_path, kind, rows)
        for size in SIZES:
            found = rejected(path, where="n IN (0, 2, 4, 6)", metadata_columns=("f",), rows=size)
            assert found == [(2, "metadata_not_finite")]


def test_cells_of_csv_that_a_role_cannot_use_are_not_judged_either(tmp_path: Path) -> None:
    rows = [{"id": f"r{row}", "vector": [1.0], "year": 2000 + row, "kind": "ab"[row % 2]} for row in range(120)]
    rows[111] |= {"year": "n/a"}
    rows[113] |= {"vector": "[1.0"}
    path = write(tmp_path, "csv", rows)
    for size in SIZES:
        assert rejected(path, where="kind = 'a'", metadata_columns=("year",), rows=size) == []
        assert rejected(path, where="year > 2110", metadata_columns=("year",), rows=size) == [(113, "vector_invalid")]


def test_the_dimension_is_that_of_the_first_row_that_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    rows = [{"id": f"r{row}", "vector": [1.0] * (3 if row < 2500 else 2), "n": row} for row in range(2520)]
    path, index = write(tmp_path, "jsonl", rows), engine.name()
    report = cyborg_ingest.load(path, index=index, target=engine.target, create=True, where="n >= 2500", batch_rows=100)
    assert report.rows["acknowledged"] == 20
    assert engine.read(index, ["r2501"])["r2501"].vector == np.ones(2, "<f4").tobytes()


def test_what_cannot_be_read_far_enough_to_be_chosen_is_rejected_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl", faulty())
    path.write_text(path.read_text("utf-8") + '{"id": "broken", "keep": fal\n', "utf-8")
    for size in SIZES:
        found = [one for batch in batches(path, where="keep", rows=size) for one in batch.rejections]
        assert [(one.row, one.line, one.reason.value) for one in found] == [(12, 13, "unparsable")]
        assert "--where cannot tell whether to load it" in found[0].detail


def test_text_that_is_not_utf8_is_only_rejected_where_it_decides(tmp_path: Path) -> None:
    texts = pa.array([b"en", b"\xff", b"de", b"\xff"]).view(pa.string())
    data = pa.table({"id": ["a", "b", "c", "d"], "vector": [[1.0]] * 4, "t": texts, "n": [1, 2, 3, 4]})
    pq.write_table(data, tmp_path / "bytes.parquet")
    with pa.ipc.new_file(tmp_path / "bytes.arrow", data.schema) as out:
        out.write_table(data)
    for path in (tmp_path / "bytes.parquet", tmp_path / "bytes.arrow"):
        for where in ("t = 'en'", "t LIKE 'en'", "NOT t > 'en'", "t IN ('en')"):
            assert [row for row, _ in rejected(path, where=where, metadata_columns=("n",))] == [1, 3], where
        assert rejected(path, where="t = 'en' AND n != 2 AND n != 4") == []
        assert ids(path, where="t = 'en' OR n = 2", metadata_columns=("n",)) == ["a", "b"]


def test_a_line_of_a_sidecar_that_cannot_be_read_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((4, 2), np.float32))
    (tmp_path / "c.jsonl").write_text('"a"\nnull\n{"x": 1}\n"b"\n', "utf-8")
    options: dict[str, Any] = {"contents": tmp_path / "c.jsonl"}
    assert ids(tmp_path / "v.npy", where="contents IS NULL", **options) == ["1"]
    assert rejected(tmp_path / "v.npy", where="contents IS NULL", **options) == [(2, "contents_invalid")]
    assert rejected(tmp_path / "v.npy", where="contents IS NOT NULL", **options) == [(2, "contents_invalid")]
    assert rejected(tmp_path / "v.npy", where="id < '2'", **options) == []


@pytest.mark.parametrize("limit", [None, 9, 3])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_another_limit_goes_on_with_the_rows_that_the_condition_takes(
    engine: Engine, tmp_path: Path, kind: str, limit: int | None
) -> None:
    rows = [{"id": f"r{row}", "vector": [0.0 if row == 33 else 1.0, 0.0], "n": row} for row in range(60)]
    path, index = write(tmp_path, kind, rows), engine.name()
    wanted = [f"r{row}" for row in range(60) if row % 10 in {3, 4}]  # the bad one is the seventh
    options: dict[str, Any] = {
        "index": index, "target": engine.target, "create": True, "batch_rows": 2, "workers": 1,
        "where": " OR ".join(f"n = {one[1:]}" for one in wanted),
    }  # fmt: skip
    with pytest.raises(BadRowError) as stopped:
        cyborg_ingest.load(path, limit=8, **options)
    assert stopped.value.report is not None
    before = stopped.value.report.rows["acknowledged"]
    assert before == 6
    report = cyborg_ingest.load(path, limit=limit, max_errors="1", **options)
    asked = len(wanted) if limit is None else limit
    assert report.rows["read"] == asked
    assert report.rows["skipped"] == min(before, asked)
    assert report.rows["acknowledged"] == max(0, asked - before - 1)
    expected = [one for one in wanted[: max(asked, before)] if one != "r33"]
    assert sorted(engine.read(index, [f"r{row}" for row in range(60)])) == sorted(expected)


def test_a_bad_row_stops_a_load_only_where_the_condition_takes_it(service: Any, tmp_path: Path) -> None:
    path, name, key = write(tmp_path, "jsonl", faulty()), "chosen-and-judged", bytes(range(32))
    (tmp_path / "key").write_text(key.hex())
    options: dict[str, Any] = {
        "index": name, "target": service.url, "create": True, "index_key_file": tmp_path / "key",
    }  # fmt: skip
    with pytest.raises(BadRowError):
        cyborg_ingest.load(path, where="n <= 5", **options)
    cyborg_ingest.load(path, where="keep", **options)
    stored = cyborgdb.Client(service.url).load_index(name, key).get([f"r{row}" for row in range(12)])
    assert {row["id"] for row in stored} >= {f"r{row}" for row in range(0, 12, 2)}
    assert not {row["id"] for row in stored} & {"r1", "r3", "r5", "r7"}
