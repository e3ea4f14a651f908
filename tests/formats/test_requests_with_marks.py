"""The file of a batch's requests is read by the rules of all lines: a byte order mark, CRLF, blank and large lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["first", "zweiter \u00e4", "last"]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "output.jsonl"
    bodies = [{"data": [{"embedding": [1.0, float(row)]}]} for row, _ in enumerate(TEXTS)]
    rows = [
        {"custom_id": str(row), "response": {"status_code": 200, "body": body}, "error": None}
        for row, body in enumerate(bodies)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def requests(end: str) -> str:
    lines = [{"custom_id": str(row), "body": {"input": text}} for row, text in enumerate(TEXTS)]
    return "".join(json.dumps(one, ensure_ascii=False) + end for one in lines)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_the_texts_are_found_whatever_the_lines_end_and_begin_with(
    answers: Path, encoding: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(requests(end).encode(encoding))
    assert rows_read(answers, contents_from=path).contents == TEXTS


def test_a_request_that_is_too_large_is_named_by_its_line(answers: Path, tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    large = json.dumps({"custom_id": "l", "body": {"input": "x" * 3_000_000}})
    path.write_text(f"{requests(chr(10))}{large}\n")
    with pytest.raises(FormatError, match=r"input\.jsonl, line 4: .*--max-row-bytes"):
        rows_read(answers, contents_from=path, max_row_bytes=1_000_000)
