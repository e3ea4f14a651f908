"""A load goes on with the Parts that it began with, though the release that goes on would cut the files otherwise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generations import BATCH, ROWS, WRITERS, Place, names_in
from where import TESTS

import cyborg_ingest
from cyborg_ingest.formats import arrow, base, jsonl
from cyborg_ingest.formats.parquet import ParquetReader

if TYPE_CHECKING:
    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.model import Part

PART_BYTES = 1_000_000
SMALLER, LARGER = 300_000, 5_000_000
GROUP = 300
CASES = [("rows.jsonl", SMALLER), ("rows.npy", SMALLER)] + [
    (name, LARGER) for name in ("rows.jsonl", "rows.arrow", "rows.npy", "rows.hdf5", "rows.fvecs")
]


def killed(place: Place, row: int, *arguments: str) -> int:
    """Kill a load with Parts of `PART_BYTES` when so many rows have been sent: how many rows it has noted as done."""
    victim = [sys.executable, str(TESTS / "victim_of_parts.py"), str(PART_BYTES), str(row), "before", "upsert"]
    options = ["--index", place.index, "--target", place.engine.target, "--create", "--batch-rows", str(BATCH)]
    done = subprocess.run([*victim, *arguments, *options], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return noted()


def state_folder() -> Path:
    return Path(os.environ["CYBORG_INGEST_STATE_DIR"])


def noted() -> int:
    """The rows that the journal says are acknowledged: each range stands once in it."""
    (journal,) = state_folder().rglob("journal.jsonl")
    records = [json.loads(line[9:]) for line in journal.read_text().splitlines()]
    return sum(one["ack"][2] - one["ack"][1] for one in records if "ack" in one)


def loaded(place: Place, source: Path, **options: Any) -> RunReport:
    return cyborg_ingest.load(source, **place.options(**options))


@pytest.mark.parametrize(("name", "part_bytes"), CASES)
def test_a_load_goes_on_where_it_was_killed_whatever_the_size_of_a_part_is_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part_bytes: int
) -> None:
    place, path = Place(tmp_path, monkeypatch), tmp_path / name
    WRITERS[name](path, 1)
    done = killed(place, ROWS * 2 // 3, str(path))
    assert done >= ROWS // 2
    for module in (arrow, base, jsonl):
        monkeypatch.setattr(module, "PART_BYTES", part_bytes)
    report = loaded(place, path)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (done, ROWS - done)
    place.check_generation(names_in(name), 1)


def in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two row groups of Parquet be one Part, as a later release may have it."""
    real = ParquetReader.layout

    def layout(self: ParquetReader, uri: str, sidecars: Sidecars) -> Layout:
        found = real(self, uri, sidecars)
        pairs = [found.parts[place : place + 2] for place in range(0, len(found.parts), 2)]
        return replace(found, parts=tuple(map(joined, range(len(pairs)), pairs)))

    monkeypatch.setattr(ParquetReader, "layout", layout)


def joined(number: int, parts: tuple[Part, ...]) -> Part:
    rows, size = sum(one.rows or 0 for one in parts), sum(one.size for one in parts)
    return replace(parts[0], number=number, stop=parts[-1].stop, rows=rows, size=size)


@pytest.mark.parametrize("began_in_pairs", [False, True])
def test_a_load_of_parquet_goes_on_though_a_part_is_another_number_of_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began_in_pairs: bool
) -> None:
    place, path = Place(tmp_path, monkeypatch), tmp_path / "rows.parquet"
    WRITERS["rows.parquet"](path, 1)
    place.meddle(interrupt, batch=ROWS // BATCH * 2 // 3)
    with pytest.MonkeyPatch.context() as patch:
        if began_in_pairs:
            in_pairs(patch)
        with pytest.raises(KeyboardInterrupt):
            loaded(place, path, workers=1)
    done = noted()
    assert done >= ROWS // 2
    if not began_in_pairs:
        in_pairs(monkeypatch)
    report = loaded(place, path)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (done, ROWS - done)
    place.check_generation(names_in("rows.parquet"), 1)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_parts_without_a_row_that_is_asked_for_are_no_gap_when_they_are_cut_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, path = Place(tmp_path, monkeypatch), tmp_path / "rows.parquet"
    rows = {"id": [f"r{row}" for row in range(ROWS)], "vector": [[1.0, row] for row in range(ROWS)]}
    group = pa.array([row // GROUP for row in range(ROWS)])
    pq.write_table(pa.table({**rows, "part": group}), path, row_group_size=GROUP)
    where = "part in (0, 3, 4, 7)"  # one of each pair
    place.meddle(interrupt, batch=4 * GROUP // BATCH * 2 // 3)
    with pytest.raises(KeyboardInterrupt):
        loaded(place, path, where=where, workers=1)
    done = noted()
    assert done >= 2 * GROUP
    in_pairs(monkeypatch)
    report = loaded(place, path, where=where)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (done, 4 * GROUP - done)
    assert place.count() == 4 * GROUP


def test_a_file_that_has_changed_is_cut_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, path = Place(tmp_path, monkeypatch), tmp_path / "rows.jsonl"
    WRITERS["rows.jsonl"](path, 1)
    killed(place, ROWS * 2 // 3, str(path))
    WRITERS["rows.jsonl"](path, 2)
    monkeypatch.setattr(jsonl, "PART_BYTES", LARGER)
    report = loaded(place, path)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (0, ROWS)
    place.check_generation(names_in("rows.jsonl"), 2)
    (journal,) = state_folder().rglob("journal.jsonl")
    cuts = [one["cut"] for line in journal.read_text().splitlines() if "cut" in (one := json.loads(line[9:]))]
    assert [[start for start, *_ in cut] for cut in cuts] == [list(range(0, path.stat().st_size, LARGER))]


def test_a_cut_that_does_not_end_where_the_file_does_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a release that counts a file in another unit: then its rows are loaded again, and none is lost."""
    place, path = Place(tmp_path, monkeypatch), tmp_path / "rows.npy"
    WRITERS["rows.npy"](path, 1)
    killed(place, ROWS * 2 // 3, str(path))
    (journal,) = state_folder().rglob("journal.jsonl")
    journal.write_bytes(b"".join(map(in_halves_of_rows, journal.read_bytes().splitlines())))
    report = loaded(place, path)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (0, ROWS)
    place.check_generation(names_in("rows.npy"), 1)


def in_halves_of_rows(line: bytes) -> bytes:
    """A line of a journal, as if what Parts begin and end with were twice the row."""
    record = json.loads(line[9:])
    if "part" in record:
        record["part"][3:5] = [2 * place for place in record["part"][3:5]]
    if "cut" in record:
        record["cut"] = [[2 * start, 2 * stop, *rest] for start, stop, *rest in record["cut"]]
    body = json.dumps(record).encode()
    return f"{zlib.crc32(body):08x} ".encode() + body + b"\n"
