"""An array whose name is empty is a column like any other of an `.npz`: it becomes metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rows_read import rows_read

from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ARRAYS: dict[str, Any] = {"ids": np.array(["a", "b"]), "vectors": np.ones((2, 3), np.float32), "n": np.arange(2)}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_without_a_name_is_metadata(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "x.npz", **{"": np.array(["x", "y"])}, **ARRAYS)
    found = rows_read(tmp_path / "x.npz")
    assert (found.ids, found.metadata) == (["a", "b"], [{"": "x", "n": 0}, {"": "y", "n": 1}])
    assert rows_read(tmp_path / "x.npz", metadata_columns=("n",)).metadata == [{"n": 0}, {"n": 1}]


def test_one_that_is_not_loaded_is_named_among_what_is_left_out(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"": np.arange(7), **ARRAYS}
    np.savez(tmp_path / "x.npz", **arrays)
    (source,) = make_plan((str(tmp_path / "x.npz"),), SourceSettings()).sources
    assert source.columns.left_out == ("",)
    assert dict(source.columns.reasons)[""] == "7 rows, where the vectors have 2"
