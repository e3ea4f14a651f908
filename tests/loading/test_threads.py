"""No thread of ours is left to the garbage collector, which may come in the midst of another thread's start."""

from __future__ import annotations

import gc
import json
import threading
from typing import TYPE_CHECKING

import pytest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_load_that_fails_has_ended_its_threads_before_it_raises(tmp_path: Path) -> None:
    rows = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(20_000)]
    rows[5000]["vector"] = [None, 1.0]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    gc.collect()
    gc.disable()
    try:
        before = set(threading.enumerate())
        with pytest.raises(BadRowError) as caught:
            cyborg_ingest.load(tmp_path / "rows.jsonl", index="x", target=f"disk:{tmp_path / 'data'}", create=True)
        left = [one.name for one in threading.enumerate() if one not in before and not one.daemon]
        assert caught.value.report is not None  # it holds the frames of the load until here
        assert not [name for name in left if name.startswith(("reader", "sender", "looker"))]
    finally:
        gc.enable()
