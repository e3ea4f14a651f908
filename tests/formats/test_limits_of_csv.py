"""Lines of a CSV have a limit, however it is set: the header's is an error, a row's is that row's fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cyborg_ingest.errors import FormatError
from cyborg_ingest.model import Reason
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 1000


def read(path: Path, **options: Any) -> tuple[list[Any], list[int]]:
    """What the contents are, and which rows are too large."""
    plan = make_plan((str(path),), SourceSettings(max_row_bytes=LIMIT, **options))
    found, large = [], []
    for chunk in plan.chunks(10):
        found += chunk.batch.column(chunk.columns.contents).to_pylist()
        large += [chunk.first_row + one.offset for one in chunk.faults if one.reason is Reason.TOO_LARGE]
    return found, large


@pytest.mark.parametrize("size", [LIMIT + 3, 200_000, 3_000_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_header_longer_than_a_row_may_be_is_refused(size: int, end: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    names = "id,vector,"
    path.write_bytes(f"{names}{'x' * (size - len(names))}{end}a,[1],2{end}".encode())
    with pytest.raises(FormatError, match=r"first line is longer than the 1,000 bytes that --max-row-bytes allows"):
        read(path)


def test_a_header_of_just_the_limit_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    names = "id,vector,contents,"
    path.write_text(f"{names}{'x' * (LIMIT - len(names))}\na,[1],text,2\n")
    assert read(path) == (["text"], [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_row_longer_than_the_limit_is_rejected_however_short_a_limit_that_is(
    end: str, quote: str, tmp_path: Path
) -> None:
    texts = ["short", "x" * 1100, "y" * 800, "z" * 200_000, "short"]
    rows = [f"r{row},[1],{quote}{text}{quote}" for row, text in enumerate(texts)]
    path = tmp_path / "rows.csv"
    path.write_bytes(end.join(["id,vector,contents", *rows, ""]).encode())
    found, large = read(path)
    assert large == [1, 3]
    assert [found[row] for row in (0, 2, 4)] == [texts[row] for row in (0, 2, 4)]


def test_a_row_over_several_lines_is_counted_from_its_first(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'id,vector,contents\na,[1],"{"x" * 600}\n{"y" * 600}"\n')
    with pytest.raises(FormatError, match=r"line 2: the row that begins there has more than the 1,000 bytes"):
        read(path)
    path.write_text(f'id,vector,contents\na,[1],"{"x" * 400}\n{"y" * 400}"\n')
    assert read(path) == ([f"{'x' * 400}\n{'y' * 400}"], [])


def test_json_in_a_cell_counts_by_what_it_becomes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    objects = ",".join(["{}"] * 5)
    path.write_text(f'id,vector,metadata,contents\na,[1],"{{""a"":[{objects}]}}",x\nb,[1],"{{""a"":[]}}",y\n')
    assert read(path)[1] == [0]  # six objects of 240 bytes
