"""A load sends no faster than it may, whatever its workers, and a stop ends the wait."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.errors import StoppedError, UnavailableError, UsageError
from cyborg_ingest.loading.pace import Pace
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets import embedded, rest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

ROWS, BATCH, DIMENSION = 60, 10, 8


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(1).normal(size=(ROWS, DIMENSION)).astype(np.float32))
    return path


def requests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each request with rows left."""
    times: list[float] = []
    for kind in (rest.RestIndex, embedded.EmbeddedIndex):

        def upsert(self: Any, *arguments: Any, real: Any = kind.upsert_binary) -> None:
            times.append(time.monotonic())
            real(self, *arguments)

        monkeypatch.setattr(kind, "upsert_binary", upsert)
    return times


def load(engine: Engine, rows: Path, **options: Any) -> cyborg_ingest.RunReport:
    return cyborg_ingest.load(
        rows, index=engine.name(), target=engine.target, create=True, batch_rows=BATCH, workers=3, **options
    )


def test_rows_leave_no_faster_than_they_may_by_all_workers_together(
    engine: Engine, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = requests(monkeypatch)
    report = load(engine, rows, max_rows_per_second=50)
    assert report.rows["acknowledged"] == ROWS
    assert len(times) == ROWS // BATCH
    for place, at in enumerate(sorted(times)):
        assert at - times[0] >= place * BATCH / 50 - 0.02


def test_bytes_leave_no_faster_than_they_may(engine: Engine, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row has 32 bytes of vector at least, whatever it is sent as."""
    times = requests(monkeypatch)
    report = load(engine, rows, max_bytes_per_second="2K")
    assert report.rows["acknowledged"] == ROWS
    for place, at in enumerate(sorted(times)):
        assert at - times[0] >= place * BATCH * DIMENSION * 4 / 2000 - 0.02


def test_a_try_that_is_repeated_pays_again(engine: Engine, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause before it is a second at most."""
    times: list[float] = []
    for kind in (rest.RestIndex, embedded.EmbeddedIndex):

        def upsert(self: Any, *arguments: Any, real: Any = kind.upsert_binary) -> None:
            times.append(time.monotonic())
            if len(times) == 1:
                raise UnavailableError("not now", cause="503")
            real(self, *arguments)

        monkeypatch.setattr(kind, "upsert_binary", upsert)
    report = load(engine, rows, limit=BATCH, max_rows_per_second=5)
    assert report.retries == {"503": 1}
    assert times[1] - times[0] >= BATCH / 5 - 0.02


def test_a_stop_ends_the_wait_at_once() -> None:
    stop = Stop()
    pace = Pace(stop, rows=1, size=None)
    pace.wait(3600, 0)
    threading.Timer(0.2, stop.ask).start()
    begun = time.monotonic()
    with pytest.raises(StoppedError):
        pace.wait(1, 0)
    assert time.monotonic() - begun < 10


def test_the_slower_of_both_counts_and_every_request_pays() -> None:
    pace = Pace(Stop(), rows=100, size=1000)
    begun = time.monotonic()
    for _ in range(3):
        pace.wait(1, 200)  # 0.01 s by its rows, 0.2 s by its bytes
    assert time.monotonic() - begun >= 0.4


def test_a_box_ends_a_load_that_waits_for_its_pace(engine: Engine, rows: Path) -> None:
    with pytest.raises(StoppedError) as caught:
        load(engine, rows, max_rows_per_second=1, max_duration="4s")
    report = caught.value.report
    assert report is not None
    assert report.exit_code == 6
    assert 0 < report.rows["acknowledged"] <= 2 * BATCH


@pytest.mark.parametrize("given", ["0", "1T", "1.5M", "", "K", -1, "20m"])
def test_what_is_no_number_of_bytes_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="it takes bytes like 500000, 500K, 20M or 1G"):
        LoadSettings(sources=("x",), index="i", max_bytes_per_second=given)  # type: ignore[arg-type]
