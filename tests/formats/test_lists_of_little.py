"""Lists of very many short texts take little in a Parquet, and much once they are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.formats.pages import Limit, limit_of

if TYPE_CHECKING:
    from pathlib import Path

ROWS, ITEMS = 100, 200_000


def limit(path: Path, lengths: list[int], unit: int) -> Limit:
    """Of a column of lists with so many empty texts each."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    texts = pa.array([""]).take(pa.array(np.zeros(sum(lengths), np.int8)))
    pq.write_table(pa.table({"a": pa.ListArray.from_arrays(offsets, texts)}), path)
    with pq.ParquetFile(path) as file:
        return limit_of(str(path), file, 0, ["a"], ROWS, AtOnce(unit=unit))


def test_a_list_of_many_empty_texts_counts_by_the_room_for_them(tmp_path: Path) -> None:
    """200,000 texts are offsets of 8 bytes each, at most: 1.6 MB, in a file of some kB."""
    path, lengths = tmp_path / "x.parquet", [0] * ROWS
    lengths[50] = ITEMS
    with pytest.raises(SourceError, match=r"column 'a.list.element': one page of it has 1,600,\d+ bytes"):
        limit(path, lengths, 1_500_000)
    assert path.stat().st_size < 20_000
    assert limit(path, lengths, 2_000_000).rows == ROWS


def test_short_lists_are_read_as_before(tmp_path: Path) -> None:
    assert limit(tmp_path / "x.parquet", [3] * ROWS, 1_500_000) == Limit(ROWS)
