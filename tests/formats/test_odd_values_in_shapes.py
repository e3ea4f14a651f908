"""Values that no writer of a known shape would give cost their row alone, and in bounded time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"custom_id": "good", "error": None, "response": {"status_code": 200, "body": {"data": [{"embedding": [1, 2]}]}}}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("status", [[200], {"a": 1}, "200", 1e300])
def test_a_status_of_any_kind_that_is_not_the_good_one_is_a_request_that_failed(tmp_path: Path, status: Any) -> None:
    odd = {**GOOD, "custom_id": "odd", "response": {**GOOD["response"], "status_code": status}}  # type: ignore[dict-item]
    found = rows_read(lines(tmp_path / "out.jsonl", GOOD, odd))
    assert [one.id for one in found.rejected] == ["odd"]


@pytest.mark.parametrize(
    ("written", "stored"),
    [("1E+6144", "1E+6144"), ("1E+999999999", "1E+999999999"), ("1E-6176", "1E-6176"), ("12.50", 12.5), ("1E+3", 1000)],
)
def test_decimals_of_mongodb_that_no_number_of_json_holds_are_text(tmp_path: Path, written: str, stored: Any) -> None:
    row = {"_id": {"$oid": "65f0c0ffee65f0c0ffee65f0"}, "embedding": [1.0, 2.0], "n": {"$numberDecimal": written}}
    (metadata,) = rows_read(lines(tmp_path / "out.jsonl", row)).metadata
    assert metadata == {"n": stored}


def test_a_row_that_is_no_extended_json_is_rejected_with_its_id(tmp_path: Path) -> None:
    rows = [
        {"_id": {"$oid": name}, "embedding": [1.0, 2.0], "n": {"$numberLong": n}}
        for name, n in (("a", "1"), ("b", "x"))
    ]
    (rejected,) = rows_read(lines(tmp_path / "out.jsonl", *rows)).rejected
    assert rejected.id == "b"


def test_texts_and_ids_of_requests_that_are_no_unicode_are_said(tmp_path: Path) -> None:
    lines(tmp_path / "out.jsonl", GOOD)
    requests = tmp_path / "in.jsonl"
    requests.write_text('{"custom_id": "good", "body": {"input": "\\ud800"}}\n')
    (rejected,) = rows_read(tmp_path / "out.jsonl", contents_from=requests).rejected
    assert "has not one text" in rejected.detail
    requests.write_text('{"custom_id": "\\ud800", "body": {"input": "a"}}\n')
    with pytest.raises(FormatError, match="line 1: it has no custom_id that is text"):
        make_plan((str(tmp_path / "out.jsonl"),), SourceSettings(contents_from=requests))
