"""What a column is by its first rows is the same for all files of a load, in whatever order: what all of them show."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = [0.5, 1.5, 2.5]
PLAIN, OBJECT = "a text", '{"k": 1}'


def written(folder: Path, name: str, values: list[Any], column: str = "metadata") -> Path:
    path = folder / f"{name}.parquet"
    ids = [f"{name}{row}" for row in range(len(values))]
    kind = pa.list_(pa.float32()) if column == "scores" else pa.string()
    columns = {"id": ids, "vector": [VECTOR] * len(ids), column: pa.array(values, kind)}
    pq.write_table(pa.table(columns), path)
    return path


def test_text_is_no_metadata_of_its_own_where_all_files_show_that(tmp_path: Path) -> None:
    files = [written(tmp_path, "a", [PLAIN] * 2), written(tmp_path, "b", [PLAIN] * 2)]
    assert rows_read(*files).metadata == [{"metadata": PLAIN}] * 4


def test_text_is_metadata_where_one_file_holds_objects_in_whatever_order(tmp_path: Path) -> None:
    files = {
        "plain": written(tmp_path, "plain", [PLAIN] * 2), "object": written(tmp_path, "object", [OBJECT] * 2),
        "empty": written(tmp_path, "empty", [None, ""]),
    }  # fmt: skip
    for order in itertools.permutations(files):
        found = rows_read(*(files[name] for name in order))
        stored = dict(zip(found.ids, found.metadata, strict=True))
        assert stored == {"object0": {"k": 1}, "object1": {"k": 1}, "empty0": None, "empty1": None}, order
        assert [one.reason.value for one in found.rejected] == ["metadata_invalid"] * 2


def test_files_that_show_nothing_do_not_count(tmp_path: Path) -> None:
    files = [written(tmp_path, "a", [None, " "]), written(tmp_path, "b", [PLAIN] * 2), written(tmp_path, "c", ["", ""])]
    for order in itertools.permutations(files):
        assert rows_read(*order).metadata.count({"metadata": PLAIN}) == 2


def test_lists_are_other_vectors_where_those_of_all_files_are_as_long(tmp_path: Path) -> None:
    same = [written(tmp_path, name, [[0.5] * 8] * 2, "scores") for name in ("a", "b")]
    assert rows_read(*same).metadata == [None] * 4
    other = written(tmp_path, "c", [[0.5] * 9] * 2, "scores")
    for order in itertools.permutations([*same, other]):
        lengths = [len(one["scores"]) for one in rows_read(*order).metadata if one]
        assert sorted(lengths) == [8, 8, 8, 8, 9, 9]


def test_the_files_that_are_looked_at_are_not_the_first_ones_alone(tmp_path: Path) -> None:
    files = [written(tmp_path, f"plain{number:02}", [PLAIN]) for number in range(20)]
    files += [written(tmp_path, f"object{number:02}", [OBJECT]) for number in range(20)]
    found = rows_read(*files)
    assert (found.metadata, len(found.rejected)) == ([{"k": 1}] * 20, 20)
