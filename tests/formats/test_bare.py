"""`.fvecs`, `.fbin` and their kin: as they were written, or a clear error, whatever became of the file."""

from __future__ import annotations

import contextlib
import gzip
import resource
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyborg_ingest.errors import FormatError, IngestError, SourceError
from cyborg_ingest.formats import base
from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {"fvecs": "<f4", "bvecs": "<u1", "ivecs": "<i4", "fbin": "<f4", "u8bin": "<u1", "i8bin": "<i1"}
ROWS, DIMENSION = 23, 6


def numbers(kind: str) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(1)
    if KINDS[kind] == "<f4":
        return random.normal(size=(ROWS, DIMENSION)).astype("<f4")
    return random.integers(1, 100, (ROWS, DIMENSION)).astype(KINDS[kind])


def encoded(kind: str, vectors: np.ndarray[Any, Any]) -> bytes:
    if kind.endswith("vecs"):
        head = np.array([vectors.shape[1]], "<i4").tobytes()
        return b"".join(head + row.tobytes() for row in vectors)
    return np.array(vectors.shape, "<u4").tobytes() + vectors.tobytes()


def rows_of(path: Path, rows: int = 5, **options: Any) -> list[tuple[str, bytes]]:
    plan = make_plan((str(path),), SourceSettings(**options))
    found = list(cut(plan.chunks(rows), plan.dimension, Cutting(7, 10_000, encoded=True)))
    assert all(one.rejections or len(one) == one.stop - one.start for one in found)
    return [
        (identity, vector.tobytes()) for one in found for identity, vector in zip(one.ids, one.vectors, strict=True)
    ]


def expected(kind: str) -> list[tuple[str, bytes]]:
    return [(str(row), vector.astype("<f4").tobytes()) for row, vector in enumerate(numbers(kind))]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_as_it_was_written(tmp_path: Path, kind: str, suffix: str) -> None:
    data = encoded(kind, numbers(kind))
    path = tmp_path / f"rows.{kind}{suffix}"
    path.write_bytes(gzip.compress(data) if suffix else data)
    assert rows_of(path) == expected(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_done_is_read_and_nothing_else(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PART_BYTES", 60)
    for suffix in ("", ".gz"):
        path = tmp_path / f"rows.{kind}{suffix}"
        data = encoded(kind, numbers(kind))
        path.write_bytes(gzip.compress(data) if suffix else data)
        plan = make_plan((str(path),), SourceSettings())
        assert (len(plan.sources[0].layout.parts) > 1) is not suffix
        whole = list(cut(plan.chunks(4), DIMENSION, Cutting(3, 10_000, encoded=True)))
        left = cut(
            plan.chunks(4, lambda part: Done(RangeSet([(1, 2)]), part.rows)),
            DIMENSION,
            Cutting(3, 10_000, encoded=True),
        )
        places = {(one.part.number, row) for one in whole for row in range(one.start, one.stop)}
        assert {(one.part.number, row) for one in left for row in range(one.start, one.stop)} == {
            (number, row) for number, row in places if row != 1
        }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_was_cut_anywhere_is_an_error_and_never_a_wrong_row(tmp_path: Path, kind: str, suffix: str) -> None:
    data, row = encoded(kind, numbers(kind)), len(encoded(kind, numbers(kind)[:1]))
    path = tmp_path / f"rows.{kind}{suffix}"
    for size in range(len(data)):
        path.write_bytes(gzip.compress(data[:size], 1) if suffix else data[:size])
        if kind.endswith("vecs") and size and size % row == 0:  # as good as a shorter file
            assert rows_of(path) == expected(kind)[: size // row]
            continue
        with pytest.raises((FormatError, SourceError), match=rf"rows\.{kind}"):
            rows_of(path)


@given(st.sampled_from(sorted(KINDS)), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
@settings(deadline=None, max_examples=200)
def test_turned_bytes_are_an_error_a_reject_or_other_numbers(kind: str, turned: list[tuple[int, int]]) -> None:
    import tempfile  # noqa: PLC0415
    from pathlib import Path as Here  # noqa: PLC0415

    data = bytearray(encoded(kind, numbers(kind)))
    for place, byte in turned:
        data[place % len(data)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Here(folder) / f"rows.{kind}"
        path.write_bytes(data)
        with contextlib.suppress(FormatError, SourceError):
            assert len(rows_of(path)) <= len(data)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("fbin", [2**31, 65_535]),
        ("fbin", [2**32 - 1, 4]),
        ("u8bin", [4, 2**32 - 1]),
        ("fbin", [4, 0]),
        ("fvecs", [2**31 - 1, 0]),
        ("fvecs", [2**32 - 1, 0]),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_small_file_that_claims_much_gets_no_room(tmp_path: Path, kind: str, head: list[int], suffix: str) -> None:
    data = np.array(head, "<u4").tobytes() + b"\x01" * 2000
    path = tmp_path / f"rows.{kind}{suffix}"
    path.write_bytes(gzip.compress(data) if suffix else data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((FormatError, SourceError), match=rf"rows\.{kind}"):
        rows_of(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KiB


def test_vectors_of_two_dimensions_are_no_such_file(tmp_path: Path) -> None:
    first, second = np.ones((2, 4), "<f4"), np.ones((2, 2), "<f4")
    (tmp_path / "rows.fvecs").write_bytes(encoded("fvecs", first) + encoded("fvecs", second))
    with pytest.raises(IngestError, match=r"rows\.fvecs"):
        rows_of(tmp_path / "rows.fvecs")


def test_sidecars_go_with_every_kind(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("".join(f"i{row}\n" for row in range(ROWS)))
    for kind in KINDS:
        (tmp_path / f"rows.{kind}").write_bytes(encoded(kind, numbers(kind)))
        found = rows_of(tmp_path / f"rows.{kind}", ids=tmp_path / "ids.txt")
        assert [identity for identity, _ in found] == [f"i{row}" for row in range(ROWS)]
        (tmp_path / f"rows.{kind}.gz").write_bytes(gzip.compress(encoded(kind, numbers(kind)[:-1])))
        with pytest.raises((FormatError, SourceError), match=r"ids\.txt|rows"):
            rows_of(tmp_path / f"rows.{kind}.gz", ids=tmp_path / "ids.txt")


def test_the_rows_of_a_file_whose_end_alone_tells_their_number_are_counted_from_its_first(tmp_path: Path) -> None:
    values = np.arange(1, 13, dtype="<f4").reshape(4, 3)
    values[2, 1] = np.nan
    path = tmp_path / "v.fvecs.gz"
    path.write_bytes(gzip.compress(encoded("fvecs", values)))
    plan = make_plan((str(path),), SourceSettings())
    batches = list(cut(plan.chunks(2), 3, Cutting(10, 1_000_000, encoded=False)))
    assert [identity for batch in batches for identity in batch.ids] == ["0", "1", "3"]
    assert [(one.row, one.id) for batch in batches for one in batch.rejections] == [(2, "2")]
