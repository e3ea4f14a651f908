"""What is beside the vector in the column that it is in is stored, or left out and named: in JSON as in Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran
from rows_read import rows_read

from cyborg_ingest.output import wording
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

FORMS = pytest.mark.parametrize("form", ["parquet", "jsonl"])
ONE, OTHER = [0.5, 1.5, 2.5], [8.0, 9.0]
SPARSE = {"indices": [1, 7], "values": [0.5, 0.25]}


def written(folder: Path, form: str, *rows: dict[str, Any]) -> Path:
    path = folder / f"rows.{form}"
    rows = tuple({"id": f"r{place}", **row} for place, row in enumerate(rows))
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def said(path: Path, **options: Any) -> str:
    return "\n".join(wording.plan(planned(make_plan((str(path),), SourceSettings(**options)), "disk:x", "i")))


@FORMS
def test_a_sparse_vector_by_its_name_is_another_vector(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"vector": {"dense": ONE, "sparse": SPARSE}, "n": 1}] * 3)
    choices: list[dict[str, Any]] = [{}, {"vector_column": "vector.dense"}]
    for options in choices:
        found = rows_read(path, **options)
        assert (found.vectors, found.metadata) == ([ONE] * 3, [{"n": 1}] * 3)
        assert "left out  vector (other vectors)" in said(path, **options)


@FORMS
def test_the_other_of_two_vectors_by_their_names_is_left_out_and_named(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"vector": {"text": ONE, "image": OTHER}, "n": 1}] * 3)
    found = rows_read(path, vector_column="vector.text")
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"n": 1}] * 3)
    assert "left out  vector (other vectors)" in said(path, vector_column="vector.text")


@FORMS
def test_nothing_is_left_out_of_a_vector_by_its_name_alone(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"vector": {"text": ONE}, "n": 1}] * 3)
    assert rows_read(path).metadata == [{"n": 1}] * 3
    assert "left out" not in said(path)


def test_vectors_that_come_later_beside_the_one_by_its_name_are_not_stored(tmp_path: Path) -> None:
    late: dict[str, Any] = {"text": ONE, "image": OTHER, "sparse": SPARSE}
    rows = [{"vector": {"text": ONE}, "n": 1}] * 200
    path = written(tmp_path, "jsonl", *rows, {"vector": late, "n": 1}, {"vector": {**late, "model": "m"}, "n": 1})
    found = rows_read(path)
    assert found.vectors == [ONE] * 202
    assert found.metadata == [{"n": 1}] * 201 + [{"vector": {"model": "m"}, "n": 1}]


def test_vectors_that_come_later_beside_the_one_by_its_name_are_named(tmp_path: Path) -> None:
    rows = [{"vector": {"text": ONE}, "n": 1}] * 200
    path = written(tmp_path, "jsonl", *rows, {"vector": {"text": ONE, "image": OTHER}, "n": 1})
    done = ran("upsert", path, "--target", f"disk:{tmp_path / 'db'}", "--index", "docs", "--create", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "field 'vector.image' is not in the first rows, and is left out, as other vectors are." in done.stderr


@FORMS
def test_what_is_beside_metadata_in_an_object_is_stored_once(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"m": {"inner": {"v": ONE, "k": 1}, "other": 2}}] * 3)
    found = rows_read(path, metadata_column="m.inner", vector_column="m.inner.v")
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"m": {"other": 2}, "k": 1}] * 3)


@FORMS
def test_what_is_beside_a_vector_in_a_list_is_named(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"p": [{"embedding": ONE, "title": "t"}], "n": 1}] * 3)
    found = rows_read(path, vector_column="p[0].embedding")
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"n": 1}] * 3)
    assert "left out  p (the list that vectors are in)" in said(path, vector_column="p[0].embedding")
    path = written(tmp_path, form, *[{"q": {"p": [{"embedding": ONE, "title": "t"}], "k": 1}, "n": 1}] * 3)
    assert rows_read(path, vector_column="q.p[0].embedding").metadata == [{"q": {"k": 1}, "n": 1}] * 3
    assert "left out  q.p (the list that vectors are in)" in said(path, vector_column="q.p[0].embedding")
    path = written(tmp_path, form, *[{"p": [{"embedding": ONE}], "n": 1}] * 3)
    assert "left out" not in said(path, vector_column="p[0].embedding")


@FORMS
def test_what_is_declined_is_not_stored_because_the_vector_is_in_it(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"metadata": {"embedding": ONE, "k": 1}, "n": 1}] * 3)
    options: dict[str, Any] = {"vector_column": "metadata.embedding", "metadata_column": ""}
    found = rows_read(path, **options)
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"n": 1}] * 3)
    assert "left out  metadata (metadata not asked for)" in said(path, **options)


@FORMS
def test_a_vector_is_not_stored_again_in_the_metadata_that_it_is_in(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"data": {"embedding": ONE, "k": 1}, "other": 2}] * 3)
    asked: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"metadata_column": "data"}, {"k": 1, "other": 2}),
        ({"metadata_column": "data", "metadata_columns": ("other",)}, {"k": 1, "other": 2}),
        ({"metadata_column": "data", "metadata_columns": ("*",)}, {"k": 1, "other": 2}),
        ({"metadata_column": "data", "metadata_columns": ("none",)}, {"k": 1}),
        ({"metadata_columns": ("data.k",)}, {"data.k": 1}),
        ({"metadata_columns": ("data",)}, {"data": {"embedding": ONE, "k": 1}}),  # asked for by its name
    ]
    for options, metadata in asked:
        found = rows_read(path, vector_column="data.embedding", **options)
        assert (found.vectors, found.metadata) == ([ONE] * 3, [metadata] * 3), options


@FORMS
def test_numbers_of_a_vector_are_not_stored_again_in_the_metadata_that_they_are_in(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, *[{"data": {"x": 1.5, "y": 2.5, "k": 1}, "other": 2}] * 3)
    found = rows_read(path, vector_column="data.x,data.y", metadata_column="data", metadata_columns=("other",))
    assert (found.vectors, found.metadata) == ([[1.5, 2.5]] * 3, [{"k": 1, "other": 2}] * 3)


@FORMS
def test_a_list_that_vectors_are_in_is_cut_out_of_metadata_and_named(form: str, tmp_path: Path) -> None:
    inside = [{"e": ONE, "t": 1}]
    path = written(tmp_path, form, *[{"data": {"p": inside, "k": 1}, "other": 2}] * 3)
    told = "data.p (the list that vectors are in)"
    asked: list[tuple[tuple[str, ...], dict[str, Any], bool]] = [
        (("other",), {"k": 1, "other": 2}, True),
        (("data.p",), {"k": 1, "data.p": inside}, False),
        (("data.p[0]",), {"k": 1, "data.p[0]": inside[0]}, False),
        (("data.p[0].t",), {"k": 1, "data.p[0].t": 1}, False),
    ]
    for columns, metadata, is_named in asked:
        options: dict[str, Any] = {
            "vector_column": "data.p[0].e", "metadata_column": "data", "metadata_columns": columns,
        }  # fmt: skip
        assert rows_read(path, **options).metadata == [metadata] * 3, columns
        assert (told in said(path, **options)) is is_named


@FORMS
def test_a_column_that_vectors_are_in_is_stored_where_all_are_asked_for(form: str, tmp_path: Path) -> None:
    for field in ([{"e": ONE, "t": 1}], {"e": ONE, "t": 1}):
        path = written(tmp_path, form, *[{"p": field, "other": 2}] * 3)
        vector = "p[0].e" if isinstance(field, list) else "p.e"
        found = rows_read(path, vector_column=vector, metadata_columns=("*",))
        assert (found.vectors, found.metadata) == ([ONE] * 3, [{"p": field, "other": 2}] * 3)
