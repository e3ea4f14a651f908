"""Paths lead into structs and into lists, in every option that names a column, and in every format that has such."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather
from rows_read import rows_read
from where import ROOT, TESTS

from cyborg_ingest.errors import MappingError
from cyborg_ingest.model import Reason
from cyborg_ingest.rows.paths import above_lists, column_of, has_value, head, is_path, steps, value_at
from cyborg_ingest.rows.typed import items_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EMBEDDINGS = "response.body.data[0].embedding"


def answer(number: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": [number + 0.5, -1.0, 0.25]}]
    return {"custom_id": f"doc-{number}", "response": {"body": {"data": data, "tags": [f"t{number}", "x"]}}}


ANSWERS = [
    answer(0),
    answer(1),
    {"custom_id": "short", "response": {"body": {"data": [], "tags": []}}},
    {"custom_id": "null", "response": {"body": {"data": None, "tags": None}}},
    {"custom_id": "none", "response": None},
    answer(5),
]


def as_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_json(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".json")
    path.write_text(json.dumps(rows, indent=1))
    return path


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    return path


def as_arrow(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".arrow")
    feather.write_feather(pa.Table.from_pylist(rows), path, compression="uncompressed")
    return path


EVERY = pytest.mark.parametrize("write", [as_jsonl, as_json, as_parquet, as_arrow])


@EVERY
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_a_path_into_lists_names_the_vector_and_a_row_without_that_place_has_none(
    write: Callable[..., Path], chunk: int, tmp_path: Path
) -> None:
    found = rows_read(write(tmp_path / "rows", ANSWERS), chunk=chunk, id_column="custom_id", vector_column=EMBEDDINGS)
    assert found.ids == ["doc-0", "doc-1", "doc-5"]
    assert found.vectors == [[0.5, -1.0, 0.25], [1.5, -1.0, 0.25], [5.5, -1.0, 0.25]]
    assert [(one.id, one.reason) for one in found.rejected] == [
        (name, Reason.VECTOR_MISSING) for name in ("short", "null", "none")
    ]


@EVERY
def test_a_path_into_lists_names_ids_contents_fields_and_parts_of_ids(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        {"keys": [f"k{place}"], "embeddings": [[1.0 + place, 2.0], [9.0, 9.0]], "texts": ["no", f"text {place}"]}
        for place in range(5)
    ]
    path = write(tmp_path / "rows", rows)
    named: dict[str, Any] = {
        "vector_column": "embeddings[0]",
        "contents_column": "texts[1]",
        "metadata_columns": ("texts[0]",),
    }
    found = rows_read(path, id_column="keys[0]", **named)
    assert found.ids == ["k0", "k1", "k2", "k3", "k4"]
    assert found.vectors == [[1.0 + place, 2.0] for place in range(5)]
    assert found.contents == [f"text {place}" for place in range(5)]
    assert found.metadata == [{"texts[0]": "no"}] * 5
    assert rows_read(path, id_template="{keys[0]}-{row}", **named).ids == [f"k{place}-{place}" for place in range(5)]


@EVERY
def test_the_places_of_a_list_of_vectors_are_told_apart(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tmp_path / "rows", [{"id": "a", "embeddings": [[1.0, 2.0], [3.0, 4.0]]}])
    assert rows_read(path, vector_column="embeddings[1]").vectors == [[3.0, 4.0]]
    found = rows_read(path, vector_column="embeddings[2]")
    assert [one.reason for one in found.rejected] == [Reason.VECTOR_MISSING]


@EVERY
def test_a_column_that_is_called_like_a_path_is_that_column(write: Callable[..., Path], tmp_path: Path) -> None:
    row = {"id": "a", "v[0]": [1.0, 2.0], "v": [[7.0, 8.0]]}
    assert rows_read(write(tmp_path / "rows", [row]), vector_column="v[0]").vectors == [[1.0, 2.0]]


def test_a_pattern_of_columns_stays_one_where_no_list_is_called_so(tmp_path: Path) -> None:
    path = as_parquet(tmp_path / "rows", [{"id": "a", "v0": 1.0, "v1": 2.0}])
    assert rows_read(path, vector_column="v[01]").vectors == [[1.0, 2.0]]
    assert rows_read(path, vector_column="v[0],v[1]").vectors == [[1.0, 2.0]]


@EVERY
def test_a_path_that_leads_nowhere_names_what_is_there(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tmp_path / "rows", ANSWERS)
    with pytest.raises(MappingError, match="--vector-column names 'response.body.data.embedding', which is not there"):
        rows_read(path, id_column="custom_id", vector_column="response.body.data.embedding")


@EVERY
def test_a_path_that_may_be_the_vector_is_suggested(write: Callable[..., Path], tmp_path: Path) -> None:
    rows = [{"id": "a", "found": {"by": [{"numbers": [1.0, 2.0]}]}}]
    path = write(tmp_path / "rows", rows)
    with pytest.raises(MappingError, match=r"Try --vector-column 'found.by\[0\].numbers'\."):
        rows_read(path)
    assert rows_read(path, vector_column="found.by[0].numbers").vectors == [[1.0, 2.0]]


def test_a_path_into_a_column_that_is_read_whole_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('id,vector\na,"[1.0, 2.0]"\n')
    with pytest.raises(MappingError, match=r"'vector\[0\]' leads into a list, and columns of csv are read whole"):
        rows_read(path, metadata_columns=("vector[0]",))


@pytest.mark.parametrize("first", [[], None, [{"embedding": None}], [{}]])
def test_what_the_first_row_has_decides_nothing(first: Any, tmp_path: Path) -> None:
    rows = [{"id": "x", "data": first}, {"id": "a", "data": [{"embedding": [1.0, 2.0]}]}]
    assert rows_read(as_jsonl(tmp_path / "rows", rows), vector_column="data[0].embedding").ids == ["a"]


def test_a_vector_that_something_else_is_made_of_too_is_itself_there(tmp_path: Path) -> None:
    path = as_jsonl(tmp_path / "rows", [{"id": "a", "data": {"v": [1.0, 2.0], "x": 1}}])
    found = rows_read(path, vector_column="data.v", metadata_columns=("data",))
    assert found.vectors == [[1.0, 2.0]]
    assert found.metadata == [{"data": {"v": [1.0, 2.0], "x": 1}}]


LISTS = [[1, 2], None, [], [3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.list_(pa.int64()), LISTS),
        (pa.large_list(pa.int64()), LISTS),
        (pa.list_(pa.int64(), 2), [[1, 2], None, [7, 8], [3, None], [4, 5]]),
        (pa.list_(pa.string()), [["a", "b"], None, [], [None], ["c"]]),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("start", [0, 2])
def test_the_item_at_a_place_is_as_python_has_it(kind: pa.DataType, values: list[Any], place: int, start: int) -> None:
    found = items_at(pa.array(values, kind).slice(start), place)
    assert found.to_pylist() == [one[place] if one and place < len(one) else None for one in values[start:]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        (EMBEDDINGS, ("response", "body", "data", 0, "embedding")),
        ("a[0][12].b", ("a", 0, 12, "b")),
        ("a[x]", ("a[x]",)),
        ("a[0]b", ("a[0]b",)),
        ("a[-1]", ("a[-1]",)),
        ("", ("",)),
    ],
)
def test_a_name_is_taken_apart_into_fields_and_places(name: str, expected: tuple[str | int, ...]) -> None:
    assert steps(name) == expected
    assert is_path(name) is (len(expected) > 1)
    assert head(name) == expected[0]


def test_a_name_stands_for_a_column_before_it_is_a_path() -> None:
    assert column_of({"a[0]", "a"}, "a[0]") == "a[0]"
    assert column_of({"a"}, "a[0].b") == "a"
    assert above_lists("a.b[0].c[1]") == "a.b"
    assert above_lists("a.b") == "a.b"


def test_a_value_is_there_though_it_is_null() -> None:
    row: dict[str, Any] = {"a": [{"b": None}], "c": None, "d.e": 1}
    assert has_value(row, "a[0].b")
    assert has_value(row, "a[0]")
    assert has_value(row, "c")
    assert has_value(row, "d.e")
    assert not any(has_value(row, name) for name in ("a[1]", "a[0].x", "c[0]", "c.x", "a.b", "x", "x[0]"))
    assert [value_at(row, name) for name in ("a[0].b", "a[1].b", "d.e", "c.x[0]")] == [None, None, 1, None]


def test_no_load_by_a_path_into_a_list_imports_pandas(tmp_path: Path) -> None:
    """To import it takes longer than many a load."""
    path = as_parquet(tmp_path / "rows", [{"id": "a", "v": [[1.0, 2.0]]}, {"id": "b", "v": []}])
    code = f"import sys; from rows_read import rows_read; rows_read({str(path)!r}, vector_column='v[0]')"
    command = [sys.executable, "-c", f"{code}; sys.exit('pandas' in sys.modules)"]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, TESTS))), "PATH": os.environ["PATH"]}
    assert subprocess.run(command, env=environment, check=False).returncode == 0
