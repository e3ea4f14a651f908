"""When its turn comes a Part has a gap where a row is missing that is asked for, and rows of it may be past a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.turns import turns
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Part


@pytest.mark.parametrize(
    ("limit", "first", "gap", "are_cut"),
    [
        (None, 3, 3, [False, False]),
        (None, 5, None, [False, False]),
        (4, 3, 3, [False, True]),  # one row of those that are asked for is missing
        (3, 3, None, [False, True]),
        (2, 3, None, [True, True]),
        (6, 5, None, [False, True]),  # the last row that is asked for is the second file's first, which is loaded
        (7, 4, 4, [False, True]),
        (10, 5, None, [False, False]),
    ],
)
def test_a_part_has_a_gap_where_a_row_is_missing_that_is_asked_for(
    limit: int | None, first: int, gap: int | None, are_cut: list[bool], tmp_path: Path
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

    found = list(turns(plan, done))
    assert [one.gap for one in found] == [gap, None]
    assert [one.is_cut for one in found] == are_cut
    assert all(one.has_rows for one in found)


def test_rows_that_were_chosen_otherwise_are_missing_from_the_first_on_and_may_be_asked_for_no_more(
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "a.npy", np.ones((5, 2), np.float32))
    plan = make_plan((str(tmp_path / "a.npy"),), SourceSettings(skip=2))
    for choice, expected in (("skip 2", (None, False)), ("skip 1", (0, True)), ("", (0, True))):
        (turn,) = turns(plan, lambda _part, choice=choice: Done(RangeSet([(0, 5)]), 5, choice=choice))  # type: ignore[misc]
        assert (turn.gap, turn.is_cut) == expected


def test_rows_that_were_in_flight_are_no_gap_and_may_be_past_a_limit(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((5, 2), np.float32))
    for limit, expected in ((None, (4, False)), (4, (4, False)), (3, (4, True))):
        plan = make_plan((str(tmp_path / "a.npy"),), SourceSettings(limit=limit))
        (turn,) = turns(plan, lambda _part: Done(RangeSet([(0, 2)]), 5, in_flight=RangeSet([(2, 4)])))
        assert (turn.gap, turn.is_cut) == expected
