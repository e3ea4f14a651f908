"""The journal never claims a row that was not acknowledged, whatever is cut off its end."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyborg_ingest.errors import ExitCode, StateError
from cyborg_ingest.model import Batch, Part, Reason, Rejection
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.jobs import job_folder
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.ledger import key_of
from cyborg_ingest.state.probes import PROBES, probe_of
from cyborg_ingest.state.replay import replay

DESCRIPTION: dict[str, Any] = {"target": "disk:/x", "index": "docs", "sources": ["/a.npy"]}


def part(number: int = 0, fingerprint: str = "f") -> Part:
    return Part("/a.npy", "npy", number, 0, 1000, 1000, 0, 100, fingerprint)


def batch(start: int, stop: int, number: int = 0, fingerprint: str = "f", ids: list[str] | None = None) -> Batch:
    ids = ids or [f"{number}-{row}" for row in range(start, stop)]
    vectors = np.arange(len(ids) * 2, dtype=np.float32).reshape(-1, 2)
    rows = np.arange(start, stop)
    return Batch(part(number, fingerprint), start, stop, start, ids, vectors, None, None, rows, None, 8)


def rejection(row: int) -> Rejection:
    return Rejection("/a.npy", row, Reason.VECTOR_ZERO, "zero", f"0-{row}", None, {"id": f"0-{row}", "vector": [0]})


spans = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(1, 9)), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(acks=spans, data=st.data())
def test_any_prefix_of_a_journal_is_safe(
    tmp_path_factory: pytest.TempPathFactory, acks: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("job")
    expected: dict[Any, RangeSet] = {}
    with Journal(folder, DESCRIPTION) as journal:
        for number, start, rows in acks:
            one = batch(start, start + rows, number)
            journal.sending(one)
            journal.acknowledged(one)
            expected.setdefault(key_of(one.part), RangeSet()).add(start, start + rows)
    written = (folder / "journal.jsonl").read_bytes()
    whole = replay(written.split(b"\n"))
    assert {key: one.done for key, one in whole.parts.items() if len(one.done)} == expected
    cut = data.draw(st.integers(0, len(written)))
    for key, state in replay(written[:cut].split(b"\n")).parts.items():
        for start, stop in state.done:
            assert not list(expected[key].missing(start, stop))
    (folder / "journal.jsonl").write_bytes(written[:cut])
    with Journal(folder, DESCRIPTION) as journal:
        again = {key: one.done for key, one in journal.state.parts.items() if len(one.done)}
    with Journal(folder, DESCRIPTION) as journal:  # what was compacted once is the same when opened again
        assert {key: one.done for key, one in journal.state.parts.items() if len(one.done)} == again


def test_what_was_sent_and_not_acknowledged_is_in_doubt(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        journal.sending(batch(10, 20))
        journal.acknowledged(batch(0, 10))
        journal.doubt(["a", "b"])
    for _ in range(2):
        with Journal(tmp_path, DESCRIPTION) as journal:
            assert journal.resumed
            assert list(journal.part(part()).in_doubt) == [(10, 20)]
            assert list(journal.part(part()).done) == [(0, 10)]
            assert journal.state.doubts == {"a", "b"}


@pytest.mark.parametrize(
    ("code", "resumed"),
    [
        (ExitCode.OK, False),
        (ExitCode.REJECTED, False),
        (ExitCode.DIFFERENT, False),
        (ExitCode.FAILED, True),
        (ExitCode.BAD_ROWS, True),
        (ExitCode.INTERRUPTED, True),
        (ExitCode.TERMINATED, True),
        (ExitCode.BUG, True),
    ],
)
def test_exit_codes_decide_whether_a_job_is_over(tmp_path: Path, code: ExitCode, resumed: bool) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.acknowledged(batch(0, 10))
        journal.end(code, {"status": "x"})
    assert json.loads((journal.run.path / "report.json").read_text()) == {"status": "x"}
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert journal.resumed is resumed
        assert bool(len(journal.part(part()).done)) is resumed


def test_restart_forgets_what_was_done(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.acknowledged(batch(0, 10))
    with Journal(tmp_path, DESCRIPTION, restart=True) as journal:
        assert not journal.resumed
        assert not len(journal.part(part()).done)


def test_a_changed_part_is_not_done(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.acknowledged(batch(0, 10))
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert not len(journal.part(part(fingerprint="other")).done)


def test_rejected_rows_stay_rejected_and_one_that_no_record_knows_is_dropped(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.reject([rejection(3)], full=True)
        journal.acknowledged(batch(0, 10, ids=["x"]), [rejection(3)])
        journal.reject([rejection(12)], full=True)  # and here the process is killed
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert journal.state.rejects() == {"vector_zero": 1}
    (line,) = (journal.run.path / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "id": "0-3",
        "vector": [0],
        "_rejected": {"file": "/a.npy", "row": 3, "line": None, "reason": "vector_zero", "detail": "zero"},
    }


def test_rejected_rows_can_be_kept_as_ids_only(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.reject([rejection(3)], full=False)
    found = json.loads((journal.run.path / "rejected.jsonl").read_text())
    assert set(found) == {"id", "_rejected"}


def test_the_sample_is_bounded_and_holds_the_oldest_and_the_newest_row(tmp_path: Path) -> None:
    for first in (0, 300):
        with Journal(tmp_path, DESCRIPTION) as journal:
            for number in range(first, first + 300):
                journal.acknowledged(batch(number * 3, number * 3 + 3))
            ids = {probe.id for probe in journal.state.probes.sample()}
            assert len(ids) <= PROBES
            assert {"0-2", f"0-{first * 3 + 899}"} <= ids
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert {"0-2", "0-1799"} <= {probe.id for probe in journal.state.probes.sample()}


def test_of_pieces_of_a_batch_that_share_an_id_the_last_one_is_in_the_sample(tmp_path: Path) -> None:
    whole = batch(0, 6, ids=["a", "b", "refused", "a", "c", "d"])
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(whole)
        journal.acknowledged(whole.piece(0, 1, 0, 1))
        journal.acknowledged(whole.piece(1, 2, 1, 2))
        journal.acknowledged(whole.piece(3, 6, 3, 6))  # whose last row, which is asked for, is not the one of that id
        assert {one.id for one in journal.state.probes.sample()} == {"b", "d"}


def test_a_row_that_is_being_replaced_leaves_the_sample_before_it_is_sent(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.acknowledged(batch(0, 3))
        journal.acknowledged(batch(3, 6))
        journal.sending(batch(6, 8, ids=["0-5", "new"]))
        assert {probe.id for probe in journal.state.probes.sample()} == {"0-2"}
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert {probe.id for probe in journal.state.probes.sample()} == {"0-2"}


def test_the_order_of_fields_does_not_change_a_digest() -> None:
    vector = np.ones(2, np.float32).tobytes()
    assert probe_of("a", vector, {"x": 1, "y": {"p": 1, "q": 2}}, "t") == probe_of(
        "a", vector, {"y": {"q": 2, "p": 1}, "x": 1}, "t"
    )
    assert probe_of("a", vector, None, None) == probe_of("a", vector, {}, "")
    assert probe_of("a", vector, {"x": 1}, None) != probe_of("a", vector, {"x": 2}, None)


def test_a_second_process_on_the_job_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from cyborg_ingest.state.journal import Journal\n"
        "from cyborg_ingest.errors import StateError\n"
        "try:\n    Journal(pathlib.Path(sys.argv[1]), {})\n"
        "except StateError as error:\n    print('refused', error)\n"
    )
    with Journal(tmp_path, DESCRIPTION):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert "refused Another process is running this job" in done.stdout


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "job"
    with Journal(folder, DESCRIPTION) as journal:
        journal.reject([rejection(1)], full=True)
        journal.end(ExitCode.OK, {})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name for path in folder.rglob("*")}
    assert {"journal.jsonl", "job.json", "lock", "runs", "rejected.jsonl", "report.json"} <= names
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.fixture
def full_disk() -> Path:
    """`/dev/full`, which takes nothing; only Linux has it."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    return Path("/dev/full")


def test_a_full_disk_is_an_error_that_names_the_way_out(tmp_path: Path, full_disk: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        handle = os.open(full_disk, os.O_WRONLY)
        os.dup2(handle, journal.file.handle)
        os.close(handle)
        with pytest.raises(StateError, match=r"cannot be written: No space left.*--state-dir"):
            journal.acknowledged(batch(0, 10))


def test_jobs_differ_by_what_they_are_and_by_nothing_else(tmp_path: Path) -> None:
    one = job_folder(tmp_path, DESCRIPTION)
    assert one == job_folder(tmp_path, dict(reversed(DESCRIPTION.items())))
    assert one != job_folder(tmp_path, {**DESCRIPTION, "index": "other"})
    assert one.name.startswith("docs-")


def test_where_the_parts_of_a_file_are_stands_in_the_journal_once(tmp_path: Path) -> None:
    for known in (0, 3):
        with Journal(tmp_path, DESCRIPTION) as journal:
            journal.planned([[part(number) for number in range(known + 3)]])
            for number in range(known, known + 3):
                journal.sending(batch(0, 10, number))
        lines = (tmp_path / "journal.jsonl").read_text().splitlines()
        records = [json.loads(line.partition(" ")[2]) for line in lines]
        assert ["cut" in one for one in records if "part" in one] == [True] + [False] * (known + 2)
