"""Rules of a few lines of what is read as text, each tried where it stands: lines, cells and objects."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats import cellrows, lines
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.formats.cellrows import CellRows
from cyborg_ingest.formats.delimited import DelimitedReader
from cyborg_ingest.formats.jsonapart import MARK, numbers_apart
from cyborg_ingest.formats.jsoncolumns import RowColumns
from cyborg_ingest.formats.lines import LineReader, index_lines
from cyborg_ingest.formats.others import looks_like_words
from cyborg_ingest.formats.records import SAMPLED_ROWS, Named
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

CSV = DelimitedReader("csv", (".csv",), ",")


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_vector_is_taken_out_of_its_line_wherever_it_stands(separators: tuple[str, str], place: int) -> None:
    vector = [1, -2.5, 3e-7]
    fields: list[tuple[str, Any]] = [("id", "a"), ("n", [7])]
    fields.insert(place, ("v", vector))
    found = numbers_apart(json.dumps(dict(fields), separators=separators).encode(), b'"v"')
    assert found is not None
    rest, numbers = found
    assert json.loads(numbers) == vector
    assert json.loads(rest) == {**dict(fields), "v": MARK}


@pytest.mark.parametrize(
    "line", [b'{"v": null}', b'{"v": "[1]"}', b'{"w": [1]}', b'{"a": "v", "b": [1]}', b'{"v": [1, 2']
)
def test_where_no_vector_is_plain_to_see_none_is_taken_out(line: bytes) -> None:
    assert numbers_apart(line, b'"v"') is None


@pytest.mark.parametrize("name", [None, "its key"])
def test_a_vector_of_plain_numbers_is_read_without_an_object_for_each(name: str | None) -> None:
    """Whether its row stands by itself, or under a name."""
    columns = RowColumns(ColumnMap("v", "id", None, (), None))
    vector = [1, -2.5, 3e-7, 2**53 + 1, 1e300]
    text = json.dumps({"id": "a", "v": vector, "m": {"v": 1}}).encode()
    row, numbers = columns._row(text if name is None else Named.of(text, name))
    assert isinstance(row, dict)
    assert {field: row[field] for field in ("id", "v", "m")} == {"id": "a", "v": MARK, "m": {"v": 1}}
    assert numbers is not None
    assert np.frombuffer(numbers).tolist() == [float(one) for one in vector]


@pytest.mark.parametrize(
    "line", ['{"id": "a", "v": [1, null]}', '{"id": "a", "v": [[1]]}', '{"id": "a", "m": {"v": [1]}}', '{"id": "a"}']
)
def test_what_is_no_vector_of_plain_numbers_is_read_with_all_the_rest(line: str) -> None:
    assert RowColumns(ColumnMap("v", "id", None, (), None))._row(line.encode()) == (json.loads(line), None)


@pytest.mark.parametrize("limit", [25, 45])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_of_a_line_that_is_too_large_its_begin_is_shown_and_the_next_is_whole(
    limit: int, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line is read in pieces: the limit may be reached in any of them."""
    monkeypatch.setattr(cellrows, "_BLOCK_BYTES", 20)
    text = "".join(f"{number:02}," for number in range(30)) + "end"
    file = io.BufferedReader(io.BytesIO((text + end + "a,b" + end).encode()))
    large, small = CellRows("u", file, ",", FormatError, limit).read(10, 1000)  # type: ignore[arg-type]
    assert (large.cut, large.line) == (True, 1)
    assert large.cells == [text[:20]]
    assert (small.cells, small.line, small.cut) == (["a", "b"], 2, False)


def test_a_row_whose_first_cell_is_the_name_of_its_column_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('id,word,vector\nid,a,"[1, 2]"\nb,word,"[1, 2]"\nid,word,vector\n')
    (batch,) = cut(make_plan((str(path),), SourceSettings()).chunks(10), None, Cutting(10, 10_000, encoded=True))
    assert batch.ids == ["id", "b"]
    assert [(one.row, one.line) for one in batch.rejections] == [(2, 4)]
    assert "it repeats the header" in batch.rejections[0].detail


@pytest.mark.parametrize("before", [0, 1, SAMPLED_ROWS - 1, SAMPLED_ROWS])
def test_the_first_hundred_rows_of_csv_tell_which_columns_hold_vectors(before: int, tmp_path: Path) -> None:
    """They are more than a few bytes: each row has 200 of them."""
    path = tmp_path / "rows.csv"
    rows = [f"r{row},{'x' * 200},{'' if row < before else '[1 2]'}" for row in range(SAMPLED_ROWS + 5)]
    path.write_text("\n".join(["id,word,place", *rows]).replace("[1 2]", '"[1, 2]"'))
    kind = CSV.layout(str(path), Sidecars()).schema.field("place").type
    assert pa.types.is_large_list(kind) or pa.types.is_list(kind) if before < SAMPLED_ROWS else kind == pa.string()


@pytest.mark.parametrize(
    ("line", "is_words"),
    [
        ("the 0.25 -1e3", True), ("the 1 2 3 4", True), ("the 0.25\nof 1 2 3", False), ("400000 300", False),
        ("the", False), ("", False), ("the 0.25 x", False), ("the nan 1", False), ("the inf 1", False),
    ],
)  # fmt: skip
def test_words_and_their_numbers_are_known_by_a_first_line_of_two_numbers_at_least(line: str, is_words: bool) -> None:
    """As GloVe writes them; what word2vec begins with, two counts, is none yet."""
    assert looks_like_words(line.encode()) is is_words
    assert looks_like_words(f"{line}\nof 0.5 0.5".encode()) is is_words


def test_metadata_is_the_field_that_has_this_role_beside_one_without_a_name() -> None:
    columns = RowColumns(ColumnMap("v", "id", "m", (), None))
    rows: list[dict[str, Any]] = [{"": {"odd": 1}, "m": {"a": 1}}, {"": {"odd": 1}}, {"m": {}}, {"": 1, "m": None}]
    for row in rows:
        columns.add(json.dumps({"id": "a", "v": [1], **row}).encode())
    assert columns.metadata == [{"a": 1}, None, {}, None]
    assert columns.faults == []


LINES = [b"", b"a", b"bc" * 9, b"", b"", b"d" * 40, b"e", b"\xc3\xa9", b"f" * 7, b"g", b"", b"h" * 3, b"i"]


@pytest.mark.parametrize("block", [1, 3, 7, 16, 1000])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("last", [b"", b"end"])
def test_an_index_of_lines_says_where_every_nth_begins_whatever_is_read_at_once(
    block: int, step: int, last: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_BLOCK", block)
    monkeypatch.setattr(lines, "_STEP", step)
    path = tmp_path / "x"
    path.write_bytes(b"".join(one + b"\n" for one in LINES) + last)
    with path.open("rb") as file:
        begins = [0, *itertools.accumulate(map(len, file))]
    found = index_lines(path)
    assert found.lines == len(begins) - 1
    assert list(found.offsets)[: -(-found.lines // step)] == begins[:-1][::step]
    expected = [*LINES, last] if last else LINES
    with path.open("rb") as file:
        reader = LineReader(found, file, 1000, 1 << 20)
        for start, stop in [(0, 4), (9, 12), (5, 6), (6, 9), (12, 20), (2, 3), (0, 20)]:
            assert reader.read(start, stop) == expected[start:stop]


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("rows", [50, 5000])
def test_how_many_rows_of_json_a_file_has_is_known_to_about_their_half(
    is_packed: bool, rows: int, tmp_path: Path
) -> None:
    """Of a compressed one the first rows tell how much it unpacks to."""
    vectors = np.random.default_rng(4).standard_normal((rows, 8)).round(4).tolist()
    text = "".join(json.dumps({"id": f"r{row}", "vector": one}) + "\n" for row, one in enumerate(vectors))
    path = tmp_path / ("rows.jsonl.gz" if is_packed else "rows.jsonl")
    path.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
    (source,) = make_plan((str(path),), SourceSettings()).sources
    assert rows / 1.5 < source.layout.rows_estimate < rows * 1.5
