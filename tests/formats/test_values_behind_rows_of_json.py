"""Many values behind the rows of a JSON document, far behind what is looked at before a load: the load goes through."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats import jsonsurvey

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [{"id": f"r{place}", "vector": [place + 0.5, -0.25]} for place in range(200)]
MANY = {f"m{outer}": {f"k{place}": place for place in range(10)} for outer in range(10)}


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 rows 20 or so are seen, and 30 values are kept."""
    monkeypatch.setattr(jsonsurvey, "LOOK_BYTES", 1000)
    monkeypatch.setattr(jsonsurvey, "_MOST_VALUES", 30)


def test_more_values_than_are_kept_may_follow_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"rows": ROWS, "about": MANY, "last": [1]}))
    found = rows_read(path)
    assert (found.ids, found.vectors) == ([row["id"] for row in ROWS], [row["vector"] for row in ROWS])


def test_rows_that_are_seen_before_so_many_values_are_told_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"rows": ROWS, "about": {"more": ROWS[:2], **MANY}}))
    with pytest.raises(SourceError, match=re.escape("more rows are in about.more, far behind the first ones")):
        rows_read(path)
