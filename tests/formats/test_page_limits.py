"""How many rows of a Parquet file are decoded at once follows from what they take, not from how few bytes hold them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats import pages
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.formats.pages import Limit, _longest_in, limit_of

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1000
UNIT = 1 << 20
LONG = "x" * 100_000


def limit(
    path: Path, columns: dict[str, Any], rows: int = ROWS, unit: int = UNIT, most: int = 64_000_000, **options: Any
) -> Limit:
    pq.write_table(pa.table(columns), path, **options)
    file = pq.ParquetFile(path)
    with file:
        return limit_of(str(path), file, 0, list(columns), rows, AtOnce(most, unit=unit))


def test_rows_that_take_little_are_read_as_many_at_once_as_asked(tmp_path: Path) -> None:
    columns = {"id": [str(row) for row in range(ROWS)], "n": range(ROWS)}
    assert limit(tmp_path / "x", columns) == Limit(ROWS)
    assert limit(tmp_path / "x", columns, rows=10) == Limit(10)


@pytest.mark.parametrize("width", [8, 1000, 4000])
def test_vectors_are_read_in_pieces_of_what_a_chunk_may_take(width: int, tmp_path: Path) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(100 * width, np.float32)), width)
    assert limit(tmp_path / "x", {"vector": vectors}, most=1_000_000).rows == min(ROWS, 1_000_000 // (4 * width))


@pytest.mark.parametrize(
    "wrap",
    [
        pa.array,
        lambda texts: pa.array([[text] for text in texts]),
        lambda texts: pa.array([{"a": 1, "b": text} for text in texts]),
        lambda texts: pa.array([{"b": [{"c": text}]} for text in texts]),
        lambda texts: pa.array([[("k", text)] for text in texts], pa.map_(pa.string(), pa.string())),
        lambda texts: pa.array([[(text, "v")] for text in texts], pa.map_(pa.string(), pa.string())),
    ],
    ids=["text", "list", "struct", "struct of lists of structs", "values of a map", "keys of a map"],
)
def test_a_long_text_that_many_rows_share_stays_in_its_dictionary_until_rows_are_cut(wrap: Any, tmp_path: Path) -> None:
    """1,000 rows of 100 kB are 100 MB decoded, and the file has 100 kB."""
    path = tmp_path / "x"
    found = limit(path, {"a": wrap([LONG] * ROWS), "n": range(ROWS)})
    assert path.stat().st_size < 300_000
    assert len(found.dictionaries) == 1
    assert limit(path, {"a": wrap(["x" * 1000] * ROWS), "n": range(ROWS)}).dictionaries == []
    assert limit(path, {"a": wrap([LONG] * ROWS)}, rows=10).dictionaries == []


def test_the_first_row_says_nothing_of_how_long_the_texts_are(tmp_path: Path) -> None:
    texts = ["short"] * (ROWS // 2) + [LONG] * (ROWS - ROWS // 2) * 2
    assert limit(tmp_path / "x", {"a": texts}, rows=len(texts)).dictionaries == ["a"]


def test_a_page_of_more_than_may_be_decoded_at_once_is_refused_by_its_column_and_size(tmp_path: Path) -> None:
    texts = ["".join(chr(33 + (row * place) % 90) for place in range(50)) * 100 for row in range(100)]
    columns = {"n": range(100), "a": texts}
    with pytest.raises(SourceError) as caught:
        limit(tmp_path / "x", columns, unit=100_000, use_dictionary=False, row_group_size=100)
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: row group 0, column 'a': one page of it has ")
    assert "and 100,000 are possible" in str(caught.value)
    small = limit(tmp_path / "x", columns, unit=100_000, use_dictionary=False, data_page_size=5000, write_batch_size=5)
    assert 1 <= small.rows <= 100


def test_a_dictionary_of_more_than_may_be_decoded_at_once_is_refused(tmp_path: Path) -> None:
    columns = {"a": [LONG] * ROWS}
    with pytest.raises(SourceError, match=r"one page of it has 100,004 bytes"):
        limit(tmp_path / "x", columns, unit=100_003)
    assert limit(tmp_path / "x", columns, unit=100_004) == Limit(1)


@pytest.mark.parametrize("group", [0, 1])
def test_a_column_is_limited_wherever_it_stands_among_those_that_are_not_read(group: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    columns = {"n": range(2 * ROWS), "a": [LONG] * 2 * ROWS, "m": range(2 * ROWS), "b": ["x"] * 2 * ROWS}
    pq.write_table(pa.table(columns), path, row_group_size=ROWS)
    with pq.ParquetFile(path) as file:
        assert limit_of(str(path), file, group, ["a"], ROWS, AtOnce(unit=UNIT)).dictionaries == ["a"]
        assert limit_of(str(path), file, group, ["m", "a", "b"], ROWS, AtOnce(unit=UNIT)).dictionaries == ["a"]
        assert limit_of(str(path), file, group, ["n", "b"], ROWS, AtOnce(unit=UNIT)) == Limit(ROWS)


def varint(number: int, length: int) -> bytes:
    """A number as Thrift has it: seven bits a byte, the lowest first; of so many bytes, though fewer would do."""
    return bytes(2 * number >> 7 * place & 127 | (128 if place < length - 1 else 0) for place in range(length))


def test_a_dictionary_that_is_larger_than_its_footer_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    pq.write_table(pa.table({"a": [LONG] * ROWS}), path, compression="zstd")
    said = pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size
    data = path.read_bytes()
    assert varint(said, 3) in data
    path.write_bytes(data.replace(varint(said, 3), varint(90_000, 3)))
    with pq.ParquetFile(path) as file:
        assert file.metadata.row_group(0).column(0).total_uncompressed_size == 90_000
        with pytest.raises(SourceError) as caught:
            limit_of(str(path), file, 0, ["a"], ROWS, AtOnce(unit=99_000))
        assert str(caught.value).startswith(f"{path}: row group 0, column 'a': its dictionary has 100,004 bytes to be ")
        assert limit_of(str(path), file, 0, ["a"], ROWS, AtOnce(unit=100_004)).dictionaries == ["a"]


class Counted(io.FileIO):
    """A file that knows how many bytes were read from it."""

    count = 0

    def readinto(self, buffer: Any) -> int:
        found = super().readinto(buffer)
        self.count += found or 0
        return found or 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(-1 if size is None else size)
        self.count += len(found or b"")
        return found or b""


def test_to_see_how_long_the_texts_of_a_dictionary_are_its_rows_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dictionary is 10 kB and the places in it are 120 kB, in pages of 1 kB."""
    path = tmp_path / "x"
    texts = np.random.default_rng(1).choice([f"{row:010}" for row in range(1000)], 100_000)
    pq.write_table(pa.table({"a": texts}), path, data_page_size=1000, write_batch_size=100, compression="none")
    monkeypatch.setattr(pages, "PAGE_BUFFER", 5000)
    opened: list[Counted] = []

    def native(uri: str) -> pa.PythonFile:
        opened.append(Counted(uri))
        return pa.PythonFile(opened[-1], "r")

    with pq.ParquetFile(path) as file:
        monkeypatch.setattr(pages.sources, "native", native)
        assert pages._Leaf(str(path), file, 0, 0, AtOnce(unit=UNIT))._longest() == 10
    opened[0].close()
    assert path.stat().st_size > 150_000
    assert 10_000 < opened[0].count < 50_000


@pytest.mark.parametrize(
    ("texts", "length"), [([], 0), ([""], 0), ([None], 0), (["", None, "a"], 1), (["ab", "a"], 2), (["é"], 2)]
)
def test_the_longest_text_is_found_in_whatever_holds_it(texts: list[str | None], length: int) -> None:
    plain = pa.array(texts, pa.string())
    packed = plain.dictionary_encode()
    assert _longest_in(plain) == length
    for one in (plain, packed):
        assert _longest_in(one) == length
        lists = pa.ListArray.from_arrays(pa.array([0, len(one)], pa.int32()), one)
        assert _longest_in(lists) == length
        assert _longest_in(pa.StructArray.from_arrays([one, one], ["a", "b"])) == length
        none = pa.array([""] * len(one))
        offsets = pa.array([0, len(one)], pa.int32())
        if not one.null_count:  # a key is never null
            assert _longest_in(pa.MapArray.from_arrays(offsets, one, none)) == length
        assert _longest_in(pa.MapArray.from_arrays(offsets, none, one)) == length
    assert _longest_in(pa.StructArray.from_arrays([], names=[])) == 0


def test_numbers_in_lists_of_any_length_are_read_by_what_their_largest_page_has(tmp_path: Path) -> None:
    """Eight bytes a number, whatever few of them take in the file: of lists that are not vectors, a page is decoded."""
    lists = [[7] * (1 + row % 50) for row in range(ROWS)]
    numbers = sum(map(len, lists))
    for unit in (8 * numbers, 8 * numbers + 1):
        assert limit(tmp_path / "x", {"a": lists}, unit=unit) == Limit(ROWS)
    with pytest.raises(SourceError, match=rf"one page of it has {8 * numbers:,} bytes"):
        limit(tmp_path / "x", {"a": lists}, unit=8 * numbers - 1)
    in_pages = {"use_dictionary": False, "data_page_size": 8 * 500, "write_batch_size": 50}
    found = limit(tmp_path / "x", {"a": lists}, unit=8 * numbers // 4, **in_pages)
    assert 4 <= found.rows < ROWS
