"""Commands that are printed are what a shell takes, whatever the names are, and do what is said of them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from advised import run, says

from cyborg_ingest.loading import remarks

ROWS = np.arange(1, 401, dtype=np.float32).reshape(100, 4)
NAMES = ["an index; of $HOME 'x'", "-x", "--create"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    np.save("rows.npy", ROWS)


def typed(monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str]:
    """A command line, as the program sees its own."""
    monkeypatch.setattr("sys.argv", ["cyborg-ingest", *map(str, words)])
    return run(*words)


def after(told: str, words: str) -> list[str]:
    """The command that is printed behind these words, as a shell takes it."""
    found = shlex.split(told.partition(words)[2].splitlines()[0])
    assert found[0] == "cyborg-ingest", told
    return found[1:]


@pytest.mark.parametrize("name", NAMES)
def test_an_index_of_any_name_is_made_and_trained_by_the_commands_that_are_printed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(remarks, "AUTO_TRAIN_ROWS", 4)
    code, told = typed(monkeypatch, "upsert", "rows.npy", "--index", name)
    assert code == 2, told
    says(told, "To create it: {}")
    code, told = typed(monkeypatch, *after(told, "To create it: "))
    assert code == 0, told
    says(told, "The index has more than {} rows and is not trained, so queries scan all of it. Train it: {}")
    assert run(*after(told, "Train it: "))[0] == 0


def test_an_option_is_put_before_names_that_look_like_options(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("--rows.npy").write_bytes(Path("rows.npy").read_bytes())
    monkeypatch.delenv("CYBORG_INGEST_CONFIG_DIR")
    code, told = typed(monkeypatch, "upsert", "--index", "x", "--", "--rows.npy")
    assert code == 2, told
    code, told = typed(monkeypatch, *after(told, "To create it: "))
    assert (code, "needs a key" in told) == (2, True), told
    code, told = typed(monkeypatch, *after(told, "on a disk that stays: "))
    assert (code, "100 of 100 rows loaded" in told) == (0, True), told


@pytest.mark.parametrize("how", ["an option", "a variable"])
def test_a_load_that_was_begun_anew_and_stopped_goes_on_by_the_command_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    assert run("index", "create", "x", "--dimension", 4)[0] == 0
    np.save("rows.npy", np.where(ROWS == 229, np.nan, ROWS))
    again = ("--restart",) if how == "an option" else ()
    if how == "a variable":
        monkeypatch.setenv("CYBORG_INGEST_RESTART", "1")
    code, told = typed(monkeypatch, "upsert", "rows.npy", "--index", "x", "--batch-rows", 10, *again)
    assert code == 4, told
    words = shlex.split(told.partition("resume    ")[2].splitlines()[0])
    place = words.index("cyborg-ingest")
    assert words[:place] == ([] if how == "an option" else ["env", "-u", "CYBORG_INGEST_RESTART"])
    words[place : place + 1] = [sys.executable, "-m", "cyborg_ingest"]
    done = subprocess.run([*words, "--max-errors", "1"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert " now, 50 before)" in done.stderr
    assert ", 0 not sent" in done.stderr
