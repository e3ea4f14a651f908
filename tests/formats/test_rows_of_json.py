"""What decides about a row of JSON: what of it is loaded, whether it is refused and why, each row by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from cyborg_ingest.formats import jsonl
from cyborg_ingest.formats.fields import contents, contents_array, identity, part
from cyborg_ingest.model import Reason
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Batch, Chunk, Rejection
    from cyborg_ingest.plan.reading import Plan

GOOD = {"id": "good", "vector": [1.0, 2.0]}


def planned(folder: Path, *lines: str | dict[str, Any], **options: Any) -> Plan:
    path = folder / "rows.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), "utf-8")
    return make_plan((str(path),), SourceSettings(**options))


def read(plan: Plan, rows: int = 100) -> list[Batch]:
    return list(cut(plan.chunks(rows), plan.dimension, Cutting(100, 1 << 20, encoded=True)))


def rejected(batches: list[Batch]) -> list[Rejection]:
    return [one for batch in batches for one in batch.rejections]


def test_an_object_of_metadata_is_kept_beside_fields_of_its_own(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {**GOOD, "metadata": {"x": 1}, "year": 2},
        {**GOOD, "metadata": {"year": 9}},
        {**GOOD, "year": None},
    ]
    (batch,) = read(planned(tmp_path, *rows, metadata_columns=("year",)))
    assert batch.metadata == [{"x": 1, "year": 2}, {"year": 9}, {"year": None}]


def test_with_a_star_the_object_of_metadata_is_kept_beside_all_other_fields(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {**GOOD, "metadata": {"x": 1, "year": 0}, "year": 2, "late": [1, "a"], "contents": "text"}
    ]
    (batch,) = read(planned(tmp_path, *rows, metadata_columns=("*",)))
    assert batch.metadata == [{"x": 1, "year": 2, "late": [1, "a"]}]
    assert batch.contents == ["text"]


BAD_VECTORS: dict[str, tuple[Any, Reason, str]] = {
    "true first": ([True, 2], Reason.VECTOR_INVALID, "the vector holds true or false"),
    "false last": ([1, False], Reason.VECTOR_INVALID, "the vector holds true or false"),
    "text": ([1, "x"], Reason.VECTOR_INVALID, "the vector holds 'x'"),
    "no list": ("x, y", Reason.VECTOR_INVALID, "the vector is text, not a list of numbers"),
    "a number": (7, Reason.VECTOR_INVALID, "the vector is a number, not a list of numbers"),
    "an object": ({"a": 1}, Reason.VECTOR_INVALID, "the vector is an object, not a list of numbers"),
    "an object in it": ([1, {"a": 1}], Reason.VECTOR_INVALID, "the vector holds"),
    "beyond float": ([1, 10**400], Reason.VECTOR_OVERFLOW, "beyond float32"),
    "beyond float32": ([1, 1e39], Reason.VECTOR_OVERFLOW, "beyond float32"),
    "missing": (None, Reason.VECTOR_MISSING, "null"),
    "zeros": ([0, 0], Reason.VECTOR_ZERO, "zero"),
    "short": ([1], Reason.VECTOR_DIMENSION, "1 dimensions, not 2"),
    "null in it": ([1, None], Reason.VECTOR_INVALID, "null"),
}


@pytest.mark.parametrize("kind", BAD_VECTORS)
def test_a_vector_that_is_none_is_refused_for_what_it_is_and_its_neighbours_are_loaded(
    tmp_path: Path, kind: str
) -> None:
    value, reason, words = BAD_VECTORS[kind]
    rows = [{**GOOD, "id": "first"}, {"id": "bad", "vector": value}, {**GOOD, "id": "last"}]
    batches = read(planned(tmp_path, *rows))
    (rejection,) = rejected(batches)
    assert (rejection.row, rejection.line, rejection.id, rejection.reason) == (1, 2, "bad", reason)
    assert words in rejection.detail
    assert rejection.record == ({"id": "bad"} if value is None else {"id": "bad", "vector": value})
    assert [identity for one in batches for identity in one.ids] == ["first", "last"]
    assert [one.vectors.tolist() for one in batches] == [[[1.0, 2.0], [1.0, 2.0]]]


def test_a_vector_that_is_named_twice_costs_no_neighbour_a_row(tmp_path: Path) -> None:
    """The last one of a name counts. That row is read the slow way, and so is the one that is bad."""
    twice = '{"id": "twice", "vector": [9.0, 9.0], "vector": [3.0, 4.0]}'
    batches = read(planned(tmp_path, GOOD, twice, {"id": "bad", "vector": [1, "x"]}, {**GOOD, "id": "last"}))
    (rejection,) = rejected(batches)
    assert (rejection.row, rejection.reason) == (2, Reason.VECTOR_INVALID)
    (batch,) = batches
    assert batch.ids == ["good", "twice", "last"]
    assert batch.vectors.tolist() == [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    assert batch.rows.tolist() == [0, 1, 3]


BAD_ROWS: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "an id that is a list": ({"id": [1]}, Reason.ID_INVALID, "the id is an array; ids are text or whole numbers"),
    "an id that is a float": ({"id": 1.5}, Reason.ID_INVALID, "the id is a number"),
    "an id that is true": ({"id": True}, Reason.ID_INVALID, "the id is a boolean"),
    "no id": ({"id": None}, Reason.ID_MISSING, "the id is null"),
    "an empty id": ({"id": ""}, Reason.ID_MISSING, "the id is empty"),
    "metadata that is a list": ({"metadata": [1]}, Reason.METADATA_INVALID, "the metadata is an array, not an object"),
    "metadata that is a number": ({"metadata": 3}, Reason.METADATA_INVALID, "the metadata is a number, not an object"),
    "infinite metadata": ({"metadata": {"a": [float("inf")]}}, Reason.METADATA_NOT_FINITE, "inf"),
    "contents that are a number": ({"contents": 3}, Reason.CONTENTS_INVALID, "the contents are a number"),
    "contents that are not base64": ({"contents": {"base64": "?"}}, Reason.CONTENTS_INVALID, "not base64"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_each_reason_of_a_rejection_is_told_apart(tmp_path: Path, kind: str) -> None:
    changed, reason, words = BAD_ROWS[kind]
    plain = {**GOOD, "metadata": {"a": 1}, "contents": "text"}
    batches = read(planned(tmp_path, plain, {**plain, **changed}, plain))
    (rejection,) = rejected(batches)
    assert (rejection.row, rejection.reason) == (1, reason)
    assert words in rejection.detail
    assert rejection.record is not None
    assert {name: rejection.record.get(name) for name in ("id", "vector", "metadata", "contents")}.items() >= {
        name: value for name, value in plain.items() if name not in changed
    }.items()
    assert sum(map(len, batches)) == 2


def test_a_line_that_is_no_object_is_unparsable_and_kept_as_it_is(tmp_path: Path) -> None:
    batches = read(planned(tmp_path, GOOD, '{"id": "x", ', "[1, 2]", GOOD))
    assert [(one.row, one.line, one.reason, one.record) for one in rejected(batches)] == [
        (1, 2, Reason.UNPARSABLE, {"_line": '{"id": "x", '}),
        (2, 3, Reason.UNPARSABLE, {"_line": "[1, 2]"}),
    ]


def test_fields_that_are_not_loaded_are_named_only_where_they_were_not_planned(tmp_path: Path) -> None:
    lines = [{**GOOD, "known": 1}] * 120 + [{**GOOD, "known": 1, "later": 1}, {**GOOD, "_rejected": {}, "metadata": {}}]
    (chunk,) = planned(tmp_path, *lines, metadata_columns=("none",)).chunks(1000)
    assert chunk.unplanned == ("later",)
    (chunk,) = planned(tmp_path, *lines).chunks(1000)
    assert chunk.unplanned == ()
    (chunk,) = planned(tmp_path, *lines, {**GOOD, "payload": {}, "later": 1}).chunks(1000)
    assert chunk.unplanned == ("payload",)


def test_a_later_part_read_alone_gives_the_same_rows_and_lines_as_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "PART_BYTES", 200)
    lines = [json.dumps({"id": f"r{row}", "vector": [1, row]}) + ("\n" if row % 3 == 0 else "") for row in range(40)]
    plan = planned(tmp_path, *lines)
    parts = plan.sources[0].layout.parts
    assert len(parts) > 5

    def rows_of(chunks: list[Chunk]) -> list[tuple[int, int, int, list[int], list[str]]]:
        return [
            (one.part.number, one.start, one.first_row, [] if one.lines is None else one.lines.tolist(),
             one.batch.column(one.columns.id or "").to_pylist())
            for one in chunks if len(one.batch)
        ]  # fmt: skip

    def alone(number: int) -> list[Chunk]:
        return list(jsonl.JsonlReader().read(parts[number], plan.sources[0].columns, plan.sidecars, rows=4))

    in_order = rows_of(list(plan.chunks(4)))
    assert [name for one in in_order for name in one[4]] == [f"r{row}" for row in range(40)]
    assert [line for one in in_order for line in one[3]] == [row + (row + 2) // 3 + 1 for row in range(40)]
    assert [row for one in in_order for row in range(one[2], one[2] + len(one[4]))] == list(range(40))
    for number in reversed(range(len(parts))):
        assert rows_of(alone(number)) == [one for one in in_order if one[0] == number], number


def test_ids_and_their_parts_are_text_and_whole_numbers() -> None:
    assert [identity(one) for one in (None, "", "é", 7, -(10**30))] == [None, "", "é", "7", str(-(10**30))]
    assert [part(one) for one in (True, False, 1.10, 3, "x", None)] == ["true", "false", "1.1", "3", "x", None]
    for value in list[Any]([True, 1.5, [1], {}, "\ud800"]):
        with pytest.raises(ValueError, match=r"the id is|surrogate"):
            identity(value)
    for value in list[Any]([float("nan"), float("-inf"), [1], {}]):
        with pytest.raises(ValueError, match=r"is (nan|-inf), no finite number|is an (array|object); ids are made of"):
            part(value)


def test_contents_are_text_or_bytes_in_any_mixture() -> None:
    values = ["text", None, {"base64": "/w=="}, "", {"base64": ""}, {"base64": "YQ=="}, "last"]
    found = [contents(one) for one in values]
    assert found == ["text", None, b"\xff", "", b"", b"a", "last"]
    assert contents_array(found).to_pylist() == found
    assert contents_array(["a", None]).to_pylist() == ["a", None]
    for value in list[Any]([{"base64": "/w"}, {"base64": 3}, {"base64": "", "x": 1}, 3, True, [], "\udfff"]):
        with pytest.raises(ValueError, match=r"the contents are|surrogate"):
            contents(value)


def test_a_rejected_row_with_bytes_as_contents_has_them_as_base64() -> None:
    from test_batches import COLUMNS, PART  # noqa: PLC0415 - its columns

    from cyborg_ingest.model import Chunk  # noqa: PLC0415

    columns = {
        "id": pa.array([""]), "vector": pa.array([[1.0]]), "metadata": pa.array(['{"n": 1}']),
        "contents": pa.array([b"\xff"]),
    }  # fmt: skip
    chunk = Chunk(PART, 0, 0, pa.RecordBatch.from_pydict(columns), COLUMNS)
    (batch,) = cut([chunk], None, Cutting(10, 1000, encoded=False))
    (rejection,) = batch.rejections
    assert rejection.record == {"vector": [1.0], "metadata": {"n": 1}, "contents": {"base64": "/w=="}}
    kept = replace(chunk, batch=pa.RecordBatch.from_pydict({**columns, "id": pa.array(["a"])}))
    (batch,) = cut([kept], None, Cutting(10, 1000, encoded=False))
    assert (batch.contents, batch.vectors.dtype) == ([b"\xff"], np.dtype("<f4"))
