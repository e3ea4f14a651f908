"""How long a text of HDF5 is, is known once it is read: one that is too large costs its row, or ends the load well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from test_bounds import MOST, checked

if TYPE_CHECKING:
    from pathlib import Path


def saved(path: Path, sizes: list[int]) -> Path:
    with h5py.File(path, "w") as file:
        file["id"], file["vector"] = np.arange(len(sizes)), np.ones((len(sizes), 2), np.float32)
        texts = file.create_dataset("contents", (len(sizes),), h5py.string_dtype())
        for row, size in enumerate(sizes):
            texts[row] = "x" * size
    return path


def test_a_text_beyond_the_limit_is_rejected_and_the_others_are_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.h5", [10, 20_000, 700, 1_000_000, 3])
    code, report, said, _ = checked(path, "--max-errors", "2", "--max-row-bytes", "1000")
    assert (code, report["rejects"], report["rows"]["read"]) == (1, {"too_large": 2}, 5), said
    assert "row 1 (id '1')" in said


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not limit what a process may take")
def test_a_text_that_takes_more_memory_than_there_may_be_ends_the_load_in_words(tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.h5", [10, 250_000_000, 3])
    code, report, said, peak = checked(path, "--max-row-bytes", "1000")
    assert code == 3, said
    assert "a text in it takes more memory than it may have" in said
    assert "Traceback" not in said
    assert peak < MOST // 2
    assert report["rows"]["rejected"] == 0
