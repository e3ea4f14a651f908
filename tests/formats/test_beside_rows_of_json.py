"""What a JSON document has beside its rows: what is not loaded is named, and an error or a next page comes first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from advised import run
from rows_read import rows_read

from cyborg_ingest.formats import jsonsurvey
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"id": "a", "embedding": [1.0, 2.0]}, {"id": "b", "embedding": [3.0, 4.0]}]


def notes_on(path: Path, document: Any, **options: Any) -> str:
    path.write_text(json.dumps(document))
    notes = make_plan((str(path),), SourceSettings(**options)).sources[0].layout.notes
    return "\n".join(one for one in notes if "it is read as" not in one).replace(f"{path}: ", "")


@pytest.mark.parametrize(
    ("document", "note"),
    [
        (
            {"data": ROWS, "error": {"code": 500, "message": "partial"}},
            "it has an error beside its rows: 'partial (500)'; beside its rows, and not loaded: error.",
        ),
        (
            {"errors": [{"id": "b", "message": "bad"}, {"id": "c"}], "data": ROWS},
            "it has an error beside its rows: 2, the first is 'bad'; beside its rows, and not loaded: errors.",
        ),
        ({"data": ROWS, "dropped": [{"id": "c"}]}, "beside its rows, and not loaded: dropped."),
        (
            {"id": "d", "title": "A title", "chunks": ROWS},
            "beside its rows, and not loaded: id, title.",
        ),
        (
            {"result": {"points": ROWS, "next_page_offset": 7}, "status": "ok", "time": 0.1},
            (
                "more rows may follow in another answer: result.next_page_offset is 7; "
                "beside its rows, and not loaded: result.next_page_offset."
            ),
        ),
        (
            {"_scroll_id": "DXF1", "took": 1, "hits": {"hits": ROWS}},
            (
                "more rows may follow in another answer: _scroll_id is 'DXF1'; beside its rows, and not loaded: "
                "_scroll_id."
            ),
        ),
        (
            {"_shards": {"failed": 1, "failures": [{"reason": "r"}]}, "hits": {"hits": ROWS}},
            "it has an error beside its rows: {'reason': 'r'}; beside its rows, and not loaded: _shards.",
        ),
        (
            {"ids": ["a", "b"], "embeddings": [[1.0], [2.0]], "included": ["embeddings"], "name": "n"},
            "beside its rows, and not loaded: name.",
        ),
        (
            {"data": ROWS, **{f"m{place}": place + 1 for place in range(12)}},
            "beside its rows, and not loaded: m0, m1, m2, m3, m4 and 7 more.",
        ),
        (
            {"data": ROWS, "error": "\x1b[31m" + "x" * 500},
            "it has an error beside its rows: '\\x1b[31m" + "x" * 191 + "...; beside its rows, and not loaded: error.",
        ),
        (
            {"data": ROWS, "error": "x" * 9999},
            "it has an error beside its rows: '" + "x" * 199 + "...; beside its rows, and not loaded: error.",
        ),
        ({"data": ROWS, "a b\x1b": 1}, "beside its rows, and not loaded: 'a b\\x1b'."),
    ],
)
def test_what_is_beside_the_rows_is_named(document: Any, note: str, tmp_path: Path) -> None:
    assert notes_on(tmp_path / "x.json", document) == note


@pytest.mark.parametrize(
    "document",
    [
        {"result": {"points": ROWS, "next_page_offset": None}, "status": "ok", "time": 0.1},
        {"object": "list", "data": ROWS, "model": "m", "usage": {"total_tokens": 3}},
        {"data": ROWS, "error": None, "errors": [], "failures": [None], "has_more": False, "next": ""},
        {"a": ROWS[0], "b": ROWS[1]},
        {"ids": ["a", "b"], "embeddings": [[1.0], [2.0]], "errors": [None, None]},
        ROWS,
        ROWS[0] | {"error": "of the row itself"},
    ],
)
def test_what_is_nothing_or_usual_or_in_the_rows_is_not_named(document: Any, tmp_path: Path) -> None:
    assert notes_on(tmp_path / "x.json", document) == ""


def test_a_measure_is_no_error(tmp_path: Path) -> None:
    assert notes_on(tmp_path / "x.json", {"error": 0.25, "data": ROWS}) == "beside its rows, and not loaded: error."


def test_rows_that_an_option_leaves_out_are_named(tmp_path: Path) -> None:
    found = notes_on(tmp_path / "x.json", {"a": {"rows": ROWS}, "b": ROWS}, records="a.rows")
    assert found == "beside its rows, and not loaded: b."


def test_of_what_is_behind_the_look_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonsurvey, "LOOK_BYTES", 20)
    assert notes_on(tmp_path / "x.json", {"title": "t", "data": ROWS, "error": "e"}) == (
        "beside its rows, and not loaded: title."
    )
    assert rows_read(tmp_path / "x.json").ids == ["a", "b"]


def test_a_load_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps({"data": ROWS, "error": {"message": "partial"}, "next": "/2"}))
    code, told = run(
        "upsert", "x.json", "--index", "i", "--target", "disk:d", "--dry-run", "--create", "--key-out", "k"
    )
    assert code == 0
    words = " ".join(told.split())
    assert (
        "x.json: it has an error beside its rows: 'partial'; more rows may follow in another answer: next is" in words
    )
    assert "beside its rows, and not loaded: error, next." in words


def test_inspect_says_it_before_a_load_does(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"data": ROWS, "error": {"message": "partial"}, "next_page": 2}))
    code, told = run("inspect", str(path))
    words = " ".join(told.split())
    assert code == 0
    assert f"{path}: it has an error beside its rows: 'partial'; more rows may follow in another answer: " in words
