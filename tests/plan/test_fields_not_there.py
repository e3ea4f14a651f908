"""Fields that no row has so far are in a plan of JSON where an option names them, or nothing else has the role."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.output import wording
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [{"id": f"r{place}", "vector": [1.0, 2.0], "n": place} for place in range(200)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows of which the last alone has metadata and contents."""
    found = tmp_path / "rows.jsonl"
    last = {**ROWS[-1], "metadata": {"k": 1}, "contents": "a text"}
    found.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS[:-1], last]))
    return found


def said(path: Path, **options: Any) -> str:
    return "\n".join(wording.plan(planned(make_plan((str(path),), SourceSettings(**options)), "disk:x", "i")))


def test_names_of_jsonl_that_no_row_has_so_far_are_told_where_nothing_else_has_the_role(path: Path) -> None:
    assert "metadata <- n, contents <- contents (none so far)" in said(path)
    found = rows_read(path)
    assert found.metadata[:2] == [{"n": 0}, {"n": 1}]
    assert (found.metadata[-1], found.contents[-1]) == ({"n": 199, "k": 1}, "a text")


def test_names_of_jsonl_that_no_row_has_are_not_told_where_all_rows_are_known(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:3]))
    assert "metadata <- n, no contents" in said(path)


@pytest.mark.parametrize("role", ["metadata", "contents"])
@pytest.mark.parametrize("name", ["itself", "other"])
def test_a_name_that_an_option_gives_is_told_though_no_row_has_it(role: str, name: str, path: Path) -> None:
    given = role if name == "itself" else name
    assert f"{role} <- {given} (none so far)" in said(path, **{f"{role}_column": given})


def test_a_field_that_is_not_there_is_not_left_out(path: Path) -> None:
    told = said(path, metadata_columns=("n",))
    assert "left out" not in told
    assert rows_read(path, metadata_columns=("none",)).metadata[0] is None
