"""A journal lets go of what it opened, whatever numbers the system gave to it, and of nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from test_journal import DESCRIPTION, batch

from cyborg_ingest.errors import JobBusyError, StateError
from cyborg_ingest.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def without_stdin() -> Iterator[None]:
    """As cron and daemons start a command: what is opened first gets its number."""
    kept = os.dup(0)
    os.close(0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.usefixtures("without_stdin")
def test_a_job_that_ran_without_a_standard_input_can_be_run_again(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "job"
    for rows in (10, 20):
        with Journal(folder, DESCRIPTION) as journal:
            os.fstat(0)  # it is a file of the journal
            with pytest.raises(JobBusyError):
                Journal(folder, DESCRIPTION)
            journal.acknowledged(batch(rows - 10, rows))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(0)
    with Journal(folder, DESCRIPTION) as journal:
        assert len(journal.part(batch(0, 10).part).done) == 20


def test_a_journal_that_is_closed_takes_nothing_and_closes_nothing_of_others(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path, DESCRIPTION)
    journal.acknowledged(batch(0, 10))
    journal.close()
    written = (tmp_path / "journal.jsonl").read_bytes()
    others = [os.open(tmp_path / "job.json", os.O_RDONLY) for _ in range(4)]
    with pytest.raises(StateError, match="cannot be written"):
        journal.acknowledged(batch(10, 20))
    journal.close()
    for one in others:
        os.close(one)
    assert (tmp_path / "journal.jsonl").read_bytes() == written
    assert capfd.readouterr() == ("", "")
