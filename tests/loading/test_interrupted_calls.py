"""Whatever ends a load that is called from Python, its caller learns how far it got."""

from __future__ import annotations

import _thread
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.facts import Ended
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.facts import Event

ROWS = 400


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    np.save(tmp_path / "rows.npy", np.arange(1, ROWS * 4 + 1, dtype=np.float32).reshape(ROWS, 4))
    return {"target": f"disk:{tmp_path / 'd'}", "create": True, "batch_rows": 20, "state_dir": tmp_path / "s"}


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The fifth batch is on its way, and takes its time, when somebody presses Ctrl-C."""
    real, calls, is_sent = EmbeddedIndex.upsert_binary, iter(range(1000)), threading.Event()

    def upsert(self: Any, *arguments: Any, **named: Any) -> Any:
        if next(calls) == 4:
            _thread.interrupt_main()
            time.sleep(0.5)
            is_sent.set()
        return real(self, *arguments, **named)

    monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert)
    return is_sent


def test_an_interrupted_load_waits_for_what_is_in_flight_and_says_how_far_it_got(
    tmp_path: Path, options: dict[str, Any], interrupted: threading.Event
) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        cyborg_ingest.load(tmp_path / "rows.npy", index="i", **options)
    assert interrupted.is_set()
    report = caught.value.report  # type: ignore[attr-defined]
    assert (report.status, report.exit_code, report.retry) == ("interrupted", 130, "same-command")
    again = cyborg_ingest.load(tmp_path / "rows.npy", index="i", **options)
    before, after = again.index_count["before"] or 0, again.index_count["after"]
    assert (100 <= before < ROWS, after) == (True, ROWS)  # what was in flight is there
    # the interruption may come at any point, as between counting a batch and noting it: then it is sent once more
    assert again.rows["skipped"] <= report.rows["acknowledged"] + 20 <= before + 20


def test_an_exception_of_somebody_elses_has_the_report_too(tmp_path: Path, options: dict[str, Any]) -> None:
    def emit(event: Event) -> None:
        if type(event).__name__ == "Sending":
            raise ZeroDivisionError("a display that fails")
        seen.append(event)

    seen: list[Event] = []
    with pytest.raises(ZeroDivisionError) as caught:
        run(LoadSettings(sources=(str(tmp_path / "rows.npy"),), index="i", **options), emit)
    report = caught.value.report  # type: ignore[attr-defined]
    assert (report.status, report.exit_code, report.error) == ("bug", 70, "a display that fails")
    assert isinstance(seen[-1], Ended)
    assert seen[-1].report is report
