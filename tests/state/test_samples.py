"""How fast a load was over time is kept with its run, in few lines, however long it takes."""

from __future__ import annotations

import itertools
import json
import os
import random
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY

import cyborg_ingest
from cyborg_ingest.facts import Landed, Retrying, RowRejected
from cyborg_ingest.loading.sampling import Sampler
from cyborg_ingest.model import Reason, Rejection
from cyborg_ingest.private import Folder
from cyborg_ingest.state.samples import MOST, Sample, SampleFile, read_samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.loading.report import RunReport

REJECTED = RowRejected(Rejection("f", 1, Reason.VECTOR_ZERO, "all zero"))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder.root(tmp_path, "") as found:
        yield found


def sampled(folder: Folder, seconds: float, pauses: Iterator[float]) -> list[tuple[float, Landed | Retrying]]:
    """Facts of so many seconds, with these pauses between them, and when each came; they are sampled in a folder."""
    chance, clock, told = random.Random(7), Clock(), []
    sampler = Sampler(clock)
    sampler.begin(SampleFile(folder))
    while clock.now - 100 < seconds:
        clock.now += next(pauses)
        fact: Landed | Retrying = Landed("f", chance.randint(1, 900), 4096, chance.lognormvariate(-3, 0.8), 1, 0)
        if chance.random() < 0.05:
            fact = Retrying("503", "unavailable", 0.1, 1, 8)
        sampler(fact)
        told.append((clock.now - 100, fact))
    sampler.end()
    return told


@pytest.mark.parametrize(
    ("seconds", "most", "share"),
    [(36_000, 3.0, 1.0), (36_000, 60.0, 1.0), (3.0, 0.02, 1.0), (7_200, 0.6, 0.02)],
    ids=["ten hours", "ten hours, slowly", "three seconds", "an hour of nothing"],
)
def test_samples_are_few_and_nothing_is_lost_in_them(folder: Folder, seconds: float, most: float, share: float) -> None:
    chance = random.Random(8)
    pauses = iter(lambda: chance.uniform(0, most) if chance.random() < 0.9995 or share == 1 else 3_600 * 1.0, None)
    told = sampled(folder, seconds, pauses)
    found = read_samples(folder)
    assert (MOST // 4 if seconds > 1000 and share == 1 else 1) <= len(found) <= MOST
    assert (folder.path / "samples.jsonl").stat().st_size < 100_000
    landed = [one for _, one in told if isinstance(one, Landed)]
    assert sum(one.rows for one in found) == sum(one.rows for one in landed)
    assert sum(one.size for one in found) == 4096 * len(landed)
    assert sum(one.requests for one in found) == len(landed)
    assert sum(one.retries["503"] for one in found) == len(told) - len(landed)
    assert max(one.slowest for one in found) == pytest.approx(max(one.seconds for one in landed), abs=1e-6)
    assert all(one.start < one.stop or one is found[-1] for one in found)
    assert all(one.stop <= two.start for one, two in itertools.pairwise(found))
    for one in found:
        inside = [
            fact.rows for at, fact in told if isinstance(fact, Landed) and one.start - 1e-3 <= at < one.stop - 1e-3
        ]
        assert one.rows == pytest.approx(sum(inside), rel=0.2, abs=2000), one
    assert found[-1].stop == pytest.approx(told[-1][0], abs=1e-3)


def test_a_percentile_of_a_sample_is_that_of_its_requests(folder: Folder) -> None:
    told = sampled(folder, 500, iter(lambda: 0.05, None))
    one = Sample(0, 0)
    for other in read_samples(folder):
        one.add(other)
    seconds = [fact.seconds for _, fact in told if isinstance(fact, Landed)]
    for share in (0.5, 0.95, 0.99):
        assert one.latency(share) == pytest.approx(float(np.percentile(seconds, share * 100)), rel=0.06)
    assert one.latency(1.0) == pytest.approx(max(seconds), rel=0.06)
    assert Sample(0, 1).latency(0.5) is None


# Loads


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two hundred rows, one of them bad."""
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(200)]
    rows[4]["vector"] = [1.0]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def load(source: Path, **options: Any) -> RunReport:
    folder = source.parent
    given = {"target": f"disk:{folder / 'd'}", "create": True, "state_dir": folder / "s", "max_errors": "1"}
    return cyborg_ingest.load(source, index="i", batch_rows=10, **{**given, **options})


def kept(report: RunReport) -> list[Sample]:
    with Folder.root(Path(str(report.run_folder)), "") as folder:
        return read_samples(folder)


def test_a_load_keeps_samples_that_add_up_to_its_report(source: Path) -> None:
    report = load(source)
    found = kept(report)
    assert sum(one.rows for one in found) == report.rows["acknowledged"] == 199
    assert sum(one.size for one in found) == report.bytes["raw"]
    assert sum(one.requests for one in found) == 20
    assert sum((one.rejects for one in found), Counter()) == report.rejects == {"vector_dimension": 1}
    file = Path(str(report.run_folder)) / "samples.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert found[-1].stop <= (report.ended - report.started).total_seconds() + 0.1


def test_a_load_without_a_journal_keeps_none(source: Path) -> None:
    for options in ({"dry_run": True}, {"checkpoint": False, "max_errors": "0", "limit": 3}):
        load(source, **options)
    assert not list(source.parent.glob("s/**/samples.jsonl"))


@pytest.mark.parametrize("fault", ["cannot be opened", "is full"])
def test_samples_that_cannot_be_written_change_nothing(
    source: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    real = Folder.open

    def no_samples(self: Folder, name: str, flags: int = os.O_RDONLY, *, is_secret: bool = False) -> int:
        if name != "samples.jsonl":
            return real(self, name, flags, is_secret=is_secret)
        if fault == "is full":
            return os.open("/dev/full", os.O_WRONLY)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "open", no_samples)
    report = load(source)
    assert (report.exit_code, report.rows["acknowledged"]) == (1, 199)


def test_a_file_that_cannot_be_replaced_keeps_what_it_has(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "replace", full)
    sampled(folder, 100, iter(lambda: 0.25, None))
    assert len(read_samples(folder)) == MOST - 1


def test_lines_that_are_damaged_are_left_out(folder: Folder) -> None:
    good = {"from": 1.0, "to": 2.0, "rows": 5, "bytes": 9}
    damaged: list[Any] = [
        {**good, "rows": "5"}, {**good, "rows": -1}, {**good, "rows": True}, {**good, "to": 0.5}, {**good, "to": "x"},
        {**good, "latencies": {"x": 1}}, {**good, "latencies": [1]}, {**good, "slowest": float("inf")}, {}, [], None, 5,
        {**good, "from": float("nan")}, {**good, "rows": 1 << 200},
    ]  # fmt: skip
    lines = [json.dumps(one) for one in [*damaged, good]] + ['{"from": 3.0, "to"', "[" * 100_000, "\udcff\x00"]
    (folder.path / "samples.jsonl").write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    assert [one.to_dict() for one in read_samples(folder)] == [good]


def test_a_run_that_is_killed_leaves_how_far_it_got(source: Path, tmp_path: Path) -> None:
    words = [
        "upsert", source, "--index", "i", "--target", f"disk:{tmp_path / 'd'}", "--create", "--max-errors", "1",
        "--batch-rows", "1", "--max-rows-per-second", "20", "--state-dir", tmp_path / "s",
    ]  # fmt: skip
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    program = [sys.executable, "-m", "cyborg_ingest", *map(str, words)]
    with subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        found: list[bytes] = []
        while len(found) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
            files = tmp_path.glob("s/jobs/*/runs/*/samples.jsonl")
            found = [line for file in files for line in file.read_bytes().splitlines()]
        process.kill()
    [file] = tmp_path.glob("s/jobs/*/runs/*/samples.jsonl")
    with Folder.root(file.parent, "") as folder:
        read = read_samples(folder)
    assert len(read) >= 3
    assert 0 < sum(one.rows for one in read) < 199
