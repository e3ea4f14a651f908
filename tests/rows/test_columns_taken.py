"""A column that has a role is not offered for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import MappingError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_index_that_is_the_id_is_not_meant_by_a_wrong_name_of_the_contents(tmp_path: Path) -> None:
    index = pd.Index(["a", "b"], name="sku_id")
    pd.DataFrame({"vector": [[0.5, 1.5], [2.5, 3.5]], "n": [1, 2]}, index=index).to_parquet(tmp_path / "x.parquet")
    assert rows_read(tmp_path / "x.parquet").ids == ["a", "b"]
    with pytest.raises(MappingError, match=r"--contents-column names 'sku_ids', which is not there\. Columns: "):
        rows_read(tmp_path / "x.parquet", contents_column="sku_ids")
    with pytest.raises(MappingError, match=r"--id-column names 'sku_ids', which is not there\. Did you mean 'sku_id'"):
        rows_read(tmp_path / "x.parquet", id_column="sku_ids")
