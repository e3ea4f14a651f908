"""What a journal says is written by one thread, whatever others send, retry and read meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from conftest import KEY
from proxy import Fault, Proxy, status

import cyborg_ingest
from cyborg_ingest.state.lines import LineFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest
    from service import Service

    from cyborg_ingest.model import Json

ROWS = 600


def test_one_thread_writes_while_others_send_fail_and_read_ahead(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    real, kinds, threads = LineFile.append, set[str](), set[int]()

    def append(self: LineFile, records: Iterable[Json]) -> None:
        found = list(records)
        kinds.update(name for one in found for name in one)
        threads.add(threading.get_ident())
        real(self, found)

    monkeypatch.setattr(LineFile, "append", append)
    path = tmp_path / "rows.npy"
    vectors = np.ones((ROWS, 4), np.float32)
    vectors[::50] = 0
    np.save(path, vectors)
    options: dict[str, Any] = {"index": "written-by-one", "create": True, "batch_rows": 10, "workers": 4}
    faults = {n: Fault("503", status(503)) for n in range(5, 60, 9)}
    with Proxy(service.port, lambda n, _body: faults.get(n)).running() as proxy:
        report = cyborg_ingest.load(
            path, target=proxy.url, max_errors="50", retry_max_wait=0.01, state_dir=tmp_path / "s", **options
        )
    assert (report.rows["acknowledged"], report.rows["rejected"]) == (ROWS - 12, 12)
    assert report.retries == {"503": len(faults)}
    assert {"part", "sent", "ack", "facts", "end"} <= kinds
    assert threads == {threading.get_ident()}
