"""The free tier's cap, full disks, cut creations and duplicate ids: nothing lost, nothing blamed wrongly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import says
from conftest import KEY
from test_resume import command, killed
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import CapReachedError, StateError
from cyborg_ingest.targets.base import FREE_TIER_ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


def write(folder: Path, rows: int, dimension: int = 2) -> Path:
    path = folder / f"rows-{rows}.npy"
    np.save(path, np.random.default_rng(rows).normal(size=(rows, dimension)).astype(np.float32))
    return path


def test_20_000_rows_over_500_ids_end_with_the_last_row_of_each(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path, 20_000)
    ids = [f"id-{number}" for number in np.random.default_rng(1).integers(0, 500, 20_000)]
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    index = engine.name()
    report = cyborg_ingest.load(
        path,
        index=index,
        target=engine.target,
        create=True,
        ids=tmp_path / "ids.txt",
        workers=8,
        batch_rows=37,
    )
    vectors = np.load(path)
    last = {identity: vectors[row].tobytes() for row, identity in enumerate(ids)}
    found = engine.read(index, list(last))
    assert {identity: row.vector for identity, row in found.items()} == last
    assert report.duplicates_seen > 0


@pytest.fixture(scope="module")
def full_index(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An index that a killed load has filled to the cap, without its journal knowing of the last batch."""
    folder = tmp_path_factory.mktemp("cap")
    path, target = write(folder, FREE_TIER_ROWS), f"disk:{folder / 'data'}"
    environment = {"CYBORG_INGEST_STATE_DIR": str(folder / "state"), "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    victim = subprocess.run(
        [sys.executable, str(TESTS / "victim.py"), str(FREE_TIER_ROWS), "after", "upsert", str(path), "--index", "cap",
         "--target", target, "--create", "--batch-rows", "20000", "--workers", "1"],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    return target, folder


def test_a_load_killed_at_the_cap_ends_well_and_one_row_more_names_the_cap(
    full_index: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, folder = full_index
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(folder / "state"))
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    report = cyborg_ingest.load(
        folder / f"rows-{FREE_TIER_ROWS}.npy",
        index="cap",
        target=target,
        create=True,
        batch_rows=20_000,
        workers=1,
    )
    assert report.exit_code == 0
    assert report.rows["skipped"] == FREE_TIER_ROWS - 20_000
    assert report.rows["acknowledged"] == 20_000
    assert report.index_count == {"before": FREE_TIER_ROWS, "after": FREE_TIER_ROWS}
    with pytest.raises(CapReachedError, match=r"1000000 items") as caught:
        cyborg_ingest.load(write(folder, 1), index="cap", target=target, id_prefix="more-")
    assert caught.value.exit_code == 2
    assert caught.value.report is not None
    assert caught.value.report.rows["rejected"] == 0
    says(str(caught.value), "Load into another index, or set {} to a licence.")
    report = cyborg_ingest.load(write(folder, 1), index="another", target=target, id_prefix="more-", create=True)
    assert report.rows["acknowledged"] == 1


def test_a_load_that_must_hit_the_cap_is_refused_before_its_first_row(tmp_path: Path) -> None:
    path = write(tmp_path, FREE_TIER_ROWS + 1)
    with pytest.raises(CapReachedError, match=r"1,000,000 rows per index.*limit") as caught:
        cyborg_ingest.load(path, index="cap", target=f"disk:{tmp_path / 'data'}", create=True)
    assert caught.value.report is not None
    assert caught.value.report.rows["acknowledged"] == 0


CUT = """
import os, signal, sys
import cyborgdb_core
from cyborg_ingest import cli
real = cyborgdb_core.create_index_kms
def cut(*arguments):
    if sys.argv_moment == "between":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
sys.argv_moment = sys.argv[1]
cyborgdb_core.create_index_kms = cut
sys.argv = ["cyborg-ingest", *sys.argv[2:]]
cli.main()
"""


@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_creation_that_is_killed_is_completed_by_the_same_command(tmp_path: Path, moment: str) -> None:
    path, target = write(tmp_path, 100), f"disk:{tmp_path / 'data'}"
    arguments = ["upsert", str(path), "--index", "cut", "--target", target, "--create"]
    victim = subprocess.run(
        [sys.executable, "-c", CUT, moment, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    done = command(*arguments, "--verify", "full", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verify"]["checked"] == 100
    assert report["verify"]["differences"] == 0


def test_a_load_killed_after_the_index_was_made_goes_on_with_the_kept_key(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path, 2000)
    arguments = [
        "upsert",
        path,
        "--index",
        engine.name(),
        "--target",
        engine.target,
        "--create",
        "--batch-rows",
        100,
    ]
    killed(1, "before", *arguments)
    done = command(*arguments, "--verify", "full", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verify"]["differences"] == 0


FULL = """
import resource, signal, sys
from cyborg_ingest import cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["cyborg-ingest", *sys.argv[2:]]
cli.main()
"""


def test_a_full_disk_under_the_engine_costs_no_row_and_the_load_can_go_on(tmp_path: Path) -> None:
    path, target = write(tmp_path, 20_000, 64), f"disk:{tmp_path / 'data'}"
    arguments = [
        "upsert",
        str(path),
        "--index",
        "full",
        "--target",
        target,
        "--create",
        "--batch-rows",
        "1000",
    ]
    full = subprocess.run(
        [sys.executable, "-c", FULL, "2000000", *arguments, "--json", "--max-errors", "1000"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert full.returncode == 3, full.stderr
    report = json.loads(full.stdout)
    assert report["rows"]["rejected"] == 0
    assert 0 < report["rows"]["acknowledged"] < 20_000
    assert "free space" in full.stderr
    done = command(*arguments, "--json", "--verify", "full")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert rows["skipped"] == report["rows"]["acknowledged"]
    assert rows["acknowledged"] + rows["skipped"] == 20_000


def test_a_full_disk_under_the_state_directory_loses_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyborg_ingest.state import lines  # noqa: PLC0415

    path, index = write(tmp_path, 3000), engine.name()
    real, written = os.write, 0

    def nearly_full(handle: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 4000:
            raise OSError(28, "No space left on device")
        return real(handle, data)

    options: dict[str, Any] = {"target": engine.target, "create": True, "batch_rows": 100}
    with monkeypatch.context() as patch:
        patch.setattr(lines.os, "write", nearly_full)
        with pytest.raises(StateError, match=r"cannot be written: No space left.*state_dir") as caught:
            cyborg_ingest.load(path, index=index, **options)
    assert caught.value.exit_code == 3
    report = cyborg_ingest.load(path, index=index, verify="full", **options)
    assert report.rows["skipped"] > 0
    assert report.rows["acknowledged"] + report.rows["skipped"] == 3000
    assert engine.count(index) == 3000
