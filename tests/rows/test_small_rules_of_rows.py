"""Rules of a few lines that say which rows and bytes are meant, each tried where it stands."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

from cyborg_ingest.errors import ArgumentError
from cyborg_ingest.formats.arrow import _forward
from cyborg_ingest.formats.ends import hdf5_end
from cyborg_ingest.formats.messages import _BATCH, _DICTIONARY, Message, decoded_size, message_of
from cyborg_ingest.model import LARGEST_DIMENSION, Mark
from cyborg_ingest.plan.done import Done
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.rows.typed import Notes, objects
from cyborg_ingest.rows.values import dump_ids
from cyborg_ingest.state.ledger import PartState
from cyborg_ingest.targets.arguments import checked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("row", "size"), [(0, 0), (9, 0), (10, 100), (19, 100), (20, 100), (29, 100), (30, 300), (31, 300), (999, 300)]
)
def test_settled_rows_of_a_stream_lie_in_the_fewest_bytes_that_a_mark_behind_them_names(row: int, size: int) -> None:
    marks = {10: Mark(100, "a"), 20: Mark(200, "b"), 30: Mark(300, "c"), 40: Mark(400, "d")}
    done = Done(RangeSet([(0, 10), (25, 30)]), None, marks=marks)
    assert done.bytes_before(row) == size
    assert Done(done.rows, None).bytes_before(row) == 0


def test_a_settled_row_behind_the_last_mark_needs_no_bytes() -> None:
    assert Done(RangeSet([(0, 5), (7, 9)]), None, marks={5: Mark(50, "a")}).bytes_before(9) == 50


@pytest.mark.parametrize(
    ("settled", "marked", "is_marked"),
    [([], [], True), ([], [5], True), ([(0, 5)], [], False), ([(0, 5)], [5], True), ([(0, 5)], [4], False),
     ([(0, 5), (7, 9)], [5], False), ([(0, 5), (7, 9)], [9], True), ([(0, 5), (7, 9)], [20], True)],
)  # fmt: skip
def test_rows_of_a_stream_can_be_told_again_where_a_mark_lies_behind_all_that_are_settled(
    settled: list[tuple[int, int]], marked: list[int], is_marked: bool
) -> None:
    marks = {place: Mark(place, "digest") for place in marked}
    assert PartState(done=RangeSet(settled), marks=marks).is_marked is is_marked
    assert PartState(held=RangeSet(settled), marks=marks).is_marked is is_marked


def test_the_dimension_is_bounded_and_the_number_of_rows_is_not() -> None:
    rows = LARGEST_DIMENSION + 1
    vectors, _ = checked([str(row) for row in range(rows)], np.ones((rows, 1), np.float32), None, None)
    assert vectors.shape == (rows, 1)
    for width in (1, LARGEST_DIMENSION):
        assert checked(["a"], np.ones((1, width), np.float32), None, None)[0].shape == (1, width)
    for width in (0, LARGEST_DIMENSION + 1):
        with pytest.raises(ArgumentError, match=f"1 to 65,535 dimensions, not {width:,}"):
            checked(["a", "b"], np.ones((2, width), np.float32), None, None)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("version", [(0, 0), (2, 2)])
def test_a_hdf5_file_says_where_it_ends_in_addresses_of_either_size(
    size: int, version: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "x.h5"
    settings = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    settings.set_sizes(size, size)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    if version != (0, 0):
        access.set_libver_bounds(h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)
    with h5py.File(h5py.h5f.create(str(path).encode(), h5py.h5f.ACC_TRUNC, settings, access)) as file:
        file["vectors"] = np.ones((10, 4), np.float32)
    assert hdf5_end(path.read_bytes()[:64]) == path.stat().st_size


@pytest.mark.parametrize(("names", "read"), [(["b"], ["b"]), (["c", "a"], ["a", "c"])])
def test_of_an_arrow_stream_only_the_columns_that_are_asked_for_are_read(
    names: list[str], read: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.arrow"
    table = pa.table({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5]})
    with pa.ipc.new_stream(path, table.schema) as out:
        out.write_table(table)
    with _forward(str(path), table.schema, names, 1 << 20, is_file=False) as (reader, _):
        batch = reader.read_next_batch()
    assert sorted(batch.schema.names) == read
    assert batch.to_pydict() == table.select(batch.schema.names).to_pydict()
    with _forward(str(path), None, [], 1 << 20, is_file=False) as (reader, _):
        assert reader.read_next_batch().schema.names == ["a", "b", "c"]


SCHEMA = pa.schema([("a", pa.int32()), ("b", pa.string()), ("c", pa.int8())])
SIZES = [0, 16, 0, 24, 40, 0, 8]  # of validity and values; of validity, offsets and text; of validity and values


@pytest.mark.parametrize(
    ("kind", "schema", "names", "size"),
    [
        (_BATCH, SCHEMA, ["a"], 16), (_BATCH, SCHEMA, ["b"], 64),
        (_BATCH, SCHEMA, ["c", "a"], 24), (_BATCH, SCHEMA, [], 0),
        (_BATCH, None, ["a"], 88), (_BATCH, SCHEMA, None, 88),
        (_BATCH, None, None, 88), (_DICTIONARY, SCHEMA, ["a"], 88),
    ],
)  # fmt: skip
def test_the_size_of_a_record_batch_is_that_of_the_columns_that_are_wanted(
    kind: int, schema: pa.Schema | None, names: list[str] | None, size: int
) -> None:
    message = Message(kind, sum(SIZES), tuple((0, one) for one in SIZES), is_packed=False, variadic=())
    assert decoded_size(message, schema, names, lambda *_: b"") == size


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_of_what_is_compressed_the_size_is_that_of_what_was(codec: Any) -> None:
    rows = 10_000
    batch = pa.record_batch({"a": np.zeros(rows, np.int64), "b": np.arange(rows)})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as stream:
        stream.write_batch(batch)
    reader = pa.ipc.MessageReader.open_stream(out.getvalue())
    reader.read_next_message()
    found = reader.read_next_message()
    body = found.body.to_pybytes()
    assert len(body) < rows * 8 * 2
    message = message_of(found.metadata.to_pybytes())
    for names, columns in ((["a"], 1), (["a", "b"], 2)):
        size = decoded_size(message, batch.schema, names, lambda at, size: body[at : at + size])
        assert size == rows * 8 * columns


def test_the_buffers_of_views_are_counted_as_their_message_says() -> None:
    """Short texts stand in their views; a long one in a buffer of its own. The format pads each buffer to 8 bytes."""
    short, long = pa.array(["a", "b"], pa.string_view()), pa.array(["x" * 1000, "b"], pa.string_view())
    batch = pa.record_batch({"short": short, "long": long, "n": [1, 2]})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema) as stream:
        stream.write_batch(batch)
    reader = pa.ipc.MessageReader.open_stream(out.getvalue())
    reader.read_next_message()
    message = message_of(reader.read_next_message().metadata.to_pybytes())
    assert message.variadic == (len(short.buffers()) - 2, len(long.buffers()) - 2)

    def size(*names: str) -> int:
        return decoded_size(message, batch.schema, names, lambda *_: b"")

    assert size("short") == 2 * 16
    assert size("long") == 2 * 16 + 1000
    assert size("n") == 2 * 8
    assert size("short", "n") == 2 * 16 + 2 * 8


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_an_id_that_is_no_unicode_text_is_a_value_error(text: str) -> None:
    assert json.loads(dump_ids(["a", "é", ""])) == ["a", "é", ""]
    with pytest.raises(ValueError, match="surrogate"):
        dump_ids(["a", text])


@pytest.mark.skipif(not hasattr(pa, "bool8"), reason="this pyarrow has no such type")
def test_truth_that_is_stored_in_bytes_is_truth_and_null_where_there_is_none() -> None:
    """Any byte but 0 is true, as the format has it."""
    stored = pa.array([0, 1, None, -1, 0, 127], pa.int8())
    found = objects(pa.ExtensionArray.from_storage(pa.bool8(), stored), Notes())
    assert [(one, type(one)) for one in found] == [
        (False, bool), (True, bool), (None, type(None)), (True, bool), (False, bool), (True, bool),
    ]  # fmt: skip
