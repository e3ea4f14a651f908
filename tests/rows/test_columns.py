"""Arrow columns of every type become the right ids, vectors, metadata and contents."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cyborg_ingest.model import Reason
from cyborg_ingest.rows import columns
from cyborg_ingest.rows.faults import Converted, first_reasons

ONE = uuid.UUID(int=1)
LIST_KINDS = [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 3)]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
INTEGERS = [pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["a", "é"]), ["a", "é"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([1, -2], pa.int8()), ["1", "-2"]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([ONE.bytes], pa.binary(16)).cast(pa.uuid()), [str(ONE)]),
        (pa.array([b"user-00000000001"], pa.binary(16)), ["user-00000000001"]),
        (pa.array([b"ab"], pa.binary()), ["ab"]),
        (pa.array([decimal.Decimal(12)], pa.decimal128(38, 0)), ["12"]),
    ],
)
def test_ids_become_text(array: pa.Array, expected: list[str]) -> None:
    assert columns.ids(array) == Converted(expected, {})


def test_ids_that_are_null_empty_or_no_utf8_are_named_and_the_others_kept() -> None:
    bad = pa.Array.from_buffers(pa.string(), 4, pa.array([b"a", b"\xff", b"", None], pa.binary()).buffers())
    found = columns.ids(bad)
    assert found.values[0] == "a"
    assert {place: reason for place, (reason, _) in found.faults.items()} == {
        1: Reason.ID_INVALID,
        2: Reason.ID_MISSING,
        3: Reason.ID_MISSING,
    }


@pytest.mark.parametrize("make", LIST_KINDS)
@pytest.mark.parametrize("kind", [*FLOATS, *INTEGERS], ids=str)
def test_vectors_of_every_type_are_the_same_numbers_as_float32(make: Any, kind: pa.DataType) -> None:
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]
    numbers = np.array(rows, kind.to_pandas_dtype())
    array = pa.array([list(row) for row in numbers], make(kind))
    for start in range(4):
        found = columns.vectors(array.slice(start), 3)
        assert found.values.dtype == np.dtype("<f4")
        assert found.values.flags.c_contiguous
        np.testing.assert_array_equal(found.values, np.array(rows[start:], np.float32))
        assert not found.faults


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(1, 1024, width=32)),
    st.sets(st.integers(0, 5)),
    st.sampled_from(LIST_KINDS),
    st.integers(0, 3),
)
def test_null_vectors_never_shift_the_rows_behind_them(
    numbers: np.ndarray[Any, Any], nulls: set[int], make: Any, start: int
) -> None:
    rows = [None if place in nulls else row.tolist() for place, row in enumerate(numbers)]
    array = pa.array(rows, make(pa.float32())).slice(start)
    found = columns.vectors(array, 3)
    for place, row in enumerate(rows[start:]):
        if row is None:
            assert found.faults[place][0] is Reason.VECTOR_MISSING
        else:
            assert place not in found.faults
            assert found.values[place].tolist() == row


def test_each_bad_vector_has_its_reason() -> None:
    rows = [
        [1, 2],
        [1, 2, 3],
        [np.nan, 1],
        [1, -np.inf],
        [1e300, 1],
        [0, 0],
        [None, 1],
        None,
        [],
        [1e-320, 0],
        [-0.0, 0.0],
        [3e38, 3e38],
        [1e-45, 0],
    ]
    found = columns.vectors(pa.array(rows, pa.list_(pa.float64())), 2)
    assert {place: reason for place, (reason, _) in found.faults.items()} == {
        1: Reason.VECTOR_DIMENSION,
        2: Reason.VECTOR_NOT_FINITE,
        3: Reason.VECTOR_NOT_FINITE,
        4: Reason.VECTOR_OVERFLOW,
        5: Reason.VECTOR_ZERO,
        6: Reason.VECTOR_INVALID,
        7: Reason.VECTOR_MISSING,
        8: Reason.VECTOR_DIMENSION,
        9: Reason.VECTOR_ZERO,
        10: Reason.VECTOR_ZERO,
    }
    assert found.values[11].tolist() == [np.float32(3e38), np.float32(3e38)]
    assert found.values[12][0] > 0


def metadata_of(values: list[Any], kind: pa.DataType) -> list[Any]:
    """What the values of a column become inside an object; None: left out."""
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], ["f"])
    found = columns.metadata_of_columns(batch, ("f",))
    assert not found.faults
    return [(row or {}).get("f") for row in found.values]


MOMENT = datetime.datetime(2020, 1, 1, 0, 0, 0, 1999)  # noqa: DTZ001
BEFORE = datetime.datetime(1969, 12, 31, 23, 59, 59, 999500)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1.5, None, float("nan")], pa.float64(), [1.5, None, None]),
        ([True, None], pa.bool_(), [True, None]),
        ([2**64 - 1], pa.uint64(), [2**64 - 1]),
        ([MOMENT, BEFORE], pa.timestamp("us"), [1577836800001, -1]),
        ([MOMENT], pa.timestamp("ns", "Europe/Berlin"), [1577836800001]),
        ([datetime.datetime(2020, 1, 1)], pa.timestamp("s"), [1577836800000]),  # noqa: DTZ001
        ([datetime.date(1969, 12, 31)], pa.date32(), [-86_400_000]),
        ([datetime.date(2020, 1, 1)], pa.date64(), [1577836800000]),
        ([decimal.Decimal("1.50")], pa.decimal128(5, 2), [1.5]),
        ([decimal.Decimal(7)], pa.decimal128(5, 0), [7]),
        ([b"\x00\xff"], pa.binary(), ["AP8="]),
        ([b"\x00\xff"], pa.binary(2), ["AP8="]),
        ([[1, None, 3], None, []], pa.list_(pa.int8()), [[1, None, 3], None, []]),
        ([[1.0, float("nan")]], pa.large_list(pa.float32()), [[1.0, None]]),
        ([[1, 2], None], pa.list_(pa.int8(), 2), [[1, 2], None]),
        ([[("a", 1), ("b", None)], None], pa.map_(pa.string(), pa.int8()), [{"a": 1}, None]),
        ([[(1, "x")]], pa.map_(pa.int8(), pa.string()), [{"1": "x"}]),
        (
            [{"x": None, "y": [{"z": 1}]}],
            pa.struct([("x", pa.int8()), ("y", pa.list_(pa.struct([("z", pa.int8())])))]),
            [{"y": [{"z": 1}]}],
        ),
        (["u", None, "u"], pa.dictionary(pa.int8(), pa.string()), ["u", None, "u"]),
        ([None], pa.null(), [None]),
        (["x"], pa.large_string(), ["x"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_typed_columns_become_json_values(values: list[Any], kind: pa.DataType, expected: list[Any]) -> None:
    assert metadata_of(values, kind) == expected
    assert metadata_of([values[0], *values], kind) == [expected[0], *expected]


scalars = st.none() | st.integers(-100, 100)


@given(st.lists(st.none() | st.fixed_dictionaries({"a": scalars, "l": st.none() | st.lists(scalars)})), st.data())
def test_a_slice_of_nested_columns_holds_the_rows_of_the_slice(rows: list[Any], data: st.DataObject) -> None:
    kind = pa.struct([("a", pa.int64()), ("l", pa.list_(pa.int64()))])
    start = data.draw(st.integers(0, len(rows)))
    found = columns.metadata(pa.array(rows, kind).slice(start)).values
    expected = [row and {key: value for key, value in row.items() if value is not None} for row in rows[start:]]
    assert found == expected


def test_json_text_is_parsed_and_each_bad_one_named() -> None:
    texts = ['{"a":1,"b":null}', None, "", "null", "[1]", "{", '{"a":NaN}', '{"a":1180591620717411303424}']
    found = columns.metadata(pa.array(texts))
    assert found.values[0] == {"a": 1, "b": None}
    assert found.values[1] is found.values[2] is found.values[3] is None
    assert found.values[7] == {"a": 2**70}
    assert {place: reason for place, (reason, _) in found.faults.items()} == {
        4: Reason.METADATA_INVALID,
        5: Reason.METADATA_INVALID,
        6: Reason.METADATA_NOT_FINITE,
    }


def test_an_infinity_in_a_typed_column_is_a_reject() -> None:
    found = columns.metadata(pa.array([{"f": 1.0}, {"f": float("inf")}]))
    faults = first_reasons(found.faults, columns.beyond_json(found.values))
    assert {place: reason for place, (reason, _) in faults.items()} == {1: Reason.METADATA_NOT_FINITE}


def test_contents_are_text_or_bytes() -> None:
    assert columns.contents(pa.array(["a", None, ""])) == Converted(["a", None, ""])
    assert columns.contents(pa.array([b"\xff", None])) == Converted([b"\xff", None])
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"a"], pa.binary()).buffers())
    found = columns.contents(bad)
    assert found.values == [None, "a"]
    assert found.faults[0][0] is Reason.CONTENTS_INVALID


@pytest.mark.parametrize("kind", [pa.list_(pa.null()), pa.list_(pa.float32())], ids=str)
def test_a_column_without_any_vector_is_all_faults(kind: pa.DataType) -> None:
    found = columns.vectors(pa.array([[], None], kind), None)
    assert found.values.shape == (2, 0)
    assert [reason for reason, _ in found.faults.values()] == [Reason.VECTOR_MISSING, Reason.VECTOR_DIMENSION]
