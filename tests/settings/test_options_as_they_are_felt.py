"""Options whose effect is seen from outside alone: by the service, on the disk, and in what is left behind."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import KEY
from proxy import Fault, Proxy, _answer

import cyborg_ingest

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from conftest import Engine
    from proxy import Answer
    from service import Service


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def written(folder: Path, count: int, *bad: int) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(
        json.dumps({"id": f"row-{row}", "vector": [row, "x" if row in bad else 1.0],
                    "metadata": {"note": f"private {row}"}, "contents": f"private text {row}"}) + "\n"
        for row in range(count)
    ))  # fmt: skip
    return path


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_the_service_gets_as_many_requests_at_once_as_there_are_workers(
    service: Service, tmp_path: Path, workers: int
) -> None:
    """Each upsert waits until as many as that are there; the load ends only if they come, and more never do."""
    lock, here, most = threading.Lock(), 0, 0
    all_here = threading.Event()

    def waiting(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
            if here >= workers:
                all_here.set()
        assert all_here.wait(30)
        with lock:
            here -= 1
        return _answer(connection, forward())

    path = written(tmp_path, 40)
    with Proxy(service.port, lambda _number, _body: Fault("looked at", waiting)).running() as proxy:
        report = cyborg_ingest.load(
            path, index=f"workers-{workers}", target=proxy.url, create=True, batch_rows=2, workers=workers
        )
    assert report.rows["acknowledged"] == 40
    assert all_here.is_set()
    assert most == workers


def test_without_a_checkpoint_no_file_is_left(engine: Engine, tmp_path: Path) -> None:
    state = tmp_path / "state"
    path = written(tmp_path, 10)
    before = {one for one in tmp_path.rglob("*") if "engine" not in str(one)}
    cyborg_ingest.load(path, index=engine.name(), target=engine.target, create=True, state_dir=state, checkpoint=False)
    assert {one for one in tmp_path.rglob("*") if "engine" not in str(one)} == before
    cyborg_ingest.load(path, index=engine.name(), target=engine.target, create=True, state_dir=state)
    assert list(state.rglob("journal.jsonl"))  # that is where they would have been


def test_rejected_rows_are_kept_by_their_ids_alone_where_that_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path, 10, 3, 7)
    for kept in ("full", "ids"):
        report = cyborg_ingest.load(
            path, index=engine.name(), target=engine.target, create=True, max_errors="2", reject_content=kept,
            state_dir=tmp_path / kept,
        )  # fmt: skip
        assert report.rejected_file is not None
        text = Path(report.rejected_file).read_text("utf-8")
        found = [json.loads(line) for line in text.splitlines()]
        assert [one["id"] for one in found] == ["row-3", "row-7"]
        assert [one["_rejected"]["row"] for one in found] == [3, 7]
        assert ("private" in text) is (kept == "full")
        assert [set(one) for one in found] == [
            {"id", "_rejected"} | ({"vector", "metadata", "contents"} if kept == "full" else set())
        ] * 2
        assert "private" not in "".join(
            one.read_text("utf-8", "replace")
            for one in (tmp_path / kept).rglob("*")
            if one.is_file() and "rejected" not in one.name
        )


def frames(count: int) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "id": [f"r{row}" for row in range(count)],
        "vector": [[float(row), 0.5, -1.0] for row in range(count)],
        "year": list(range(count)),
    }
    frame = pd.DataFrame(columns)
    return {
        "pandas": frame,
        "polars": pl.DataFrame(columns),
        "duckdb": duckdb.sql("SELECT * FROM frame"),
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "duckdb"])
def test_a_frame_is_loaded_verified_and_sampled_like_a_file(engine: Engine, kind: str) -> None:
    frame, index = frames(30)[kind], engine.name()
    options: dict[str, Any] = {
        "index": index, "target": engine.target, "create": True, "metadata_columns": ("year",), "checkpoint": False
    }  # fmt: skip
    report = cyborg_ingest.load(frame, sample=7, verify="full", **options)
    assert report.rows["acknowledged"] == 7 == engine.count(index)
    assert report.verify is not None
    assert (report.verify["checked"], report.verify["differences"]) == (7, 0)
    report = cyborg_ingest.load(frame, verify="full", **options)
    assert report.rows["acknowledged"] == 30 == engine.count(index)
    found = engine.read(index, [f"r{row}" for row in range(30)])
    assert {name: (np.frombuffer(row.vector, "<f4").tolist(), row.metadata) for name, row in found.items()} == {
        f"r{row}": ([float(row), 0.5, -1.0], {"year": row}) for row in range(30)
    }
