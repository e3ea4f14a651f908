"""How many bad rows a load may have: a number, or a share of all rows that were asked for."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

GOOD, BAD = [1.0, 2.0], [1.0, float("nan")]


def vectors(bad: set[int], rows: int) -> list[list[float]]:
    return [BAD if row in bad else GOOD for row in range(rows)]


def parquet(path: Path, bad: set[int], rows: int) -> Path:
    vector = pa.array(vectors(bad, rows), pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": [f"r{row}" for row in range(rows)], "vector": vector}), path, row_group_size=100)
    return path


def jsonl(path: Path, bad: set[int], rows: int) -> Path:
    lines = [json.dumps({"id": f"r{row}", "vector": one}) for row, one in enumerate(vectors(bad, rows))]
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


WRITERS: dict[str, Any] = {"rows.parquet": parquet, "rows.jsonl": jsonl, "rows.jsonl.gz": jsonl}


def load(tmp_path: Path, source: Any, max_errors: str, **more: Any) -> Any:
    return cyborg_ingest.load(
        source,
        index="x",
        target=f"disk:{tmp_path / 'data'}",
        create=True,
        max_errors=max_errors,
        batch_rows=100,
        **more,
    )


@pytest.mark.parametrize("name", WRITERS)
def test_bad_rows_that_come_early_pass_where_their_share_of_all_rows_is_small(tmp_path: Path, name: str) -> None:
    bad = set(range(11)) | {1000 + 100 * row for row in range(26)}
    report = load(tmp_path, WRITERS[name](tmp_path / name, bad, 6000), "1%")
    assert (report.rows["rejected"], report.rows["acknowledged"], report.exit_code) == (37, 5963, 1)


@pytest.mark.parametrize("name", WRITERS)
def test_a_share_that_is_overstepped_by_a_small_file_ends_the_load(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRowError, match="max_errors is 1%") as caught:
        load(tmp_path, WRITERS[name](tmp_path / name, set(range(10, 500)), 500), "1%")
    assert caught.value.exit_code == ExitCode.BAD_ROWS
    report = caught.value.report
    assert report is not None
    assert (report.status, report.retry) == ("bad_rows", "after-fix")


def test_a_load_ends_as_soon_as_no_row_that_follows_can_bring_the_share_down(tmp_path: Path) -> None:
    with pytest.raises(BadRowError) as caught:
        load(tmp_path, parquet(tmp_path / "rows.parquet", set(range(0, 6000, 2)), 6000), "1%")
    report = caught.value.report
    assert report is not None
    assert report.rows["rejected"] == 61  # of 6,000 rows 60 may be bad
    assert report.rows["unsent"] > 5000


def test_of_a_pipe_the_share_is_known_at_its_end(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", {0, 1, 2, *range(500, 507)}, 1000)
    for allowed, code in (("1%", 1), ("0.9%", 4)):
        arguments = ["--index", "x", "--target", f"disk:{tmp_path / allowed}", "--create", "--max-errors", allowed]
        with path.open("rb") as rows:
            done = subprocess.run(
                [sys.executable, "-m", "cyborg_ingest", "upsert", "-", *arguments, "--json", "--batch-rows", "100"],
                stdin=rows, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        assert done.returncode == code, done.stderr
        found = json.loads(done.stdout)["rows"]
        assert (found["rejected"], found["acknowledged"], found["unsent"]) == (10, 990, 0)


def test_a_load_that_had_too_many_bad_rows_ends_well_once_more_are_allowed(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", set(range(20)), 200)
    for _ in range(2):
        with pytest.raises(BadRowError):
            load(tmp_path, path, "5%")
    report = load(tmp_path, path, "10%")
    assert (report.rows["rejected"], report.rows["skipped"] + report.rows["acknowledged"]) == (20, 180)
    assert report.exit_code == 1


@pytest.mark.parametrize(("share", "bad"), [("0.57%", 57), ("0.29%", 29), ("1.1%", 110)])
def test_a_share_that_comes_to_a_whole_number_allows_for_so_many(tmp_path: Path, share: str, bad: int) -> None:
    """10,000 times 0.57 is 5699.999... as floats have it."""
    path = tmp_path / "rows.npy"
    values = np.ones((10_000, 2), np.float32)
    values[:bad, 1] = np.nan
    np.save(path, values)
    assert load(tmp_path, path, share).rows["rejected"] == bad
