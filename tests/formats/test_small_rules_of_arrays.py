"""Rules of a few lines of files that hold arrays, and of what goes with them, each tried where it stands."""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import FormatError, MappingError, SourceError
from cyborg_ingest.formats import hdf5, sidecars
from cyborg_ingest.formats.arrow import _random
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.formats.ends import footer_of
from cyborg_ingest.formats.int96 import compared
from cyborg_ingest.formats.named import Array
from cyborg_ingest.formats.npyfile import read_at
from cyborg_ingest.formats.npz import NpzReader
from cyborg_ingest.formats.parquet import opened
from cyborg_ingest.formats.sidecars import ParquetSidecar
from cyborg_ingest.formats.thrift import _Compact
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VECTORS = np.arange(1, 9, dtype=np.float32).reshape(4, 2)


def rows(path: Path, **options: Any) -> list[Any]:
    """The ids of all rows."""
    chunks = make_plan((str(path),), SourceSettings(**options)).chunks(10)
    return [one for chunk in chunks for one in chunk.batch.column(chunk.columns.id or "").to_pylist()]


@pytest.mark.parametrize("missing", [1, 10])
def test_rows_that_the_process_of_hdf5_keeps_back_are_an_error(
    missing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["id"] = np.array([b"r%d" % row for row in range(10)])
        file["vectors"] = np.ones((10, 2), np.float32)
    assert rows(path) == [f"r{row}" for row in range(10)]
    real = hdf5._File.read

    def read(self: Any, name: str, start: int, stop: int) -> pa.Array:
        return real(self, name, start, stop)[: stop - start - missing]

    monkeypatch.setattr(hdf5._File, "read", read)
    with pytest.raises(SourceError, match=rf"x\.h5.* gave {10 - missing} rows of 10"):
        rows(path)


@pytest.mark.parametrize("length", [1, 250, 251, 252, 300, 600])
@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_an_archive_is_known_by_the_name_of_its_first_file_however_long(length: int, suffix: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x" * length + suffix, b"data")
    assert NpzReader().claims(out.getvalue()[:4096]) is (suffix == ".npy")


@pytest.fixture
def of_other_length(tmp_path: Path) -> Path:
    """Vectors, names of them, and ids of something else."""
    path = tmp_path / "x.npz"
    np.savez(path, vectors=VECTORS, ids=np.arange(3), name=np.array(["a", "b", "c", "d"]))
    return path


def test_ids_of_another_length_than_the_vectors_are_not_passed_over(of_other_length: Path) -> None:
    with pytest.raises(MappingError, match=r"'vectors' has 4 rows and 'ids' has 3.*--id-column.*--id-template"):
        rows(of_other_length)


@pytest.mark.parametrize("columns", [(), ("*",)])
def test_where_ids_are_named_or_made_an_array_of_another_length_is_left_out(
    columns: tuple[str, ...], of_other_length: Path
) -> None:
    assert rows(of_other_length, id_column="name", metadata_columns=columns) == ["a", "b", "c", "d"]
    plan = make_plan((str(of_other_length),), SourceSettings(id_template="{row}", metadata_columns=columns))
    assert sum(len(one.batch) for one in plan.chunks(10)) == 4
    assert "ids" in plan.sources[0].columns.left_out


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a"], "a"),
        (["id"], "id"),
        (["a", "ID"], "ID"),
        (["a", "b"], None),
        (["key", "id"], "id"),
        (["id", "uuid"], None),
        (["key", "pk"], None),
    ],
)
def test_the_ids_beside_vectors_are_the_only_column_or_the_one_of_that_name(
    names: list[str], chosen: str | None, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    ids = tmp_path / "ids.parquet"
    pq.write_table(pa.table({name: [f"{name}{row}" for row in range(4)] for name in names}), ids)
    if chosen is not None:
        assert rows(tmp_path / "v.npy", ids=ids) == [f"{chosen}{row}" for row in range(4)]
        return
    with pytest.raises(FormatError) as caught:
        rows(tmp_path / "v.npy", ids=ids)
    assert str(caught.value) == f"--ids {ids}: which of {', '.join(names)} is it? Leave one column in it."


def test_reading_on_in_a_sidecar_reads_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever rows are asked for next: the file is gone back to where they begin before those of the last call."""
    path = tmp_path / "contents.parquet"
    texts = [f"text {row}" for row in range(20)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=6)
    begun: list[int] = []
    real = sidecars.batches_of

    def batches_of(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        begun.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(sidecars, "batches_of", batches_of)
    monkeypatch.setattr(sidecars, "_SIDECAR_ROWS", 4)
    with contextlib.ExitStack() as stack:
        one = ParquetSidecar("contents", path, stack, AtOnce(unit=1 << 20))
        for start, stop in [(0, 4), (4, 6), (6, 9), (9, 9), (9, 10), (10, 12), (12, 18), (18, 20)]:
            assert one.read(start, stop)[0].to_pylist() == texts[start:stop]
        assert len(begun) == 1
        assert one.read(17, 20)[0].to_pylist() == texts[17:20]
        assert len(begun) == 2


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x21\x01\x02", [True, False]),  # Thrift's compact protocol: size and kind of the items, then these
        (b"\x22\x02\x01", [False, True]),
        (b"\x35\x02\x03\x04", [1, -2, 2]),
        (b"\x26\x02\x80\x01", [1, 64]),
        (b"\x45\x7f\x7e\xff\x7f\x80\x80\x01", [-64, 63, -8192, 8192]),
        (b"\x23\x07\x09", [7, 9]),
        (b"\x18\x02ab", [b"ab"]),
        (b"\x29\x15\x02\x05", [[1], []]),
        (b"\x1c\x15\x02\x15\x04\x00", [{1: 1, 2: 2}]),
        (b"\x05", []),
        (b"\xf5\x0f" + b"\x02" * 15, [1] * 15),
        (b"\xe5" + b"\x02" * 14, [1] * 14),
    ],
)
def test_lists_in_a_footer_are_of_any_kind_and_length(data: bytes, value: list[Any]) -> None:
    thrift = _Compact(data + b"?")
    assert thrift.value(9) == value
    assert thrift.read_bytes == len(data)
    thrift = _Compact(data + b"?")
    thrift.skip(9)
    assert thrift.read_bytes == len(data)


def test_dictionaries_of_an_arrow_file_are_counted_together_before_any_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    words = [f"{row:04}" for row in range(1000)]
    columns = {name: pa.array(words).dictionary_encode() for name in "ab"}
    with pa.ipc.new_file(path, pa.schema([(name, one.type) for name, one in columns.items()])) as out:
        out.write_table(pa.table(columns))
    each = 4 * 1001 + 4 * 1000  # offsets and text: each buffer is padded to eight bytes
    schema = pa.ipc.open_file(path).schema
    for unit in (2 * each, 3 * each):
        with _random(str(path), schema, [], unit) as reader:
            assert reader.num_record_batches == 1
    message = rf"x\.arrow: all its dictionaries together has {2 * each:,} bytes"
    for unit in (2 * each - 1, each):
        with pytest.raises(SourceError, match=message), _random(str(path), schema, ["a"], unit):
            pass


@pytest.mark.parametrize("columns", [1, 3000])
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_footer_is_the_bytes_between_what_it_names_and_its_length(kind: str, columns: int, tmp_path: Path) -> None:
    """Of many columns it is longer than what is read at once of a file's end."""
    path = tmp_path / "x"
    table = pa.table({f"column {place}": [1, 2] for place in range(columns)})
    if kind == "parquet":
        pq.write_table(table, path)
        length, magic = pq.read_metadata(path).serialized_size, 4
    else:
        with pa.ipc.new_file(path, table.schema) as out:
            out.write_table(table)
        length, magic = int.from_bytes(path.read_bytes()[-10:-6], "little"), 6
    data = path.read_bytes()
    begin = len(data) - magic - 4 - length
    with path.open("rb") as file:
        for most in (None, length):
            assert footer_of(file, len(data), magic, most) == (data[begin : begin + length], begin)
        is_at_hand = length <= 65_536 - magic - 4
        assert is_at_hand is (columns == 1)
        assert footer_of(file, len(data), magic, length - 1)[0] == (data[begin : begin + length] if is_at_hand else b"")


def test_a_parquet_file_with_a_name_that_is_no_text_is_refused_where_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": [1], "name": [2]}), path, store_schema=False)
    data = path.read_bytes()
    with opened(str(path)) as file:
        assert file.schema_arrow.names == ["id", "name"]
    path.write_bytes(data.replace(b"name", b"\xff\xfe\xff\xfe"))
    with pytest.raises(FormatError, match=r"x\.parquet: "), opened(str(path)):
        pass


class Slow(io.BytesIO):
    """A file that gives a few bytes at once, as a socket does."""

    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[:3])


@pytest.mark.parametrize("kind", [io.BytesIO, Slow])
def test_bytes_of_a_file_come_in_their_order_however_few_come_at_once(kind: type[io.BytesIO]) -> None:
    data = bytes(range(100))
    for offset, size in [(0, 100), (0, 0), (10, 1), (17, 8), (99, 1)]:
        assert read_at("u", kind(data), offset, size).tobytes() == data[offset : offset + size]
    with pytest.raises(SourceError, match="u: it breaks off at byte 100"):
        read_at("u", kind(data), 90, 11)


MOMENTS = [0, None, 1_700_000_000_000_000, -1, None, None, 5, 1_000_000, None, 253_402_300_799_000_000, 7, None]
"""In microseconds, the last day of the year 9999 among them: in nanoseconds it wraps around."""


@pytest.mark.parametrize("wrap", ["none", "list", "struct"])
def test_dates_of_int96_are_the_same_in_any_slice_of_a_column(wrap: str) -> None:
    def column(unit: str, factor: int) -> pa.Array:
        numbers = [None if one is None else one * factor for one in MOMENTS]
        wrapped = np.array([one or 0 for one in numbers], object) % 2**64
        signed = wrapped.astype(np.uint64).view(np.int64)
        found = pa.array(signed, mask=np.array([one is None for one in numbers])).cast(pa.timestamp(unit))
        if wrap == "list":
            return pa.ListArray.from_arrays(pa.array(range(len(MOMENTS) + 1), pa.int32()), found)
        return pa.StructArray.from_arrays([found], ["a"]) if wrap == "struct" else found

    micro, nano = column("us", 1), column("ns", 1000)
    for start in range(len(MOMENTS)):
        for stop in (start + 1, start + 3, len(MOMENTS)):
            found = compared(micro[start:stop], nano[start:stop], None)
            found.validate(full=True)
            assert found.cast(found.type) == micro[start:stop]


@pytest.mark.parametrize(("rows", "width"), [(4, 2), (100, 2), (3, 50)])
def test_an_array_of_hdf5_that_nothing_was_written_to_is_refused(rows: int, width: int, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["id"] = np.array([b"r%d" % row for row in range(rows)])
        file.create_dataset("vectors", (rows, width), np.float32)
    with pytest.raises(FormatError, match=r"'vectors' was made, but nothing was written to it"):
        make_plan((str(path),), SourceSettings())


@pytest.mark.parametrize(
    ("stored", "size", "is_fine"),
    [(800, 800, True), (800, 5000, True), (801, 801, True), (799, 5000, False), (8, 5000, False), (801, 800, False)],
)
def test_an_array_of_hdf5_in_one_piece_has_the_bytes_of_its_shape_and_the_file_has_these(
    stored: int, size: int, is_fine: bool
) -> None:
    found = {"is_elsewhere": False, "no_filter": "", "piece": 0, "stored": stored, "is_in_pieces": False}
    why = hdf5._why_not(found, Array("v", (100, 2), pa.list_(pa.float32(), 2), 8), size, 1 << 20)
    assert why == ("" if is_fine else f"should have 800 bytes by its shape (100, 2); {stored} of {size:,} are its own")
    assert hdf5._why_not({**found, "is_in_pieces": True}, Array("v", (100, 2), None, 8), size, 1 << 20) == ""


def test_a_number_in_a_footer_has_64_bits_at_most_and_an_end() -> None:
    """Seven bits a byte: ten bytes hold them, and one more is not a number."""
    assert _Compact(b"\xff" * 9 + b"\x01" + b"?")._unsigned() == 2**64 - 1
    assert _Compact(b"\x80" * 9 + b"\x01" + b"?")._unsigned() == 2**63
    for data in (b"\xff" * 10 + b"\x01", b"\x80" * 20):
        with pytest.raises(ValueError, match="without an end"):
            _Compact(data)._unsigned()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".fvecs"])
@pytest.mark.parametrize("dimension", [65_535, 65_536])
def test_vectors_have_as_many_dimensions_as_an_index_and_no_more(suffix: str, dimension: int, tmp_path: Path) -> None:
    """An index of CyborgDB has 65,535 at most."""
    path, vectors = tmp_path / f"x{suffix}", np.ones((2, dimension), np.float32)
    if suffix == ".fvecs":
        sizes = np.full((2, 1), dimension, "<i4").view(np.float32)
        path.write_bytes(np.hstack([sizes, vectors]).tobytes())
    elif suffix == ".npz":
        np.savez(path, vectors=vectors)
    else:
        np.save(path, vectors)
    if dimension <= 65_535:
        assert make_plan((str(path),), SourceSettings()).dimension == dimension
    else:
        with pytest.raises(FormatError, match=r"65,?536.*65,535"):
            make_plan((str(path),), SourceSettings())
