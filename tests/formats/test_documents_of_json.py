"""Rows in a JSON document, wherever in it they are: every row is found, or an error says why not."""

from __future__ import annotations

import gzip
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from advised import run, says
from rows_read import Rows, rows_read

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, IngestError, MappingError, SourceError, UsageError
from cyborg_ingest.formats import jsonarray, jsonsurvey, jsontext, reader_for
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.sources import stores
from cyborg_ingest.sources.stdin import StandardInput

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [
    {
        "id": f"r{place}",
        "vector": [place + 0.5, -0.25],
        "metadata": {"n": place, "t": ["x", "]}"]},
        "contents": f"c{place}",
    }
    for place in range(7)
]
WRITERS: dict[str, Callable[[Any], str]] = {
    "compact": lambda value: json.dumps(value, separators=(",", ":")),
    "pretty": lambda value: json.dumps(value, indent=2),
    "marked": lambda value: "\ufeff" + json.dumps(value) + "\n",
}


def by_id(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {row["id"]: {key: value for key, value in row.items() if key != "id"} for row in rows}


def by_column(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in rows[0]}


DOCUMENTS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "pinecone": lambda rows: {"vectors": rows, "namespace": "n"},
    "qdrant": lambda rows: {"result": {"points": rows, "next_page_offset": None}, "status": "ok", "time": 0.1},
    "points": lambda rows: {"points": rows},
    "milvus": lambda rows: {"rows": rows},
    "weaviate": lambda rows: {"objects": rows, "totalResults": len(rows)},
    "search": lambda rows: {"took": 3, "hits": {"total": {"value": 7}, "hits": rows}, "facets": {"of": [{"key": "a"}]}},
    "data": lambda rows: {"object": "list", "data": rows, "usage": {"tokens": 1}},
    "deep": lambda rows: {"a": 1, "b": {"c": {"d": {"e": rows}}, "f": [1, 2, "x"]}},
    "graphql": lambda rows: {"data": {"Get": {"Article": rows}}},
    "by id": by_id,
    "by id, with the id": lambda rows: {row["id"]: row for row in rows},
    "fetched": lambda rows: {"vectors": by_id(rows), "namespace": ""},
    "columns": by_column,
    "columns in an object": lambda rows: {"result": by_column(rows), "ok": True},
    "array": lambda rows: rows,
}  # fmt: skip


def check(found: Rows) -> None:
    assert not found.rejected
    assert found.ids == [row["id"] for row in ROWS]
    assert found.vectors == [row["vector"] for row in ROWS]
    assert found.metadata == [row["metadata"] for row in ROWS]
    assert found.contents == [row["contents"] for row in ROWS]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_rows_are_found_wherever_they_are(document: str, writer: str, tmp_path: Path) -> None:
    text = WRITERS[writer](DOCUMENTS[document](ROWS))
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    check(rows_read(path))
    check(rows_read(path, chunk=2))
    packed = tmp_path / "x.json.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    check(rows_read(packed, chunk=3))
    unnamed = tmp_path / "x"
    unnamed.write_text(text, "utf-8")
    check(rows_read(unnamed))


@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_where_blocks_of_the_file_end_is_of_no_matter(
    document: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsontext, "_BLOCK_BYTES", block)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(DOCUMENTS[document](ROWS)), "utf-8")
    check(rows_read(path))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_that_was_cut_short_anywhere_is_an_error(document: str, tmp_path: Path) -> None:
    text = json.dumps(DOCUMENTS[document](ROWS[:3]))
    path = tmp_path / "x.json"
    for end in range(1, len(text)):
        path.write_text(text[:end])
        with pytest.raises(IngestError):
            rows_read(path, format="json")


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("more", ["x", "{}", '{"id": "b", "vector": [1, 2]}', "]", "}", ","])
def test_what_follows_a_document_is_an_error(document: str, more: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(DOCUMENTS[document](ROWS)) + more)
    with pytest.raises(IngestError):
        rows_read(path, format="json")


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if not name.startswith("columns")])
def test_a_row_too_large_and_a_row_that_is_none_are_theirs_alone(document: str, tmp_path: Path) -> None:
    large = {"id": "large", "vector": [1.0, 2.0], "contents": "x" * 5000}
    wrong = {"id": "wrong", "vector": "none", "contents": "c"}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(DOCUMENTS[document]([*ROWS[:4], large, wrong, ROWS[5]])))
    found = rows_read(path, max_row_bytes=2000)
    assert found.ids == ["r0", "r1", "r2", "r3", "r5"]
    assert [one.reason.value for one in found.rejected] == ["too_large", "vector_invalid"]


@pytest.mark.parametrize("document", ["qdrant", "by id", "columns"])
def test_standard_input_holds_a_document_too(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text(json.dumps(DOCUMENTS[document](ROWS)))
    with (tmp_path / "x").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        monkeypatch.setitem(stores.by_scheme, sources.STDIN, StandardInput())
        check(rows_read(Path("-"), chunk=3))


def test_columns_in_a_pipe_are_those_that_can_be_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonarray, "LOOK_BYTES", 100)
    (tmp_path / "x").write_text(json.dumps(by_column(ROWS)))
    with (tmp_path / "x").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        monkeypatch.setitem(stores.by_scheme, sources.STDIN, StandardInput())
        with pytest.raises(FormatError, match="Save it in a file, and load that"):
            rows_read(Path("-"))
    check(rows_read(tmp_path / "x"))


@pytest.mark.parametrize(
    ("document", "options"),
    [
        ({"a": ROWS[:2], "b": ROWS[2:]}, ["a", "b"]),
        ({"x": {"points": ROWS[:2]}, "rows": ROWS[2:]}, ["x.points", "rows"]),
        ({**ROWS[0], "neighbours": ROWS[1:]}, [".", "neighbours"]),
    ],
)
def test_more_than_one_place_is_an_error_with_the_options_that_decide(
    document: Any, options: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError) as caught:
        rows_read(path)
    says(str(caught.value), "rows could be in more than one place. Say in which with {}.")
    assert " or ".join(f"--records {one}" for one in options) in str(caught.value)
    found = [rows_read(path, records=one).ids for one in options]
    assert sorted(itertools.chain(*found)) == [row["id"] for row in ROWS]


def test_records_name_what_would_not_be_found(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"a": [{"id": "no", "vector": [9.0, 9.0]}], "b": {"c": by_id(ROWS)}, "d": {"rows": by_column(ROWS)}})
    )
    check(rows_read(path, records="b.c"))
    check(rows_read(path, records="d.rows"))
    assert rows_read(path, records="a").ids == ["no"]
    with pytest.raises(FormatError) as caught:
        rows_read(path, records="x.y")
    says(str(caught.value), "--records names {}, which is not there. {}")
    assert "It holds a, b, b.c" in str(caught.value)
    lines = tmp_path / "x.jsonl"
    lines.write_text(json.dumps(ROWS[0]))
    with pytest.raises(UsageError) as refused:
        rows_read(lines, records="a")
    says(
        str(refused.value),
        "--records: no source is a JSON document, and in other formats rows are in one place. Leave it out.",
    )
    assert rows_read(lines).ids == ["r0"]


def test_records_are_part_of_a_job(tmp_path: Path) -> None:
    jobs = [describe_job("t", "i", (str(tmp_path),), SourceSettings(records=one)) for one in (None, "a", "b")]
    assert "records" not in jobs[0]
    assert [one["records"] for one in jobs[1:]] == ["a", "b"]


def test_columns_of_different_lengths_are_an_error_that_names_both(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**by_column(ROWS), "contents": ["a"]}))
    with pytest.raises(FormatError, match="'id' has 7 values and 'contents' has 1: as columns they do not belong"):
        rows_read(path)


@pytest.mark.parametrize(
    "text", ['{"vectors": [], "vectors": [{"id": "a", "vector": [1, 2]}]}', '{"a": 1, "a": 2, "rows": []}']
)
def test_a_name_that_is_there_twice_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(FormatError, match="two members named"):
        rows_read(path)


def test_rows_far_behind_the_first_ones_are_not_lost_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonsurvey, "LOOK_BYTES", 200)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": ROWS, "n": 1, "b": {"c": ROWS}}))
    with pytest.raises(SourceError) as caught:
        rows_read(path)
    says(
        str(caught.value),
        "more rows are in {}, far behind the first ones. Say with --records which are meant, and load each by itself.",
    )
    check(rows_read(path, records="a"))
    check(rows_read(path, records="b.c"))
    path.write_text(json.dumps({"a": ROWS, "a_": 1})[:-1] + ', "a": []}')
    with pytest.raises(SourceError, match="a second member named 'a'"):
        rows_read(path)


@pytest.mark.parametrize("orient", ["records", "columns", "split", "index"])
def test_what_pandas_writes_is_read_in_each_of_its_layouts(orient: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [row["id"] for row in ROWS], "vector": [row["vector"] for row in ROWS], "text": ["t"] * 7}
    )
    frame.to_json(tmp_path / "x.json", orient=orient)
    found = rows_read(tmp_path / "x.json")
    assert found.ids == [row["id"] for row in ROWS]
    assert found.vectors == [row["vector"] for row in ROWS]
    assert found.contents == ["t"] * 7


def test_the_name_of_a_row_is_its_id_and_another_id_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"k1": {"id": "own", "vector": [1.0, 2.0]}, "k2": {"vector": [3.0, 4.0]}, "k3": {"vector": None}})
    )
    found = rows_read(path, metadata_columns=("*",))
    assert found.ids == ["own", "k2"]
    assert found.metadata == [{"_key": "k1"}, None]
    assert [(one.id, one.reason.value) for one in found.rejected] == [("k3", "vector_missing")]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_may_be_one_row(indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**ROWS[0], "tags": ["a"], "chunks": [{"text": "x"}]}, indent=indent))
    found = rows_read(path)
    assert (found.ids, found.vectors, found.contents) == (["r0"], [[0.5, -0.25]], ["c0"])


def test_an_object_a_line_stays_so_whatever_its_first_line_is(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in ROWS]
    path = tmp_path / "x.json"
    for text, rejected in (
        ("\n".join(lines), 0),
        ("\n\n" + "\n\n".join(lines) + "\n\n", 0),
        ("\r\n".join(lines), 0),
        ('{"id": "broken", "vec\n' + "\n".join(lines), 1),
        ('{"id": "broken", "vector": [1,\n' + "\n".join(lines), 1),
        ('{"id": "broken", "vector": [1, 2]},\n' + "\n".join(lines), 1),
    ):
        path.write_bytes(text.encode())
        assert reader_for(str(path)).name == "jsonl"
        found = rows_read(path)
        assert (found.ids, len(found.rejected)) == ([row["id"] for row in ROWS], rejected)


def test_a_document_without_rows_says_which_columns_it_has(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"name": "x", "about": {"a": {"dtype": "int"}}}))
    with pytest.raises(MappingError, match="Columns: name"):
        rows_read(path)


def test_a_large_document_is_read_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its windows and chunks: never the whole text."""
    monkeypatch.setattr(jsontext, "_BLOCK_BYTES", 1000)
    monkeypatch.setattr(jsonsurvey, "LOOK_BYTES", 10_000)
    most = 0
    before = jsontext.JsonText._more

    def watched(self: jsontext.JsonText) -> bool:
        nonlocal most
        found = before(self)
        most = max(most, len(self._data))
        return found

    monkeypatch.setattr(jsontext.JsonText, "_more", watched)
    rows = [{"id": f"{place}", "vector": [1.0, place + 1.0]} for place in range(5000)]
    for document in ("qdrant", "by id", "columns"):
        path = tmp_path / "x.json"
        path.write_text(json.dumps(DOCUMENTS[document](rows)))
        found = rows_read(path, chunk=50)
        assert found.ids == [row["id"] for row in rows]
        assert np.array_equal(np.array(found.vectors), np.array([row["vector"] for row in rows]))
    assert most < 5000


def test_the_plan_and_inspect_say_where_the_rows_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps(DOCUMENTS["qdrant"](ROWS)))
    assert (
        "shape     rows in result.points\n"
        in run("upsert", "x.json", "--index", "i", "--target", "disk:d", "--dry-run", "--create", "--key-out", "k")[1]
    )
    assert "x.json  json (rows in result.points), " in run("inspect", "x.json")[1]
    assert make_plan(("x.json",), SourceSettings()).sources[0].layout.notes == (
        "x.json: it is read as rows in result.points.",
    )


@pytest.mark.parametrize("document", ["qdrant", "columns", "search"])
def test_a_document_with_rows_is_read_where_it_is_found_beside_other_files(document: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "vector": [1.0, 2.0]}))
    (tmp_path / "x.json").write_text(json.dumps(DOCUMENTS[document](ROWS)))
    assert rows_read(tmp_path).ids == ["a", *(row["id"] for row in ROWS)]
    about = {"default": {"features": {"embedding": {"dtype": "float32", "shape": [2]}}, "splits": {"train": {}}}}
    (tmp_path / "x.json").write_text(json.dumps(about))
    assert rows_read(tmp_path).ids == ["a"]
