"""A column that has the very name of a role and cannot have the role is an error; nothing else takes its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import MappingError, UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cyborg_ingest.model import Batch

CUTTING = Cutting(rows=100, size=1_000_000, encoded=True)
VECTORS = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)
WORDS = np.array([f"w{row}" for row in range(5)])


def read(path: Path, **options: Any) -> Batch:
    plan = make_plan((str(path),), SourceSettings(**options))
    (found,) = cut(plan.chunks(100), plan.dimension, CUTTING)
    return found


def arrays(path: Path, columns: Mapping[str, Any]) -> Path:
    """The arrays as .npz or HDF5."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
        return path
    with h5py.File(path, "w") as file:
        for name, array in columns.items():
            file[name] = array if array.dtype.kind != "U" else array.astype("S")
    return path


def rows(path: Path, columns: Mapping[str, Any]) -> Path:
    """The columns as Parquet, Arrow, JSONL or JSON."""
    lists = {name: array.tolist() for name, array in columns.items()}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(lists), path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, pa.table(lists).schema) as writer:
            writer.write_table(pa.table(lists))
    else:
        objects = [dict(zip(lists, one, strict=True)) for one in zip(*lists.values(), strict=True)]
        text = json.dumps(objects) if path.suffix == ".json" else "".join(json.dumps(one) + "\n" for one in objects)
        path.write_text(text)
    return path


def write(path: Path, columns: Mapping[str, Any]) -> Path:
    return (arrays if path.suffix in {".npz", ".h5"} else rows)(path, columns)


ALL = [".npz", ".h5", ".parquet", ".arrow", ".jsonl", ".json"]
HALVES = np.arange(5) + 0.5
UNUSABLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ids of floats": ({"id": HALVES, "vector": VECTORS}, ALL),
    "ids of floats beside others": ({"id": HALVES, "uuid": WORDS, "vector": VECTORS}, ALL),
    "ids of floats by another name": ({"ids": HALVES, "vector": VECTORS}, ALL),
    "ids of truth": ({"id": HALVES > 1, "vector": VECTORS}, ALL),
    "ids in two columns": ({"id": np.ones((5, 2), int), "vector": VECTORS}, [".npz", ".h5"]),
    "a vector of single numbers": ({"id": np.arange(5), "vector": HALVES, "X": VECTORS}, ALL),
    "vectors of matrices": ({"id": np.arange(5), "vectors": np.ones((5, 2, 2)), "X": VECTORS}, [".npz", ".h5"]),
    "a vector of text": ({"id": np.arange(5), "vector": WORDS, "embedding": VECTORS}, [".parquet", ".arrow", ".jsonl"]),
    "contents of numbers": ({"id": np.arange(5), "vector": VECTORS, "contents": HALVES}, ALL[:4]),
    "contents of numbers beside text": (
        {"id": np.arange(5), "vector": VECTORS, "contents": HALVES, "text": WORDS}, ALL[:4]
    ),
    "contents of another length": ({"id": np.arange(5), "vector": VECTORS, "contents": WORDS[:3]}, [".npz", ".h5"]),
    "metadata of numbers": ({"id": np.arange(5), "vector": VECTORS, "metadata": HALVES}, ALL[:4]),
}  # fmt: skip


@pytest.mark.parametrize(("case", "suffix"), [(case, suffix) for case in UNUSABLE for suffix in UNUSABLE[case][1]])
def test_nothing_takes_the_place_of_a_column_that_cannot_be_used(tmp_path: Path, case: str, suffix: str) -> None:
    columns = UNUSABLE[case][0]
    name: str = next(one for one in ("contents", "metadata", "vector", "vectors", "id", "ids") if one in columns)
    if case.startswith("ids"):
        name = next(one for one in columns if one.startswith("id"))
    with pytest.raises(UsageError, match=f"'{name}'.*--"):
        make_plan((str(write(tmp_path / f"rows{suffix}", columns)),), SourceSettings())


@pytest.mark.parametrize("suffix", ALL)
def test_the_way_out_that_the_error_names_works(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", {"id": HALVES, "uuid": WORDS, "vector": VECTORS})
    assert read(path, id_column="uuid").ids == WORDS.tolist()
    path = write(tmp_path / f"b{suffix}", {"id": np.arange(5), "vector": VECTORS, "contents": HALVES})
    assert read(path, metadata_columns=("contents",)).metadata == [{"contents": one} for one in HALVES]
    assert read(path, metadata_columns=("*",), contents_column="").metadata == [{"contents": one} for one in HALVES]
    if suffix in ALL[:4]:
        assert read(path, contents_column="").contents is None
        assert read(path, metadata_columns=("*",)).metadata == [{"contents": one} for one in HALVES]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("ids", [np.arange(7, 12), WORDS], ids=["numbers", "text"])
def test_ids_and_contents_in_one_column_are_one_a_row(tmp_path: Path, suffix: str, ids: Any) -> None:
    columns = {"ids": ids.reshape(-1, 1), "vectors": VECTORS, "texts": WORDS.reshape(-1, 1)}
    found = read(arrays(tmp_path / f"rows{suffix}", columns))
    assert found.ids == [str(one) for one in ids]
    assert found.contents == WORDS.tolist()
    assert found.vectors.tobytes() == VECTORS.tobytes()


def test_row_numbers_are_asked_for_where_ids_cannot_be_used(tmp_path: Path) -> None:
    path = arrays(tmp_path / "rows.npz", {"ids": HALVES, "vectors": VECTORS})
    assert read(path, id_template="{row}").ids == [str(row) for row in range(5)]
    path = arrays(tmp_path / "bare.npz", {"vectors": VECTORS})
    assert read(path).ids == [str(row) for row in range(5)]


def test_data_sets_in_groups_are_named_and_can_be_chosen(tmp_path: Path) -> None:
    path = arrays(tmp_path / "rows.h5", {"X": VECTORS * 2, "obs/_index": WORDS, "obsm/X_pca": VECTORS})
    with pytest.raises(MappingError, match="obsm/X_pca"):  # two may be the vectors
        make_plan((str(path),), SourceSettings())
    found = read(path, vector_column="obsm/X_pca", id_column="obs/_index")
    with h5py.File(path) as file:
        assert found.vectors.tobytes() == file["obsm/X_pca"][:].tobytes()
        assert found.ids == [one.decode() for one in file["obs/_index"][:]]
    plan = make_plan((str(path),), SourceSettings(vector_column="X"))
    assert plan.sources[0].columns.left_out == ("obsm/X_pca",)


TEXTS = {
    "a word": "One holds 'a' at position 0, which is not a number",
    "[0.1, 0.2": "begins with \\[ and does not end with \\]",
    "[0.1 0.2 ... 0.9]": "leaves numbers out",
    "7": "text of several with no brackets: --vector-encoding text",
}


@pytest.mark.parametrize("text", TEXTS)
def test_text_in_the_place_of_a_vector_is_shown_with_why_it_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"id": "a", "embedding": text}) + "\n")
    with pytest.raises(MappingError, match=TEXTS[text]) as caught:
        make_plan((str(path),), SourceSettings())
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("row", "words", "never"),
    [
        ({"object": "list", "data": [{"embedding": [0.1]}]}, "no column is named vector", "Try --vector-column data"),
        ({"text": "hello", "vector": [0.1]}, "no column is named id", "Try --id-column text"),
        ({"ids": ["a"], "embeddings": [[0.1]]}, "'ids' is list", "metadata"),
    ],
)
def test_what_is_advised_is_in_the_file_and_fits(tmp_path: Path, row: Any, words: str, never: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(MappingError, match=words) as caught:
        make_plan((str(tmp_path / "rows.jsonl"),), SourceSettings())
    assert never not in str(caught.value)
