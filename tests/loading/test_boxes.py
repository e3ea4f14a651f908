"""A load whose time is over ends in good order, wherever it is, and the same command goes on."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import ran
from conftest import KEY

import cyborg_ingest
from cyborg_ingest.errors import ExitCode, StoppedError
from cyborg_ingest.plan import reading
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    np.save(tmp_path / "rows.npy", np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32))
    return tmp_path


def slow(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Each request takes a while, once it is done."""
    real = embedded.EmbeddedIndex.upsert_binary

    def upsert(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        time.sleep(seconds)

    monkeypatch.setattr(embedded.EmbeddedIndex, "upsert_binary", upsert)


LOAD: dict[str, Any] = {"index": "x", "target": "disk:data", "create": True, "batch_rows": 5, "workers": 1}


def test_what_is_on_its_way_is_awaited_and_the_same_load_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        slow(patch, 0.5)
        with pytest.raises(StoppedError, match="max_duration='3s' is over") as caught:
            cyborg_ingest.load("rows.npy", max_duration="3s", **LOAD)
    report = caught.value.report
    assert report is not None
    assert (report.exit_code, report.status, report.retry) == (6, "stopped", "same-command")
    assert 0 < report.rows["acknowledged"] < 100
    assert report.rows["acknowledged"] + report.rows["unsent"] == report.rows["read"] == 100
    again = cyborg_ingest.load("rows.npy", max_duration="2h", verify="full", **LOAD)
    assert again.rows["skipped"] == report.rows["acknowledged"]
    assert again.exit_code == 0


def test_a_load_that_reads_and_sends_nothing_yet_is_ended_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is asked for and nothing is in flight: the main thread itself is woken, in the midst of a wait."""
    monkeypatch.setattr(reading.Plan, "expected", lambda _: time.sleep(60))
    begun = time.monotonic()
    done = ran("upsert", "rows.npy", "--index", "x", "--target", "disk:data", "--max-duration", "1s", "--json")
    assert time.monotonic() - begun < 30
    assert done.returncode == 6
    assert json.loads(done.stdout)["status"] == "stopped"
    assert "stopped: --max-duration 1s is over" in done.stderr


def test_a_load_in_time_leaves_no_thread_and_no_alarm() -> None:
    before = threading.active_count()
    done = ran("upsert", "rows.npy", "--index", "x", "--target", "disk:data", "--create", "--max-duration", "1h")
    assert done.returncode == 0
    assert threading.active_count() == before


def test_a_signal_that_came_first_is_what_ends_it() -> None:
    stop = Stop()
    stop.ask()
    stop.end(ExitCode.BOX_REACHED, "the time is over")
    assert (stop.error().exit_code, str(stop.error())) == (130, "stopped by a signal")


def test_after_a_job_whose_time_is_over_no_other_is_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cyborg-ingest.toml").write_text(
        'target = "disk:data"\ncreate = true\nworkers = 1\nbatch-rows = 5\nmax-duration = "2s"\n'
        '[job.one]\nsources = ["rows.npy"]\nindex = "a"\n[job.two]\nsources = ["rows.npy"]\nindex = "b"\n'
    )
    with monkeypatch.context() as patch:
        slow(patch, 0.5)
        done = ran("run", "one", "two")
    assert done.returncode == 6
    assert "job       two" not in done.stderr
    assert ran("run", "one", "two").returncode == 0
