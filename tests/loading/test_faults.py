"""Whatever happens between the loader and the service, every row arrives."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY
from proxy import Fault, Proxy, all_faults, at_random, every
from service import running

import cyborg_ingest
from cyborg_ingest.errors import AccessError, TargetError, UnavailableError
from cyborg_ingest.loading import doubts
from cyborg_ingest.loading.loader import run
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine
    from service import Service


QUICK: dict[str, Any] = {"retry_max_wait": 0.2, "timeout": 2.0}
FAULTS = {fault.name: fault for fault in all_faults(3.0)}


def write(folder: Path, rows: int, dimension: int = 8) -> tuple[Path, np.ndarray[Any, Any]]:
    path = folder / "rows.npy"
    vectors = np.random.default_rng(3).normal(size=(rows, dimension)).astype(np.float32)
    np.save(path, vectors)
    return path, vectors


def rest(service: Service) -> Engine:
    import itertools  # noqa: PLC0415

    from conftest import Engine as Made  # noqa: PLC0415

    return Made("rest", service.url, itertools.count())


def check(service: Service, index: str, vectors: np.ndarray[Any, Any], key: bytes = KEY) -> None:
    """The index holds exactly these rows, read by the official SDK."""
    engine, ids = rest(service), [str(row) for row in range(len(vectors))]
    found = engine.read(index, ids, key)
    assert len(found) == len(vectors) == engine.count(index, key)
    wrong = [one for one in ids if found[one].vector != vectors[int(one)].tobytes()]
    assert not wrong


def make(service: Service, index: str, dimension: int = 8) -> None:
    """An index made past the proxy, whose key is KEY."""
    with cyborg_ingest.connect(service.url) as client:
        client.create(index, KEY, CreateOptions(dimension=dimension))


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


@pytest.fixture(scope="module")
def shared(service: Service) -> Service:
    make(service, "faults")
    return service


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_alone_loses_nothing(shared: Service, tmp_path: Path, name: str) -> None:
    path, vectors = write(tmp_path, 2000)
    with Proxy(shared.port, every(4, FAULTS[name])).running() as proxy:
        report = cyborg_ingest.load(path, index="faults", target=proxy.url, batch_rows=200, workers=3, **QUICK)
    assert proxy.injected[name] >= 3
    assert report.rows["acknowledged"] == 2000
    if name not in {"status 413", "half_closed"}:
        assert sum(report.retries.values()) >= proxy.injected[name]
    check(shared, "faults", vectors)


def mixed(service: Service, folder: Path, rows: int, index: str) -> None:
    make(service, index)
    path, vectors = write(folder, rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Proxy(service.port, at_random(0.25, list(FAULTS.values()), seed=rows)).running() as proxy:
        report = cyborg_ingest.load(
            path, index=index, target=proxy.url, batch_rows=rows // 200, workers=4, retries=20, **QUICK
        )
    assert len(proxy.injected) == len(FAULTS)
    assert report.rows["acknowledged"] == rows
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB
    check(service, index, vectors)


def test_all_faults_mixed_at_random_lose_nothing(shared: Service, tmp_path: Path) -> None:
    mixed(shared, tmp_path, 20_000, "mixed")


@pytest.mark.soak
def test_all_faults_mixed_over_100_000_rows_lose_nothing(shared: Service, tmp_path: Path) -> None:
    mixed(shared, tmp_path, 100_000, "mixed-large")


def test_a_service_that_is_killed_and_started_again_is_waited_for(tmp_path: Path) -> None:
    path, vectors = write(tmp_path, 30_000)
    with running(tmp_path / "service") as service:
        make(service, "killed")
        over, kills = threading.Event(), 0
        tally = Tally()

        def kill_twice() -> None:
            nonlocal kills
            while not over.wait(0.002) and kills < 2:
                if tally.acknowledged > 5000 * (kills + 1):
                    service.kill()
                    kills += 1
                    service.start()

        killer = threading.Thread(target=kill_twice)
        killer.start()
        try:
            report = run(
                LoadSettings(
                    sources=(str(path),),
                    index="killed",
                    target=service.url,
                    batch_rows=50,
                    workers=2,
                    retry_max_wait=1.0,
                    retries=60,
                ),
                tally,
            )
        finally:
            over.set()
            killer.join()
        assert kills == 2
        assert report.rows["acknowledged"] == 30_000
        assert sum(report.retries.values()) >= 1
        check(service, "killed", vectors)


class Late:
    """Holds the first upsert back until a newer row of its id was acknowledged, and some seconds more."""

    def __init__(self, newer: list[str], seconds: float) -> None:
        self.newer, self.seconds = newer, seconds
        self.held, self.newer_sent, self.applied = (threading.Event() for _ in range(3))

    def hold(self, connection: Any, forward: Any) -> bool:
        self.held.set()
        self.newer_sent.wait(60)
        threading.Event().wait(self.seconds)
        forward()
        self.applied.set()
        connection.close()
        return False

    def __call__(self, upsert: int, body: bytes) -> Fault | None:
        if json.loads(body)["batch"]["ids"] == self.newer:
            self.newer_sent.set()
        return Fault("held", self.hold) if upsert == 1 else None


def twice_the_same_id(folder: Path) -> tuple[list[str], np.ndarray[Any, Any]]:
    """20 rows, the first and the last of one id; the command that loads them by 5."""
    vectors = np.arange(1, 41, dtype=np.float32).reshape(20, 2)
    np.save(folder / "rows.npy", vectors)
    ids = ["late", *(f"other-{row}" for row in range(18)), "late"]
    (folder / "ids.txt").write_text("\n".join(ids))
    return ids, vectors


PAUSES = (0.5, 0.5, 1.0, 2.0)
"""In the place of 15 s, which `test_doubts` sees to: an older request is held for less than these."""

COMMAND = (
    f"from cyborg_ingest import cli; from cyborg_ingest.loading import doubts; doubts.PAUSES = {PAUSES}; cli.main()"
)


def test_a_request_that_is_applied_late_does_not_replace_a_newer_row(
    shared: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "PAUSES", PAUSES)
    ids, vectors = twice_the_same_id(tmp_path)
    make(shared, "late", 2)
    late = Late(ids[15:], 0.7)
    with Proxy(shared.port, late).running() as proxy:
        report = cyborg_ingest.load(
            tmp_path / "rows.npy", index="late", target=proxy.url, ids=tmp_path / "ids.txt", batch_rows=5, workers=1,
            **QUICK,
        )  # fmt: skip
        assert late.applied.is_set(), "the old request was not applied before the run ended"
    assert report.retries == {"timeout": 1}
    assert rest(shared).read("late", ["late"], KEY)["late"].vector == vectors[19].tobytes()


def test_nor_does_one_of_a_run_that_was_killed(shared: Service, tmp_path: Path) -> None:
    ids, vectors = twice_the_same_id(tmp_path)
    make(shared, "late-killed", 2)
    late = Late(ids[15:], 0.7)
    with Proxy(shared.port, late).running() as proxy:
        command = [
            sys.executable, "-c", COMMAND, "upsert", str(tmp_path / "rows.npy"),
            "--ids", str(tmp_path / "ids.txt"),
            "--index", "late-killed", "--target", proxy.url, "--batch-rows", "5", "--workers", "1",
        ]  # fmt: skip
        environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as victim:
            assert late.held.wait(30)
            victim.kill()
        assert victim.returncode == -signal.SIGKILL
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert late.applied.is_set(), "the old request was not applied before the run ended"
    assert "an older request" in done.stderr
    assert rest(shared).read("late-killed", ["late"], KEY)["late"].vector == vectors[19].tobytes()
    assert rest(shared).count("late-killed", KEY) == 19


def test_a_429_with_a_date_is_waited_for(shared: Service, tmp_path: Path) -> None:
    from proxy import status  # noqa: PLC0415

    path, _ = write(tmp_path, 100)
    fault = Fault("date", status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))
    with Proxy(shared.port, lambda upsert, _body: fault if upsert == 1 else None).running() as proxy:
        report = cyborg_ingest.load(path, index="faults", target=proxy.url, **QUICK)
    assert report.retries == {"429": 1}


@pytest.mark.parametrize("code", [500, 503])
def test_a_target_that_takes_nothing_costs_no_row(shared: Service, tmp_path: Path, code: int) -> None:
    path, _ = write(tmp_path, 100)
    name = f"status {code}"
    with Proxy(shared.port, lambda _upsert, _body: FAULTS[name]).running() as proxy:
        with pytest.raises(UnavailableError) as caught:
            cyborg_ingest.load(path, index="faults", target=proxy.url, max_errors="100", retries=1, retry_max_wait=0.01)
        assert proxy.upserts < 120
    assert caught.value.report is not None
    assert caught.value.report.rows["rejected"] == 0
    assert caught.value.report.rows["unsent"] == 100


@pytest.mark.parametrize("code", [401, 403, 404])
def test_an_error_that_no_row_can_cause_costs_no_row(shared: Service, tmp_path: Path, code: int) -> None:
    from proxy import status  # noqa: PLC0415

    path, _ = write(tmp_path, 100)
    fault = Fault("no", status(code))
    with Proxy(shared.port, lambda upsert, _body: fault if upsert > 2 else None).running() as proxy:
        with pytest.raises(TargetError) as caught:
            cyborg_ingest.load(path, index="faults", target=proxy.url, batch_rows=10, workers=1, max_errors="100")
        assert proxy.upserts <= 4  # the one at fault, and what was in flight beside it
    assert caught.value.report is not None
    assert caught.value.report.rows["rejected"] == 0
    assert isinstance(caught.value, AccessError) == (code != 404)
