"""Arrays of one table in a file each: what is advised of them is done, and loads what their writer put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_layouts import check, layout_of

import cyborg_ingest
from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


def test_the_columns_that_milvus_writes_are_loaded_once_they_are_put_together(tmp_path: Path, engine: Engine) -> None:
    layout, index = layout_of("milvus-bulkwriter-numpy"), engine.name()
    with pytest.raises(FormatError, match=r"put all in one \.npz with numpy\.savez"):
        cyborg_ingest.load(layout.source, index=index, target=engine.target, create=True)
    arrays = {path.stem: np.load(path) for path in sorted((layout.folder / "data").glob("*.npy"))}
    np.savez(tmp_path / "all.npz", **arrays)
    cyborg_ingest.load(str(tmp_path / "all.npz"), index=index, target=engine.target, create=True)
    check(layout, engine, index)
