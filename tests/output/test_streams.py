"""Telling the result never changes the result: whatever becomes of the standard streams, the rows are loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import cyborgdb_core
import numpy as np
import pytest
from conftest import KEY

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 300
COMMAND = '"$PYTHON" -m cyborg_ingest'
ENDINGS = {
    "a reader that goes away at once": "2>&1 >&3 3>&- | true",
    "standard error closed": "2>&-",
    "standard output closed": ">&-",
    "all three closed": "<&- >&- 2>&-",
    "a full disk behind standard error": "2>/dev/full",
    "a full disk behind standard output": ">/dev/full",
    "a full disk behind both": ">/dev/full 2>&1",
}


def shell(script: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A shell line as a user types it, in an environment without Python's own variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        env={**kept, "PYTHON": sys.executable, **environment},
    )  # fmt: skip


@pytest.fixture
def load(tmp_path: Path) -> str:
    """A command that loads 300 rows into `disk:data`, whose key is known."""
    np.save(tmp_path / "rows.npy", np.arange(1, ROWS * 4 + 1, dtype=np.float32).reshape(ROWS, 4))
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    return f"{COMMAND} upsert rows.npy --index x --target disk:data --create --index-key-file key"


def stored(tmp_path: Path) -> int:
    storage = cyborgdb_core.StorageConfig.disk(str(tmp_path / "data"))
    index = cyborgdb_core.Client(storage_config=storage).load_index("x", KEY)
    return len(index.get([str(row) for row in range(ROWS)], index_key=KEY))


UNBUFFERED = {"a reader that goes away at once", "all three closed", "a full disk behind both"}
"""Of these both are tried each time: the streams of Python, with a buffer of theirs and without."""

BROKEN = [
    pytest.param(ending, unbuffered, id=f"{name}{' unbuffered' if unbuffered else ''}", marks=marks)
    for name, ending in ENDINGS.items()
    for unbuffered, marks in (("", ()), ("1", () if name in UNBUFFERED else pytest.mark.soak))
]


@pytest.mark.parametrize(("ending", "unbuffered"), BROKEN)
def test_a_load_whose_streams_break_is_whole_and_exits_with_0(
    load: str, tmp_path: Path, ending: str, unbuffered: str
) -> None:
    done = shell(
        f"exec 3>&1; {load} --json {ending}; echo ${{PIPESTATUS[0]}} >&3", tmp_path, PYTHONUNBUFFERED=unbuffered
    )
    assert done.stdout.split()[-1] == "0", done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert stored(tmp_path) == ROWS


def test_the_beginning_of_a_result_is_enough_for_head(load: str, tmp_path: Path) -> None:
    done = shell(f"{load} --json --progress none | head -c 1; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert done.stdout == "{0\n"
    assert "Traceback" not in done.stderr
    assert "standard output" not in done.stderr  # head had what it wanted


def test_a_result_that_a_full_disk_swallows_is_said_on_standard_error(load: str, tmp_path: Path) -> None:
    done = shell(f"{load} --json >/dev/full", tmp_path)
    assert done.returncode == 0
    assert "Not all of the result could be written to standard output: No space left on device." in done.stderr


@pytest.mark.parametrize("ending", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}"])
def test_an_error_that_nobody_hears_keeps_its_exit_code(tmp_path: Path, ending: str) -> None:
    done = shell(f"{COMMAND} upsert missing.npy --index x --target disk:data {ending}", tmp_path)
    assert done.returncode == 2


def test_a_file_that_is_opened_later_is_not_taken_for_a_closed_stream(load: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = shell(f"{load} <&- >&- 2>&-", tmp_path, CYBORG_INGEST_STATE_DIR=str(state))
    assert done.returncode == 0
    (journal,) = state.rglob("journal.jsonl")
    for line in journal.read_text().splitlines():
        assert json.loads(line.partition(" ")[2])


def test_a_slow_reader_of_a_stream_that_does_not_block_gets_all_of_it(load: str, tmp_path: Path) -> None:
    nonblocking = "import os,sys; os.set_blocking(1, False); os.execv(sys.argv[1], sys.argv[1:])"
    wrapped = load.replace('"$PYTHON"', f'"$PYTHON" -c "{nonblocking}" "$PYTHON"', 1)
    done = shell(f"{wrapped} --json | (sleep 2; cat)", tmp_path)
    assert json.loads(done.stdout)["rows"]["acknowledged"] == ROWS


ENDED = {
    "--help": 0,
    "--version": 0,
    "upsert --help": 0,
    "upsert rows.npy": 2,
    "upsert rows.npy --index x --target disk:data --batch-rows 0": 2,
    "upsert rows.npy --index y --target disk:data": 2,
    "upsert bad.npy --index x --target disk:data": 4,
    "upsert bad.npy --index x --target disk:data --max-errors 1 --json": 1,
    "upsert bad.npy --index x --target disk:data --dry-run --json": 1,
    "verify rows.npy --index x --target disk:data --json": 0,
    "verify other.npy --index x --target disk:data --mode full": 5,
    "verify missing.npy --index x --target disk:data": 2,
    "inspect rows.npy": 0,
    "inspect rows.npy --json": 0,
    "index list --target disk:data": 0,
    "index info x --target disk:data --json": 0,
    "index info y --target disk:data": 2,
    "index delete x --target disk:data": 2,
}
"""Commands of all kinds, behind a load of rows.npy, and how each ends whoever listens.

Each is tried in one way of not listening; in all ways where it may take long.
"""


DEAF = [">/dev/full 2>&1", "<&- >&- 2>&-", "2>&1 | true"]
EVERY = slice(None)


@pytest.mark.parametrize(
    ("ending", "some"),
    [
        *((ending, slice(place, None, len(DEAF))) for place, ending in enumerate(DEAF)),
        *(pytest.param(ending, EVERY, marks=pytest.mark.soak) for ending in DEAF),
    ],
)
def test_every_command_ends_the_same_whoever_listens(load: str, tmp_path: Path, ending: str, some: slice) -> None:
    wanted = dict(list(ENDED.items())[some])
    good = np.load(tmp_path / "rows.npy")
    np.save(tmp_path / "bad.npy", np.where(good == 6, np.nan, good))
    np.save(tmp_path / "other.npy", good + 1)
    lines = [f"{COMMAND} {one} {ending}; echo ${{PIPESTATUS[0]}} >&3" for one in wanted]
    script = "\n".join(["exec 3>&1", f"{load} >/dev/null 2>&1", *lines])
    done = shell(script, tmp_path, CYBORG_INGEST_INDEX_KEY_FILE="key")
    assert dict(zip(wanted, map(int, done.stdout.split()), strict=True)) == wanted
    assert done.stderr == ""
