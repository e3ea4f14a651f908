"""Several rows in the lists of one line or document: loaded as rows, or the next step does not lose any."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from advised import run, says
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, MappingError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

UPSERT = ("--index", "i", "--target", "disk:d", "--dry-run", "--create", "--key-out", "k")
POINTS = [{"result": {"points": [{"id": 2 * page + n, "vector": [page, n, 1.0]} for n in range(2)]}} for page in (0, 1)]
FLOATS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def cohere(**more: Any) -> dict[str, Any]:
    return {"id": "u", "texts": ["x", "y"], "embeddings": {"float": FLOATS, **more}, "meta": {"api_version": 2}}


@pytest.mark.parametrize("name", ["pages.jsonl", "pages.json"])
def test_pages_on_lines_are_told_how_no_row_is_lost(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps(page) for page in POINTS]
    (tmp_path / name).write_text("\n".join(lines))
    code, told = run("upsert", name, *UPSERT)
    words = " ".join(told.split())
    assert code == 2
    assert "Try --vector-column 'result.points[0].vector'. It takes the first item of each list alone: " in words
    says(words, "{} with --records {}.")
    assert words.endswith("as a .json file by itself and load these with --records result.points.")
    for place, line in enumerate(lines):
        (tmp_path / f"page{place}.json").write_text(line)
    pages = [tmp_path / "page0.json", tmp_path / "page1.json"]
    assert rows_read(*pages, records="result.points").ids == ["0", "1", "2", "3"]


def test_an_answer_with_embeddings_by_their_type_is_columns(tmp_path: Path) -> None:
    path = tmp_path / "cohere.json"
    path.write_text(json.dumps(cohere()))
    found = rows_read(path, id_template="{file}-{row}", contents_column="texts")
    assert (found.ids, found.vectors, found.contents) == (["cohere-0", "cohere-1"], FLOATS, ["x", "y"])


def test_of_embeddings_of_several_types_one_is_named_and_the_texts_stay_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "cohere.json"
    path.write_text(json.dumps(cohere(int8=[[1, 2, 3], [4, 5, 6]])))
    with pytest.raises(MappingError, match=r"Try --vector-column embeddings\.float\.$"):
        rows_read(path, id_template="{file}-{row}")
    found = rows_read(path, id_template="{file}-{row}", vector_column="embeddings.float", metadata_columns=("none",))
    assert (found.vectors, found.contents) == (FLOATS, ["x", "y"])
    found = rows_read(path, id_template="{file}-{row}", vector_column="embeddings.int8", metadata_columns=("none",))
    assert (found.vectors, found.contents) == ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ["x", "y"])


def test_a_column_that_has_the_name_of_embeddings_by_their_type_is_an_error_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "cohere.json"
    path.write_text(json.dumps({"embeddings.float": ["x", "y"], **cohere(int8=[[1, 2, 3], [4, 5, 6]])}))
    with pytest.raises(FormatError, match=r'two of its columns are named "embeddings\.float"\. Write it with one\.$'):
        rows_read(path, id_template="{row}", vector_column="embeddings.int8")


def test_what_is_loaded_of_embeddings_by_their_type_is_not_said_to_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "cohere.json"
    path.write_text(json.dumps(cohere(int8=[[1, 2, 3], [4, 5, 6]])))
    settings = SourceSettings(id_template="{row}", vector_column="embeddings.int8")
    notes = make_plan((str(path),), settings).sources[0].layout.notes
    assert f"{path}: beside its rows, and not loaded: id, meta." in notes


def test_such_answers_on_lines_are_refused_with_a_step_that_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cohere.jsonl"
    path.write_text(f"{json.dumps(cohere())}\n{json.dumps(cohere())}\n")
    with pytest.raises(
        MappingError, match=r"embeddings\.float\[0\].* first item .* as a \.json file by itself and load these\.$"
    ):
        rows_read(path, id_template="{file}-{row}")


@pytest.mark.parametrize("inner", [{"float": [[1.0, 2.0]]}, {"float": [[1.0, 2.0]] * 3}])
def test_a_list_of_vectors_of_another_length_is_no_column(inner: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"texts": ["x", "y"], "embeddings": inner}))
    with pytest.raises(MappingError, match="first item of each list alone"):
        rows_read(path, id_template="{file}-{row}")


def test_a_path_through_no_list_says_nothing_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"id": "a", "inner": {"numbers": [1.0, 2.0]}}))
    with pytest.raises(MappingError, match=r"Try --vector-column inner\.numbers\.$"):
        rows_read(path)
