"""`rejected.jsonl` and the journal agree, wherever a crash came between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_journal import DESCRIPTION, batch, part, rejection

import cyborg_ingest
from cyborg_ingest.errors import BadRowError
from cyborg_ingest.state.journal import Journal

if TYPE_CHECKING:
    from conftest import Engine


def rejected_rows(path: Path) -> list[int]:
    return [json.loads(one)["_rejected"]["row"] for one in path.read_text().splitlines()]


def job(folder: Path, *rows: int) -> Path:
    """A load that was stopped, with such rejected rows: its file of them."""
    with Journal(folder, DESCRIPTION) as journal:
        for row in rows:
            journal.sending(batch(10 * row, 10 * row + 10))
            journal.reject([rejection(10 * row)], full=True)
            journal.acknowledged(batch(10 * row, 10 * row + 10), [rejection(10 * row)])
    return journal.run.rejected.path


@pytest.mark.parametrize("lost", [1, 2, 30])
def test_a_torn_last_line_is_cut_off_and_its_row_read_again(tmp_path: Path, lost: int) -> None:
    path = job(tmp_path, 0, 1, 2)
    path.write_bytes(path.read_bytes()[:-lost])
    with Journal(tmp_path, DESCRIPTION) as journal:
        known = journal.part(part())
        if lost == 1:  # the line is there, only its end is not
            assert list(known.done) == [(0, 30)]
        else:
            assert list(known.done) == [(0, 20)]
            assert journal.state.rejects() == {"vector_zero": 2}
        journal.reject([rejection(40)], full=True)
        journal.acknowledged(batch(40, 50), [rejection(40)])
    assert rejected_rows(journal.run.rejected.path) == [0, 10, *([20] if lost == 1 else []), 40]


def test_a_lost_file_means_that_its_rows_are_read_again(tmp_path: Path) -> None:
    job(tmp_path, 1, 3).unlink()
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert list(journal.part(part()).done) == []
        assert journal.state.rejects() == {}


def test_a_row_that_is_there_twice_is_kept_once(tmp_path: Path) -> None:
    path = job(tmp_path, 1, 2)
    path.write_bytes(path.read_bytes() * 2)
    with Journal(tmp_path, DESCRIPTION) as journal:
        pass
    assert rejected_rows(journal.run.rejected.path) == [10, 20]


def test_a_resumed_load_has_each_rejected_row_in_its_file_and_its_report(engine: Engine, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(100)]
    for place in (5, 15, 80):
        rows[place]["vector"] = [0.0, 0.0]
    rows[60]["vector"] = [1.0]
    path, index = tmp_path / "rows.jsonl", engine.name()
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    options: dict[str, Any] = {
        "index": index, "target": engine.target, "create": True, "batch_rows": 10, "state_dir": tmp_path / "s"
    }  # fmt: skip
    with pytest.raises(BadRowError):
        cyborg_ingest.load(path, max_errors="2", **options)
    (kept,) = (tmp_path / "s").rglob("rejected.jsonl")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20])  # as a power cut leaves it
    report = cyborg_ingest.load(path, max_errors="4", **options)
    assert report.rows["rejected"] == 4
    assert report.rejected_file is not None
    assert sorted(rejected_rows(Path(report.rejected_file))) == [5, 15, 60, 80]
    assert kept.read_bytes() == whole[:-20]
    good = {str(row["id"]): row["vector"] for place, row in enumerate(rows) if place not in {5, 15, 60, 80}}
    found = {one: np.frombuffer(row.vector, "<f4").tolist() for one, row in engine.read(index, list(good)).items()}
    assert found == good
