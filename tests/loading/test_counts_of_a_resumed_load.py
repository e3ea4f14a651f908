"""What the report of a resumed load says of the rows that earlier runs have settled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_journal import DESCRIPTION

from cyborg_ingest.formats import base
from cyborg_ingest.loading.resume import done_of, skipped
from cyborg_ingest.model import Batch, Reason, Rejection
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned as told
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.reading import Plan


def planned(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Plan:
    """Forty rows of two numbers, as two Parts of twenty."""
    np.save(folder / "rows.npy", np.ones((40, 2), np.float32))
    monkeypatch.setattr(base, "PART_BYTES", 160)
    plan = make_plan((str(folder / "rows.npy"),), SourceSettings(**options))
    assert [(part.start, part.stop) for part in plan.sources[0].layout.parts] == [(0, 20), (20, 40)]
    return plan


def settle(journal: Journal, part: Part, start: int, stop: int, *rejected: int, passed: int = 0) -> None:
    rows = np.array([row for row in range(start, stop) if row not in rejected])[passed:]
    batch = Batch(
        part, start, stop, part.start + start, [f"{part.number}-{row}" for row in rows],
        np.ones((len(rows), 2), np.float32), None, None, rows, None, 8, passed=passed,
    )  # fmt: skip
    rejections = [Rejection(part.uri, part.start + row, Reason.VECTOR_ZERO, "zero", "x") for row in rejected]
    journal.reject(rejections, full=True)
    journal.acknowledged(batch, rejections)


def counted(journal: Journal, plan: Plan) -> Tally:
    """What a run that goes on counts before it reads a row."""
    tally = Tally()
    tally(told(plan, "disk:x", "i"))
    for fact in skipped(journal, plan):
        tally(fact)
    return tally


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        (None, (23, 2)),
        (3, (3, 0)),
        (4, (3, 1)),
        (10, (9, 1)),
        (12, (11, 1)),
        (15, (14, 1)),
        (20, (19, 1)),
        (21, (19, 2)),
        (25, (23, 2)),
        (40, (23, 2)),
    ],
)
def test_rows_that_are_settled_count_as_skipped_or_rejected_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None, counts: tuple[int, int]
) -> None:
    """Settled, of the first Part: [0, 10) with row 3 rejected, and [12, 17); of the second [0, 10) with row 5."""
    plan = planned(tmp_path, monkeypatch, limit=limit)
    first, second = plan.sources[0].layout.parts
    with Journal(tmp_path / "job", DESCRIPTION) as journal:
        settle(journal, first, 0, 10, 3)
        settle(journal, first, 12, 17)
        settle(journal, second, 0, 10, 5)
    with Journal(tmp_path / "job", DESCRIPTION) as journal:
        tally = counted(journal, plan)
        (one,) = tally.sources.values()
        assert (one.skipped, one.rejected) == counts
        assert one.rejected_before == one.rejected
        assert tally.rejects == ({"vector_zero": one.rejected} if one.rejected else {})


@pytest.mark.parametrize(("limit", "counts"), [(None, (6, 1)), (3, (2, 1)), (4, (3, 1)), (7, (6, 1))])
def test_rows_that_nobody_asked_for_are_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None, counts: tuple[int, int]
) -> None:
    """Of rows 2 to 9 of the first Part seven were passed over: row 2 alone was asked for, and is rejected."""
    plan = planned(tmp_path, monkeypatch, limit=limit)
    first, second = plan.sources[0].layout.parts
    with Journal(tmp_path / "job", DESCRIPTION) as journal:
        settle(journal, first, 0, 2)
        settle(journal, first, 2, 10, 2, passed=7)
        settle(journal, second, 0, 4)
        tally = counted(journal, plan)
        (one,) = tally.sources.values()
        assert (one.skipped, one.rejected, one.rejected_before) == (*counts, counts[1])


@pytest.mark.parametrize(
    ("limit", "counts"), [(None, (11, 2)), (4, (4, 0)), (6, (5, 1)), (9, (8, 1)), (12, (11, 1)), (13, (11, 2))]
)
def test_rows_that_nobody_asked_for_behind_the_limit_make_it_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None, counts: tuple[int, int]
) -> None:
    """Ten rows with row 5 rejected, then ten that were passed over; of three of the second Part row 4 is bad."""
    plan = planned(tmp_path, monkeypatch, limit=limit)
    first, second = plan.sources[0].layout.parts
    with Journal(tmp_path / "job", DESCRIPTION) as journal:
        settle(journal, first, 0, 10, 5)
        settle(journal, first, 10, 20, passed=10)
        settle(journal, second, 2, 5, 4)
        tally = counted(journal, plan)
        (one,) = tally.sources.values()
        assert (one.skipped, one.rejected, one.rejected_before) == (*counts, counts[1])


def test_what_is_done_is_known_again_when_the_journal_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, monkeypatch)
    first, second = plan.sources[0].layout.parts
    with Journal(tmp_path / "job", DESCRIPTION) as journal:
        settle(journal, first, 0, 20)
        journal.complete(first, 20)
        journal.complete(second, 17)
    for _ in range(2):
        with Journal(tmp_path / "job", DESCRIPTION) as journal:
            assert (journal.part(first).rows, journal.part(second).rows) == (20, 17)
            assert (done_of(journal)(first).total, list(done_of(journal)(first).rows)) == (20, [(0, 20)])
            assert list(done_of(journal)(second).rows) == []
    kept = [json.loads(line[9:]) for line in (tmp_path / "job" / "journal.jsonl").read_text().splitlines()]
    assert [one["rows"] for one in kept if "rows" in one] == [[0, 20], [1, 17]]
