"""Ctrl-C and SIGTERM end a load in good order, and say how to go on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_resume import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Engine

ROWS = 40_000

SLOWLY = """
import sys, time
from cyborg_ingest import cli
from cyborg_ingest.targets import embedded, rest
seconds = float(sys.argv[1])
for kind in (rest.RestIndex, embedded.EmbeddedIndex):
    def slow(self, *arguments, real=kind.upsert_binary):
        real(self, *arguments)
        try:
            print("sent", file=sys.stderr, flush=True)
        except OSError:
            pass
        time.sleep(seconds)
    kind.upsert_binary = slow
sys.argv = ["cyborg-ingest", *sys.argv[2:]]
cli.main()
"""


@contextlib.contextmanager
def started(seconds: float, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A load each of whose requests takes a while, once the first was sent."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(seconds), *(str(one) for one in arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            assert any(line == "sent\n" for line in process.stderr), "nothing was sent"
            yield process
        finally:
            process.kill()


def vectors(folder: Path) -> Path:
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(1).normal(size=(ROWS, 8)).astype(np.float32))
    return path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_records_and_names_the_command_that_goes_on(
    engine: Engine, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    index = engine.name()
    arguments = [
        "upsert",
        vectors(tmp_path),
        "--index",
        index,
        "--target",
        engine.target,
        "--create",
        "--json",
    ]
    with started(0.2, *arguments, "--batch-rows", "500", "--workers", "2") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    report = json.loads(out)
    assert report["exit_code"] == code
    assert report["resume_command"].startswith(f"cyborg-ingest upsert {tmp_path}/rows.npy --index {index}")
    assert report["resume_command"] in err
    acknowledged = report["rows"]["acknowledged"]
    assert 0 < acknowledged < ROWS
    assert report["rows"]["unsent"] == ROWS - acknowledged
    assert engine.count(index) == acknowledged
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == {
        "read": ROWS,
        "acknowledged": ROWS - acknowledged,
        "rejected": 0,
        "skipped": acknowledged,
        "unsent": 0,
    }
    assert re.search(rf"{acknowledged:,} rows are already loaded and are skipped", done.stderr)
    assert engine.count(index) == ROWS


def test_a_second_signal_ends_the_process_at_once(engine: Engine, tmp_path: Path) -> None:
    arguments = ["upsert", vectors(tmp_path), "--index", engine.name(), "--target", engine.target, "--create"]
    with started(600, *arguments, "--drain-timeout", "600") as process:
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)  # two that come before the first is seen count as one
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 143


def test_what_does_not_land_within_the_drain_timeout_is_given_up(engine: Engine, tmp_path: Path) -> None:
    arguments = ["upsert", vectors(tmp_path), "--index", engine.name(), "--target", engine.target, "--create"]
    with started(600, *arguments, "--drain-timeout", "0.5") as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130


def test_a_load_goes_on_when_nobody_reads_its_messages(engine: Engine, tmp_path: Path) -> None:
    index = engine.name()
    arguments = ["upsert", vectors(tmp_path), "--index", index, "--target", engine.target, "--create"]
    with started(0.01, *arguments, "--progress", "plain") as process:
        assert process.stderr is not None
        process.stderr.close()
        process.wait(60)
    assert process.returncode == 0
    assert engine.count(index) == ROWS
