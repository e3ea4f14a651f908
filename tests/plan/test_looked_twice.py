"""What is looked at twice is the same both times, or it is said; rows that later ones replaced never count."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.check import verifier
from cyborg_ingest.errors import DifferenceError, SourceError, UsageError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.options import VerifySettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"disk:{tmp_path / 'engine'}"


def table(ids: list[str], vectors: npt.NDArray[np.float32]) -> pa.Table:
    return pa.table({"id": ids, "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 2)})


def fill(target: str, ids: list[str], vectors: npt.NDArray[np.float32]) -> None:
    """An index "docs" as who wrote the data has it: of each id the last row."""
    last = {identity: row for row, identity in enumerate(ids)}
    with cyborg_ingest.connect(target) as client, client.create("docs", KEY, CreateOptions(dimension=2)) as index:
        index.upsert_binary(list(last), vectors[list(last.values())])


def random_rows(rows: int, different: int) -> tuple[list[str], npt.NDArray[np.float32]]:
    chance = np.random.default_rng(rows)
    ids = [f"r{number}" for number in chance.integers(0, different, rows)]
    return ids, chance.standard_normal((rows, 2)).astype(np.float32)


def compare(target: str, source: Path, **options: Any) -> dict[str, Any]:
    return verifier.verify(VerifySettings(sources=(str(source),), index="docs", target=target, **options))


@pytest.mark.parametrize("pending", [0, 3, 50, 10_000])
@pytest.mark.parametrize("mode", ["full", "sample"])
def test_rows_that_were_replaced_are_no_differences_however_many(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pending: int, mode: str
) -> None:
    monkeypatch.setattr(verifier, "_PENDING", pending)
    monkeypatch.setattr(verifier, "_GET_ROWS", 20)
    ids, vectors = random_rows(3000, 700)
    fill(target, ids, vectors)
    pq.write_table(table(ids, vectors), tmp_path / "rows.parquet", row_group_size=500)
    found = compare(target, tmp_path / "rows.parquet", mode=mode, sample_rows=300)
    assert (found["differences"], found["examples"]) == (0, [])
    assert found["checked"] == (3000 if mode == "full" else 300)


@pytest.mark.parametrize("pending", [0, 3, 10_000])
def test_the_rows_that_differ_are_found_among_them(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pending: int
) -> None:
    """Expected: of each id the last row, where it is one of those that were changed."""
    monkeypatch.setattr(verifier, "_PENDING", pending)
    monkeypatch.setattr(verifier, "_GET_ROWS", 20)
    ids, vectors = random_rows(3000, 700)
    fill(target, ids, vectors)
    changed = np.arange(0, 3000, 11)
    vectors[changed] += 1
    pq.write_table(table(ids, vectors), tmp_path / "rows.parquet")
    last = {identity: row for row, identity in enumerate(ids)}
    expected = [(row, ids[row]) for row in sorted(last.values()) if row % 11 == 0]
    found = compare(target, tmp_path / "rows.parquet", differences=tmp_path / "found.jsonl")
    assert (found["differences"], found["kinds"]) == (len(expected), {"vector": len(expected)})
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [(one["row"], one["id"]) for one in lines] == expected
    assert found["examples"] == lines[:20]


@pytest.mark.soak
def test_that_holds_for_more_of_them_than_are_held_at_once(target: str, tmp_path: Path) -> None:
    rows = verifier._PENDING + 20_000
    ids, vectors = [f"r{row}" for row in range(rows)] * 2, np.random.default_rng(1).random((2 * rows, 2), np.float32)
    fill(target, ids, vectors)
    pq.write_table(table(ids, vectors), tmp_path / "rows.parquet")
    found = compare(target, tmp_path / "rows.parquet")
    assert (found["differences"], found["checked"]) == (0, 2 * rows)


def test_nothing_to_compare_is_not_all_equal(target: str, tmp_path: Path) -> None:
    fill(target, ["r0", "r1"], np.ones((2, 2), np.float32))
    source = tmp_path / "rows.jsonl"
    source.write_text('{"id": "r0", "vector": [0, 0]}\n{"id": "r1", "vector": [0, 0]}\n')
    for options in ({}, {"mode": "sample"}, {"mode": "count"}, {"where": "id = 'none'"}):
        with pytest.raises(UsageError, match="nothing to verify"):
            compare(target, source, **options)
    arguments = ["verify", str(source), "--index", "docs", "--target", target]
    done = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert done.exit_code == 2
    assert "2 bad rows of the sources were not looked for" in done.output
    assert "all equal" not in done.output


@pytest.mark.parametrize("mode", ["full", "sample", "count"])
def test_rows_that_only_the_index_has_are_mentioned(target: str, tmp_path: Path, mode: str) -> None:
    ids, vectors = [f"r{row}" for row in range(50)], np.ones((50, 2), np.float32)
    fill(target, ids, vectors)
    pq.write_table(table(ids[:20] * 2, vectors[:40]), tmp_path / "rows.parquet")
    found = compare(target, tmp_path / "rows.parquet", mode=mode)
    assert (found["differences"], found["only_in_index"]) == (0, 30)
    assert "The index holds 30 more rows than these sources have ids." in found["text"]
    pq.write_table(table(ids, vectors), tmp_path / "rows.parquet")
    assert "more rows" not in compare(target, tmp_path / "rows.parquet", mode=mode)["text"]


class Once:
    """An object of Arrow's C stream that gives its rows once, and afterwards none, without an error."""

    def __init__(self, found: pa.Table) -> None:
        self.schema = found.schema
        self._reader = reader(found)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._reader.__arrow_c_stream__(requested_schema)


class Changing:
    """The same, which gives other rows each time."""

    def __init__(self, found: pa.Table) -> None:
        self.schema, self._found, self._looks = found.schema, found, 0

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        self._looks += 1
        shown = self._found if self._looks == 1 else table([f"other {row}" for row in range(6)], np.ones((6, 2), "f4"))
        return reader(shown).__arrow_c_stream__(requested_schema)


def reader(found: pa.Table) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(found.schema, found.to_batches(max_chunksize=2))


SIX = table(["a", "b", "a", "c", "c", "c"], np.ones((6, 2), np.float32))


@pytest.mark.parametrize("make", [reader, Once, Changing])
def test_a_dry_run_of_rows_that_are_given_once_counts_ids_that_occur_again(target: str, make: Any) -> None:
    report = cyborg_ingest.load(make(SIX), index="docs", target=target, create=True, dry_run=True)
    (found,) = report.findings
    assert (report.exit_code, found["kind"], found["count"]) == (1, "duplicate_id", 3)
    assert "since the source could not be read again" in found["text"]


def rows_of(found: pa.Table) -> Iterator[str]:
    yield from (json.dumps(row) + "\n" for row in found.to_pylist())


@pytest.mark.parametrize("rows", [6, 400_000])
def test_so_does_one_of_standard_input(target: str, rows: int) -> None:
    """What is past its first 32 MB is gone."""
    text = "".join(rows_of(SIX)) + "".join(
        f'{{"id": "row number {row} of very many", "vector": [{row + 1}, 1], "pad": "{"x" * 40}"}}\n'
        for row in range(rows - 6)
    )
    command = [sys.executable, "-m", "cyborg_ingest", "upsert", "-", "--format", "jsonl", "--index", "docs"]
    done = subprocess.run(
        [*command, "--target", target, "--create", "--dry-run", "--json"],
        input=text, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    (found,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, found["kind"], found["count"]) == (1, "duplicate_id", 3)
    assert ("since the source could not be read again" in found["text"]) == (rows > 6)


@pytest.mark.parametrize("mode", ["sample", "full"])
def test_a_load_is_not_verified_against_a_stream_that_is_over(target: str, mode: Any) -> None:
    with pytest.raises(SourceError, match=r"the sources gave 6 rows, and the second time 0.*verify='count'") as caught:
        cyborg_ingest.load(Once(SIX), index="docs", target=target, create=True, verify=mode)
    assert caught.value.report is not None
    assert caught.value.report.rows["acknowledged"] == 6
    report = cyborg_ingest.load(Once(SIX), index="docs", target=target, verify="count")
    assert report.exit_code == 0


@pytest.mark.parametrize("mode", ["sample", "full"])
def test_nor_is_it_equal_to_a_stream_of_other_rows(target: str, mode: Any) -> None:
    with pytest.raises(DifferenceError, match="missing 6"):
        cyborg_ingest.load(Changing(SIX), index="docs", target=target, create=True, verify=mode)
