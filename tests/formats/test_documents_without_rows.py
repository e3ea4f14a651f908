"""JSON with nothing to load in it, or not where it is looked for: the message says what is there, and what to do.

The documents are answers as the programs give them: Chroma's get, Elasticsearch, Qdrant, Ollama, OpenAI.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from advised import says
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, MappingError

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = [0.25] * 8
AGAIN = (
    "and no other vectors are in it. Get the data again with its vectors: some programs leave them out unless they are "
    'asked for (Chroma: include=["embeddings"]).'
)
MAY_BE = "If that may be, say so with --allow-empty."
CHROMA = {"ids": ["a", "b"], "embeddings": [VECTOR, VECTOR], "documents": ["x", "y"], "uris": None, "data": None}


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"data": [], "error": {"message": "boom"}}, "it holds an error and no vectors: 'boom'. Get the data again."),
        ({"error": {"message": "m", "code": 429}}, "it holds an error and no vectors: 'm (429)'. Get the data again."),
        ({"object": "list", "data": [], "error": None}, f"it holds no rows: data is empty. {MAY_BE}"),
        ({"took": 1, "hits": {"total": {"value": 0}, "hits": []}}, f"it holds no rows: hits.hits is empty. {MAY_BE}"),
        ({"result": {"points": [], "next_page_offset": None}}, f"it holds no rows: result.points is empty. {MAY_BE}"),
        ({**CHROMA, "embeddings": None}, f"embeddings is null, {AGAIN}"),
        ({**CHROMA, "embeddings": None, "metadatas": [{"k": 1}, None]}, f"embeddings is null, {AGAIN}"),
        ({**CHROMA, "embeddings": []}, f"embeddings is empty, {AGAIN}"),
        (
            {"ids": [], "embeddings": [], "documents": None},
            f"it holds no rows: ids, embeddings are empty. {MAY_BE}",
        ),
        ([VECTOR, VECTOR], "Vectors alone, without names, are loaded as .npy: save them with numpy.save."),
    ],
)
def test_what_is_there_instead_of_rows_is_said(document: Any, words: str, tmp_path: Path) -> None:
    path = written(tmp_path / "answer.json", document)
    with pytest.raises(FormatError) as caught:
        rows_read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"id": "a", "emb": "[1.0, 2.0]"}], "error": {"message": "boom"}, "embedding": None},
        {"id": "a", "emb": "[1.0, 2.0]", "tags": [], "error": "x"},
        {"ids": ["a"], "embeddings": [[1.0, 2.0]], "errors": ["x"], "vector": None},
    ],
)
def test_rows_with_vectors_are_loaded_whatever_is_beside_them(document: Any, tmp_path: Path) -> None:
    found = rows_read(written(tmp_path / "rows.json", document))
    assert (found.ids, found.vectors) == (["a"], [[1.0, 2.0]])


def test_a_last_page_without_rows_ends_no_load_of_the_pages(tmp_path: Path) -> None:
    """Elasticsearch's scroll and Qdrant's end with such a page."""
    written(tmp_path / "page0.json", {"result": {"points": [{"id": 7, "vector": VECTOR}], "next_page_offset": 8}})
    last = written(tmp_path / "page1.json", {"result": {"points": [], "next_page_offset": None}})
    assert rows_read(tmp_path).ids == ["7"]
    with pytest.raises(FormatError, match=r"page1\.json: its array is empty\. If that may be"):
        rows_read(last, records="result.points")


def test_one_request_that_failed_is_a_row_that_failed(tmp_path: Path) -> None:
    answer = {"id": "r", "custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "late"}}
    found = rows_read(written(tmp_path / "answer.json", answer))
    assert [one.detail for one in found.rejected] == ["the request failed: late (batch_expired)"]


@pytest.mark.parametrize("empty", ["uris", "documents", "ids"])
def test_an_empty_list_beside_columns_is_none_of_them(empty: str, tmp_path: Path) -> None:
    path = written(tmp_path / "chroma.json", {**CHROMA, empty: []})
    found = rows_read(path, id_template="{row}")
    assert found.vectors == [VECTOR, VECTOR]
    assert found.contents == ([None, None] if empty == "documents" else ["x", "y"])


def test_vectors_alone_in_an_answer_are_rows(tmp_path: Path) -> None:
    """Ollama's answer to /api/embed: nothing beside the vectors is of a row."""
    answer = {"model": "all-minilm", "embeddings": [[0.25, 0.5], [0.75, 1.0]], "total_duration": 14143917}
    path = written(tmp_path / "answer.json", answer)
    with pytest.raises(MappingError, match=r"--id-template '\{file\}-\{row\}'"):
        rows_read(path)
    found = rows_read(path, id_template="{file}-{row}")
    assert (found.ids, found.vectors) == (["answer-0", "answer-1"], answer["embeddings"])


@pytest.mark.parametrize("more", [{"id": "a"}, {"text": "words"}, {"metadata": {"k": 1}}])
def test_vectors_beside_what_one_row_has_are_several_of_one_row(more: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "row.json", {**more, "embeddings": [VECTOR, VECTOR]})
    with pytest.raises(MappingError, match="Each row holds several vectors"):
        rows_read(path, id_template="{row}")


@pytest.mark.parametrize(
    ("value", "shown"), [(5, "5"), ("text", '"text"'), (None, "null"), (True, "true"), ("w" * 99, '"' + "w" * 39)]
)
def test_records_that_are_no_list_are_shown(value: Any, shown: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.json", {"n": value, "data": [{"id": "a", "vector": VECTOR}]})
    with pytest.raises(FormatError) as caught:
        rows_read(path, records="n")
    says(str(caught.value), ": --records names {}, which is {} and holds no rows. {}")
    assert str(caught.value).endswith(f"--records names 'n', which is {shown} and holds no rows. It holds data.")
    assert rows_read(path, records="data").ids == ["a"]


def lines(path: Path, items: list[Any]) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text("\n".join(json.dumps({"id": str(row), "items": one}) for row, one in enumerate(items)))
    return path


def table(path: Path, items: list[Any]) -> Path:
    path = path.with_suffix(".parquet")
    pd.DataFrame({"id": [str(row) for row, _ in enumerate(items)], "items": items}).to_parquet(path)
    return path


@pytest.mark.parametrize("form", [lines, table])
def test_a_place_that_lists_do_not_have_is_named(form: Any, tmp_path: Path) -> None:
    path = form(tmp_path / "rows", [[{"v": [1.0, 2.0]}], [{"v": [3.0, 4.0]}, {"v": [5.0, 6.0]}], []])
    found = rows_read(path, vector_column="items[1].v")
    assert (found.ids, found.vectors) == (["1"], [[5.0, 6.0]])
    words = "the vector is null: nothing is at items[1].v, whose places count from 0"
    assert [(one.row, one.detail) for one in found.rejected] == [(0, words), (2, words)]


def test_a_line_that_is_no_json_is_told_as_such_whatever_the_path(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows", [[{"v": [1.0, 2.0]}]] * 3)
    path.write_text(path.read_text() + "\n{")
    (rejection,) = rows_read(path, vector_column="items[0].v").rejected
    assert rejection.reason == "unparsable"
