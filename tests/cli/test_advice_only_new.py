"""What is advised where only what is new is loaded, or could be, is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cyborgdb_core
import numpy as np
import pytest
from advised import run, says
from conftest import KEY

from cyborg_ingest.errors import ExitCode

LOAD = ("upsert", "rows.npy", "--index", "x", "--target", "disk:data", "--create")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 1,000 rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    np.save(tmp_path / "rows.npy", np.random.default_rng(1).normal(size=(1000, 4)).astype(np.float32))
    return tmp_path


def test_a_load_that_is_done_again_need_not_be() -> None:
    run(*LOAD)
    code, told = run(*LOAD)
    assert code == 0
    says(told, "This load finished {}; loading {} rows again (--only-new loads what changed).")
    code, told = run(*LOAD, "--only-new")
    assert code == 0
    assert "Nothing new: 1 file is as it was at " in told
    assert "1,000 of 1,000 rows loaded (0 now, 1,000 before)" in told


def test_an_index_with_fewer_rows_is_loaded_from_the_start() -> None:
    run(*LOAD)
    (journal,) = states("journal.jsonl")
    probed = {one["probe"][0] for line in journal.read_bytes().splitlines() if "probe" in (one := json.loads(line[9:]))}
    lost = next(str(row) for row in range(1000) if str(row) not in probed)
    storage = cyborgdb_core.StorageConfig.disk("data")
    cyborgdb_core.Client(storage_config=storage).load_index("x", KEY).delete([lost], index_key=KEY)
    code, told = run(*LOAD, "--only-new")
    assert code == 3
    says(told, "be there. Was it deleted, recreated or written to since? --restart loads everything again.")
    code, told = run(*LOAD, "--only-new", "--restart")
    assert code == 0
    assert "1,000 of 1,000 rows loaded" in told


@pytest.mark.parametrize("code", [code for code in ExitCode if code])
def test_the_code_for_nothing_new_says_nothing_else(code: ExitCode) -> None:
    ended, told = run(*LOAD, "--only-new", "--nothing-new-exit", int(code))
    assert ended == 2
    says(told, "--nothing-new-exit is {}, which says something else; take one that is free, like 99.")
    assert not Path("data").exists()
    assert [run(*LOAD, "--only-new", "--nothing-new-exit", 99)[0] for _ in range(2)] == [0, 99]


def states(name: str) -> list[Path]:
    return list(Path(os.environ["CYBORG_INGEST_STATE_DIR"]).rglob(name))


def test_what_has_no_files_is_loaded_whole() -> None:
    code, told = run(*LOAD, "--only-new", "--limit", 3)
    assert code == 2
    says(told, "{} has to see whole files, and {} leaves out rows of them. Drop one.")
    assert run(*LOAD, "--limit", 3)[0] == 0
    assert run(*LOAD, "--only-new")[0] == 0
    code, told = run(*LOAD, "--only-new", "--skip-bad-files")
    assert code == 2
    says(told, "--only-new goes by loads that have seen all files, and --skip-bad-files leaves out some. Drop one.")
    code, told = run(*LOAD, "--only-new", "--no-checkpoint")
    assert code == 2
    says(told, "--only-new compares with the job's last load, of which --no-checkpoint keeps nothing. Drop one.")


def test_what_comes_by_a_pipe_is_saved_in_a_file(folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"id": "a", "vector": [1, 2]}\n')
    to = ("--index", "y", "--target", "disk:data", "--create", "--only-new")
    data = (folder / "rows.jsonl").read_bytes()
    command = [sys.executable, "-m", "cyborg_ingest", "upsert", "-", "--format", "jsonl", *to]
    piped = subprocess.run(command, input=data, capture_output=True, check=False)
    assert piped.returncode == 2
    told = piped.stderr.decode()
    says(told, "{} compares files with what was loaded before, and {} is not a file. Save it in one")
    assert run("upsert", "rows.jsonl", *to)[0] == 0


def test_rows_that_have_left_may_be_deleted(folder: Path) -> None:
    (folder / "more.npy").write_bytes((folder / "rows.npy").read_bytes())
    load = ("upsert", ".", "--index", "x", "--target", "disk:data", "--create", "--id-prefix", "{file}-", "--only-new")
    assert run(*load)[0] == 0
    (folder / "more.npy").unlink()
    code, told = run(*load)
    assert code == 0
    says(told, "Rows that have left the sources stay in the index (--delete-missing deletes them).")
    code, told = run(*load, "--delete-missing")
    assert code == 4
    says(told, "loaded. Look whether the sources are whole (--dry-run lists what would be deleted); if so, raise ")
    code, told = run(*load, "--delete-missing", "--dry-run", "--max-delete", "50%")
    assert code == 0
    assert "1,000 rows are no longer in the sources; would be deleted" in told
    code, told = run(*load, "--delete-missing", "--max-delete", "50%")
    assert code == 0
    assert "deleted   1,000 rows that are no longer in the sources" in told


def test_what_is_a_part_of_the_sources_deletes_nothing() -> None:
    code, told = run(*LOAD, "--delete-missing", "--limit", 3)
    assert code == 2
    says(told, "{} has to see whole files, and {} leaves out rows of them. Drop one.")
    code, told = run(*LOAD, "--delete-missing", "--skip-bad-files")
    assert code == 2
    says(told, "--delete-missing has to see all files, and --skip-bad-files leaves out some. Drop one, or repair them.")
    code, told = run(*LOAD, "--delete-missing", "--no-checkpoint")
    assert code == 2
    says(
        told,
        "--delete-missing goes by what a job has brought, of which --no-checkpoint keeps nothing.",
    )
    assert run(*LOAD, "--delete-missing")[0] == 0
    data = b'{"id": "a", "vector": [1, 2]}\n'
    to = ("--index", "y", "--target", "disk:data", "--create", "--delete-missing")
    command = [sys.executable, "-m", "cyborg_ingest", "upsert", "-", "--format", "jsonl", *to]
    told = subprocess.run(command, input=data, capture_output=True, check=False).stderr.decode()
    says(told, "{} compares files with what was loaded before, and {} is not a file. Save it in one")
    Path("y.jsonl").write_bytes(data)
    assert run("upsert", "y.jsonl", *to)[0] == 0
