# ruff: noqa: E501, PT017 - tables; errors are looked at and gone on after
"""Every format gives every row once, with its place, whatever the layout; and a broken file is an error, never a wrong row."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from cyborg_ingest.errors import EmptySourceError, FormatError, IngestError, SourceError
from cyborg_ingest.formats import jsonl
from cyborg_ingest.formats.numbers import number_parser
from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.arrays import list_array
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from cyborg_ingest.model import Batch, Part

CUTTING = Cutting(rows=7, size=10_000, encoded=True)


def batches(*sources: Path, dimension: int | None = None, rows: int = 5, **options: Any) -> list[Batch]:
    plan = make_plan(tuple(str(one) for one in sources), SourceSettings(**options))
    return list(cut(plan.chunks(rows), dimension or plan.dimension, CUTTING))


def loaded(*sources: Path, **options: Any) -> list[tuple[str, bytes, Any, Any]]:
    """All rows, in order; a rejected one is an error."""
    found: list[tuple[str, bytes, Any, Any]] = []
    for one in batches(*sources, **options):
        assert one.rejections == ()
        for place, identity in enumerate(one.ids):
            metadata = one.metadata[place] if one.metadata else None
            found.append(
                (identity, one.vectors[place].tobytes(), metadata, one.contents[place] if one.contents else None)
            )
    return found


# .npy


@given(
    st_np.arrays(
        st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<i1", "<i2", ">i4", "<i8", "<u1", ">u2", "<u8"]),
        st.tuples(st.integers(0, 20), st.integers(1, 6)),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": 1, "max_value": 100},
        fill=st.just(3),
    ),
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
@settings(deadline=None)
def test_a_npy_of_any_dtype_order_and_version_is_read_as_numpy_reads_it(
    array: np.ndarray[Any, Any], fortran: bool, version: tuple[int, int]
) -> None:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        with path.open("wb") as file:
            np.lib.format.write_array(file, np.asfortranarray(array) if fortran else array, version=version)
        if not len(array):
            with pytest.raises(EmptySourceError, match="no rows"):
                loaded(path, id_prefix="p")
            return
        expected = [(f"p{row}", vector.astype("<f4").tobytes(), None, None) for row, vector in enumerate(array)]
        assert loaded(path, id_prefix="p") == expected


def test_a_npy_is_read_in_bounded_memory_in_either_order(tmp_path: Path) -> None:
    array = np.ones((100_000, 64), np.float32)
    for number, one in enumerate((array, np.asfortranarray(array))):
        np.save(tmp_path / f"{number}.npy", one)
        plan = make_plan((str(tmp_path / f"{number}.npy"),), SourceSettings())
        tracemalloc.start()
        rows = sum(len(batch) for batch in cut(plan.chunks(1000), 64, Cutting(1000, 10**7, encoded=False)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert rows == 100_000
        assert peak < array.nbytes / 4


def test_a_header_that_claims_more_than_there_is_allocates_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**6)})
    (tmp_path / "rows.npy").write_bytes(buffer.getvalue() + b"\0" * 1000)
    tracemalloc.start()
    with pytest.raises(FormatError, match="cut short"):
        batches(tmp_path / "rows.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


# What goes with a .npy

ROWS = 41
VECTORS = np.random.default_rng(12).standard_normal((ROWS, 3)).astype(np.float32)
IDS = [f"id {row} é" for row in range(ROWS)]
METADATA = [None if row % 3 == 0 else {"row": row, "é": [1, None]} for row in range(ROWS)]
CONTENTS = [None if row % 4 == 0 else f"text {row}\u2028 still" for row in range(ROWS)]
EXPECTED = list(zip(IDS, (row.tobytes() for row in VECTORS), METADATA, CONTENTS, strict=True))


def ids_npy(folder: Path) -> Path:
    np.save(folder / "ids.npy", np.array(IDS))
    return folder / "ids.npy"


def text(folder: Path, name: str, lines: list[str], end: str = "\n", bom: bytes = b"") -> Path:
    (folder / name).write_bytes(bom + end.join(lines).encode())
    return folder / name


def parquet(folder: Path, name: str, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / name, row_group_size=10)
    return folder / name


IDS_FORMS: dict[str, Any] = {
    "npy": ids_npy,
    "txt": lambda folder: text(folder, "ids.txt", IDS),
    "txt with CRLF and BOM": lambda folder: text(folder, "ids.txt", [*IDS, ""], "\r\n", b"\xef\xbb\xbf"),
    "jsonl of strings": lambda folder: text(folder, "ids.jsonl", [json.dumps(one) for one in IDS]),
    "jsonl of objects": lambda folder: text(folder, "ids.jsonl", [json.dumps({"id": one, "x": 1}) for one in IDS]),
    "parquet": lambda folder: parquet(folder, "ids.parquet", doc_id=IDS, other=[1] * ROWS),
}


@pytest.mark.parametrize("form", IDS_FORMS)
def test_ids_come_in_every_form(tmp_path: Path, form: str) -> None:
    np.save(tmp_path / "rows.npy", VECTORS)
    assert [row[0] for row in loaded(tmp_path / "rows.npy", ids=IDS_FORMS[form](tmp_path))] == IDS


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_metadata_and_contents_come_row_by_row(tmp_path: Path, form: str) -> None:
    np.save(tmp_path / "rows.npy", VECTORS)
    if form == "jsonl":
        metadata = text(tmp_path, "metadata.jsonl", [json.dumps(one) for one in METADATA])
        contents = text(tmp_path, "contents.jsonl", [json.dumps(one) for one in CONTENTS])
    else:
        structs = [json.dumps(one) if one else None for one in METADATA]
        metadata = parquet(tmp_path, "metadata.parquet", metadata=pa.array(structs, pa.string()))
        contents = parquet(tmp_path, "contents.parquet", text=pa.array(CONTENTS, pa.string()))
    options = {"ids": ids_npy(tmp_path), "metadata": metadata, "contents": contents}
    assert loaded(tmp_path / "rows.npy", **options) == EXPECTED


def test_several_npy_have_ids_that_tell_them_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", VECTORS[:2])
    found = loaded(tmp_path / "a.npy", tmp_path / "b.npy", id_prefix="{file}-")
    assert [row[0] for row in found] == ["a-0", "a-1", "b-0", "b-1"]


# JSONL


@pytest.mark.parametrize("part_bytes", [1, 7, 100, 10_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n  \n"])
def test_a_jsonl_is_cut_into_parts_without_losing_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int, end: str
) -> None:
    monkeypatch.setattr(jsonl, "PART_BYTES", part_bytes)
    rows = [
        {"id": row[0], "vector": vector.tolist(), "metadata": row[2], "contents": row[3]}
        for row, vector in zip(EXPECTED, VECTORS, strict=True)
    ]
    path = text(tmp_path, "rows.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows], end, b"\xef\xbb\xbf")
    assert loaded(path, dimension=3) == EXPECTED
    found = batches(path, dimension=3)
    assert [int(row) + one.first_row - one.start for one in found for row in one.rows] == list(range(ROWS))
    step = 1 if end in {"\n", "\r\n"} else 3
    assert [int(line) for one in found for line in (one.lines if one.lines is not None else ())] == [
        1 + step * row for row in range(ROWS)
    ]


def test_bytes_as_contents_and_names_of_ones_own(tmp_path: Path) -> None:
    rows = [
        {
            "key": 7,
            "emb": [1, 2],
            "payload": '{"json": "text"}',
            "body": {"base64": "AP8="},
            "_rejected": {"reason": "x"},
        },
        {"key": "b", "emb": [1.5, 2.5], "payload": {"n": 1}, "body": "text", "extra": None},
    ]
    path = text(tmp_path, "rows.jsonl", [json.dumps(row) for row in rows])
    found = [(row[0], row[2], row[3]) for row in loaded(path)]
    assert found == [("7", {"json": "text"}, b"\x00\xff"), ("b", {"n": 1, "extra": None}, "text")]
    found = [(row[0], row[2], row[3]) for row in loaded(path, metadata_columns=("*",), contents_column="body")]
    assert found[1] == ("b", {"n": 1, "extra": None}, "text")


# Broken files


def good_files(folder: Path) -> list[Path]:
    np.save(folder / "rows.npy", VECTORS)
    rows = [
        {"id": row[0], "vector": vector.tolist(), "metadata": row[2]}
        for row, vector in zip(EXPECTED, VECTORS, strict=True)
    ]
    text(folder, "rows.jsonl", [json.dumps(row) for row in rows])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 3)
    pq.write_table(pa.table({"id": IDS, "vector": vectors}), folder / "rows.parquet", row_group_size=10)
    return [folder / name for name in ("rows.npy", "rows.jsonl", "rows.parquet")]


def rows_or_error(path: Path) -> list[tuple[str, bytes]] | None:
    """The rows that are accepted, or None for a clear error of ours; anything else is raised."""
    found: list[tuple[str, bytes]] = []
    plan = make_plan((str(path),), SourceSettings())
    try:
        for one in cut(plan.chunks(5), plan.dimension, CUTTING):
            found += [(identity, one.vectors[place].tobytes()) for place, identity in enumerate(one.ids)]
    except SourceError as error:
        assert path.name in str(error)
    return found


@pytest.mark.parametrize("kind", range(3))
def test_a_file_cut_anywhere_is_an_error_or_fewer_rows_and_never_a_wrong_one(tmp_path: Path, kind: int) -> None:
    path = good_files(tmp_path)[kind]
    whole = path.read_bytes()
    right = {(row[0] if kind else str(number), row[1]) for number, row in enumerate(EXPECTED)}
    if kind == 0:
        right = {(str(number), row.tobytes()) for number, row in enumerate(VECTORS)}
    for size in sorted({*range(0, min(len(whole), 300), 7), *range(0, len(whole), max(1, len(whole) // 60))}):
        path.write_bytes(whole[:size])
        try:
            found = rows_or_error(path) or []
        except FormatError as error:
            assert path.name in str(error)
            continue
        assert set(found) <= right


@given(st.integers(0, 2), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_a_file_with_bytes_turned_is_never_a_traceback(kind: int, changes: list[tuple[int, int]]) -> None:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = good_files(Path(folder))[kind]
        data = bytearray(path.read_bytes())
        for place, value in changes:
            data[place % len(data)] = value
        path.write_bytes(data)
        try:
            rows_or_error(path)
        except IngestError as error:
            assert path.name in str(error)


@given(st.binary(max_size=300), st.sampled_from(["rows.npy", "rows.jsonl", "rows.parquet"]), st.booleans())
@settings(deadline=None, max_examples=150)
def test_rubbish_is_a_clear_error(data: bytes, name: str, with_magic: bool) -> None:
    import tempfile  # noqa: PLC0415

    magic = {"rows.npy": b"\x93NUMPY\x01\x00", "rows.jsonl": b'{"id": "a", "vector": ', "rows.parquet": b"PAR1"}[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(magic + data if with_magic else data)
        try:
            rows_or_error(path)
        except IngestError as error:
            assert name in str(error)


# Resuming


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_what_is_not_done_is_read_and_nothing_else(data: st.DataObject) -> None:
    """Any set of acknowledged rows, any new cut: together they cover each row once."""
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "PART_BYTES", data.draw(st.integers(50, 3000)))
        path = good_files(Path(folder))[data.draw(st.integers(0, 2))]
        plan = make_plan((str(path),), SourceSettings(limit=data.draw(st.none() | st.integers(1, ROWS))))
        first = {row: one.part for one in cut(plan.chunks(6), 3, CUTTING) for row in _rows(one)}
        acknowledged = data.draw(st.sets(st.sampled_from(sorted(first, key=repr)))) if first else set()
        done: dict[int, RangeSet] = {}
        for number, row in acknowledged:
            done.setdefault(number, RangeSet()).add(row, row + 1)
        totals = {one.part.number: 0 for one in cut(plan.chunks(6), 3, CUTTING)}
        known = data.draw(st.booleans())
        for number, row in first:
            totals[number] = max(totals[number], row + 1)

        def state(part: Part) -> Done:
            total = totals.get(part.number) if known and plan.selection.limit is None else part.rows
            return Done(done.get(part.number, RangeSet()), total)

        again = [
            row for one in cut(plan.chunks(data.draw(st.integers(1, 50)), state), 3, CUTTING) for row in _rows(one)
        ]
        assert sorted(again) == sorted(set(first) - acknowledged)


def _rows(batch: Batch) -> list[tuple[int, int]]:
    return [(batch.part.number, row) for row in range(batch.start, batch.stop)]


def test_a_row_that_is_rejected_for_another_field_keeps_its_vector(tmp_path: Path) -> None:
    good = {"id": "a", "vector": [1.0, 2.5], "metadata": {"n": 1}, "contents": "text"}
    broken: list[dict[str, Any]] = [{**good, "metadata": [1]}, {**good, "contents": 7}, {**good, "id": [1]}]
    path = text(tmp_path, "rows.jsonl", [json.dumps(row) for row in (good, *broken)])
    (batch,) = batches(path)
    assert batch.ids == ["a"]
    assert [one.record for one in batch.rejections] == broken


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "b", "vector": [1 2, 3]}',
        '{"id": "b", "vector": [1, 2 3]}',
        '{"id": "b", "vector": [1,, 2]}',
        '{"id": "b", "vector": [1, 2,]}',
        '{"id": "b", "vector": [1, 0x2]}',
        '{"id": "b", "vector": [1, "2"]}',
        '{"id": "b", "vector": 0, "metadata": {"vector": [1, 2]}}',
        '{"id": "b", "metadata": {"vector": [1, 2]}, "vector": 0}',
        '{"id": "b", "metadata": {"vector": [1, 2]}}',
    ],
)
def test_what_is_no_vector_is_never_taken_for_one(tmp_path: Path, line: str) -> None:
    path = text(tmp_path, "rows.jsonl", ['{"id": "a", "vector": [1, 2]}', line, '{"id": "c", "vector": [3, 4]}'])
    found = batches(path)
    assert [identity for one in found for identity in one.ids] == ["a", "c"]
    assert [one.line for batch in found for one in batch.rejections] == [2]


@pytest.mark.parametrize(
    "numbers", ["1,2", "1, 2", " 1 , 2 ", "1.0,\t2", "1e0, 0.2E+1", '1, 2], "x": [9, 9']
)  # fmt: skip
def test_a_vector_may_be_spelled_as_json_allows(tmp_path: Path, numbers: str) -> None:
    path = text(tmp_path, "rows.jsonl", [f'{{"metadata": {{"vector": [7, 7]}}, "id": "a", "vector" : [{numbers}]}}'])
    (batch,) = batches(path)
    assert batch.vectors.tolist() == [[1.0, 2.0]]


@given(
    st.lists(
        st.lists(st.one_of(st.integers(-(2**64), 2**65), st.floats(allow_nan=False, allow_infinity=False)), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_numbers_are_read_as_the_standard_library_reads_them(rows: list[list[float]]) -> None:
    parse = number_parser()
    texts = [json.dumps(row).encode() for row in rows]
    read = [parse(text) for text in texts]
    for row, buffer in zip(rows, read, strict=True):
        if buffer is None:  # an integer beyond 64 bits is left to the strict reader
            assert any(isinstance(one, int) and not -(2**63) <= one < 2**64 for one in row)
        else:
            assert np.frombuffer(buffer).tobytes() == np.array([float(one) for one in row]).tobytes()
    kept = [(row, buffer) for row, buffer in zip(rows, read, strict=True) if buffer is not None]
    assert list_array([buffer for _, buffer in kept]).to_pylist() == [[float(one) for one in row] for row, _ in kept]


def test_without_simdjson_every_line_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f'{{"id": "{row}", "vector": [{row}.5, 1e-3, -{row}], "metadata": {{"n": {row}}}}}' for row in range(20)]
    lines += ['{"id": "x", "vector": [01, 2, 3]}', '{"id": "y", "vector": [1, null, 3]}']
    path = text(tmp_path, "rows.jsonl", lines)

    def read() -> list[Any]:
        return [
            (one.ids, one.vectors.tolist(), one.metadata, [str(bad) for bad in one.rejections]) for one in batches(path)
        ]

    fast = read()
    monkeypatch.setitem(sys.modules, "simdjson", None)
    assert read() == fast
    assert sum(len(one[0]) for one in fast) == 20
