"""What is loaded stands up to the first row that is asked for and missing, and behind it nothing does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Part


@pytest.mark.parametrize(
    ("limit", "first", "expected"),
    [
        (None, 3, [3, 0]),
        (None, 5, [None, None]),
        (4, 3, [3, 0]),  # one row of those that are asked for is missing
        (3, 3, [None, None]),
        (6, 5, [None, None]),  # the last row that is asked for is the second file's first, which is loaded
        (7, 4, [4, 0]),
    ],
)
def test_nothing_stands_behind_a_missing_row_that_is_asked_for(
    limit: int | None, first: int, expected: list[int | None], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.ones((5, 2), np.float32))
    plan = make_plan(
        (str(tmp_path / "a.npy"), str(tmp_path / "b.npy")), SourceSettings(limit=limit, id_prefix="{file}-")
    )

    def done(part: Part) -> Done:
        settled = RangeSet()
        settled.add(0, first if part.uri.endswith("a.npy") else 5)
        return Done(settled, 5)

    assert [row for _, row in plan.standing(done)] == expected
