"""Rules of readers of a few lines each, tried where they stand, against what others write or specify."""

from __future__ import annotations

import csv
import os
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest import sources
from cyborg_ingest.errors import ArgumentError, ArgumentTypeError, FormatError
from cyborg_ingest.formats import delimited
from cyborg_ingest.formats.arrow import ArrowReader
from cyborg_ingest.formats.base import Sidecars, check_names
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.formats.cellcolumns import _parsed
from cyborg_ingest.formats.cellrows import _plain_cells
from cyborg_ingest.formats.cells import Kind, value_of
from cyborg_ingest.formats.delimited import DelimitedReader
from cyborg_ingest.formats.ends import hdf5_end
from cyborg_ingest.formats.messages import _buffers_of
from cyborg_ingest.formats.named import map_layout
from cyborg_ingest.formats.npz import NpzReader
from cyborg_ingest.formats.pages import _head
from cyborg_ingest.formats.parquet import batches_of, opened, schema_of
from cyborg_ingest.rows.mapping import ColumnChoice
from cyborg_ingest.sources import stdin, stores, streams
from cyborg_ingest.targets.arguments import _whole

if TYPE_CHECKING:
    from pathlib import Path


def test_metadata_that_is_no_json_is_shown_as_the_text_that_it_is() -> None:
    assert _parsed('{"a": [1, null]}') == {"a": [1, None]}
    assert _parsed("") is None
    assert _parsed("no json") == "no json"
    assert _parsed('{"a": ') == '{"a": '


@pytest.mark.parametrize("number", [0, 11, -1, 10**30, -(10**30)])
def test_a_number_out_of_bounds_is_refused_with_them(number: int) -> None:
    shown = "beyond 64 bits" if abs(number) > 2**64 else str(number)
    with pytest.raises(ArgumentError) as caught:
        _whole("top_k", number, 1, 10)
    assert str(caught.value) == f"top_k is {shown}; it must be 1 to 10"


@pytest.mark.parametrize("number", [1, 10, np.int8(4)])
def test_a_number_within_bounds_is_taken_as_it_is(number: int) -> None:
    found = _whole("top_k", number, 1, 10)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("number", [True, np.True_, 1.0, "1", None])
def test_what_is_no_whole_number_is_refused_with_its_type(number: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=f"top_k is {type(number).__name__}, not int"):
        _whole("top_k", number, 1, 10)


def damaged(schema: pa.Schema) -> pa.Schema:
    """With the name `name` as bytes that are not UTF-8."""
    return pa.ipc.read_schema(pa.py_buffer(schema.serialize().to_pybytes().replace(b"name", b"\xff\xfe\xff\xfe")))


@pytest.mark.parametrize(
    "fields",
    [
        [pa.field("name", pa.int8())],
        [pa.field("a", pa.int8()), pa.field("b", pa.struct([pa.field("name", pa.int8())]))],
        [pa.field("a", pa.list_(pa.field("name", pa.int8())))],
    ],
)
def test_a_name_that_is_no_text_is_refused_at_any_depth(fields: list[pa.Field]) -> None:
    check_names("u", pa.schema(fields))
    with pytest.raises(FormatError, match="u: the name of a column is not UTF-8"):
        check_names("u", damaged(pa.schema(fields)))


@pytest.mark.parametrize("length", [10, 300, 2000])
def test_the_head_of_a_page_is_read_whole_however_long_its_statistics_make_it(length: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    texts = [f"{row:04}" + "x" * (length - 4) for row in range(50)]
    pq.write_table(pa.table({"a": texts}), path, use_dictionary=False, compression="none", data_page_version="1.0")
    with path.open("rb") as file:
        page = _head(file, pq.read_metadata(path).row_group(0).column(0).data_page_offset)
    assert page is not None
    levels = 4 + 2  # the length of the levels, and one run that says that no row is null
    assert (page.values, page.size) == (50, levels + 50 * (4 + length))


def test_what_is_no_head_of_a_page_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xff" * 5000)
    with path.open("rb") as file:
        assert _head(file, 0) is None
        assert _head(file, 4990) is None
        assert _head(file, 5000) is None


NUMBER, TEXT = pa.int32(), pa.string()
BUFFERS: list[tuple[pa.DataType, int]] = [  # the layouts of Arrow's columnar format, version 5
    (NUMBER, 2), (pa.bool_(), 2), (TEXT, 3), (pa.large_binary(), 3), (pa.binary(4), 2), (pa.null(), 0),
    (pa.decimal128(5, 1), 2), (pa.timestamp("s"), 2),
    (pa.list_(NUMBER), 4), (pa.list_(TEXT), 5),
    (pa.list_(NUMBER, 3), 3), (pa.list_(TEXT, 3), 4), (pa.large_list(TEXT), 5),
    (pa.list_view(NUMBER), 5), (pa.struct([("a", NUMBER), ("b", TEXT)]), 6), (pa.struct([]), 1),
    (pa.map_(TEXT, NUMBER), 8), (pa.dictionary(NUMBER, TEXT), 2), (pa.run_end_encoded(NUMBER, TEXT), 5),
    (pa.sparse_union([pa.field("a", NUMBER), pa.field("b", TEXT)]), 6),
    (pa.dense_union([pa.field("a", NUMBER), pa.field("b", TEXT)]), 7),
    (pa.uuid(), 2) if hasattr(pa, "uuid") else (NUMBER, 2),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "count"), BUFFERS, ids=[str(kind) for kind, _ in BUFFERS])
def test_a_column_has_as_many_buffers_as_the_format_says(kind: pa.DataType, count: int) -> None:
    assert _buffers_of(kind, iter(())) == count


def test_text_that_is_viewed_has_as_many_more_as_its_message_says() -> None:
    variadic = iter([3, 1])
    assert _buffers_of(pa.struct([("a", pa.string_view()), ("b", pa.binary_view())]), variadic) == 1 + (2 + 3) + (2 + 1)


IDENTITY = pa.binary(16)


@pytest.mark.parametrize(
    "kind",
    [
        IDENTITY,
        pa.struct([("a", IDENTITY), ("b", pa.int64())]),
        pa.list_(IDENTITY),
        pa.large_list(IDENTITY),
        pa.list_(IDENTITY, 2),
        pa.map_(IDENTITY, pa.int64()),
        pa.list_(pa.struct([("a", pa.list_(IDENTITY)), ("b", IDENTITY)])),
    ],
    ids=str,
)
def test_sixteen_bytes_that_are_no_uuid_stay_bytes_in_whatever_holds_them(kind: pa.DataType, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"a": pa.nulls(2, kind), "n": [1, 2]})
    pq.write_table(table, path)
    with opened(str(path)) as file:
        assert schema_of(file).types == pq.read_schema(path).types
        (batch,) = batches_of(str(path), file, 10, [0], ["a", "n"], AtOnce(unit=1 << 20))
    assert batch.schema.types == pq.read_schema(path).types
    assert batch.to_pylist() == table.to_pylist()


def test_chunks_say_which_rows_of_their_part_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, vectors=np.ones((10, 4), np.float32))
    reader = NpzReader()
    layout, columns = map_layout(reader.layout(str(path), Sidecars()), ColumnChoice())
    (part,) = layout.parts
    found = list(reader.read(part, columns, Sidecars(), rows=4))
    assert [(one.start, len(one.batch)) for one in found] == [(0, 4), (4, 4), (8, 2)]


@pytest.mark.parametrize(("head", "is_whole"), [(5000, False), (100_000, True)])
def test_columns_of_a_pipe_are_typed_by_the_beginning_that_can_be_read_again(
    head: int, is_whole: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The last of 1,000 cells is text: who sees it all says so."""
    path = tmp_path / "rows.csv"
    path.write_text("id,n,vector\n" + "".join(f'r{row},{row},"[1,2]"\n' for row in range(999)) + 'r999,x,"[1,2]"\n')
    monkeypatch.setattr(streams, "_HEAD_BYTES", head)
    monkeypatch.setattr(delimited, "_SCANNED_ROWS", 5)
    descriptor = os.open(path, os.O_RDONLY)
    with os.fdopen(descriptor) as file:
        monkeypatch.setattr(sys, "stdin", file)
        monkeypatch.setitem(stores.by_scheme, sources.STDIN, stdin.StandardInput())
        found, seen_all = DelimitedReader("csv", (".csv",), ",")._scanned("-", ["n"], Sidecars())
    assert seen_all is is_whole
    assert found["n"].kind is (Kind.TEXT if is_whole else Kind.INT)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_hdf5_file_says_in_its_first_64_bytes_where_it_ends(version: str, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["vectors"] = np.ones((10, 4), np.float32)
    head = path.read_bytes()[:64]
    assert hdf5_end(head) == path.stat().st_size
    assert hdf5_end(head[:63]) is None
    assert hdf5_end(b"x" + head) is None
    assert hdf5_end(b"") is None


CELLS: dict[Kind, dict[str, Any]] = {
    Kind.BOOL: {
        **dict.fromkeys(["true", "T", "1", "yes", "Y"], True),
        **dict.fromkeys(["false", "F", "0", "No", "n"], False),
        "truth": "truth",
        "": "",
    },
    Kind.INT: {"12": 12, "-3": -3, "+4": 4, "1.5": 1.5, "x": "x", "1_0": "1_0", " 1": " 1", "9" * 30: int("9" * 30)},
    Kind.FLOAT: {"1.5": 1.5, "2": 2, "1e3": 1000.0, ".5": 0.5, "nan": "nan", "1e": "1e"},
    Kind.TEXT: {"12": "12", "true": "true", "[1]": "[1]"},
    Kind.VECTOR: {"[1, 2.5]": [1, 2.5], "[1": "[1", "x": "x"},
}


@pytest.mark.parametrize("kind", CELLS, ids=str)
def test_a_cell_is_shown_as_the_value_that_it_spells_and_else_as_its_text(kind: Kind) -> None:
    found = {text: value_of(text, kind) for text in CELLS[kind]}
    assert found == CELLS[kind]
    assert [type(value) for value in found.values()] == [type(value) for value in CELLS[kind].values()]


@pytest.mark.parametrize("is_file", [False, True])
def test_an_arrow_file_of_no_columns_and_no_rows_is_empty(is_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    schema = pa.schema([])
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(path, schema):
        pass
    found = ArrowReader().layout(str(path), Sidecars())
    assert (found.parts, found.rows, found.rows_estimate) == ((), 0, 0)


@pytest.mark.parametrize(
    "line",
    ["a,b,c", 'a,"b,c",d', '"[1, 2]",x,"y z"', '"a"', '""', "", ",", 'a,"",b', '"a",b\n', 'a,"b"\r\n', '"a"\n'],
)
def test_a_line_whose_quotes_begin_and_end_cells_has_the_cells_that_csv_finds(line: str) -> None:
    (expected,) = list(csv.reader([line])) or [[]]
    assert _plain_cells(line, ",") == expected
    assert _plain_cells(line.replace(",", ";"), ";") == [cell.replace(",", ";") for cell in expected]


@pytest.mark.parametrize("line", ['a,"b', 'a,b"c"', 'a,"b""c"', '"a"b,c', "a\rb"])
def test_a_line_of_other_quotes_is_left_to_csv(line: str) -> None:
    assert _plain_cells(line, ",") is None


def test_a_file_that_is_no_parquet_is_refused_with_what_it_begins_with(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"id,vector\n" * 100)
    with pytest.raises(FormatError) as caught, opened(str(path)):
        pass
    assert str(caught.value) == (
        f"{path}: it is not a Parquet file (it begins with b'id,v'). Say what it is with --format."
    )
