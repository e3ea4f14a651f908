"""`--max-memory`: what a process takes stays below it, whatever it loads, and what cannot is said before the first row.

A process of its own for each load tells the most that it had (`VmHWM`): what a container's limit is about.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import says
from commands import load, ran

from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.loading.memory import memory_of
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

WATCHED = """
import re, sys
from cyborg_ingest import cli
sys.argv = ["cyborg-ingest", *sys.argv[1:]]
try:
    cli.main()
finally:
    most = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
    print("most", int(most[1]) * 1024, file=sys.stderr)
"""
WIDE = 1536


def table(rows: int, dimension: int, text: str = "") -> pa.Table:
    numbers = np.random.default_rng(1).random((rows, dimension), dtype=np.float32) + 0.01
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), dimension)
    texts = {"contents": [f"{row} {text}" for row in range(rows)]} if text else {}
    return pa.table({"id": [f"r{row}" for row in range(rows)], "vector": vectors, **texts})


def one_group(folder: Path) -> list[str]:
    pq.write_table(table(8_000, WIDE), folder / "rows.parquet", row_group_size=8_000)
    return ["rows.parquet"]


def many_groups(folder: Path) -> list[str]:
    pq.write_table(table(8_000, WIDE), folder / "rows.parquet", row_group_size=500)
    return ["rows.parquet"]


def texts(folder: Path) -> list[str]:
    pq.write_table(table(60_000, 8, "some words " * 80), folder / "rows.parquet", row_group_size=60_000)
    return ["rows.parquet"]


def lines(folder: Path) -> list[str]:
    vector = [round(n / 7, 6) for n in range(1, 385)]
    with (folder / "rows.jsonl").open("w") as out:
        for row in range(8_000):
            found = {"id": f"r{row}", "vector": vector, "metadata": {str(n): n for n in range(40)}}
            out.write(json.dumps(found) + "\n")
    return ["rows.jsonl"]


def beside(folder: Path) -> list[str]:
    np.save(folder / "rows.npy", np.random.default_rng(1).random((8_000, WIDE), dtype=np.float32) + 0.01)
    (folder / "ids.txt").write_text("".join(f"r{row}\n" for row in range(8_000)))
    with (folder / "metadata.jsonl").open("w") as out:
        out.writelines(json.dumps({"row": row, "text": "x" * 2000}) + "\n" for row in range(8_000))
    return ["rows.npy", "--ids", "ids.txt", "--metadata", "metadata.jsonl"]


SOURCES = {one.__name__.replace("_", " "): one for one in (one_group, many_groups, texts, lines, beside)}
LEAST = {"rest": "212M", "embedded": "308M"}


def most_of(words: list[str], folder: Path) -> tuple[dict[str, Any], int]:
    """The report of a load, and the bytes that its process had at most."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "upsert", *words, "--json"],
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
    )  # fmt: skip
    found = re.search(r"^most (\d+)$", done.stderr, re.MULTILINE)
    assert found is not None, done.stderr
    return json.loads(done.stdout), int(found[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process had at most")
@pytest.mark.parametrize("kind", SOURCES)
def test_a_load_stays_below_the_least_memory_that_is_possible_and_all_rows_come(
    kind: str, engine: Engine, tmp_path: Path
) -> None:
    words, index, least = SOURCES[kind](tmp_path), engine.name(), LEAST[engine.kind]
    report, most = most_of(
        [*words, "--index", index, "--target", engine.target, "--create", "--max-memory", least], tmp_path
    )
    assert report["rows"]["acknowledged"] == report["rows"]["read"] == engine.count(index)
    assert most < int(least[:-1]) * 1_000_000
    assert [one for one in report["notes"] if one.startswith(f"--max-memory {least}: ")]


def test_more_memory_is_used_for_more_at_once_and_none_of_it_beyond_what_is_usual() -> None:
    def shared(size: str | None, target: str = "http://127.0.0.1:1", **more: Any) -> Any:
        return memory_of(LoadSettings(sources=("x",), index="i", target=target, max_memory=size, **more))

    usual = shared(None)
    assert (usual.at_once, usual.workers, usual.request) == (AtOnce(), 3, 8_000_000)
    some = [shared(size) for size in ("212M", "400M", "800M", "2G", "100G")]
    for name in ("rows", "row", "unit"):
        sizes = [getattr(one.at_once, name) for one in some]
        assert sizes == sorted(sizes)
    assert [one.request for one in some] == sorted(one.request for one in some)
    assert (some[-1].at_once.rows, some[-1].request) == (usual.at_once.rows, usual.request)
    assert shared("400M", workers=1).at_once.rows > shared("400M", workers=6).at_once.rows
    assert shared("400M", batch_bytes=500_000).request == 500_000


@pytest.mark.parametrize(
    "more", [(), ("--workers", "12"), ("--batch-bytes", "9000000"), ("--max-row-bytes", "20000000")]
)
def test_too_little_is_refused_with_the_least_that_will_do(more: tuple[str, ...], here: Path) -> None:
    done = load("--max-memory", "100M", "--json", *more)
    assert (done.returncode, json.loads(done.stdout)["retry"]) == (2, "after-fix")
    says(done.stderr, "--max-memory is {}, and {} takes {}M at least. Give it --max-memory {}M.")
    assert all(one in done.stderr for one in more[::2])
    assert not (here / "data").exists()
    least = re.search(r"Give it --max-memory (\d+)M\.", done.stderr)
    assert least is not None
    assert load("--max-memory", f"{int(least[1]) - 1}M", *more).returncode == 2
    assert load("--max-memory", f"{least[1]}M", *more).returncode == 0


def test_a_row_and_a_page_that_do_not_fit_are_not_loaded_and_that_is_said(here: Path) -> None:
    rows = [{"id": str(size), "vector": [1, 2], "contents": "x" * size} for size in (10, 6_000_000)]
    (here / "large.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    done = load("--max-memory", "308M", "--max-errors", "1", file="large.jsonl")
    assert done.returncode == 1
    assert "--max-row-bytes allows" in done.stderr
    done = load("--max-memory", "500M", "--max-row-bytes", "7000000", "--restart", file="large.jsonl")
    assert done.returncode == 0, done.stderr
    long = pa.table({"id": ["a", "b"], "vector": [[1.0, 2.0]] * 2, "contents": ["x" * 30_000_000] * 2})
    pq.write_table(long, here / "long.parquet", use_dictionary=False)
    done = load("--max-memory", "308M", "--restart", file="long.parquet")
    assert done.returncode == 3
    says(done.stderr, "raise --max-row-bytes to {}, and --max-memory if it is given")
    assert load("--max-memory", "1G", "--max-row-bytes", "31000000", file="long.parquet").returncode == 0


def test_it_is_an_option_of_the_file_and_of_the_resumed_command(here: Path) -> None:
    (here / "cyborg-ingest.toml").write_text('[job.j]\nsources = "rows.jsonl"\nindex = "i"\nmax-memory = "400M"\n')
    done = ran("run", "j")
    assert done.returncode == 0
    says(done.stderr, "--max-memory {}: {} of rows are decoded at once, and a larger row is rejected")
    assert "note      --max-memory 400M: " in done.stderr
    assert load("--max-memory", "much").returncode == 2
