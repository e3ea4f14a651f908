"""What is advised where something is too large is done: the option with the very number, or the file written anew."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import run, says

from cyborg_ingest.targets import embedded

ROWS = 100
VECTORS = np.arange(1, 4 * ROWS + 1, dtype=np.float32).reshape(ROWS, 4)
SMALL = ("--max-row-bytes", 1000)
OPTION = re.compile(r"(--max-row-bytes) to (\d+)")


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty index `x` of four dimensions, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    assert run("index", "create", "x", "--dimension", 4)[0] == 0


def upsert(*arguments: object) -> tuple[int, str]:
    return run("upsert", *arguments, "--index", "x")


def table() -> pa.Table:
    """100 rows of half a kilobyte, which no dictionary and no compression makes smaller."""
    chance = np.random.default_rng(1)
    texts = ["".join(map(chr, chance.integers(97, 122, 500))) for _ in range(ROWS)]
    return pa.table({"id": [str(row) for row in range(ROWS)], "vector": VECTORS.tolist(), "text": texts})


def in_pages(path: Path, size: int) -> None:
    pq.write_table(table(), path, use_dictionary=False, data_page_size=size, write_batch_size=5)


def in_batches(path: Path, rows: int) -> None:
    with pa.ipc.new_file(path, table().schema) as file:
        file.write_table(table(), max_chunksize=rows)


def in_chunks(path: Path, rows: int) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("vectors", data=np.tile(VECTORS, (30, 1)), chunks=(rows, 4))


@pytest.mark.parametrize(
    ("name", "write", "large", "small", "words"),
    [
        ("rows.parquet", in_pages, 1 << 20, 5000, "Write it with smaller pages"),
        ("rows.arrow", in_batches, ROWS, 10, "fewer rows a record batch (in pyarrow chunksize or max_chunksize"),
        ("rows.h5", in_chunks, 3000, 1000, "Cut it with h5repack"),
    ],
)
def test_what_is_decoded_at_once_is_allowed_by_the_number_that_is_said_or_written_smaller(
    name: str, write: Any, large: int, small: int, words: str
) -> None:
    write(Path(name), large)
    code, told = upsert(name, *SMALL)
    assert code in {2, 3}, told
    says(told, "raise --max-row-bytes to {}")
    assert words in told
    option = OPTION.search(told)
    assert option is not None
    code, told = upsert(name, option[1], option[2])
    assert code == 0, told
    code, less = upsert(name, option[1], int(option[2]) - 1)
    assert code in {2, 3}, less
    write(Path(name), small)
    code, told = upsert(name, *SMALL)
    assert code == 0, told


@pytest.mark.skipif(shutil.which("h5repack") is None, reason="h5repack is not a Python package")
def test_h5repack_cuts_a_data_set() -> None:
    in_chunks(Path("rows.h5"), 3000)
    subprocess.run(["h5repack", "-l", "vectors:CHUNK=1000x4", "rows.h5", "cut.h5"], check=True)
    assert upsert("cut.h5", *SMALL)[0] == 0


def test_an_array_with_rows_that_are_too_large_is_loaded_once_they_are_allowed() -> None:
    assert run("index", "create", "wide", "--dimension", 300)[0] == 0
    np.savez("rows.npz", vectors=np.ones((3, 300), np.float32))
    code, told = run("upsert", "rows.npz", "--index", "wide", *SMALL)
    assert code == 2, told
    says(told, "has rows of {} bytes, more than the {} that --max-row-bytes allows")
    assert "1,200 bytes" in told
    code, told = run("upsert", "rows.npz", "--index", "wide", "--max-row-bytes", 1200)
    assert (code, "has 1,249 bytes, more than the 1,200" in told) == (4, True), told  # with its id
    code, told = run("upsert", "rows.npz", "--index", "wide", "--max-row-bytes", 1249)
    assert code == 0, told


def test_a_line_of_a_row_over_several_lines_is_allowed_or_its_quote_is_closed() -> None:
    text = "x" * 1_200_000
    Path("rows.csv").write_text(f'id,vector,text\na,"[1,2,3,4]","{text}\nmore"\nb,"[1,2,3,4]",\n')
    Path("open.csv").write_text(f'id,vector,text\na,"[1,2,3,4]","{text}\nb,"[1,2,3,4]",\n')
    Path("mended.csv").write_text(f'id,vector,text\na,"[1,2,3,4]","{text}"\nb,"[1,2,3,4]",\n')
    for name in ("rows.csv", "open.csv"):
        code, told = upsert(name, *SMALL)
        assert code in {2, 3}, told
        says(told, "its quotes do not tell where its row ends. Raise it, or fix the line if a quote is not closed.")
    code, told = upsert("rows.csv", "--max-row-bytes", 2_000_000)
    assert (code, "2 of 2 rows loaded" in told) == (0, True), told
    code, told = upsert("mended.csv", *SMALL, "--max-errors", 1)  # it is still too large; the row behind it is not
    assert (code, "1 of 2 rows loaded" in told) == (1, True), told


@pytest.fixture
def many() -> None:
    """One row more than the free tier takes; the file has holes, and what is read of it is not all zero."""
    rows = np.lib.format.open_memmap("many.npy", "w+", np.float32, (1_000_001, 4))
    rows[:20_000] = 1


@pytest.mark.usefixtures("many")
def test_more_rows_than_an_index_takes_are_fewer_with_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYBORGDB_API_KEY", raising=False)
    code, told = upsert("many.npy")
    assert code == 2, told
    says(told, "Split them over several indexes, load fewer with --limit, or set {} to a licence.")
    code, told = run("inspect", "many.npy", "--index", "x")
    assert code == 1, told
    says(told, "Split them over several indexes, load fewer with --limit, or set {} to a licence.")
    assert run("inspect", "many.npy", "--index", "x", "--limit", 1000)[0] == 0
    code, told = upsert("many.npy", "--limit", 1000)
    assert (code, "1,000 of 1,000 rows loaded" in told) == (0, True), told
    code, told = run("inspect", "many.npy", "--index", "x")
    assert code == 1, told
    says(told, "Load fewer with --limit, or into several indexes.")


def test_where_memory_is_short_smaller_requests_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine itself, with room for 40 rows at once."""
    real = embedded.EmbeddedIndex._engine

    class Narrow:
        def __init__(self, engine: Any) -> None:
            self._engine = engine

        def __getattr__(self, name: str) -> Any:
            return getattr(self._engine, name)

        def upsert(self, ids: list[str], *rows: Any, **more: Any) -> Any:
            if len(ids) > 40:
                raise MemoryError
            return self._engine.upsert(ids, *rows, **more)

    monkeypatch.setattr(embedded.EmbeddedIndex, "_engine", lambda self: Narrow(real(self)))
    np.save("rows.npy", VECTORS)
    code, told = upsert("rows.npy")
    assert code == 3, told
    says(told, "{}: this process has no memory left. Smaller requests need less: --batch-rows.")
    code, told = upsert("rows.npy", "--batch-rows", 40)
    assert (code, "100 of 100 rows loaded" in told) == (0, True), told
