"""What is advised on what comes once, by a pipe or as an object, is done."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from advised import says
from conftest import KEY

import cyborg_ingest
from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, IngestError, SourceChangedError, UsageError
from cyborg_ingest.facts import Ended, Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.sources import stores
from cyborg_ingest.sources.stdin import StandardInput
from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def lines(count: int, number: int = 0, more: int = 200) -> bytes:
    rows = ({"id": f"r{row}", "vector": [row + 1, number, 1, 1], "text": "x" * more} for row in range(count))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def piped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Any, str]]]:
    """Loads what is written into a pipe: the report, and what was noted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stores, "by_scheme", {**stores.by_scheme})
    with cyborg_ingest.connect("disk:data") as client:
        client.create("x", KEY, cyborg_ingest.model.CreateOptions(dimension=4)).close()
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    writers: list[threading.Thread] = []

    def load(data: bytes, form: str = "jsonl", **options: Any) -> tuple[Any, str]:
        out, end = os.pipe()
        writers.append(threading.Thread(target=_write, args=(end, data)))
        writers[-1].start()
        with os.fdopen(out, "rb") as pipe, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", pipe)
            patch.setitem(stores.by_scheme, sources.STDIN, StandardInput())
            told: list[Any] = []
            run(LoadSettings(sources=("-",), index="x", target="disk:data", format=form, **options), told.append)
        notes = "\n".join(one.text for one in told if isinstance(one, Noted))
        return next(one.report for one in told if isinstance(one, Ended)), notes

    yield load
    for one in writers:
        one.join()


def _write(end: int, data: bytes) -> None:
    with os.fdopen(end, "wb") as pipe:
        try:
            pipe.write(data)
            pipe.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), end)


def test_a_random_part_of_a_pipe_is_taken_from_a_file_and_its_first_rows_by_limit(
    piped: Callable[..., tuple[Any, str]], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        piped(lines(50), sample=7)
    says(str(caught.value), "and {} can be read once only. Save it in a file, or take its first rows with --limit.")
    report, _ = piped(lines(50), limit=7)
    assert report.rows["acknowledged"] == 7
    (tmp_path / "saved.jsonl").write_bytes(lines(50))
    report = cyborg_ingest.load("saved.jsonl", index="x", target="disk:data", sample=7)
    assert report.rows["acknowledged"] == 7


def test_a_pipe_is_verified_by_its_count(piped: Callable[..., tuple[Any, str]]) -> None:
    for mode in ("full", "sample"):
        with pytest.raises(UsageError) as caught:
            piped(lines(50), verify=mode)
        says(
            str(caught.value), "--verify {} reads the sources again, and {} can be read once only. --verify count does"
        )
    report, _ = piped(lines(50), verify="count")
    assert report.verify["differences"] == 0


def test_a_pipe_without_a_row_may_be_empty_where_that_is_said(piped: Callable[..., tuple[Any, str]]) -> None:
    with pytest.raises(EmptySourceError) as caught:
        piped(b"id,vector\n", "csv")
    assert "say so with --allow-empty" in str(caught.value)
    assert piped(b"id,vector\n", "csv", allow_empty=True)[0].exit_code == 0
    schema = pa.schema({"id": pa.string(), "vector": pa.list_(pa.float32(), 4)})
    out = pa.BufferOutputStream()
    pa.ipc.new_stream(out, schema).close()
    with pytest.raises(EmptySourceError) as caught:
        piped(out.getvalue().to_pybytes(), "arrow")
    says(str(caught.value), "No source had a row. If that may be, say so with --allow-empty.")
    assert piped(out.getvalue().to_pybytes(), "arrow", allow_empty=True)[0].exit_code == 0


def test_a_long_table_that_comes_once_has_the_columns_that_are_told_once_they_are_said(
    piped: Callable[..., tuple[Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyborg_ingest.sources.streams._HEAD_BYTES", 70_000)  # the columns of 32 MB take seconds
    rows = "".join(f'r{row},"[{row + 1},1,1,1]",{row},{row / 2 if row < 3000 else "late"}\n' for row in range(3001))
    data = f"id,vector,n,w\n{rows}".encode()
    options: dict[str, Any] = {"metadata_columns": ("n", "w"), "max_errors": "1"}
    report, notes = piped(data, "csv", **options)
    says(notes, "A later row that does not fit is rejected. --column-types says what they are.")
    assert (report.exit_code, report.rows["rejected"]) == (1, 1)
    said = re.search(r"its first 32 MB are: (\S+)\. A later", notes)
    assert said is not None
    report, again = piped(data, "csv", column_types=tuple(said[1].split(",")), restart=True, **options)
    assert (report.rows["rejected"], "32 MB" in again) == (1, False)
    report, _ = piped(data, "csv", column_types=("n=int", "w=text"), restart=True, **options)
    assert (report.exit_code, report.rows["rejected"]) == (0, 0)


def test_a_pipe_that_is_another_goes_on_with_the_same_bytes_or_is_loaded_anew(
    piped: Callable[..., tuple[Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyborg_ingest.sources.streams._HEAD_BYTES", 1_200_000)
    first, second = lines(3000, 0, 1500), lines(3000, 7, 1500)
    other = first[: len(first) // 2] + second[len(first) // 2 :]
    with monkeypatch.context() as patch:
        real = embedded.EmbeddedIndex.upsert_binary

        def upsert_binary(self: Any, ids: list[str], *rows: Any) -> None:
            if "r2500" in ids:
                raise cyborg_ingest.errors.TargetError("the disk is full")
            real(self, ids, *rows)

        patch.setattr(embedded.EmbeddedIndex, "upsert_binary", upsert_binary)
        with pytest.raises(IngestError):
            piped(first, batch_rows=100)
    with pytest.raises(SourceChangedError) as caught:
        piped(other, batch_rows=100)
    says(str(caught.value), "{}, and the same command resumes; --restart loads all that comes.")
    assert "Feed it with the same bytes, and the same" in str(caught.value)
    report, _ = piped(first, batch_rows=100)
    assert (report.exit_code, report.rows["skipped"] > 1000) == (0, True)
    report, _ = piped(other, batch_rows=100, restart=True)
    assert (report.exit_code, report.rows["acknowledged"]) == (0, 3000)


def test_an_object_is_loaded_without_a_format(piped: Callable[..., tuple[Any, str]], tmp_path: Path) -> None:
    assert piped is not None
    table = pa.table({"id": ["a"], "vector": [[1.0, 2.0, 3.0, 4.0]]})
    options: dict[str, Any] = {"index": "x", "target": "disk:data"}
    with pytest.raises(UsageError) as caught:
        cyborg_ingest.load(table, format="csv", **options)
    says(str(caught.value), "--format is for files, and no source is one. Leave it out.")
    assert cyborg_ingest.load(table, **options).rows["acknowledged"] == 1
    (tmp_path / "more").write_bytes(lines(3))
    assert cyborg_ingest.load([table, "more"], format="jsonl", **options).rows["acknowledged"] == 4


def test_a_word_that_an_option_does_not_know_is_told_with_those_that_it_takes(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    options: dict[str, Any] = {"index": "y", "target": f"disk:{tmp_path / 'data'}", "create": True}
    with pytest.raises(UsageError) as caught:
        LoadSettings(sources=(str(tmp_path / "rows.npy"),), verify="some", **options)
    says(str(caught.value), "{} is {}; it takes {}.")
    taken = re.search(r"it takes (.*)\.", str(caught.value))
    assert taken is not None
    words: Any = taken[1].split(", ")
    for word in words:
        assert cyborg_ingest.load(tmp_path / "rows.npy", verify=word, **options).exit_code == 0
