"""What a row takes once it is decoded is told from offsets and lengths, and cut by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cyborg_ingest.formats import bounds
from cyborg_ingest.formats.bounds import AtOnce, array_sizes, bounded
from cyborg_ingest.model import Chunk, ColumnMap, Part, Reason

TEXTS = ["", "a", "éé", None, "x" * 100, "y"]
LISTS = [["a", "bc"], [], None, ["", None, "def"], ["x" * 30], ["z"]]


def weight(value: Any, each: int) -> int:
    """Bytes of a value as Python has it: of its text, and so many for each value at any depth."""
    if isinstance(value, list):
        return each + sum(weight(one, each) for one in value)
    if isinstance(value, dict):
        return each + sum(weight(one, each) for one in value.values())
    if isinstance(value, bytes):
        return each + len(value)
    return each + len(value.encode() if value else b"")


def variants() -> dict[str, pa.Array]:
    blobs = [text.encode() if text is not None else None for text in TEXTS]
    found = {
        str(kind): pa.array(TEXTS if "string" in str(kind) else blobs, kind)
        for kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view(), pa.binary_view())
    }
    found |= {str(kind): pa.array(LISTS, kind) for kind in (pa.list_(pa.string()), pa.large_list(pa.string()))}
    found["dictionary"] = pa.array(TEXTS).dictionary_encode()
    found["struct"] = pa.StructArray.from_arrays([pa.array(TEXTS), pa.array(LISTS)], ["a", "b"])
    found["dictionary in a struct"] = pa.StructArray.from_arrays([pa.array(TEXTS).dictionary_encode()], ["a"])
    found["fixed list"] = pa.FixedSizeListArray.from_arrays(pa.array(TEXTS), 2)
    found["list of lists"] = pa.array([[one, ["q"]] for one in LISTS], pa.list_(pa.list_(pa.string())))
    return found


VARIANTS = variants()


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("each", [0, 48])
def test_the_size_of_a_row_is_that_of_its_values_as_python_has_them(name: str, each: int) -> None:
    array = VARIANTS[name]
    for one in (array, array[1:], array[1:3], array[:0], array[2:2]):
        sizes = array_sizes(one, each)
        found = np.broadcast_to(sizes, len(one)).tolist()
        assert found == [weight(value, each) for value in one.to_pylist()], one


@pytest.mark.parametrize("each", [0, 48])
def test_the_size_of_a_run_is_that_of_each_of_its_rows(each: int) -> None:
    array = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], pa.int32()), pa.array(["ab", "", "cde"]))
    expected = [size + each for size in (2, 2, 0, 3, 3, 3)]
    for start, stop in ((0, 6), (1, 4), (3, 6), (2, 3)):
        assert array_sizes(array.slice(start, stop - start), each).tolist() == expected[start:stop]


@pytest.mark.parametrize(
    ("values", "kind", "size"),
    [
        ([1, None], pa.int8(), 1), ([1, 2], pa.int64(), 8), ([1.5, 2.5], pa.float32(), 4),
        ([True, False], pa.bool_(), 1), ([None, None], pa.null(), 0), ([b"abc", b"def"], pa.binary(3), 3),
        ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], pa.list_(pa.float32(), 3), 12),
    ],
)  # fmt: skip
def test_values_of_one_width_take_that(values: list[Any], kind: pa.DataType, size: int) -> None:
    assert np.broadcast_to(array_sizes(pa.array(values, kind), 0), 2).tolist() == [size, size]


def test_lists_of_numbers_take_the_width_of_each() -> None:
    assert array_sizes(pa.array([[1, 2, 3], [], None, [4]], pa.list_(pa.int32())), 0).tolist() == [12, 0, 0, 4]
    assert array_sizes(pa.array([[1, 2, 3], [], None, [4]], pa.large_list(pa.int16())), 10).tolist() == [46, 10, 10, 22]


def test_a_list_view_takes_what_it_looks_at() -> None:
    views = pa.ListViewArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array([3, 1, 0], pa.int32()),
                                         pa.array(["a", "bcd", "ef"]))  # fmt: skip
    assert array_sizes(views, 0).tolist() == [6, 3, 0]
    assert array_sizes(views[1:], 1).tolist() == [5, 1]


NAMES = ColumnMap("vector", "id", metadata_columns=("text",))
PART = Part("rows.parquet", "parquet", 0, 0, 0, None, 0, 0)


def chunk(texts: list[str], ids: list[str] | None = None) -> Chunk:
    rows = len(texts)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * rows, np.float32)), 2)
    columns = [pa.array(ids or [f"i{row}" for row in range(rows)]), vectors, pa.array(texts)]
    batch = pa.RecordBatch.from_arrays(columns, ["id", "vector", "text"])
    return Chunk(PART, 10, 10, batch, NAMES)


def test_a_row_beyond_the_limit_keeps_its_id_and_nothing_else_and_all_others_stay_in_order() -> None:
    texts = ["a", "b" * 5000, "c", "d", "e" * 6000, "f" * 5000]
    found = list(bounded([chunk(texts)], 1000))
    rows = [row for one in found for row in one.batch.to_pylist()]
    assert [one.start for one in found] == [10, 11, 12, 14, 15]
    assert [row["id"] for row in rows] == [f"i{row}" for row in range(6)]
    assert [row["text"] for row in rows] == ["a", None, "c", "d", None, None]
    assert [row["vector"] for row in rows] == [[1, 1], None, [1, 1], [1, 1], None, None]
    faults = [(one.start + fault.offset, fault.reason, fault.detail) for one in found for fault in one.faults]
    words = "the row has {} bytes, more than the 1,000 that --max-row-bytes allows"
    taken = 2 * 48 + 2 + 8  # two objects, an id of two bytes, a vector of two numbers
    assert faults == [
        (11, Reason.TOO_LARGE, words.format(f"{5000 + taken:,}")),
        (14, Reason.TOO_LARGE, words.format(f"{6000 + taken:,}")),
        (15, Reason.TOO_LARGE, words.format(f"{5000 + taken:,}")),
    ]


def test_a_row_of_just_the_limit_passes() -> None:
    taken = 2 * 48 + 2 + 8
    whole, cut = ("x" * (1000 - taken), "x" * (1001 - taken))
    assert [len(one.faults) for one in bounded([chunk([whole])], 1000)] == [0]
    assert [len(one.faults) for one in bounded([chunk([whole, whole])], 1000)] == [0]
    assert [len(one.faults) for one in bounded([chunk([cut])], 1000)] == [1]


def test_an_id_that_is_too_long_to_be_shown_is_taken_out_too() -> None:
    found = list(bounded([chunk(["x", "y"], ["a" * 2000, "b"])], 1000))
    assert [row["id"] for one in found for row in one.batch.to_pylist()] == [None, "b"]


def test_rows_that_are_small_each_are_decoded_in_pieces_of_a_bounded_size() -> None:
    taken = 2 * 48 + 2 + 8
    found = list(bounded([chunk(["x" * (200 - taken)] * 5)], 1000, AtOnce(400)))
    assert [(one.start, len(one.batch)) for one in found] == [(10, 2), (12, 2), (14, 1)]
    rows = [row for one in found for row in one.batch.to_pylist()]
    assert rows == chunk(["x" * (200 - taken)] * 5).batch.to_pylist()


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.list_(pa.int8()),
        pa.run_end_encoded(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_what_is_taken_out_of_a_row_is_null_whatever_its_type(kind: pa.DataType) -> None:
    found = bounds._null(kind)
    assert found.to_pylist() == [None]
