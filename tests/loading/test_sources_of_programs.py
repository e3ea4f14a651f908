"""Rows as programs hold them: all that is in them is in the index, as the engine itself has it, or it is said."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import uuid
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, EmptySourceError, FormatError, SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = bytes(range(1, 33))
VECTORS = np.random.default_rng(5).standard_normal((4, 3)).astype(np.float32)
IDS = ["a", "b", "c", "d"]
METADATA: list[dict[str, Any] | None] = [
    {"x": 1, "deep": {"l": [1, 2.5, None, "s"]}},
    None,
    {"x": "text"},
    {"x": [True]},
]
CONTENTS: list[str | None] = ["one", None, "é", ""]

Loaded = dict[str, tuple[bytes, dict[str, Any] | None, str | None]]
Load = "Callable[..., Loaded]"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loaded]:
    """What the engine holds after a load, as it gives it back itself."""
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())

    def loaded(source: Any, **options: Any) -> Loaded:
        report = cyborg_ingest.load(source, index="i", target=f"disk:{tmp_path / 'data'}", create=True, **options)
        assert report.rows["acknowledged"] == report.rows["read"]
        storage = cyborgdb_core.StorageConfig.disk(str(tmp_path / "data"))
        handle = cyborgdb_core.Client(storage_config=storage).load_index("i", KEY)
        rows = handle.get(list(handle.list_ids(index_key=KEY)), index_key=KEY)
        return {
            row["id"]: (
                np.array(row["vector"], np.float32).tobytes(),
                row.get("metadata") or None,
                (row.get("contents") or b"").decode() or None,
            )
            for row in rows
        }

    return loaded


WHOLE: Loaded = {name: (VECTORS[row].tobytes(), METADATA[row], CONTENTS[row] or None) for row, name in enumerate(IDS)}
COLUMNS: dict[str, Any] = {"id": IDS, "vector": VECTORS, "metadata": METADATA, "contents": CONTENTS}
ROWS = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]


def pieces(size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, 4, size):
        yield {name: values[start : start + size] for name, values in COLUMNS.items()}


FORMS: dict[str, Callable[[], Any]] = {
    "a dict of columns": lambda: COLUMNS,
    "with tuples": lambda: {name: tuple(values) for name, values in COLUMNS.items()},
    "with vectors as lists": lambda: {**COLUMNS, "vector": VECTORS.tolist()},
    "with vectors as float64": lambda: {**COLUMNS, "vector": VECTORS.astype(np.float64)},
    "with big-endian vectors": lambda: {**COLUMNS, "vector": VECTORS.astype(">f4")},
    "with arrays of one vector each": lambda: {**COLUMNS, "vector": list(VECTORS)},
    "with series": lambda: {**COLUMNS, "id": pd.Series(IDS), "vector": list(VECTORS)},
    "with arrays of Arrow": lambda: {**COLUMNS, "id": pa.array(IDS), "contents": pa.chunked_array([CONTENTS])},
    "a list of dicts": lambda: ROWS,
    "a tuple of dicts": lambda: tuple(ROWS),
    "of other mappings": lambda: [collections.OrderedDict(row) for row in ROWS],
    "a generator of dicts": lambda: (row for row in ROWS),
    "a map": lambda: map(dict, ROWS),
    "a deque": lambda: collections.deque(ROWS),
    "a generator of dicts of columns": lambda: pieces(3),
    "a list of dicts of columns": lambda: list(pieces(1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_of_the_rows_are_in_the_index_whichever_form_they_have(load: Callable[..., Loaded], form: str) -> None:
    assert load(FORMS[form]()) == WHOLE


TABLE = pa.table({"id": IDS, "vector": VECTORS.tolist(), "n": [1, None, 3, 4], "text": ["one", None, "é", "four"]})
TABLED: Loaded = {
    name: (VECTORS[row].tobytes(), None if row == 1 else {"n": row + 1}, TABLE["text"][row].as_py())
    for row, name in enumerate(IDS)
}
TABLES: dict[str, Callable[[], Any]] = {
    "a dict of plain columns": TABLE.to_pydict,
    "a generator of record batches": lambda: iter(TABLE.to_batches(max_chunksize=3)),
    "of tables": lambda: (TABLE.slice(row, 1) for row in range(4)),
    "of frames": lambda: (pl.from_arrow(TABLE).slice(row, 2) for row in (0, 2)),  # type: ignore[union-attr]
    "a frame of polars": lambda: pl.from_arrow(TABLE),
    "a frame of pandas": lambda: TABLE.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get),
    "a Dataset": lambda: datasets.Dataset.from_dict(TABLE.to_pydict()),
    "a Dataset in another order": lambda: datasets.Dataset.from_dict(TABLE.to_pydict()).shuffle(seed=1),
    "an IterableDataset": lambda: datasets.Dataset.from_dict(TABLE.to_pydict()).to_iterable_dataset(),
}


@pytest.mark.parametrize("form", TABLES)
def test_tables_of_all_kinds_are_loaded_alike(load: Callable[..., Loaded], form: str) -> None:
    assert load(TABLES[form]()) == TABLED


def test_fields_that_come_late_and_values_of_several_types_are_not_lost(load: Callable[..., Loaded]) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for row in range(1200):
            late = {"late": row, "mixed": "text"} if row > 1100 else {"mixed": row}
            yield {"id": row, "vector": [1.0, row, 2.0], **late}

    found = load(rows())
    assert len(found) == 1200
    assert {row: found[str(row)][1] for row in (0, 1100, 1101, 1199)} == {
        0: {"mixed": 0}, 1100: {"mixed": 1100}, 1101: {"mixed": "text", "late": 1101},
        1199: {"mixed": "text", "late": 1199},
    }  # fmt: skip


LATER: dict[str, tuple[Any, Any]] = {
    "of one width more": (pa.array([1] * 4, pa.int64()), pa.array([7] * 4, pa.int8())),
    "of floats": (pa.array([1.5] * 4), pa.array([7] * 4, pa.int64())),
    "of another text": (pa.array(["a"] * 4), pa.array(["b"] * 4, pa.large_string())),
    "of a dictionary": (pa.array(["a"] * 4), pa.array(["b"] * 4).dictionary_encode()),
    "of lists": (pa.array([[1]] * 4), pa.array([[1, 2]] * 4, pa.list_(pa.int64(), 2))),
    "of structs with fewer fields": (pa.array([{"x": 1, "y": 2}] * 4), pa.array([{"x": 5}] * 4)),
    "of nothing": (pa.array([1] * 4), pa.nulls(4)),
}


@pytest.mark.parametrize("kind", LATER)
def test_later_batches_may_have_other_types_that_the_first_ones_can_hold(
    load: Callable[..., Loaded], kind: str
) -> None:
    first, later = (TABLE.select(["id", "vector"]).append_column("more", one) for one in LATER[kind])
    renamed = later.set_column(0, "id", [[f"later {name}" for name in IDS]])
    found = load(iter([first, renamed]))
    for name in IDS:
        for row, values in ((name, LATER[kind][0]), (f"later {name}", LATER[kind][1])):
            kept = {"more": values[0].as_py()}
            assert _without_nulls(found[row][1]) == _without_nulls(kept)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return value or {}


def test_columns_of_a_dict_keep_the_types_of_what_is_in_their_lists(load: Callable[..., Loaded]) -> None:
    mixed = [[2**53 + 1, 0.5], [True, 0.5], [0.5, 1.5], [1, 2.5]]
    found = load({"id": IDS, "vector": VECTORS, "mixed": mixed, "none": None})
    assert {name: repr(found[name][1]) for name in IDS} == {
        name: repr({"mixed": mixed[row]}) for row, name in enumerate(IDS)
    }


def test_a_dict_with_a_column_that_is_none_is_one_of_columns_whatever_the_others_hold(
    load: Callable[..., Loaded],
) -> None:
    assert load({**COLUMNS, "none": None}) == WHOLE


def test_vectors_of_long_doubles_are_loaded(load: Callable[..., Loaded]) -> None:
    assert load({**COLUMNS, "vector": VECTORS.astype(np.longdouble)}) == WHOLE


class Colour(enum.Enum):
    RED = "red"


MOMENT = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
VALUES: dict[str, tuple[Any, Any]] = {
    "a scalar of numpy": (np.int64(3), 3),
    "a float of numpy": (np.float32(0.5), 0.5),
    "a truth of numpy": (np.bool_(True), True),
    "a text of numpy": (np.str_("x"), "x"),
    "an array": (np.arange(3), [0, 1, 2]),
    "an array of floats": (np.array([0.1, 2.5]), [0.1, 2.5]),
    "an array of dates": (np.array(["2024-02-29", "NaT"], "M8[D]"), [1_709_164_800_000, None]),
    "a moment": (MOMENT, 1_709_208_000_000),
    "a date": (MOMENT.date(), 1_709_164_800_000),
    "a moment of numpy": (np.datetime64("2024-02-29T12:00:00.000000001"), 1_709_208_000_000),
    "a timestamp of pandas": (pd.Timestamp(MOMENT), 1_709_208_000_000),
    "no time of pandas": ([pd.NaT, pd.NA, 1], [None, None, 1]),
    "a whole decimal": (decimal.Decimal(9007199254740993), 9007199254740993),
    "a decimal": (decimal.Decimal("1.10"), 1.1),
    "a UUID": (uuid.UUID(int=7), str(uuid.UUID(int=7))),
    "bytes": (b"\x00\xff", "AP8="),
    "an enum": (Colour.RED, "red"),
    "nested": ({"a": [{"b": (np.int8(1), MOMENT, b"x")}]}, {"a": [{"b": [1, 1_709_208_000_000, "eA=="]}]}),
    "a large integer": (2**100, 2**100),
    "nothing in a list": ([1, None, "x", 2.5], [1, None, "x", 2.5]),
}


def test_values_of_python_are_stored_as_those_of_files_are(load: Callable[..., Loaded]) -> None:
    rows = [{"id": name, "vector": VECTORS[0], "field": given} for name, (given, _) in VALUES.items()]
    found = load(rows)
    stored = {name: (found[name][1] or {})["field"] for name in VALUES}
    assert stored == {name: wanted for name, (_, wanted) in VALUES.items()}
    assert [repr(stored[name]) for name in VALUES] == [repr(wanted) for _, wanted in VALUES.values()]


def test_contents_that_are_bytes_are_base64_as_from_a_file(load: Callable[..., Loaded]) -> None:
    assert load({"id": ["a", "b"], "vector": VECTORS[:2], "contents": [b"\x00\xff", "text"]})["a"][2] == "AP8="
    assert load([{"id": "c", "vector": VECTORS[0], "contents": b"\x00\xff", "raw": b"\x01"}])["c"] == (
        VECTORS[0].tobytes(), {"raw": "AQ=="}, "AP8=",
    )  # fmt: skip


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a set": ({"field": {1}}, "row 2.*field 'field' is set, which JSON does not have; convert it yourself"),
    "a duration deep inside": ({"f": {"a": [datetime.timedelta(1)]}}, "row 2.*field 'f.a' is timedelta"),
    "a key that is a number": ({"f": {1: "x"}}, "row 2.*in field 'f' a key is int, not text"),
    "NaN": ({"field": float("nan")}, "row 2.*nan"),
    "a short vector": ({"vector": [1.0, 2.0]}, r"row 2 \(id 'bad'\): the vector has 2 dimensions, not 3"),
    "a vector with NaN": ({"vector": np.array([1, np.nan, 1])}, "row 2.*the vector holds nan"),
    "no vector": ({"vector": None}, "row 2.*there is no vector|row 2.*vector"),
    "no id": ({"id": None}, "row 2.*there is no id|row 2.*id"),
    "a matrix": ({"vector": VECTORS}, "row 2.*the vector is a list of 4 lists"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_row_that_cannot_be_stored_is_named_with_its_place(load: Callable[..., Loaded], kind: str) -> None:
    changed, said = BAD[kind]
    rows = [{"id": f"r{row}", "vector": VECTORS[row], "field": 1} for row in range(2)]
    with pytest.raises(BadRowError, match=said):
        load([*rows, {"id": "bad", "vector": VECTORS[2], **changed}])


def test_bad_rows_of_a_generator_are_kept_where_they_are_allowed(tmp_path: Path) -> None:
    rows = ({"id": f"r{row}", "vector": VECTORS[0][: 3 - row % 2], "n": row} for row in range(4))
    report = cyborg_ingest.load(
        rows, index="i", target=f"disk:{tmp_path / 'data'}", create=True, key_out=tmp_path / "i.key", max_errors=2,
        state_dir=tmp_path / "state",
    )  # fmt: skip
    assert (report.rows["acknowledged"], report.rows["rejected"]) == (2, 2)
    assert report.rejected_file is not None
    again = cyborg_ingest.connect(f"disk:{tmp_path / 'data'}").index("i", tmp_path / "i.key")
    with again:
        assert [row.id for row in again.get(["r0", "r1", "r2", "r3"])] == ["r0", "r2"]


def rising(after: int) -> Iterator[dict[str, Any]]:
    for row in range(after):
        yield {"id": str(row), "vector": VECTORS[0]}
    raise KeyError("boom")


def with_column(values: Any) -> pa.Table:
    return TABLE.append_column("more", pa.chunked_array([values]))


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "columns of several lengths": (
        lambda: {"id": IDS, "vector": VECTORS[:3]}, UsageError, "'id' has 4 values, 'vector' has 3",
    ),
    "one row": (lambda: ROWS[0], UsageError, "'id' is str; one row is a list of one dict"),
    "vectors alone": (lambda: VECTORS, UsageError, "Vectors need ids: {'id': ids, 'vector': vectors}"),
    "a generator of paths": (lambda: iter(["a.npy"]), UsageError, "Several paths are a list"),
    "a generator of numbers": (lambda: iter([5]), UsageError, "this one gives int"),
    "a number": (lambda: 5, UsageError, "this is int"),
    "bytes": (lambda: b"x", UsageError, "this is bytes"),
    "several splits": (
        lambda: datasets.DatasetDict({"train": datasets.Dataset.from_dict({"id": ["a"]})}),
        UsageError, "of the splits 'train': pass one of them",
    ),
    "nothing": (lambda: iter(()), EmptySourceError, "no row"),
    "a row that is none": (lambda: [ROWS[0], 5], SourceError, "Row 1 is int, not a dict"),
    "a generator that breaks at once": (lambda: rising(0), SourceError, "row 0 with KeyError: 'boom'"),
    "one that breaks off": (lambda: rising(3000), SourceError, "row 3,000 with KeyError: 'boom'"),
    "a row among columns": (
        lambda: [next(pieces(2)), ROWS[2]], SourceError, "Row 2 stands by itself, and the first",
    ),
    "no row that can be": (lambda: [{"id": "a", "vector": {1}}], FormatError, "row 0: field 'vector' is set"),
    "a batch with another column": (
        lambda: iter([TABLE, TABLE.append_column("more", [IDS])]), SourceError, "Batch 1 has the column 'more'",
    ),
    "a batch without one": (lambda: iter([TABLE, TABLE.drop_columns("n")]), SourceError, "Batch 1 does not have.*'n'"),
    "a batch of other types": (
        lambda: iter([TABLE, TABLE.set_column(2, "n", [["x", "y", "z", "u"]])]),
        SourceError, "Batch 1 has string in the column 'n', and the first one int64",
    ),
    "a batch with a field more in a struct": (
        lambda: iter([with_column([{"x": 1}] * 4), with_column([{"x": 1, "y": 2}] * 4)]), SourceError, "y: int64",
    ),
    "a batch with numbers of more digits": (
        lambda: iter([with_column(pa.array([0.1] * 4, pa.float32())), with_column([0.1] * 4)]), SourceError, "double",
    ),
    "a batch with integers for truths": (
        lambda: iter([with_column([True] * 4), with_column([2] * 4)]), SourceError, "int64",
    ),
    "a batch with a number too large for the first": (
        lambda: iter([with_column(pa.array([1] * 4, pa.int8())), with_column([300] * 4)]),
        SourceError, "Batch 1 does not have the types",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_says_what_it_is_and_where(load: Callable[..., Loaded], kind: str) -> None:
    make, error, said = REFUSED[kind]
    with pytest.raises(error, match=said):
        load(make())


def test_an_error_of_a_generator_is_the_cause_and_what_came_before_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        cyborg_ingest.load(
            rising(5000),
            index="i",
            target=f"disk:{tmp_path / 'data'}",
            create=True,
            key_out=tmp_path / "k",
            batch_rows=100,
        )
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.report is not None
    assert (
        caught.value.report.rows["acknowledged"] + caught.value.report.rows["unsent"]
        == caught.value.report.rows["read"]
    )


def test_a_generator_is_ended_with_the_load_and_pulled_no_further_than_it_is_sent(tmp_path: Path) -> None:
    pulled, ended = [0], []

    def rows() -> Iterator[dict[str, Any]]:
        try:
            for row in range(100_000):
                pulled[0] = row
                yield {"id": str(row), "vector": [1.0] if row == 1500 else VECTORS[0]}
        finally:
            ended.append(True)

    with pytest.raises(BadRowError):
        cyborg_ingest.load(
            rows(), index="i", target=f"disk:{tmp_path / 'data'}", create=True, key_out=tmp_path / "k", batch_rows=500
        )
    assert ended == [True]
    assert pulled[0] < 20_000


def test_a_list_is_read_again_to_verify_it_and_a_generator_cannot_be(load: Callable[..., Loaded]) -> None:
    assert load(ROWS, verify="full") == WHOLE
    with pytest.raises(UsageError, match="can be read once only"):
        load(iter(ROWS), verify="full")
