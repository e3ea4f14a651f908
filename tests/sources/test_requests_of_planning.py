"""How often an object store is asked before the first row is read, by its own log: once for each piece of an object."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from conftest import BUCKET
from generations import WRITERS

from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.sources import small
from cyborg_ingest.sources.small import LastPieces

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.plan.reading import Plan

REQUESTS = {
    **{key: Counter(HEAD=2, GET=1) for key in ["rows.jsonl", "rows.npy", "rows.csv", "rows.fvecs"]},
    **{key: Counter(HEAD=2, GET=2) for key in ["rows.parquet", "rows.arrow", "rows.npz"]},  # the head and the tail
    "rows.json": Counter(HEAD=3, GET=2),  # what it is, is looked at before it is planned
}
"""HEAD asks for the version: before an object is looked at, and behind that."""
ROWS = 2000


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of some kilobytes are read in pieces, as those of megabytes are."""
    monkeypatch.setattr(small, "LARGEST", 1000)


def put(bucket: Any, folder: Path, name: str, key: str, generation: int = 1, rows: int = ROWS) -> None:
    WRITERS[name](folder / name, generation, rows)
    bucket.put_object(Bucket=BUCKET, Key=key, Body=(folder / name).read_bytes())


def planned() -> Plan:
    return make_plan((f"s3://{BUCKET}/data/",), SourceSettings())


def asked(caplog: pytest.LogCaptureFixture, key: str) -> Counter[str]:
    found = (re.search(rf"(HEAD|GET) /{BUCKET}/{key} ", one.getMessage()) for one in caplog.records)
    return Counter(one[1] for one in found if one)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", REQUESTS)
def test_the_plan_asks_for_each_piece_of_an_object_once(
    bucket: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Of an Arrow file these were fifteen requests, and seven of a Parquet."""
    put(bucket, tmp_path, name, f"data/{name}")
    caplog.clear()
    (source,) = planned().sources
    assert source.layout.size == (tmp_path / name).stat().st_size > 2 * small.LARGEST
    assert asked(caplog, f"data/{name}") == REQUESTS[name]


@pytest.mark.usefixtures("large")
def test_so_it_does_of_each_of_many(bucket: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = [f"data/{number:02}.parquet" for number in range(6)]
    for key in keys:
        put(bucket, tmp_path, "rows.parquet", key)
    caplog.clear()
    assert len(planned().sources) == len(keys)
    assert [asked(caplog, key) for key in keys] == [Counter(HEAD=2, GET=2)] * len(keys)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl", "rows.arrow"])
def test_pieces_of_an_object_are_never_those_of_the_one_before(bucket: Any, tmp_path: Path, name: str) -> None:
    """Of one length, and in one process."""
    for generation in (1, 2, 1, 3):
        put(bucket, tmp_path, name, f"data/{name}", generation)
        plan = planned()
        chunks = list(plan.chunks(500))
        assert sum(len(one.batch) for one in chunks) == ROWS
        vectors = {vector[1] for one in chunks for vector in one.batch.column(one.columns.vector).to_pylist()}
        assert vectors == {float(generation)}


def test_pieces_are_found_by_any_place_in_them_until_they_are_dropped() -> None:
    pieces = LastPieces()
    pieces.put("a", 100, b"0123456789")
    pieces.put("b", 0, b"other")
    assert [pieces.get("a", place, 4) for place in (99, 100, 103, 108, 109, 110)] == [
        b"", b"0123", b"3456", b"89", b"9", b"",
    ]  # fmt: skip
    pieces.drop("a")
    assert pieces.get("a", 100, 4) == b""
    assert pieces.get("b", 1, 9) == b"ther"
    for number in range(20):
        pieces.put("c", 10 * number, bytes([number]) * 10)
    assert sum(bool(pieces.get("c", 10 * number, 1)) for number in range(20)) == 8
    pieces.put("d", 0, bytes((1 << 20) + 1))
    assert pieces.get("d", 0, 1) == b""
