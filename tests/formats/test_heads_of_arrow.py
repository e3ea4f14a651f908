"""What describes the columns of an Arrow file or stream is bounded, and what is read of a stream is held once."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from test_bounds import MOST, checked

from cyborg_ingest.errors import FormatError, IngestError, SourceError
from cyborg_ingest.formats import messages
from cyborg_ingest.formats.messages import CheckedMessages
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

KIND = pa.list_(pa.float32(), 2)


def saved(path: Path, table: pa.Table, *, packed: bool = False) -> Path:
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with new(pa.PythonFile(file, "w"), table.schema) as out:
            out.write_table(table)
    return path


def table(**more: Any) -> pa.Table:
    return pa.table({"id": ["a", "b"], "vector": pa.array([[1.0, 2.0], [2.0, 3.0]], KIND), **more})


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [("rows.arrow", FormatError, "its footer has"), ("rows.arrows", SourceError, "the head of a message has")],
)
def test_a_description_of_more_than_may_be_decoded_is_refused(
    name: str, kind: type[IngestError], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / name, table().replace_schema_metadata({"note": "x" * 10_000}))
    make_plan((str(path),), SourceSettings())
    monkeypatch.setattr(messages, "MOST_HEAD", 10_000)
    with pytest.raises(kind, match=what + r" 1\d,\d{3} bytes, and 10,000 are possible"):
        make_plan((str(path),), SourceSettings())


class Served:
    """A stream to read from, as `CheckedMessages` is handed one."""

    def __init__(self, data: bytes) -> None:
        self._data, self.position = data, 0

    def read(self, size: int) -> bytes:
        found = self._data[self.position : self.position + size]
        self.position += len(found)
        return found


@pytest.mark.parametrize("step", [0, 1, 3, 8, 100, 1000])
def test_a_stream_is_handed_on_byte_by_byte_as_it_is_however_much_is_asked_for(step: int, tmp_path: Path) -> None:
    data = saved(tmp_path / "rows.arrows", table(n=[1, 2])).read_bytes()
    found = CheckedMessages("x", Served(data), 1 << 20)
    if not step:
        assert pa.ipc.open_stream(pa.PythonFile(found, "r")).read_all().equals(table(n=[1, 2]))
        return
    read = b""
    while block := found.read(step):
        read += bytes(block)
        assert found.position == len(read)
    assert read == data


@pytest.mark.soak
def test_a_batch_of_nearly_the_limit_in_a_stream_is_read_within_the_bound(tmp_path: Path) -> None:
    rows = 50
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 9_800_000])).cast("string")
    vectors = pa.array([[1.0, 2.0]] * rows, KIND)
    path = saved(
        tmp_path / "rows.arrows.gz", pa.table({"id": map(str, range(rows)), "vector": vectors, "contents": texts}),
        packed=True,
    )  # fmt: skip
    code, report, said, peak = checked(path)
    assert (code, report["rows"]["read"], report["rows"]["rejected"]) == (0, rows, 0), said
    assert peak < MOST
