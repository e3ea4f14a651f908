"""A source that is replaced, cut or written to while it is read ends the run, and is named.

The rows that are expected are those of whoever writes the files; they are read back by the engine itself.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from generations import (
    BATCH,
    FATES,
    ROWS,
    WRITERS,
    Place,
    ids,
    names_in,
    replaced,
    rewritten_in_secret,
    table,
    write_jsonl,
    write_npy,
    write_parquet,
)
from where import TESTS

import cyborg_ingest
from cyborg_ingest.check import inspecting, verifier
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.check.verifier import verify
from cyborg_ingest.errors import ExitCode, SourceChangedError
from cyborg_ingest.facts import Began, Ended, Planned
from cyborg_ingest.formats.npy import NpyReader
from cyborg_ingest.formats.parquet import ParquetReader
from cyborg_ingest.loading.loader import run
from cyborg_ingest.plan import planning
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, SourceSettings, VerifySettings
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_any_format_that_is_replaced_in_mid_load_ends_it_before_a_row_of_the_new_one_is_sent(
    place: Place, name: str
) -> None:
    path = place.folder / name
    WRITERS[name](path, 1)
    place.meddle(lambda: replaced(path))
    with pytest.raises(SourceChangedError, match=re.escape(str(path))) as error:
        cyborg_ingest.load(path, **place.options())
    assert error.value.exit_code == ExitCode.FAILED
    found = place.stored(names_in(name))
    assert len(found) > 0
    assert {generation for _, generation in found.values()} == {1.0}
    assert f"{len(found):,} rows of its earlier version are in the index" in str(error.value)
    report = cyborg_ingest.load(path, **place.options())
    assert report.rows == {"read": ROWS, "acknowledged": ROWS, "rejected": 0, "skipped": 0, "unsent": 0}
    place.check_generation(names_in(name), 2)


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl", "rows.npy"])
def test_whatever_befalls_a_file_in_mid_load_ends_it(place: Place, name: str, fate: Callable[[Path], None]) -> None:
    path = place.folder / name
    WRITERS[name](path, 1)
    place.meddle(lambda: fate(path), batch=3)
    with pytest.raises(SourceChangedError, match=r"changed while it was read: it was|it has grown"):
        cyborg_ingest.load(path, **place.options())
    assert {generation for _, generation in place.stored(names_in(name)).values()} == {1.0}


@pytest.mark.parametrize("fate", FATES)
def test_a_file_that_changes_between_the_plan_and_the_first_row_is_not_read(
    place: Place, fate: Callable[[Path], None]
) -> None:
    path = place.folder / "rows.npy"
    write_npy(path, 1)

    def emit(event: object) -> None:
        if isinstance(event, Planned):
            fate(path)

    with pytest.raises(SourceChangedError, match=re.escape(str(path))):
        run(LoadSettings(sources=(str(path),), **place.options()), emit)
    assert place.count() == 0


@pytest.mark.parametrize("fate", [replaced, rewritten_in_secret])
@pytest.mark.parametrize(("name", "reader"), [("rows.parquet", ParquetReader), ("rows.npy", NpyReader)])
def test_a_file_that_changes_while_its_header_is_looked_at_is_not_planned(
    place: Place, fate: Callable[[Path], None], name: str, reader: Any
) -> None:
    path = place.folder / name
    WRITERS[name](path, 1)
    real = reader.layout

    def layout(self: Any, *arguments: Any) -> Any:
        found = real(self, *arguments)
        fate(path)
        return found

    place.monkeypatch.setattr(reader, "layout", layout)
    with pytest.raises(SourceChangedError, match=re.escape(str(path))):
        planning.make_plan((str(path),), SourceSettings())


@pytest.mark.parametrize("fate", FATES)
def test_a_file_that_changes_after_its_last_row_was_read_ends_the_load(
    place: Place, fate: Callable[[Path], None]
) -> None:
    path = place.folder / "rows.parquet"
    write_parquet(path, 1)
    place.meddle(lambda: fate(path), batch=ROWS // BATCH)
    with pytest.raises(SourceChangedError, match=re.escape(str(path))) as error:
        cyborg_ingest.load(path, **place.options())
    assert error.value.report is not None
    assert error.value.report.rows["acknowledged"] == ROWS
    assert error.value.report.exit_code == ExitCode.FAILED


def test_the_first_of_two_files_is_watched_while_the_second_is_read(place: Place) -> None:
    first, second = place.folder / "a.parquet", place.folder / "b.parquet"
    write_parquet(first, 1, 100)
    write_parquet(second, 1)
    place.meddle(lambda: write_parquet(first, 2, 100), batch=5)
    with pytest.raises(SourceChangedError, match=re.escape(str(first))):
        cyborg_ingest.load([first, second], **place.options())


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".npy", ".parquet"])
def test_a_sidecar_is_watched_like_the_file_it_goes_with(place: Place, suffix: str) -> None:
    path, names = place.folder / "rows.npy", place.folder / f"ids{suffix}"
    write_npy(path, 1)
    writers: dict[str, Callable[[str], object]] = {
        ".txt": lambda first: names.write_text("".join(f"{first}{row}\n" for row in range(ROWS))),
        ".jsonl": lambda first: names.write_text("".join(f'"{first}{row}"\n' for row in range(ROWS))),
        ".npy": lambda first: np.save(names, np.array([f"{first}{row}" for row in range(ROWS)])),
        ".parquet": lambda first: pq.write_table(pa.table({"id": [f"{first}{row}" for row in range(ROWS)]}), names),
    }
    writers[suffix]("a")
    before = names.stat()

    def act() -> None:
        writers[suffix]("b")
        os.utime(names, ns=(before.st_atime_ns, before.st_mtime_ns))

    place.meddle(act)
    with pytest.raises(SourceChangedError, match=re.escape(str(names))):
        cyborg_ingest.load(path, ids=names, **place.options())
    assert not place.stored([f"b{row}" for row in range(ROWS)])
    place.meddle(act, batch=0)
    report = cyborg_ingest.load(path, ids=names, **place.options())
    assert report.rows["acknowledged"] == ROWS
    place.check_generation([f"b{row}" for row in range(ROWS)], 1)


def test_a_sidecar_of_lines_is_indexed_anew_though_its_size_and_time_are_the_same(place: Place) -> None:
    path, names = place.folder / "rows.npy", place.folder / "ids.txt"
    write_npy(path, 1, 3)
    for texts in (("a", "bbb", "c"), ("aaa", "b", "c"), ("a", "b", "ccc")):
        names.write_text("".join(f"{text}\n" for text in texts))
        os.utime(names, ns=(1, 1))
        report = cyborg_ingest.load(path, ids=names, **place.options())
        assert report.rows["acknowledged"] == 3
        assert sorted(place.stored(list(texts))) == sorted(texts)


def test_writes_within_one_tick_of_the_clock_are_told_apart(place: Place) -> None:
    path = place.folder / "rows.npy"
    for _ in range(10):
        write_npy(path, 1, 10)
        plan = planning.make_plan((str(path),), SourceSettings())
        before = path.stat()
        with path.open("r+b") as out:
            out.seek(-4, os.SEEK_END)
            out.write(np.float32(2).tobytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(SourceChangedError):
            list(plan.chunks(100))


def test_a_file_that_is_at_rest_loads_though_it_was_written_just_now(place: Place) -> None:
    path = place.folder / "rows.npy"
    for generation in (1, 2, 3):
        write_npy(path, generation, 10)
        assert cyborg_ingest.load(path, **place.options(verify="full")).exit_code == 0
        place.check_generation([str(row) for row in range(10)], generation)


def test_reading_a_file_and_linking_to_it_in_symbols_changes_nothing(place: Place) -> None:
    path = place.folder / "rows.parquet"
    write_parquet(path, 1)

    def act() -> None:
        path.read_bytes()
        path.with_name("link").symlink_to(path)

    place.meddle(act)
    assert cyborg_ingest.load(path, **place.options()).exit_code == 0


def test_a_link_that_is_turned_to_another_file_is_a_change(place: Place) -> None:
    first, second, link = place.folder / "v1.parquet", place.folder / "v2.parquet", place.folder / "current.parquet"
    write_parquet(first, 1)
    write_parquet(second, 2)
    link.symlink_to(first)

    def turn() -> None:
        link.with_name("other").symlink_to(second)
        link.with_name("other").rename(link)

    place.meddle(turn)
    with pytest.raises(SourceChangedError, match="replaced by another"):
        cyborg_ingest.load(link, **place.options())
    assert {generation for _, generation in place.stored(ids()).values()} == {1.0}


def test_the_files_of_an_arrow_dataset_are_watched_too(place: Place) -> None:
    path = place.folder / "rows.parquet"
    write_parquet(path, 1)
    place.meddle(lambda: replaced(path), batch=3)
    with pytest.raises(SourceChangedError, match="Dataset"):
        cyborg_ingest.load(pads.dataset(str(path)), **place.options())


def test_the_command_exits_with_3_and_goes_on_with_the_new_file(place: Place) -> None:
    path = place.folder / "rows.jsonl"
    write_jsonl(path, 1)
    write_jsonl(place.folder / "new", 2)
    arguments = ["upsert", str(path), "--index", place.index, "--target", place.engine.target, "--create"]
    arguments += ["--batch-rows", str(BATCH), "--json"]
    meddler = [sys.executable, str(TESTS / "meddler.py"), "4", str(place.folder / "new"), str(path)]
    done = subprocess.run([*meddler, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert f"{path} changed while it was read" in " ".join(done.stderr.split())
    report = json.loads(done.stdout)
    assert report["status"] == "failed"
    assert report["rows"]["acknowledged"] == len(place.stored(ids()))
    again = subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *arguments], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    place.check_generation(ids(), 2)


# Whoever reads twice


def test_a_verify_whose_sources_change_says_so_and_never_all_equal(place: Place) -> None:
    path = place.folder / "rows.parquet"
    write_parquet(path, 1)
    cyborg_ingest.load(path, **place.options())
    real, calls = EmbeddedIndex.get, itertools.count(1)

    def get(self: Any, *arguments: Any, **named: Any) -> Any:
        if next(calls) == 2:
            replaced(path)
        return real(self, *arguments, **named)

    place.monkeypatch.setattr(EmbeddedIndex, "get", get)
    for mode in ("sample", "full"):
        write_parquet(path, 1)
        calls = itertools.count(1)
        with pytest.raises(SourceChangedError, match=re.escape(str(path))):
            verify(VerifySettings(sources=(str(path),), index=place.index, target=place.engine.target, mode=mode))


@pytest.mark.parametrize("is_last", [False, True])
def test_a_count_of_sources_that_change_is_none(place: Place, is_last: bool) -> None:
    """Whether the first file changes while it is read, or while the last rows of the second one are."""
    paths = [place.folder / name / "rows.parquet" for name in "ab"]
    for path in paths:
        path.parent.mkdir()
        write_parquet(path, 1)
    cyborg_ingest.load(paths, **place.options())
    sources = tuple(map(str, paths))
    options = VerifySettings(sources=sources, index=place.index, target=place.engine.target, mode="count")
    real, batches, changes_at = verifier.hashes_of, [0], -1

    def hashes_of(ids: list[str]) -> Any:
        batches[0] += 1
        if batches[0] == changes_at:
            replaced(paths[0])
        return real(ids)

    place.monkeypatch.setattr(verifier, "hashes_of", hashes_of)
    found = verify(options)
    assert (found["checked"], found["differences"]) == (2 * ROWS, 0)
    batches[0], changes_at = 0, batches[0] if is_last else 1
    with pytest.raises(SourceChangedError, match=re.escape(sources[0])):
        verify(options)


def test_a_dry_run_whose_source_changes_ends_with_it(place: Place) -> None:
    path = place.folder / "rows.parquet"
    write_parquet(path, 1)

    def emit(event: object) -> None:
        assert not isinstance(event, Ended) or event.report.exit_code == ExitCode.FAILED
        if isinstance(event, Began):
            replaced(path)

    with pytest.raises(SourceChangedError, match=re.escape(str(path))):
        run(LoadSettings(sources=(str(path),), dry_run=True, **place.options()), emit)


@pytest.mark.parametrize("is_second_look", [False, True])
def test_an_inspect_whose_source_changes_ends_with_it_also_in_its_second_look(
    place: Place, is_second_look: bool
) -> None:
    path = place.folder / "rows.parquet"
    twice = pa.concat_tables([table(1, 600), table(1, 600)])
    pq.write_table(twice, path, row_group_size=100)
    real = inspecting.Inspector.duplicates if is_second_look else inspecting.Inspector.add
    calls = itertools.count()

    def looked_at(self: Any, *arguments: Any) -> Any:
        if next(calls) == 0:
            replaced(path)
        return real(self, *arguments)

    place.monkeypatch.setattr(inspecting.Inspector, real.__name__, looked_at)
    with pytest.raises(SourceChangedError, match=re.escape(str(path))):
        inspect(InspectSettings(sources=(str(path),), full=True))
