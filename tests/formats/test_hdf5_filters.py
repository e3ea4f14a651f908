"""HDF5 that is packed by a filter which this installation does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = 40_404
"""Of a filter that nobody has registered."""


def write(path: Path, rows: np.ndarray, *, packed: bool) -> None:
    """Rows with that filter; `packed`: the one who wrote them had it, else they lie there as they are."""
    with h5py.File(path, "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_chunk(rows.shape)
        how.set_filter(NUMBER, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(rows.shape)
        made = h5py.h5d.create(file.id, b"vectors", h5py.h5t.IEEE_F32LE, space, dcpl=how)
        if packed:
            made.write_direct_chunk((0, 0), b"packed" * 10, filter_mask=0)
        else:
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, rows)
        file["id"] = [f"r{row}" for row in range(len(rows))]


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(1).random((20, 4), np.float32)


def test_a_filter_that_is_missing_is_named_before_a_row_is_read(tmp_path: Path, rows: np.ndarray) -> None:
    write(tmp_path / "rows.h5", rows, packed=True)
    with pytest.raises(UsageError, match=rf"filter {NUMBER}, which is not installed. pip install hdf5plugin") as caught:
        cyborg_ingest.load(tmp_path / "rows.h5", index="i", target=f"disk:{tmp_path / 'd'}", create=True)
    assert "damaged" not in str(caught.value)
    assert not (tmp_path / "d").exists()


def test_rows_that_such_a_filter_was_not_put_on_are_loaded(tmp_path: Path, rows: np.ndarray) -> None:
    write(tmp_path / "rows.h5", rows, packed=False)
    with h5py.File(tmp_path / "rows.h5") as file:
        assert np.array_equal(file["vectors"][:], rows)
    report = cyborg_ingest.load(
        tmp_path / "rows.h5", index="i", target=f"disk:{tmp_path / 'd'}", create=True, verify="full",
        key_out=tmp_path / "i.key",
    )  # fmt: skip
    assert report.rows["acknowledged"] == len(rows)
