"""`{file}` of a folder of one `.npy` a column is the folder's whole name: what follows a dot is not a suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("made", [{"id_prefix": "{file}-"}, {"id_template": "{file}-{row}"}])
@pytest.mark.parametrize("names", [("run.1", "run.2"), ("a.gz", "a.npy"), ("plain", "x.y.z")])
def test_folders_that_differ_behind_a_dot_make_other_ids(
    names: tuple[str, str], made: dict[str, Any], tmp_path: Path
) -> None:
    for number, name in enumerate(names):
        (folder := tmp_path / name).mkdir()
        np.save(folder / "vector.npy", np.full((2, 3), number + 0.5, np.float32))
        np.save(folder / "title.npy", np.array(["t", "u"]))
    found = rows_read(*(tmp_path / name for name in names), **made)
    assert found.ids == [f"{name}-{row}" for name in names for row in range(2)]
    assert [vector[0] for vector in found.vectors] == [0.5, 0.5, 1.5, 1.5]
