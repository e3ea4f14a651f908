"""A load within a program like a notebook: streams that are not files, and an event loop that runs."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import cyborg_ingest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_hdf5_is_loaded_in_a_notebook_and_nothing_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["vectors"] = np.random.default_rng(1).random((100, 4), np.float32)
        file["id"] = [f"r{row}" for row in range(100)]
    streams: dict[str, Any] = {name: io.StringIO() for name in ("stdin", "stdout", "stderr")}  # which have no fileno
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)

    async def cell() -> cyborg_ingest.RunReport:
        return cyborg_ingest.load(
            tmp_path / "rows.h5", index="i", target=f"disk:{tmp_path / 'd'}", create=True, key_out=tmp_path / "i.key"
        )

    report = asyncio.run(cell())
    assert report.rows["acknowledged"] == 100
    assert [stream.getvalue() for stream in streams.values()] == ["", "", ""]
    assert capfd.readouterr() == ("", "")
