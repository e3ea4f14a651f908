"""Folders as data sets are published: the same rows in several formats, and files that are not data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import FormatError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = np.ones((3, 4), np.float32)
ROWS = [{"id": str(row), "vector": [1.0, 2.0, 3.0, 4.0]} for row in range(3)]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """As MS MARCO's embeddings are published."""
    for name in ("passages_parquet", "passages_npy", "passages_jsonl"):
        (tmp_path / name).mkdir()
    pq.write_table(
        pa.table({"id": ["a", "b", "c"], "vector": VECTORS.tolist()}), tmp_path / "passages_parquet/00.parquet"
    )
    np.save(tmp_path / "passages_npy/part_00.npy", VECTORS)
    (tmp_path / "passages_jsonl/00.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in ROWS))
    (tmp_path / "README.md").write_text("# MS MARCO")
    return tmp_path


def read(*sources: Path | str, format_name: str | None = None) -> list[str]:
    plan = make_plan(tuple(map(str, sources)), SourceSettings(format=format_name))
    return [source.layout.uri.rpartition("/")[2] for source in plan.sources]


def test_folders_that_differ_by_a_format_alone_are_not_loaded_together(dataset: Path) -> None:
    with pytest.raises(FormatError) as caught:
        read(dataset)
    assert str(caught.value) == (
        f"{dataset}/passages_jsonl and {dataset}/passages_npy have one name but for the formats in it, so they may "
        "hold the same rows. Choose with --format jsonl, --format npy or by the folder's own name; to load both, name "
        "both."
    )


def test_what_the_error_names_chooses(dataset: Path) -> None:
    assert read(dataset, format_name="npy") == ["part_00.npy"]
    assert read(dataset / "passages_parquet") == ["00.parquet"]
    assert read(f"{dataset}/passages_parquet/**") == ["00.parquet"]
    both = make_plan((str(dataset / "passages_parquet"), str(dataset / "passages_jsonl")), SourceSettings(limit=1))
    assert len(both.sources) == 2


@pytest.mark.parametrize("names", [("train_parquet", "test_npy"), ("data", "data_npy"), ("parquet", "more")])
def test_folders_of_other_names_are_loaded_together(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    pq.write_table(pa.table({"id": ["a"], "vector": VECTORS[:1].tolist()}), tmp_path / names[0] / "a.parquet")
    np.save(tmp_path / names[1] / "b.npy", VECTORS)
    assert sorted(read(tmp_path)) == ["a.parquet", "b.npy"]


def test_files_of_a_repository_are_left_out_beside_rows_in_json_too(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    for name in ("config.json", "dataset_infos.json", "VDF_META.json"):
        (tmp_path / name).write_text(json.dumps({"model": "x", "dimensions": {"a": 1}}))
    (tmp_path / "README.md").write_text("# rows")
    plan = make_plan((str(tmp_path),), SourceSettings())
    assert [source.layout.uri for source in plan.sources] == [str(tmp_path / "rows.json")]
    assert sorted((one.reason, one.count) for one in plan.not_read) == [("about_data", 3), ("unknown_suffix", 1)]


def test_rows_in_a_file_that_is_named_as_those_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(ROWS))
    (tmp_path / "rows.json").write_text(json.dumps([{**one, "id": f"r{one['id']}"} for one in ROWS]))
    assert read(tmp_path) == ["config.json", "rows.json"]
