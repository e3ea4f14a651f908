"""Each run of a load leaves a folder of its own; what an earlier one left stays as it is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_journal import DESCRIPTION, batch, part, rejection

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, IngestError, TargetError
from cyborg_ingest.state.jobs import job_folder
from cyborg_ingest.state.journal import Journal

if TYPE_CHECKING:
    from cyborg_ingest.loading.report import RunReport


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A hundred rows, four of them bad."""
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(100)]
    for place in (5, 15, 60, 80):
        rows[place]["vector"] = [1.0]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def load(source: Path, **options: Any) -> RunReport:
    folder = source.parent
    given = {"target": f"disk:{folder / 'd'}", "create": True, "batch_rows": 10, "state_dir": folder / "s"}
    return cyborg_ingest.load(source, index="i", **{**given, **options})


def runs(folder: Path) -> dict[str, bytes]:
    """All that runs have left, by its path."""
    return {str(one): one.read_bytes() for one in folder.glob("s/jobs/*/runs/*/*")}


def places(path: str | Path | None) -> list[int]:
    assert path is not None
    return sorted(json.loads(line)["_rejected"]["row"] for line in Path(path).read_text("utf-8").splitlines())


def failed(source: Path, kind: type[IngestError], **options: Any) -> RunReport:
    with pytest.raises(kind) as caught:
        load(source, **options)
    assert caught.value.report is not None
    return caught.value.report


def test_a_run_that_does_not_reach_its_target_leaves_the_rows_that_are_being_mended(source: Path) -> None:
    first = load(source, max_errors="4")
    assert places(first.rejected_file) == [5, 15, 60, 80]
    before = runs(source.parent)
    broken = source.parent / "d"
    broken.rename(source.parent / "away")
    broken.write_text("no directory")
    second = failed(source, TargetError, max_errors="4")
    broken.unlink()
    (source.parent / "away").rename(broken)
    third = load(source, max_errors="4")
    found = runs(source.parent)
    assert {path: found[path] for path in before} == before
    assert len({first.run_folder, second.run_folder, third.run_folder}) == 3
    assert second.rejected_file is None
    assert places(third.rejected_file) == [5, 15, 60, 80]


@pytest.mark.parametrize("restart", [False, True])
def test_each_run_of_a_load_has_all_of_its_rejected_rows_so_far(source: Path, restart: bool) -> None:
    first = failed(source, BadRowError, max_errors="1")
    before = runs(source.parent)
    second = failed(source, BadRowError, max_errors="2", restart=restart)
    third = load(source, max_errors="4")
    assert [places(one.rejected_file) for one in (first, second, third)] == [[5], [5, 15], [5, 15, 60, 80]]
    assert third.rows == {"read": 100, "acknowledged": 38, "rejected": 4, "skipped": 58, "unsent": 0}
    found = runs(source.parent)
    assert {path: found[path] for path in before} == before


def test_rows_that_were_mended_in_their_file_meanwhile_stay_mended(source: Path) -> None:
    """The next run begins with what is in the file, and leaves the file itself alone."""
    first = failed(source, BadRowError, max_errors="2")
    assert first.rejected_file is not None
    lines = [json.loads(line) for line in Path(first.rejected_file).read_text("utf-8").splitlines()]
    lines.sort(key=lambda one: one["_rejected"]["row"])  # they are in the order in which their batches landed
    lines[1] = {"id": "r15", "vector": [1.0, 15.0]}  # mended, and its mark taken out
    lines[0]["vector"] = [1.0, 5.0]
    mended = "".join(json.dumps(one) + "\n" for one in lines)
    Path(first.rejected_file).write_text(mended)
    report = load(source, max_errors="4")
    assert Path(first.rejected_file).read_text() == mended
    kept = [json.loads(line) for line in Path(report.rejected_file or "").read_text("utf-8").splitlines()]
    assert {one["_rejected"]["row"]: one["vector"] for one in kept} == {5: [1.0, 5.0], 15: [1.0], 60: [1.0], 80: [1.0]}
    assert load(Path(first.rejected_file), target=f"disk:{source.parent / 'd'}").rows["acknowledged"] == 2


def test_the_report_of_a_run_lies_in_its_folder_and_says_so(source: Path) -> None:
    report = load(source, max_errors="4")
    assert report.run_folder is not None
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", report.run_id or "")
    assert report.run_id is not None
    assert report.run_id.startswith(f"{report.started:%Y%m%dT%H%M}")
    assert Path(report.run_folder).name == report.run_id
    assert json.loads((Path(report.run_folder) / "report.json").read_text()) == report.to_dict()
    assert Path(report.run_folder).parent.parent.parent == source.parent / "s" / "jobs"


def test_a_load_without_a_journal_has_no_run(source: Path) -> None:
    report = failed(source, BadRowError, checkpoint=False)
    assert (report.run_id, report.run_folder, report.rejected_file) == (None, None, None)


def test_rejected_rows_that_an_earlier_release_kept_in_the_folder_of_the_job_are_taken_over(tmp_path: Path) -> None:
    """It had neither folders of runs, nor a word of them in its journal."""
    folder = job_folder(tmp_path, DESCRIPTION)
    with Journal(folder, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        journal.reject([rejection(3)], full=True)
        journal.acknowledged(batch(0, 10), [rejection(3)])
    journal.run.rejected.path.rename(folder / "rejected.jsonl")
    shutil.rmtree(folder / "runs")
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(line for line in lines if b'"facts"' not in line))
    before = (folder / "rejected.jsonl").read_bytes()
    with Journal(folder, DESCRIPTION) as journal:
        assert journal.state.rejects() == {"vector_zero": 1}
        assert list(journal.part(part()).done) == [(0, 10)]
        assert journal.run.rejected.path.read_bytes() == before
    assert (folder / "rejected.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", 7, "20261126T072332Z-31b975/.."])
def test_a_journal_cannot_name_a_folder_elsewhere(tmp_path: Path, name: Any) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.reject([rejection(3)], full=True)
        journal.acknowledged(batch(0, 10), [rejection(3)])
        journal.know(run=name)
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert journal.state.rejects() == {}
        assert list(journal.part(part()).done) == [(0, 3)]


def test_runs_that_begin_in_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = set()
    for _ in range(20):
        with Journal(tmp_path, DESCRIPTION) as journal:
            folders.add(journal.run.path)
    assert len(folders) == 20


def test_rows_of_a_source_that_changed_are_not_among_those_of_the_next_run(source: Path) -> None:
    failed(source, BadRowError, max_errors="1")
    rows = [{"id": f"n{row}", "vector": [1.0, row]} for row in range(20)]
    source.write_text("".join(json.dumps(one) + "\n" for one in rows) + '{"id": "x", "vector": [0]}\n')
    report = load(source, max_errors="1")
    assert places(report.rejected_file) == [20]
    assert np.sum(list(report.rejects.values())) == 1
