"""What is advised where a guard keeps a load from its first row, or a box has ended it, is done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import run, says
from commands import ran
from conftest import KEY

from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from pathlib import Path

LOAD = ("upsert", "rows.npy", "--index", "x", "--target", "disk:data", "--create")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 100 rows, two days old."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    write(tmp_path, 100)
    return tmp_path


def write(folder: Path, rows: int) -> None:
    np.save(folder / "rows.npy", np.random.default_rng(1).normal(size=(rows, 4)).astype(np.float32))
    os.utime(folder / "rows.npy", (time.time() - 2 * 86_400,) * 2)


def test_fewer_rows_may_be_right() -> None:
    code, told = run(*LOAD, "--min-rows", 101)
    assert code == 2
    says(told, "if so few are right, lower --min-rows.")
    assert run(*LOAD, "--min-rows", 100)[0] == 0


def test_an_older_source_may_be_right() -> None:
    code, told = run(*LOAD, "--max-age", "1d")
    assert code == 2
    says(told, "--max-age is {}. Look whether what writes it still runs; if it may be so old, raise --max-age.")
    assert run(*LOAD, "--max-age", "3d")[0] == 0


def test_fewer_rows_than_before_may_be_right(folder: Path) -> None:
    code, told = run(*LOAD, "--max-shrink", "10%")
    assert code == 0
    says(told, "No load of this job has ended yet, so there is nothing that --max-shrink could compare with.")
    write(folder, 80)
    code, told = run(*LOAD, "--max-shrink", "10%")
    assert code == 2
    assert "20 fewer (20.0%); --max-shrink is 10%" in told
    says(told, "to its end; if so few are right, raise --max-shrink for one load, or leave it out.")
    assert run(*LOAD, "--max-shrink", "20%")[0] == 0
    assert run(*LOAD, "--max-shrink", "20%")[0] == 0


def test_a_load_whose_time_is_over_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real = embedded.EmbeddedIndex.upsert_binary

    def slow(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        time.sleep(0.5)

    with monkeypatch.context() as patch:
        patch.setattr(embedded.EmbeddedIndex, "upsert_binary", slow)
        code, told = run(*LOAD, "--max-duration", "3s", "--batch-rows", 5)
    assert code == 6
    says(told, "stopped: --max-duration {} is over. What was acknowledged is noted; the same command resumes.")
    code, told = run(*LOAD, "--max-duration", "1h", "--batch-rows", 5)
    assert code == 0
    assert re.search(r" now, \d+ before\)", told)
    assert ", 0 not sent" in told


def test_what_a_job_had_before_is_not_known_where_nothing_is_kept() -> None:
    code, told = run(*LOAD, "--max-shrink", "10%", "--no-checkpoint")
    assert code == 2
    says(told, "--max-shrink compares with the job's last load, of which --no-checkpoint keeps nothing. Drop one.")
    assert run(*LOAD, "--no-checkpoint")[0] == 0


def test_what_comes_by_a_pipe_is_saved_in_a_file_first(folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"id": "a", "vector": [1, 2, 3, 4]}\n')
    piped = ("upsert", "-", "--format", "jsonl", "--index", "x", "--target", "disk:data", "--create")
    done = ran_with((folder / "rows.jsonl"), *piped, "--min-rows", 1)
    assert done[0] == 2
    says(done[1], "say how many it has. Save it in a file, or leave {} out.")
    done = ran_with((folder / "rows.jsonl"), *piped, "--max-age", "1d")
    assert done[0] == 2
    says(done[1], "comes from, or leave --max-age out.")
    assert ran_with((folder / "rows.jsonl"), *piped)[0] == 0
    named = ran("upsert", "rows.jsonl", *piped[4:], "--min-rows", 1, "--max-age", "1d")
    assert named.returncode == 0


def ran_with(path: Path, *arguments: object) -> tuple[int, str]:
    """A command with a file as its standard input."""
    with path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "cyborg_ingest", *map(str, arguments)],
            stdin=file, capture_output=True, text=True, check=False, timeout=60, env=os.environ,
        )  # fmt: skip
    return done.returncode, done.stderr
