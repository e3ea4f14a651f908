"""What is advised where a load cannot go on with what an earlier run has left is done."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from advised import run, says

from cyborg_ingest.state import compacting, lines, replay

ROWS = np.arange(1, 401, dtype=np.float32).reshape(100, 4)
UPSERT = ("upsert", "rows.npy", "--index", "x", "--batch-rows", 10)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    np.save("rows.npy", np.where(ROWS == 229, np.nan, ROWS))
    create()


def create() -> None:
    assert run("index", "create", "x", "--dimension", 4)[0] == 0


def lies_in(handle: int, folder: str) -> bool:
    """Whether an open file is one of a folder."""
    status = os.fstat(handle)
    return any(os.path.samestat(status, one.stat()) for one in Path(folder).rglob("*"))


def mend() -> None:
    np.save("rows.npy", ROWS)


def test_rows_that_the_index_has_lost_are_loaded_again_by_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told = run(*UPSERT)
    assert (code, "57 of 100 rows" in told or "50 of 100 rows" in told) == (4, True), told
    assert run("index", "delete", "x", "--yes")[0] == 0
    create()
    monkeypatch.setattr("sys.argv", ["cyborg-ingest", *map(str, UPSERT)])
    for _ in range(2):
        code, told = run(*UPSERT)
        assert code == 3, told
        says(
            told, "{} of {} rows that an earlier run loaded are {} the index (id {} is one). Was it deleted, recreated"
        )
    report = run(*UPSERT, "--json")[1]
    told = json.loads(next(line for line in report.splitlines() if line.startswith("{")))
    assert told["retry"] == "after-fix"  # the same command would end so for ever
    words = shlex.split(told["resume_command"])
    assert (words[:2], words.count("--restart")) == (["cyborg-ingest", "upsert"], 1)
    code, told = run(*words[1:], "--max-errors", 1)
    assert (code, "99 of 100 rows loaded" in told) == (1, True), told


def test_a_journal_of_a_later_release_is_left_to_that_release_or_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:  # that release
        for module in (compacting, replay):
            patch.setattr(module, "VERSION", module.VERSION + 1)
        assert run(*UPSERT)[0] == 4
    code, told = run(*UPSERT)
    assert code == 2, told
    says(told, "Continue with that release, or load everything again with --restart.")
    with monkeypatch.context() as patch:
        patch.setattr(replay, "VERSION", replay.VERSION + 1)
        code, told = run(*UPSERT)
        assert (code, "Resuming the job" in told) == (4, True), told
    code, told = run(*UPSERT, "--restart", "--max-errors", 1)
    assert (code, " before)" not in told) == (1, True), told


def test_a_state_directory_that_is_full_is_another_one_or_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mend()
    real, written = os.write, 0

    def nearly_full(handle: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 1_500 and not lies_in(handle, "other"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(lines.os, "write", nearly_full)
        code, told = run(*UPSERT, "--batch-rows", 2)
        assert code == 3, told
        says(told, "make room, or name another with --state-dir, and run the same command again.")
        code, told = run(*UPSERT, "--state-dir", "other")
        assert (code, "100 of 100 rows loaded" in told) == (0, True), told
    code, told = run(*UPSERT)
    assert (code, "Resuming the job" in told, ", 0 not sent" in told) == (0, True, True), told


def test_a_state_directory_without_locks_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    mend()
    real = fcntl.flock

    def flock(handle: Any, how: int) -> None:
        """As on a network's disk."""
        if lies_in(handle if isinstance(handle, int) else handle.fileno(), "network"):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    code, told = run(*UPSERT, "--state-dir", "network")
    assert code == 3, told
    says(
        told, "{} cannot be locked: {}. Two runs of this job could not be told apart; name a directory on a local disk"
    )
    code, told = run(*UPSERT, "--state-dir", "local")
    assert (code, "100 of 100 rows loaded" in told) == (0, True), told
