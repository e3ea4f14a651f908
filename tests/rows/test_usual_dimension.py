"""Where no schema says how many dimensions vectors have, most of the first ones do: any single one may be bad."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import KEY

from cyborg_ingest import connect, load
from cyborg_ingest.errors import BadRowError

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *lengths: int) -> Path:
    """A row for each length."""
    rows = [{"id": f"r{row}", "vector": [1.0 + row] * length} for row, length in enumerate(lengths)]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.mark.parametrize("lengths", [(1, 4, 4, 4), (0, 4, 1, 4), (4, 4, 1, 1, 4), (4, 1), (4, 4, 1, 1)])
def test_a_bad_first_row_does_not_decide_what_all_others_have_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...]
) -> None:
    """With a row of one number before 60,000 others, the index was made for one number, and they were rejected."""
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    target = f"disk:{tmp_path / 'data'}"
    report = load(write(tmp_path, *lengths), index="i", target=target, create=True, max_errors="9",
                  state_dir=tmp_path / "state")  # fmt: skip
    assert report.rows["acknowledged"] == lengths.count(4)
    assert report.rejects == {"vector_dimension": len(lengths) - lengths.count(4)}
    with connect(target) as client, client.index("i", KEY) as index:
        assert index.describe().dimension == 4


def test_it_is_the_bad_row_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRowError, match=r"line 1 \(id 'r0'\): the vector has 1 dimensions, not 4"):
        load(write(tmp_path, 1, 4, 4), index="i", target=f"disk:{tmp_path / 'd'}", create=True,
             state_dir=tmp_path / "state")  # fmt: skip
