"""Answers one behind the other in a JSON document: --records with [] loads the rows of all of them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from advised import says
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, IngestError, SourceError
from cyborg_ingest.formats import jsontext
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [{"id": f"r{place}", "vector": [place + 0.5, -0.25]} for place in range(9)]
PAGES = [ROWS[:4], [], ROWS[4:8], ROWS[8:]]
DOCUMENTS: dict[str, Any] = {
    "[].result.points": [{"time": 1, "result": {"points": one, "next_page_offset": "n"}} for one in PAGES],
    "pages[].rows": {"about": {"rows": [1]}, "pages": [{"n": [{}], "rows": one} for one in PAGES], "z": [1]},
    "a.pages[][].rows": {"a": {"pages": [[{"rows": one} for one in PAGES], [], [{"rows": []}]]}},
    "edges[].node": {"edges": [{"node": row, "cursor": "c"} for row in ROWS]},
    "[]": PAGES,
    "data.lists[]": {"data": {"lists": PAGES}},
}


@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("records", DOCUMENTS)
def test_the_rows_of_all_pages_are_loaded_in_their_order(
    records: str, indent: int | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(DOCUMENTS[records], indent=indent).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    for block in (1 << 20, 7):
        monkeypatch.setattr(jsontext, "_BLOCK_BYTES", block)
        found = rows_read(path, records=records, chunk=3)
        assert (found.ids, found.vectors) == ([row["id"] for row in ROWS], [row["vector"] for row in ROWS])
    notes = make_plan((str(path),), SourceSettings(records=records)).sources[0].layout.notes
    assert notes == (f"{path}: it is read as rows in {records}.",)


@pytest.mark.parametrize("records", DOCUMENTS)
def test_pages_that_break_off_or_go_on_are_an_error(records: str, tmp_path: Path) -> None:
    text = json.dumps(DOCUMENTS[records])
    path = tmp_path / "x.json"
    for end in range(1, len(text), 3):
        path.write_text(text[:end])
        with pytest.raises(IngestError):
            rows_read(path, records=records, format="json")
    path.write_text(text + "{}")
    with pytest.raises(IngestError):
        rows_read(path, records=records, format="json")


def test_a_bad_row_of_a_page_is_rejected_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"rows": [ROWS[0], {"id": "bad", "vector": "x"}]}, {"rows": [7, ROWS[1]]}]))
    found = rows_read(path, records="[].rows")
    assert found.ids == ["r0", "r1"]
    assert [(one.row, one.reason.value) for one in found.rejected] == [(1, "vector_invalid"), (2, "unparsable")]


@pytest.mark.parametrize("page", [{"error": "x"}, {"rows": None}, {"rows": "x"}, 7, [ROWS]])
def test_a_page_without_rows_is_an_error_and_not_fewer_rows(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"rows": ROWS[:2]}, page, {"rows": ROWS[2:]}]))
    with pytest.raises(SourceError) as caught:
        rows_read(path, records="[].rows")
    if page == {"error": "x"}:
        says(
            str(caught.value),
            "--records names {}, and an object behind row {} has {} members named {}. Take such pages out, or load the "
            "others by themselves.",
        )
    else:
        says(
            str(caught.value),
            "--records names {}, and behind row {} what should hold {} begins with {}. Take such pages out, or load "
            "the others by themselves.",
        )
    assert "behind row 2" in str(caught.value)


def test_a_name_that_is_there_twice_in_a_page_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"rows": [{"id": "a", "vector": [1, 2]}], "rows": [{"id": "b", "vector": [1, 2]}]}]')
    with pytest.raises(SourceError, match="has 2 members named 'rows'"):
        rows_read(path, records="[].rows")


@pytest.mark.parametrize(
    ("records", "right"),
    [("pages[]rows", "pages[].rows"), ("a.pages[][]rows", "a.pages[][].rows"), ("[]result.points", "[].result.points")],
)
def test_a_name_right_behind_the_items_of_a_list_is_refused(records: str, right: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(DOCUMENTS[right]))
    with pytest.raises(FormatError) as caught:
        rows_read(path, records=records)
    says(str(caught.value), "--records names {}, and a dot is missing behind []. Say it with {} {}.")
    assert str(caught.value).endswith(f"Say it with --records '{right}'.")
    assert rows_read(path, records=right).ids == [row["id"] for row in ROWS]
