"""What reads rows and sends none says how far it is: verify, inspect, a dry run, a training."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran
from conftest import KEY
from proxy import Fault, Proxy, status

import cyborg_ingest
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.check.verifier import verify
from cyborg_ingest.facts import Advanced, Began
from cyborg_ingest.loading.loader import run
from cyborg_ingest.output import display, howfar
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, TargetSettings, VerifySettings
from cyborg_ingest.tally import Step, Tally
from cyborg_ingest.targets.manage import train

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine
    from service import Service

    from cyborg_ingest.facts import Event

ROWS, BAD = 1500, 3


@pytest.fixture
def loaded(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An index, and a file of its rows, of which three are bad."""
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    options: dict[str, Any] = {"index": engine.name(), "target": engine.target}
    write(tmp_path / "rows.parquet")
    cyborg_ingest.load(tmp_path / "rows.parquet", create=True, max_errors="10", **options)
    return {"sources": (str(tmp_path / "rows.parquet"),), **options}


def write(path: Path, *, differs: int = 0, again: int = 0) -> Path:
    """Rows; of `differs` the vector is another, and `again` ids occur twice."""
    vectors = [[1.0, row + 1.0] for row in range(ROWS - BAD)] + [[0.0, 0.0]] * BAD
    vectors[:differs] = [[2.0, 2.0]] * differs
    ids = [f"r{row % (ROWS - again)}" for row in range(ROWS)]
    pq.write_table(pa.table({"id": ids, "vector": pa.array(vectors, pa.list_(pa.float32(), 2))}), path)
    return path


def after_plan(told: list[Event]) -> int:
    """Where the look at the files is over: two of its steps come first, to one file each time."""
    plan = [Began("plan", unit="file"), Began("plan", 1, unit="file"), Advanced(1)]
    return len(plan) if told[: len(plan)] == plan else 0


def steps(told: list[Event]) -> list[tuple[str, int | None, int, int]]:
    """Of each step its code, the rows that were expected, the rows it was done to, and how many of these were wrong."""
    found: list[tuple[str, int | None, int, int]] = []
    for one in told[after_plan(told) :]:
        if isinstance(one, Began):
            found.append((one.step, one.rows, 0, 0))
        elif isinstance(one, Advanced):
            step, expected, rows, _ = found[-1]
            found[-1] = (step, expected, rows + one.rows, one.wrong)
    return found


def test_a_comparison_tells_of_all_rows_the_bad_ones_among_them(loaded: dict[str, Any], tmp_path: Path) -> None:
    told: list[Event] = []
    verify(VerifySettings(**loaded), told.append)
    assert steps(told) == [("verify", ROWS, ROWS, 0)]
    write(tmp_path / "rows.parquet", differs=70)
    told.clear()
    verify(VerifySettings(**loaded), told.append)
    assert steps(told) == [("verify", ROWS, ROWS, 70)]


def test_a_sample_is_read_and_then_compared(loaded: dict[str, Any]) -> None:
    told: list[Event] = []
    verify(VerifySettings(**loaded, mode="sample", sample_rows=600), told.append)
    assert steps(told) == [("read", ROWS, ROWS, 0), ("verify", 600, 600, 0)]


def test_a_count_tells_how_many_rows_were_read(loaded: dict[str, Any]) -> None:
    told: list[Event] = []
    verify(VerifySettings(**loaded, mode="count"), told.append)
    assert steps(told) == [("count", ROWS, ROWS, 0)]


def test_an_inspection_reads_rows_and_where_ids_may_be_equal_once_more(tmp_path: Path) -> None:
    told: list[Event] = []
    settings = InspectSettings(sources=(str(write(tmp_path / "a.parquet")),))
    inspect(settings, told.append)
    assert steps(told) == [("read", ROWS, ROWS, 0)]
    write(tmp_path / "a.parquet", again=20)
    told.clear()
    inspect(settings, told.append)
    assert steps(told) == [("read", ROWS, ROWS, 0), ("compare", ROWS, ROWS, 0)]


def test_a_load_tells_of_its_verification_and_a_dry_run_of_what_it_reads(loaded: dict[str, Any]) -> None:
    told: list[Event] = []
    run(LoadSettings(**loaded, max_errors="10", dry_run=True), told.append)
    assert steps(told) == [("read", ROWS, ROWS, 0)]
    told.clear()
    run(LoadSettings(**loaded, max_errors="10", verify="full"), told.append)
    assert steps(told) == [("verify", ROWS, ROWS, 0)]


def test_a_training_begins_and_nobody_knows_how_long_it_takes(loaded: dict[str, Any]) -> None:
    told: list[Event] = []
    train(TargetSettings(target=loaded["target"]), loaded["index"], told.append)
    assert steps(told) == [("train", None, 0, 0)]


def compared(loaded: dict[str, Any], *more: str) -> subprocess.CompletedProcess[str]:
    return ran("verify", *loaded["sources"], "--index", loaded["index"], "--target", loaded["target"], *more)


def test_without_a_terminal_it_is_a_line_each_interval_beside_the_result(
    loaded: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = compared(loaded)
    assert quiet.stderr == ""  # it took less than an interval
    monkeypatch.setattr(display, "INTERVAL", 0.002)
    done = compared(loaded)
    assert (done.returncode, done.stdout) == (0, quiet.stdout)
    lines = done.stderr.splitlines()
    assert lines
    for one in lines:
        words = r"(\d+%  )?\d:\d\d( left)?(  [\d,]+ (rows|file)(  0 differ  [\d,]+ rows/s)?)?"
        assert re.fullmatch(rf"(looking  |verifying) \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ  {words}", one), one


def test_programs_get_it_as_objects_and_whoever_wants_nothing_gets_nothing(
    loaded: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "INTERVAL", 0.002)
    objects = [json.loads(line) for line in compared(loaded, "--progress", "json").stderr.splitlines()]
    begun = [{**one, "time": 0} for one in objects if one["event"] == "began"]
    assert begun == [
        {"event": "began", "time": 0, "step": "plan", "files": None, "estimate": 0},
        {"event": "began", "time": 0, "step": "plan", "files": 1, "estimate": 0},
        {"event": "began", "time": 0, "step": "verify", "rows": ROWS, "estimate": ROWS},
    ]
    assert {one["event"] for one in objects} == {"began", "progress"}
    told = [one for one in objects if one["event"] == "progress" and one["step"] == "verify"]
    assert all((one["rows_expected"], one["wrong"]) == (ROWS, 0) for one in told)
    assert told
    assert compared(loaded, "--progress", "none").stderr == ""


def test_each_retry_of_a_comparison_is_said_as_that_of_a_load_is(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    path, target = write(tmp_path / "rows.parquet"), ["--retry-max-wait", "0.01"]
    cyborg_ingest.load(path, index="retried", target=f"http://127.0.0.1:{service.port}", create=True, max_errors="3")
    said = re.compile(r"retry     .*HTTP 503.* Retry 1 of 8 now\.")
    for command in (["verify"], ["upsert", "--verbose", "--max-errors", "3"]):
        fault = Fault("503", status(503))
        proxy = Proxy(service.port, lambda _n, _b: None, others=lambda _path, n: fault if n == 2 else None)  # noqa: B023
        with proxy.running() as between:
            done = ran(*command, path, "--index", "retried", "--target", between.url, *target)
        assert done.returncode == (0 if command == ["verify"] else 1), done.stderr
        assert [one for one in done.stderr.splitlines() if said.fullmatch(one)], done.stderr
        assert "retry" not in done.stdout


def seen(width: int, *arguments: str) -> str:
    """All that a terminal of this width showed."""
    main, worker = pty.openpty()
    fcntl.ioctl(worker, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        [sys.executable, "-m", "cyborg_ingest", *arguments],
        stdin=worker, stdout=worker, stderr=worker, close_fds=True, env={**environment, "TERM": "xterm-256color"},
    ) as process:  # fmt: skip
        os.close(worker)
        shown = b""
        try:
            while data := os.read(main, 65536):
                shown += data
        except OSError:  # Linux says so when the other side is closed
            pass
        assert process.wait(30) == 0, shown
    os.close(main)
    return shown.decode()


@pytest.mark.parametrize("width", [40, 60, 120])
def test_a_terminal_of_any_width_shows_it_on_one_line_which_goes_when_the_result_comes(
    loaded: dict[str, Any], width: int
) -> None:
    arguments = ["verify", *loaded["sources"], "--index", loaded["index"], "--target", loaded["target"]]
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", lambda one: "\f" if one[0] == "\x1b[2K" else "", seen(width, *arguments))
    bars = [line for line in re.split(r"[\r\n\f]+", shown) if "verifying" in line]
    assert bars
    assert max(map(len, bars)) <= width
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in bars)
    behind = shown[shown.rindex("verifying") :]
    assert "\f" in behind  # the line is wiped
    assert "rows compared" in behind


PARTS = [(0, "first"), (2, "last"), (1, "second"), (3, "least")]


def test_of_words_that_do_not_fit_the_least_important_go() -> None:
    whole = "first  last  second  least"
    assert howfar.fitted(PARTS, None) == howfar.fitted(PARTS, len(whole)) == whole
    assert howfar.fitted(PARTS, len(whole) - 1) == "first  last  second"
    assert howfar.fitted(PARTS, len("first  second")) == "first  second"
    assert howfar.fitted(PARTS, 0) == "first"


def test_a_load_with_rejected_or_repeated_rows_says_so_on_a_narrow_terminal_before_its_megabytes() -> None:
    tally = Tally()
    assert "rejected" not in howfar.how_far(tally)
    tally.rejected, tally.retries = 7, tally.retries.__class__({"503": 2})
    tally.acknowledged, tally.raw_bytes, tally.first_read, tally.last_ack = 3, 10_000_000, 1.0, 2.0
    told = howfar.how_far(tally)
    assert re.search(r"10 rows  .* MB/s  7 rejected  2 retried$", told)
    assert howfar.how_far(tally, len(told) - 1).endswith("rows/s  7 rejected  2 retried")


@pytest.mark.parametrize(
    ("began", "rows", "expected", "percent"),
    [
        (Began("read", 10), 4, 10, 40.0),
        (Began("read", None, 8), 4, 8, 50.0),
        (Began("read", None, 8), 9, 9, 100.0),
        (Began("read", None, 0), 9, None, None),
        (Began("read", 0), 0, None, None),
    ],
)
def test_what_is_left_is_told_as_far_as_it_is_known(
    began: Began, rows: int, expected: int | None, percent: float | None
) -> None:
    step = Step(began)
    step(Advanced(rows))
    facts = howfar.progress_facts(step)
    assert (facts["rows"], facts["rows_expected"], facts["percent"]) == (rows, expected, percent)
    assert (facts["seconds_left"] is None) == (percent is None)
    assert (" left  " in howfar.how_far(step)) == (percent is not None)
