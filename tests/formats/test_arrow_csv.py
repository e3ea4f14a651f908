# ruff: noqa: E501, PT017 - tables; errors are looked at and gone on after
"""Arrow and CSV give every row as it was written, from anywhere in them; what is damaged is an error of ours."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyborg_ingest.errors import EmptySourceError, FormatError, IngestError, MappingError, SourceError
from cyborg_ingest.formats import arrow
from cyborg_ingest.model import Reason
from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.model import Batch, Part, Rejection

CUTTING = Cutting(rows=7, size=10_000, encoded=True)
ROWS = 41
VECTORS = np.random.default_rng(5).standard_normal((ROWS, 3)).astype(np.float32)
IDS = [f"id {row} é" for row in range(ROWS)]
TAGS = [None if row % 5 == 0 else f"tag {row % 3}" for row in range(ROWS)]
CONTENTS = [None if row % 4 == 0 else f"text {row}, \N{SNOWMAN}" for row in range(ROWS)]
METADATA = [{} if tag is None else {"tag": tag} for tag in TAGS]

Row = tuple[str, bytes, Any, Any]
EXPECTED: list[Row] = list(zip(IDS, (row.tobytes() for row in VECTORS), METADATA, CONTENTS, strict=True))
COLUMNS: dict[str, Any] = {"metadata_columns": ("tag",), "contents_column": "contents"}


def batches(*sources: Path, rows: int = 5, dimension: int | None = None, **options: Any) -> list[Batch]:
    plan = make_plan(tuple(str(one) for one in sources), SourceSettings(**options))
    return list(cut(plan.chunks(rows), dimension or plan.dimension, CUTTING))


def rows_of(found: list[Batch]) -> list[Row]:
    return [
        (
            identity,
            one.vectors[place].tobytes(),
            one.metadata[place] if one.metadata else None,
            one.contents[place] if one.contents else None,
        )
        for one in found
        for place, identity in enumerate(one.ids)
    ]


def loaded(*sources: Path, **options: Any) -> list[Row]:
    """All rows, in order; a rejected one is an error."""
    found = batches(*sources, **options)
    assert [str(bad) for one in found for bad in one.rejections] == []
    return rows_of(found)


def places(found: list[Batch]) -> list[int]:
    return [int(row) - one.start + one.first_row for one in found for row in one.rows]


def rejections(found: list[Batch]) -> list[Rejection]:
    return [bad for one in found for bad in one.rejections]


def table(vectors: pa.Array | None = None) -> pa.Table:
    if vectors is None:
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 3)
    tags = pa.array(TAGS).dictionary_encode()
    return pa.table({"id": IDS, "vector": vectors, "tag": tags, "contents": CONTENTS, "other": range(ROWS)})


def write_arrow(path: Path, rows: pa.Table, *, stream: bool = False, batch_rows: int = 6, **options: Any) -> Path:
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(path), rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(rows, max_chunksize=batch_rows)
    return path


# Arrow


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("part_bytes", [1, 2000, 10**9])
def test_an_arrow_file_gives_its_rows_and_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int, compression: str | None, stream: bool
) -> None:
    monkeypatch.setattr(arrow, "PART_BYTES", part_bytes)
    path = write_arrow(tmp_path / "rows.arrow", table(), stream=stream, compression=compression)
    assert loaded(path, **COLUMNS) == EXPECTED
    assert places(batches(path)) == list(range(ROWS))


_ITEMS = [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.int64()]
_LISTS: dict[str, Callable[[pa.DataType], pa.DataType]] = {
    "fixed": lambda item: pa.list_(item, 3),
    "list": pa.list_,
    "large": pa.large_list,
    "view": pa.list_view,
    "large view": pa.large_list_view,
}


@pytest.mark.parametrize("item", _ITEMS, ids=str)
@pytest.mark.parametrize("kind", _LISTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_list_of_every_number_is_a_vector(tmp_path: Path, stream: bool, kind: str, item: pa.DataType) -> None:
    numbers = (np.arange(ROWS * 3).reshape(ROWS, 3) % 100 + 1).astype(item.to_pandas_dtype())
    lists = pa.array([list(row) for row in numbers], _LISTS[kind](item))
    path = write_arrow(tmp_path / "rows.ipc", table(lists), stream=stream)
    assert [row[1] for row in loaded(path, rows=4)] == [row.astype("<f4").tobytes() for row in numbers]


def test_text_of_every_width_and_dictionary_is_read(tmp_path: Path) -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.large_string())):
        rows = (
            table()
            .set_column(0, "id", pa.array(IDS).cast(kind))
            .set_column(3, "contents", pa.array(CONTENTS).cast(kind))
        )
        assert loaded(write_arrow(tmp_path / "rows.arrow", rows), **COLUMNS) == EXPECTED


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("deltas", [False, True])
def test_dictionaries_may_grow_and_in_streams_be_replaced(tmp_path: Path, stream: bool, deltas: bool) -> None:
    def batch(start: int, tags: list[str]) -> pa.RecordBatch:
        words = pa.array(tags, pa.dictionary(pa.int32(), pa.string()))
        vectors = pa.array([[1.0, row] for row in range(start, start + len(tags))], pa.list_(pa.float32()))
        return pa.record_batch({"id": range(start, start + len(tags)), "vector": vectors, "tag": words})

    parts = [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]
    if stream and not deltas:
        parts.append(["z", "y"])
    made = [batch(10 * number, tags) for number, tags in enumerate(parts)]
    path = tmp_path / "rows.arrow"
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas, unify_dictionaries=False)
    if not stream and not deltas:
        made = made[:1]  # a file takes no replacement
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(str(path), made[0].schema, options=options) as writer:
        for one in made:
            writer.write_batch(one)
    tags = [row[2]["tag"] for row in loaded(path, metadata_columns=("tag",))]
    assert tags == [tag for one in parts[: len(made)] for tag in one]


def test_what_pandas_polars_and_pyarrow_write_is_read(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - slow to import
    import polars as pl  # noqa: PLC0415 - as above

    columns = {"id": IDS, "vector": list(VECTORS), "tag": TAGS, "contents": CONTENTS}
    pd.DataFrame(columns).to_feather(tmp_path / "pandas.feather")
    frame = pl.DataFrame({**columns, "vector": VECTORS}, schema_overrides={"tag": pl.Categorical})
    frame.write_ipc(tmp_path / "polars.arrow", compression="zstd")
    frame.write_ipc(tmp_path / "old.arrow", compat_level=pl.CompatLevel.oldest())
    frame.write_ipc_stream(tmp_path / "polars.arrows")
    pyarrow.feather.write_feather(table(), str(tmp_path / "rows.feather"), chunksize=10)
    for name in ("pandas.feather", "polars.arrow", "old.arrow", "polars.arrows", "rows.feather"):
        assert loaded(tmp_path / name, **COLUMNS) == EXPECTED, name


def hugging_face(folder: Path) -> Path:
    """What `Dataset.save_to_disk` leaves: shards that are streams, and JSON beside them."""
    vectors = pa.array(list(VECTORS), pa.list_(pa.float32()))
    rows = table(vectors).select(["id", "vector", "tag", "contents"])
    info = {"info": {"features": {"id": {"dtype": "string", "_type": "Value"}}}}
    rows = rows.replace_schema_metadata({"huggingface": json.dumps(info)})
    folder.mkdir()
    for shard, (start, stop) in enumerate([(0, 20), (20, ROWS)]):
        name = f"data-{shard:05}-of-00002.arrow"
        write_arrow(folder / name, rows.slice(start, stop - start), stream=True, batch_rows=8)
    (folder / "dataset_info.json").write_text(json.dumps({"description": "", "features": {}}))
    shards = [{"filename": f"data-{shard:05}-of-00002.arrow"} for shard in range(2)]
    (folder / "state.json").write_text(json.dumps({"_data_files": shards}))
    return folder


def test_a_directory_of_hugging_face_shards_is_loaded_shard_by_shard(tmp_path: Path) -> None:
    assert loaded(hugging_face(tmp_path / "saved"), **COLUMNS) == EXPECTED


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["rows.arrow.gz", "rows", "rows.feather.gz"])
def test_a_compressed_or_nameless_arrow_is_read(tmp_path: Path, stream: bool, name: str) -> None:
    data = write_arrow(tmp_path / "plain", table(), stream=stream).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert loaded(tmp_path / name, **COLUMNS) == EXPECTED


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_without_rows_has_none(tmp_path: Path, stream: bool) -> None:
    with pytest.raises(EmptySourceError, match=r"rows\.arrow: it has no rows"):
        loaded(write_arrow(tmp_path / "rows.arrow", table().slice(0, 0), stream=stream))


def test_text_that_is_no_utf8_is_the_fault_of_its_row(tmp_path: Path) -> None:
    wrong = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    nested = pa.StructArray.from_arrays([pa.array([b"\xfe", b"b", b"c"]).view(pa.string())], ["text"])
    rows = pa.table({"id": wrong, "vector": pa.array([[1.0, 2.0]] * 3), "metadata": nested})
    found = batches(write_arrow(tmp_path / "rows.arrow", rows), dimension=2)
    assert rows_of(found) == [("c", np.array([1, 2], "<f4").tobytes(), {"text": "c"}, None)]
    assert [bad.reason for bad in rejections(found)] == [Reason.METADATA_INVALID, Reason.ID_INVALID]


def test_feather_v1_and_what_is_no_arrow_are_named(tmp_path: Path) -> None:
    (tmp_path / "old.feather").write_bytes(b"FEA1\0\0\0\0and more")  # pyarrow warns where it writes one
    with pytest.raises(FormatError, match="Write Feather v2"):
        batches(tmp_path / "old.feather")
    (tmp_path / "x.arrow").write_bytes(b"PAR1 and more")
    with pytest.raises(FormatError, match="it begins with b'PAR1"):
        batches(tmp_path / "x.arrow")
    (tmp_path / "x.arrow").write_bytes(b"")
    with pytest.raises(FormatError, match="empty"):
        batches(tmp_path / "x.arrow")
    both = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["id", "id"])
    with pytest.raises(FormatError, match="two columns are named 'id'"):
        batches(write_arrow(tmp_path / "twice.arrow", both))


def test_streams_that_were_put_together_are_not_read_in_part(tmp_path: Path) -> None:
    data = write_arrow(tmp_path / "one.arrows", table(), stream=True).read_bytes()
    (tmp_path / "two.arrows").write_bytes(data + data)
    with pytest.raises(SourceError, match="more follows where its stream ends"):
        batches(tmp_path / "two.arrows")


def test_a_batch_that_claims_a_billion_rows_allocates_nothing(tmp_path: Path) -> None:
    for stream in (False, True):
        path = write_arrow(tmp_path / "rows.arrow", table(), stream=stream, batch_rows=ROWS)
        data = path.read_bytes()
        claimed = data.replace(ROWS.to_bytes(8, "little"), (10**9).to_bytes(8, "little"))
        assert claimed != data
        path.write_bytes(claimed)
        before = pa.default_memory_pool().max_memory()
        tracemalloc.start()
        with pytest.raises(IngestError, match="rows.arrow"):
            batches(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10_000_000
        assert pa.default_memory_pool().max_memory() - before < 10_000_000


def test_an_arrow_is_read_in_bounded_memory(tmp_path: Path) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(64 * 100_000, np.float32)), 64)
    rows = pa.table({"id": pa.array(range(100_000)), "vector": vectors})
    for stream in (False, True):
        path = write_arrow(tmp_path / "rows.arrow", rows, stream=stream, batch_rows=5000)
        plan = make_plan((str(path),), SourceSettings())
        before = pa.default_memory_pool().bytes_allocated()
        tracemalloc.start()
        most = count = 0
        for batch in cut(plan.chunks(1000), 64, Cutting(1000, 10**7, encoded=False)):
            count += len(batch)
            most = max(most, pa.default_memory_pool().bytes_allocated() - before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 100_000
        assert most + peak < rows.nbytes / 4


# CSV


def csv(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def by_pandas(path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - slow to import

    columns = {"id": IDS, "vector": [row.tolist() for row in VECTORS], "tag": TAGS, "contents": CONTENTS}
    pd.DataFrame(columns).to_csv(path, index=False)


def by_polars(path: Path) -> None:
    import polars as pl  # noqa: PLC0415 - slow to import

    vectors = [json.dumps(row.tolist()) for row in VECTORS]  # it has no lists in CSV
    pl.DataFrame({"id": IDS, "vector": vectors, "tag": TAGS, "contents": CONTENTS}).write_csv(path, include_bom=True)


def by_duckdb(path: Path) -> None:
    import duckdb  # noqa: PLC0415 - slow to import

    rows = table(pa.array([row.tolist() for row in VECTORS], pa.list_(pa.float64())))
    with duckdb.connect() as connection:  # as COPY does
        connection.from_arrow(rows.drop(["other"])).write_csv(str(path), header=True)


def by_pyarrow(path: Path) -> None:
    from pyarrow import csv as written  # noqa: PLC0415 - nothing else needs it

    vectors = pa.array([json.dumps(row.tolist()) for row in VECTORS])
    columns = {"id": IDS, "vector": vectors, "tag": TAGS, "contents": CONTENTS}
    written.write_csv(pa.table(columns), str(path))


@pytest.mark.parametrize("write", [by_pandas, by_polars, by_duckdb, by_pyarrow])
def test_a_csv_of_every_writer_is_read_as_it_was_written(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "rows.csv")
    assert loaded(tmp_path / "rows.csv", dimension=3, **COLUMNS) == EXPECTED
    assert places(batches(tmp_path / "rows.csv", dimension=3)) == list(range(ROWS))


@pytest.mark.parametrize("name", ["rows.tsv", "rows.tab", "rows.tsv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_tsv_has_tabs_and_its_name_or_option_says_so(tmp_path: Path, name: str, end: str) -> None:
    data = end.join(["id\tvector\ttext", "a,b\t[1, 2]\tx", "", 'c\t[3, 4]\t"y\t""z"""']).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    expected = [
        ("a,b", np.array([1, 2], "<f4").tobytes(), None, "x"),
        ("c", np.array([3, 4], "<f4").tobytes(), None, 'y\t"z"'),
    ]
    assert loaded(tmp_path / name) == expected
    (tmp_path / "rows").write_bytes((tmp_path / name).read_bytes())
    assert loaded(tmp_path / "rows", format="tsv") == expected


TYPED: dict[str, tuple[list[str], str]] = {
    "whole": (["1", "-7", "", "9223372036854775807"], "int64"),
    "leading zeros": (["01", "2"], "string"),
    "beyond 64 bits": (["9223372036854775808", "1"], "string"),
    "numbers": (["1", "2.5", "-1e-3"], "double"),
    "no float64": (["1.5", "12345678901234567"], "string"),
    "not a number": (["1.5", "nan"], "double"),  # null, as NaN is in every typed column
    "infinite": (["1.5", "inf"], "string"),
    "too large": (["1.5", "1e999"], "string"),
    "truth": (["true", "False", ""], "bool"),
    "mixed": (["true", "1"], "string"),
    "text": (["a", "1"], "string"),
    "nothing": (["", ""], "string"),
    "arrays": (["[1, 2]", "[]", "[0.5]"], "list<item: double>"),
    "arrays of text": (['["a"]', '["b", "c"]'], "string"),
}


@pytest.mark.parametrize("case", TYPED)
def test_a_column_has_the_type_that_all_its_first_cells_fit(tmp_path: Path, case: str) -> None:
    cells, kind = TYPED[case]
    lines = [f'{row},"[1]","{cell.replace(chr(34), chr(34) * 2)}"' for row, cell in enumerate(cells)]
    plan = make_plan((str(csv(tmp_path / "rows.csv", "id,vector,x", *lines)),), SourceSettings())
    assert str(plan.sources[0].layout.schema.field("x").type) == kind


def test_cells_are_what_json_would_have_had(tmp_path: Path) -> None:
    path = csv(tmp_path / "rows.csv", "id,vector,n,f,b,s", "007,[1],-3,2.50,TRUE,x", "8,[2],,,,")
    found = loaded(path, metadata_columns=("*",))
    assert found[0][0] == "007"
    assert json.dumps(found[0][2]) == '{"n": -3, "f": 2.5, "b": true, "s": "x"}'
    assert found[1][2] == {}


GOOD = 'row-{0},"[{0}, 1]",{0},"{{""n"": {0}}}",text'
WRONG: dict[str, tuple[str, Reason, Any]] = {
    "a null in it": ('b,"[1, null]",1,,t', Reason.VECTOR_INVALID, {"id": "b", "vector": [1, None], "metadata": {"k": 1}, "contents": "t"}),
    "text in it": ('b,"[1, ""x""]",1,,t', Reason.VECTOR_INVALID, {"id": "b", "vector": [1, "x"], "metadata": {"k": 1}, "contents": "t"}),
    "truth in it": ('b,"[1, true]",1,,t', Reason.VECTOR_INVALID, {"id": "b", "vector": [1, True], "metadata": {"k": 1}, "contents": "t"}),
    "nested": ('b,"[[1, 2]]",1,,t', Reason.VECTOR_INVALID, {"id": "b", "vector": [[1, 2]], "metadata": {"k": 1}, "contents": "t"}),
    "no array": ("b,7 8,1,,t", Reason.VECTOR_INVALID, {"id": "b", "vector": "7 8", "metadata": {"k": 1}, "contents": "t"}),
    "no vector": ("b,,1,,t", Reason.VECTOR_MISSING, {"id": "b", "metadata": {"k": 1}, "contents": "t"}),
    "NaN": ('b,"[NaN, 1]",1,,t', Reason.VECTOR_NOT_FINITE, None),
    "a number of 400 digits": (f'b,"[{"9" * 400}, 1]",1,,t', Reason.VECTOR_OVERFLOW, None),
    "another dimension": ('b,"[1]",1,,t', Reason.VECTOR_DIMENSION, None),
    "no number": ('b,"[1, 2]",x,"{""n"": 1}",t', Reason.METADATA_INVALID, {"id": "b", "vector": [1, 2], "metadata": {"n": 1, "k": "x"}, "contents": "t"}),
    "another number": ('b,"[1, 2]",1.5,,t', Reason.METADATA_INVALID, {"id": "b", "vector": [1, 2], "metadata": {"k": 1.5}, "contents": "t"}),
    "no JSON": ('b,"[1, 2]",1,{,t', Reason.METADATA_INVALID, None),
    "no id": (',"[1, 2]",1,,t', Reason.ID_MISSING, None),
    "too few cells": ("b,1", Reason.UNPARSABLE, {"_line": "b,1"}),
    "too many cells": ('b,"[1, 2]",1,,"t,t",', Reason.UNPARSABLE, {"_line": 'b,"[1, 2]",1,,"t,t",'}),
}  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("case", WRONG)
def test_a_cell_that_does_not_fit_is_the_fault_of_its_row(tmp_path: Path, case: str, late: bool) -> None:
    line, reason, record = WRONG[case]
    before = 120 if late else 9
    if not late and case == "no array":
        return  # among the first rows it makes the column one of text
    options: dict[str, Any] = {"metadata_columns": ("k",)}
    if case in {"no number", "another number"}:  # else all of the column would have another type
        options["column_types"] = ("k=int",)
    lines = [GOOD.format(row) for row in range(before)]
    path = csv(tmp_path / "rows.csv", "id,vector,k,metadata,contents", *lines, line, GOOD.format(999))
    found = batches(path, dimension=2, **options)
    (bad,) = rejections(found)
    assert (bad.reason, bad.row, bad.line) == (reason, before, before + 2)
    assert [row[0] for row in rows_of(found)] == [*(f"row-{row}" for row in range(before)), "row-999"]
    if record is not None:
        assert bad.record == record


def test_a_row_over_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    path = csv(tmp_path / "rows.csv", "id,vector,text", "", 'a,"[1]","x', "", 'y"', "", "b,[2],z", "c,x", "d,[4],")
    found = batches(path)
    assert [line for one in found for line in (one.lines if one.lines is not None else ())] == [3, 7, 9]
    assert [bad.line for bad in rejections(found)] == [8]
    assert rows_of(found)[0][3] == "x\n\ny"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"id,,vector\n", "column 2 has no name"),
        (b"id,vector,id\n", "two columns are named 'id'"),
        (b'id,vector\na,[1]\nb,"[2]\nc,[3]\n', "line 3: the row that begins there"),
        (b'id,vector\na,"[1]"x\n', "line 2: the row that begins there"),
        (b"id,vector\na,[1]\n\xff,[2]\n", "line 3: its byte 1 is not UTF-8"),
        ("id,vector\na,[1]\n".encode("utf-16"), "it is UTF-16 or UTF-32"),
    ],
)
def test_what_is_no_csv_is_named_by_its_line(tmp_path: Path, data: bytes, words: str) -> None:
    import csv as standard  # noqa: PLC0415 - its limit alone

    (tmp_path / "rows.csv").write_bytes(data)
    limit = standard.field_size_limit()
    with pytest.raises((FormatError, SourceError), match=words):
        batches(tmp_path / "rows.csv", dimension=1)
    assert standard.field_size_limit() == limit


@pytest.mark.parametrize(
    ("rows", "line"),
    [(b'\nb,"' + b"x" * 17_000_000 + b'"\n', 4), (b"x" * 65_000_000 + b"\n", 3)],
    ids=["in quotes, behind an empty line", "without a comma"],
)
def test_a_row_that_is_too_large_is_rejected_by_its_line_and_no_other(tmp_path: Path, rows: bytes, line: int) -> None:
    (tmp_path / "rows.csv").write_bytes(b"id,vector\na,[1]\n" + rows + b"c,[2]\n")
    found = batches(tmp_path / "rows.csv", dimension=1)
    assert [name for one in found for name in one.ids] == ["a", "c"]
    assert [(one.reason, one.line) for several in found for one in several.rejections] == [(Reason.TOO_LARGE, line)]


@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1)
)
@settings(deadline=None, max_examples=50)
def test_numbers_come_back_bit_by_bit(vectors: list[list[float]]) -> None:
    vectors = [[x, y if x or y else 1.0] for x, y in vectors]
    with tempfile.TemporaryDirectory() as folder:
        lines = [f'{row},"[{x!r}, {y!r}]",{x!r},{y!r}' for row, (x, y) in enumerate(vectors)]
        path = csv(Path(folder) / "rows.csv", "id,vector,v1,v2", *lines)
        for options in cast("list[dict[str, Any]]", [{}, {"vector_column": "v1,v2"}]):
            found = batches(path, dimension=2, **options)
            rejected = {bad.row for bad in rejections(found)}  # what is too small for its square is still no zero
            assert rejected == {row for row, one in enumerate(vectors) if not np.array(one, "<f4").any()}
            assert [row[1] for row in rows_of(found)] == [
                np.array(one, "<f4").tobytes() for row, one in enumerate(vectors) if row not in rejected
            ]


# Vectors from several columns


def components(path: Path) -> Path:
    numbers = {f"v{place}": VECTORS[:, place] for place in range(3)}
    columns = {"id": IDS, **numbers, "tag": TAGS}
    if path.suffix == ".csv":
        rows = zip(IDS, *(VECTORS.T.tolist()), TAGS, strict=True)
        return csv(path, ",".join(columns), *(",".join("" if one is None else str(one) for one in row) for row in rows))
    if path.suffix == ".jsonl":
        rows = zip(IDS, *(VECTORS.T.tolist()), TAGS, strict=True)
        return csv(path, *(json.dumps(dict(zip(columns, row, strict=True))) for row in rows))
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path, row_group_size=10)
        return path
    return write_arrow(path, pa.table(columns))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow"])
def test_columns_of_numbers_make_a_vector_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = components(tmp_path / f"rows.{suffix}")
    for given_as in ("v0,v1,v2", "v*", "v0, v[12]"):
        found = loaded(path, vector_column=given_as, metadata_columns=("*",))
        assert [row[:2] for row in found] == [row[:2] for row in EXPECTED]
        assert [{} if row[2].get("tag") is None else row[2] for row in found] == METADATA
    assert [row[1] for row in loaded(path, vector_column="v2,v0")] == [row[[2, 0]].tobytes() for row in VECTORS]
    assert make_plan((str(path),), SourceSettings(vector_column="v*")).dimension == 3


def test_a_component_that_is_none_is_the_fault_of_its_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": row, "x": row, "y": 1} for row in range(1, 101)]
    rows += [
        {"id": 5, "x": None, "y": 1},
        {"id": 6, "x": "7", "y": 1},
        {"id": 7, "x": True, "y": 1},
        {"id": 8, "x": 8.5, "y": 0},
    ]
    lines = csv(tmp_path / "rows.jsonl", *map(json.dumps, rows))
    cells = csv(tmp_path / "rows.csv", "id,x,y", *["1,1,1"] * 100, "2,,1", "3,x,1", "4,8.5,0")
    for path, right in ((lines, 101), (cells, 101)):
        found = batches(path, vector_column="x,y", rows=1)
        assert len(rows_of(found)) == right
        assert rows_of(found)[-1][1] == np.array([8.5, 0], "<f4").tobytes()
        assert {bad.reason for bad in rejections(found)} == {Reason.VECTOR_INVALID}


@pytest.mark.parametrize(
    ("given_as", "words"),
    [
        ("v0,v1,v22", "names 'v22', which is not there. Did you mean 'v2'"),
        ("w*", "names 'w\\*', which is not there"),
        ("v*,v1", "names 'v1' twice"),
        ("v0,tag", "takes in 'tag', which is string, no number"),
    ],
)
def test_columns_that_make_no_vector_are_named(tmp_path: Path, given_as: str, words: str) -> None:
    with pytest.raises(MappingError, match=words):
        make_plan((str(components(tmp_path / "rows.parquet")),), SourceSettings(vector_column=given_as))


# Standard input


@pytest.mark.parametrize("name", ["csv", "tsv", "arrow file", "arrow stream"])
def test_standard_input_may_be_csv_or_arrow(tmp_path: Path, name: str) -> None:
    kind, _, form = name.partition(" ")
    if kind == "arrow":
        data = write_arrow(tmp_path / "rows", table(), stream=form == "stream", compression="zstd").read_bytes()
    else:
        by_pandas(tmp_path / "rows")
        data = (tmp_path / "rows").read_bytes()
        data = data if kind == "csv" else ("id\tvector\n" + "".join(f"{row}\t[1]\n" for row in range(ROWS))).encode()
    command = [
        sys.executable,
        "-m",
        "cyborg_ingest",
        "upsert",
        "-",
        "--index",
        "x",
        "--target",
        f"disk:{tmp_path}/data",
    ]
    done = subprocess.run(
        [*command, "--format", kind, "--create", "--dry-run", "--json", "--state-dir", str(tmp_path / "state")],
        input=data, capture_output=True, check=False, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(arrow.__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["rows"]["read"] == ROWS


# What is damaged


def good_file(folder: Path, kind: str) -> Path:
    if kind == "csv":  # the vector last: its quote shows where the last line is cut
        lines = [
            f'"{identity}",{tag or ""},"{list(map(float, vector))}"'
            for identity, tag, vector in zip(IDS, TAGS, VECTORS, strict=True)
        ]
        return csv(folder / "rows.csv", "id,tag,vector", *lines)
    return write_arrow(
        folder / "rows.arrow", table().select(["id", "vector", "tag"]), stream="stream" in kind,
        compression="zstd" if "zstd" in kind else None,
    )  # fmt: skip


KINDS = ["file", "stream", "file zstd", "stream zstd", "csv"]
READ_RIGHT = {row[:2] for row in EXPECTED}


def rows_or_error(path: Path) -> list[tuple[str, bytes]]:
    """The rows that are accepted until an error of ours, which names the file; anything else is raised."""
    found: list[tuple[str, bytes]] = []
    try:
        plan = make_plan((str(path),), SourceSettings())
        for one in cut(plan.chunks(5), plan.dimension, CUTTING):
            found += [row[:2] for row in rows_of([one])]
    except IngestError as error:
        assert path.name in str(error)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_gives_no_wrong_row(tmp_path: Path, kind: str) -> None:
    path = good_file(tmp_path, kind)
    whole = path.read_bytes()
    step = max(1, len(whole) // 300)
    for size in sorted({*range(0, min(len(whole), 300), 3), *range(0, len(whole), step)}):
        path.write_bytes(whole[:size])
        assert set(rows_or_error(path)) <= READ_RIGHT


@given(st.sampled_from(KINDS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=300)
def test_bytes_turned_are_never_a_traceback(kind: str, changes: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = good_file(Path(folder), kind)
        data = bytearray(path.read_bytes())
        for place, value in changes:
            data[place % len(data)] = value
        path.write_bytes(data)
        rows_or_error(path)


@given(st.binary(max_size=300), st.sampled_from([b"", b"ARROW1\0\0", b"\xff\xff\xff\xff"]))
@settings(deadline=None, max_examples=100)
def test_rubbish_is_a_clear_error(data: bytes, magic: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rows.arrow").write_bytes(magic + data)
        assert rows_or_error(Path(folder) / "rows.arrow") == []


@given(st.text(max_size=200) | st.binary(max_size=200), st.booleans())
@settings(deadline=None, max_examples=150)
def test_any_csv_is_rows_faults_or_a_clear_error(data: str | bytes, with_header: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        path.write_bytes((b'id,vector\na,"[1,2]"\n' if with_header else b"") + raw)
        rows_or_error(path)


# Resuming


@given(st.data())
@settings(deadline=None, max_examples=80)
def test_what_is_not_done_is_read_and_nothing_else(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow, "PART_BYTES", data.draw(st.integers(1, 8000)))
        path = good_file(Path(folder), data.draw(st.sampled_from(KINDS)))
        plan = make_plan((str(path),), SourceSettings())
        first = {row: one.part for one in cut(plan.chunks(6), 3, CUTTING) for row in _rows(one)}
        assert len(first) == ROWS
        acknowledged = data.draw(st.sets(st.sampled_from(sorted(first))))
        done: dict[int, RangeSet] = {}
        for number, row in acknowledged:
            done.setdefault(number, RangeSet()).add(row, row + 1)

        def state(part: Part) -> Done:
            return Done(done.get(part.number, RangeSet()), part.rows)

        found = list(cut(plan.chunks(data.draw(st.integers(1, 50)), state), 3, CUTTING))
        assert sorted(row for one in found for row in _rows(one)) == sorted(set(first) - acknowledged)
        assert [IDS[row] for row in places(found)] == [identity for one in found for identity in one.ids]


def _rows(batch: Batch) -> list[tuple[int, int]]:
    return [(batch.part.number, row) for row in range(batch.start, batch.stop)]
