"""What the last load of a job that ended has loaded is known from then on, whatever the loads behind it come to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from generations import ROWS, WRITERS, Place
from test_journal import DESCRIPTION, batch, part
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import ExitCode, UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.ledger import ENDED, key_of
from cyborg_ingest.state.lines import line_of

KILLED = """
import os, pathlib, signal, sys
from test_journal import DESCRIPTION
from cyborg_ingest.private import Folder
from cyborg_ingest.state.journal import Journal

moment, name, real = sys.argv[2], sys.argv[3], os.replace

def replace(source, target, **places):
    if target == name and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target, **places)
    if target == name:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
Journal(pathlib.Path(sys.argv[1]), DESCRIPTION)
"""


def ran(folder: Path, rows: int, code: ExitCode | None, *, restart: bool = False) -> None:
    """A load of so many rows that ends like this; None: it is killed."""
    with Journal(folder, DESCRIPTION, restart=restart) as journal:
        journal.planned([[part()]])
        one = batch(0, rows)
        journal.sending(one)
        journal.acknowledged(one)
        if code is not None:
            journal.end(code, {})


def known(folder: Path) -> tuple[list[tuple[int, int]], int | None] | None:
    """What the last load that ended has loaded, and how it ended, as the next one learns it."""
    with Journal(folder, DESCRIPTION) as journal:
        state = journal.last_ended()
    return None if state is None else (list(state.parts[key_of(part())].done), state.ended)


@pytest.mark.parametrize("code", ENDED)
def test_what_a_load_has_loaded_is_known_when_the_next_one_loads_all_of_it_again(
    tmp_path: Path, code: ExitCode
) -> None:
    ran(tmp_path, 10, code)
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert not journal.resumed
        assert not journal.state.parts
        state = journal.last_ended()
    assert state is not None
    assert list(state.parts[key_of(part())].done) == [(0, 10)]
    assert state.ended == code
    assert [(one.start, one.stop, one.rows) for one in state.cuts["/a.npy", "f"]] == [(0, 1000, 1000)]


def test_before_a_load_has_ended_there_is_none(tmp_path: Path) -> None:
    assert known(tmp_path) is None
    ran(tmp_path, 10, ExitCode.FAILED)
    assert known(tmp_path) is None


@pytest.mark.parametrize("code", [None, ExitCode.FAILED, ExitCode.BAD_ROWS, ExitCode.INTERRUPTED, ExitCode.USAGE])
def test_a_load_that_did_not_end_changes_nothing_of_it(tmp_path: Path, code: ExitCode | None) -> None:
    ran(tmp_path, 10, ExitCode.OK)
    ran(tmp_path, 20, code)
    assert known(tmp_path) == ([(0, 10)], 0)
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert journal.resumed
        journal.end(ExitCode.REJECTED, {})
    assert known(tmp_path) == ([(0, 20)], 1)


def test_one_is_kept_the_last(tmp_path: Path) -> None:
    for rows in (10, 20, 30):
        ran(tmp_path, rows, ExitCode.OK)
    assert known(tmp_path) == ([(0, 30)], 0)
    kept = {"lock", "job.json", "journal.jsonl", "ended.jsonl", "ids", "runs"}
    assert {one.name for one in tmp_path.iterdir()} == kept


def test_a_restart_keeps_what_ended_and_forgets_what_did_not(tmp_path: Path) -> None:
    ran(tmp_path, 10, ExitCode.OK)
    ran(tmp_path, 20, None, restart=True)
    with Journal(tmp_path, DESCRIPTION, restart=True) as journal:
        assert not journal.state.parts
    assert known(tmp_path) == ([(0, 10)], 0)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["ended.jsonl", "journal.jsonl"])
def test_a_kill_while_one_takes_the_place_of_the_other_loses_neither(tmp_path: Path, name: str, moment: str) -> None:
    folder = tmp_path / "job"
    ran(folder, 10, ExitCode.OK)
    arguments = [sys.executable, "-c", KILLED, str(folder), moment, name]
    died = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / 'state'}"}, check=False)
    assert died.returncode == -signal.SIGKILL
    with Journal(folder, DESCRIPTION) as journal:
        assert not journal.resumed
    assert known(folder) == ([(0, 10)], 0)


def test_what_a_later_release_has_ended_is_refused_and_hinders_no_load(tmp_path: Path) -> None:
    ran(tmp_path, 10, ExitCode.FAILED)
    (tmp_path / "ended.jsonl").write_bytes(line_of({"begin": 3}))
    (tmp_path / "ended.jsonl").chmod(0o600)
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert journal.resumed
        with pytest.raises(UsageError, match="later release"):
            journal.last_ended()


def test_all_rows_of_all_files_are_in_it_by_what_the_files_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, folder = Place(tmp_path, monkeypatch), tmp_path / "rows"
    folder.mkdir()
    WRITERS["rows.parquet"](folder / "first.parquet", 1)
    WRITERS["rows.jsonl"](folder / "second.jsonl", 1)
    for _ in range(2):
        report = cyborg_ingest.load(folder, **place.options())
        assert report.rows["acknowledged"] == 2 * ROWS
    (job,) = (Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / "jobs").iterdir()
    with Journal(job, {}) as journal:
        state = journal.last_ended()
    assert state is not None
    plan = make_plan((str(folder),), SourceSettings())
    parts = [one for source in plan.sources for one in source.layout.parts]
    loaded: dict[Any, int] = {key: len(one.done) for key, one in state.parts.items() if len(one.done)}
    assert loaded.keys() == {key_of(one) for one in parts}
    assert sum(loaded.values()) == 2 * ROWS
