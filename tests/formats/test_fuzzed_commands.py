"""Damaged files of every format, through the command itself: no traceback, no end without an exit code, no hang."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import fuzzing
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.feather import write_feather
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST_SEED = 20_000
FEW, MANY, AT_ONCE = 40, 5000, 250

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="each file has a process, forked from one")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("fuzzed")
    fuzzing.write_corpus(found / "corpus")
    return found


def complaints(folder: Path, seed: int, count: int) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-I", str(TESTS / "fuzzing.py"), str(folder), str(seed), str(count)],
        capture_output=True, text=True, timeout=fuzzing.SECONDS * count, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_whole_file_is_loaded(folder: Path) -> None:
    ids, vectors = fuzzing.rows()
    for path in sorted((folder / "corpus").iterdir()):
        target = f"disk:{folder / 'whole' / path.name}"
        report = cyborg_ingest.load(path, index="x", target=target, create=True)
        assert report.rows["acknowledged"] == len(ids) == len(vectors), path.name


def test_a_damaged_file_ends_with_an_exit_code_and_no_traceback(folder: Path) -> None:
    assert complaints(folder, FIRST_SEED, FEW) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, MANY, AT_ONCE))
def test_5000_damaged_files_end_with_an_exit_code_and_no_traceback(folder: Path, seed: int) -> None:
    assert complaints(folder, seed, AT_ONCE) == []


# What the damaged files have found


@pytest.mark.parametrize("form", ["a field of an object", "an object as text", "a dictionary of texts"])
def test_metadata_that_are_no_utf8_are_their_rows_fault(form: str, tmp_path: Path) -> None:
    texts = pa.array([b'{"a": "\xc3"}', b'{"a": "b"}']).view(pa.string())
    metadata = {
        "a field of an object": lambda: pa.StructArray.from_arrays([texts], ["text"]),
        "an object as text": lambda: texts,
        "a dictionary of texts": lambda: pa.DictionaryArray.from_arrays(pa.array([0, 1]), texts),
    }[form]()
    table = pa.table({"id": ["bad", "good"], "vector": [[1.0, 2.0], [3.0, 4.0]], "metadata": metadata})
    writers = {"parquet": pq.write_table, "arrow": write_feather}
    if form == "a dictionary of texts":  # of which Arrow itself refuses to read any from Parquet
        del writers["parquet"]
    for suffix, write in writers.items():
        path = tmp_path / f"rows.{suffix}"
        write(table, path)
        report = cyborg_ingest.load(path, index=suffix, target=f"disk:{tmp_path / suffix}", create=True, max_errors="1")
        assert (report.exit_code, report.rejects, report.rows["acknowledged"]) == (1, {"metadata_invalid": 1}, 1)


def pieces(data: bytes) -> Iterator[bytes]:
    """A file that was cut at some places, or that something was appended to: what is left of it is as it was."""
    for part in (0.3, 0.6, 0.9, 0.999):
        yield data[: int(len(data) * part)]
    yield data + b"\0" * 100
    yield data + data[:1000]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.jsonl.gz", "rows.arrows", "rows.fvecs"])
def test_what_is_loaded_of_a_file_that_was_cut_is_what_stood_in_it(
    folder: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", fuzzing.KEY)
    ids, vectors = fuzzing.rows()
    if name == "rows.fvecs":
        ids = [str(number) for number in range(len(ids))]
    written = dict(zip(ids, vectors, strict=True))
    for number, data in enumerate(pieces((folder / "corpus" / name).read_bytes())):
        path, target = tmp_path / name, f"disk:{tmp_path / str(number)}"
        path.write_bytes(data)
        try:
            report = cyborg_ingest.load(path, index="x", target=target, create=True, max_errors="5", batch_rows=10)
        except IngestError as error:
            assert error.report is not None  # noqa: PT017 - whether it is raised depends on where the file was cut
            report = error.report
        if not report.rows["acknowledged"]:
            continue
        with cyborg_ingest.connect(target) as client, client.index("x", bytes.fromhex(fuzzing.KEY)) as index:
            found = {row.id: row.vector for row in index.get(ids)}
        assert len(found) >= min(len(ids), report.rows["acknowledged"])  # some rows stand in it twice
        assert all(vector is not None and np.array_equal(vector, written[one]) for one, vector in found.items())
