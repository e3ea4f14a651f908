"""A load that is killed at any moment goes on with the same command, and no row is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import ran
from test_load import DIMENSION, SIDECARS, WRITERS, expected, stored, table
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, TargetError

if TYPE_CHECKING:
    from conftest import Engine

ROWS = 3000


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `cyborg-ingest` as a user does, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *(str(one) for one in arguments)],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ,
    )  # fmt: skip


def killed(row: int, moment: str, *arguments: object) -> int:
    """Run it until so many rows were sent, and kill it there. Returns how many rows it had sent at most."""
    victim = subprocess.run(
        [sys.executable, str(TESTS / "victim.py"), str(row), moment, *(str(one) for one in arguments)],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ,
    )  # fmt: skip
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    return row


def kill_test(engine: Engine, folder: Path, seed: int) -> dict[str, Any]:
    """Kill a load twice at random points, with other batches and workers each time, and let it end."""
    chance = random.Random(seed)
    rows, index, kind = table(ROWS), engine.name(), chance.choice(list(WRITERS))
    arguments: list[object] = [
        "upsert",
        *WRITERS[kind](folder, rows),
        "--index",
        index,
        "--target",
        engine.target,
    ]
    arguments += ["--create", "--progress", "none"]
    if kind == "npy":
        arguments += [part for name, file in SIDECARS.items() for part in (f"--{name}", folder / file)]
    for _ in range(2):
        shape = ["--batch-rows", chance.randint(20, 300), "--workers", chance.randint(1, 6)]
        killed(chance.randint(1, ROWS // 3), chance.choice(["before", "after"]), *arguments, *shape)
    batch_rows, workers = chance.randint(20, 300), chance.randint(1, 6)
    done = ran(*arguments, "--batch-rows", batch_rows, "--workers", workers, "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert stored(engine.read(index, rows["id"])) == expected(rows)
    assert engine.count(index) == ROWS
    counts = report["rows"]
    assert counts["read"] == ROWS == counts["acknowledged"] + counts["skipped"]
    # sent twice: at most what was in flight when it was killed, one batch a worker and one ready
    assert report["index_count"]["before"] - counts["skipped"] <= 300 * 7
    return report


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_load_goes_on_and_loses_nothing(engine: Engine, tmp_path: Path, seed: int) -> None:
    kill_test(engine, tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5, 30))
def test_it_does_so_at_many_more_random_points(engine: Engine, tmp_path: Path, seed: int) -> None:
    kill_test(engine, tmp_path, seed)


def bad_table(folder: Path, bad: int) -> tuple[Path, dict[str, list[Any]]]:
    """A .jsonl of 100 rows of which one holds NaN."""
    rows = table(100)
    path = folder / "rows.jsonl"
    WRITERS["jsonl"](folder, rows)
    lines = path.read_text("utf-8").split("\n\n")
    row = json.loads(lines[bad])
    row["vector"][3] = float("nan")
    lines[bad] = json.dumps(row)
    path.write_text("\n\n".join(lines), "utf-8")
    return path, rows


def test_a_bad_row_stops_the_load_and_the_same_command_goes_on_once_it_is_mended(
    engine: Engine, tmp_path: Path
) -> None:
    path, rows = bad_table(tmp_path, 57)
    index = engine.name()
    with pytest.raises(
        BadRowError, match=r"rows\.jsonl, line 115 .*the vector holds nan at position 3.*max_errors"
    ) as caught:
        cyborg_ingest.load(path, index=index, target=engine.target, create=True, batch_rows=10)
    report = caught.value.report
    assert report is not None
    assert report.rows["acknowledged"] == 50 == engine.count(index)
    assert report.rows["rejected"] == 1
    WRITERS["jsonl"](tmp_path, rows)
    report = cyborg_ingest.load(path, index=index, target=engine.target, create=True, batch_rows=10)
    assert stored(engine.read(index, rows["id"])) == expected(rows)


def test_an_ended_load_starts_anew(engine: Engine, tmp_path: Path) -> None:
    rows, index = table(30), engine.name()
    sources = WRITERS["parquet"](tmp_path, rows)
    for _ in range(2):
        report = cyborg_ingest.load(sources, index=index, target=engine.target, create=True)
        assert report.rows["acknowledged"] == 30
        assert report.rows["skipped"] == 0


def test_a_resumed_load_stops_when_the_index_has_lost_its_rows(engine: Engine, tmp_path: Path) -> None:
    path, _ = bad_table(tmp_path, 57)
    index = engine.name()
    with pytest.raises(BadRowError):
        cyborg_ingest.load(path, index=index, target=engine.target, create=True, batch_rows=10)
    with engine.connect() as client, client.index(index, engine.key(index)) as one:
        one.delete()
    with pytest.raises(TargetError, match=r"missing from the index.*restart=True"):
        cyborg_ingest.load(path, index=index, target=engine.target, create=True, batch_rows=10)


def test_rejected_rows_end_in_a_file_that_can_be_loaded_once_mended(engine: Engine, tmp_path: Path) -> None:
    path, rows = bad_table(tmp_path, 57)
    index = engine.name()
    report = cyborg_ingest.load(path, index=index, target=engine.target, create=True, batch_rows=10, max_errors="1")
    assert (report.exit_code, report.rejects) == (1, {"vector_not_finite": 1})
    assert report.rows["acknowledged"] == 99
    assert report.rejected_file is not None
    rejected = Path(report.rejected_file)
    row = json.loads(rejected.read_text("utf-8"))
    assert row["_rejected"]["row"] == 57
    assert row["_rejected"]["line"] == 115
    assert row["_rejected"]["reason"] == "vector_not_finite"
    row["vector"] = np.asarray(rows["vector"][57]).tolist()
    assert len(row["vector"]) == DIMENSION
    mended = tmp_path / "mended.jsonl"
    mended.write_text(json.dumps(row), "utf-8")
    cyborg_ingest.load(mended, index=index, target=engine.target)
    assert stored(engine.read(index, rows["id"])) == expected(rows)
