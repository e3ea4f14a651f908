"""The table of docs/exit-codes.md: each code is what a real run ends with, and its report says what to do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY
from service import free_port
from where import ROOT

import cyborg_ingest
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.loading.report import RETRY, STATUSES
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = ROOT / "docs" / "exit-codes.md"

WRAPPED = """
import sys, time
from cyborg_ingest import cli
from cyborg_ingest.targets.embedded import EmbeddedIndex
what, seconds = sys.argv[1], 600
real = EmbeddedIndex.upsert_binary
def upsert_binary(self, *arguments):
    if what == "a bug":
        raise ZeroDivisionError("made by the test")
    if what == "loses rows":
        return
    real(self, *arguments)
    if what == "slow":
        print("sent", file=sys.stderr, flush=True)
        time.sleep(seconds)
EmbeddedIndex.upsert_binary = upsert_binary
sys.argv = ["cyborg-ingest", *sys.argv[2:]]
cli.main()
"""


class Place:
    """A folder with rows, an index in it, and the load of these rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = f"disk:{folder / 'data'}"
        self.write([[1.0, 2.0], [3.0, 4.0]])

    def write(self, vectors: list[list[float]], name: str = "rows.jsonl") -> None:
        lines = (json.dumps({"id": f"r{row}", "vector": one}) + "\n" for row, one in enumerate(vectors))
        (self.folder / name).write_text("".join(lines))

    def command(self, *options: object, what: str = "", target: str | None = None) -> list[str]:
        arguments = ["upsert", self.folder / "rows.jsonl", "--index", "x", "--target", target or self.target, *options]
        return [sys.executable, "-c", WRAPPED, what, *map(str, arguments), "--json"]

    def run(self, *options: object, what: str = "", target: str | None = None) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            self.command(*options, what=what, target=target),
            capture_output=True, text=True, check=False, timeout=60, env=os.environ,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def all_well(place: Place) -> tuple[int, dict[str, Any]]:
    return place.run("--create", "--verify", "full")


def a_bad_row_that_is_allowed(place: Place) -> tuple[int, dict[str, Any]]:
    place.write([[1.0, 2.0], [3.0, float("nan")]])
    return place.run("--create", "--max-errors", 1)


def no_such_index(place: Place) -> tuple[int, dict[str, Any]]:
    return place.run()


def another_metric(place: Place) -> tuple[int, dict[str, Any]]:
    place.run("--create")
    return place.run("--metric", "cosine")


def another_dimension_throughout(place: Place) -> tuple[int, dict[str, Any]]:
    place.run("--create")
    place.write([[1.0, 2.0, 3.0]] * 5)
    return place.run()


def no_service_there(place: Place) -> tuple[int, dict[str, Any]]:
    return place.run("--retries", 0, target=f"http://127.0.0.1:{free_port()}")


def a_file_that_breaks_off(place: Place) -> tuple[int, dict[str, Any]]:
    import gzip  # noqa: PLC0415

    lines = "".join(json.dumps({"id": f"r{row}", "vector": [1.0, row]}) + "\n" for row in range(20_000))
    packed = gzip.compress(lines.encode())
    (place.folder / "rows.jsonl").write_bytes(packed[: len(packed) // 2])
    return place.run("--create")


def a_bad_row(place: Place) -> tuple[int, dict[str, Any]]:
    place.write([[1.0, 2.0], [3.0, float("nan")]])
    return place.run("--create")


def rows_that_are_not_there(place: Place) -> tuple[int, dict[str, Any]]:
    return place.run("--create", what="loses rows")


def a_bug(place: Place) -> tuple[int, dict[str, Any]]:
    return place.run("--create", what="a bug")


def an_index_that_is_open_elsewhere(place: Place) -> tuple[int, dict[str, Any]]:
    with cyborg_ingest.connect(place.target) as client, client.create("x", KEY, CreateOptions(dimension=2)) as index:
        index.upsert_binary(["a"], np.ones((1, 2), np.float32))
        return place.run()


def a_load_that_runs_already(place: Place) -> tuple[int, dict[str, Any]]:
    with subprocess.Popen(
        place.command("--create", what="slow"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as first:
        assert first.stderr is not None
        assert any(line == "sent\n" for line in first.stderr)
        try:
            return place.run("--create")
        finally:
            first.kill()


def stopped_by(number: signal.Signals) -> Callable[[Place], tuple[int, dict[str, Any]]]:
    def stopped(place: Place) -> tuple[int, dict[str, Any]]:
        with subprocess.Popen(
            place.command("--create", "--drain-timeout", "0.2", what="slow"),
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            assert any(line == "sent\n" for line in process.stderr)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert out, err
        return process.returncode, json.loads(out)

    return stopped


def a_load_whose_time_is_over(place: Place) -> tuple[int, dict[str, Any]]:
    return place.run("--create", "--drain-timeout", "0.2", "--max-duration", "5s", what="slow")


RUNS: dict[int, list[Callable[[Place], tuple[int, dict[str, Any]]]]] = {
    0: [all_well],
    1: [a_bad_row_that_is_allowed],
    2: [no_such_index, another_metric, another_dimension_throughout],
    3: [no_service_there, a_file_that_breaks_off],
    4: [a_bad_row],
    5: [rows_that_are_not_there],
    6: [a_load_whose_time_is_over],
    70: [a_bug],
    75: [an_index_that_is_open_elsewhere, a_load_that_runs_already],
    130: [stopped_by(signal.SIGINT)],
    143: [stopped_by(signal.SIGTERM)],
}
NOT_SENT = {2, 75}
ADVICE = {0: "never", 1: "never", 2: "after-fix", 3: "same-command", 4: "after-fix", 5: "after-fix",
          6: "same-command", 70: "never", 75: "same-command", 130: "same-command", 143: "same-command"}  # fmt: skip


def in_the_page() -> set[int]:
    table = PAGE.read_text().partition("| exit code |")[2].partition("\n\n")[0]
    return {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")}


def test_the_page_has_every_code_and_no_other() -> None:
    assert in_the_page() == {int(code) for code in ExitCode} == set(RUNS) == set(map(int, RETRY)) == set(STATUSES)


@pytest.mark.parametrize(("code", "act"), [(code, act) for code, acts in RUNS.items() for act in acts])
def test_a_code_is_what_the_table_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, act: Callable[[Place], tuple[int, dict[str, Any]]]
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    found, report = act(Place(tmp_path))
    assert found == report["exit_code"] == code, report["error"]
    assert report["retry"] == ADVICE[code]
    rows = report["rows"]
    assert rows["read"] == rows["acknowledged"] + rows["rejected"] + rows["skipped"] + rows["unsent"]
    if code in NOT_SENT:
        assert rows["acknowledged"] == 0
        assert report["requests"] == 0
    if code in {0, 1, 5}:
        assert rows["unsent"] == 0
        assert report["resume_command"] is None
    assert (report["error"] is None) == (code in {0, 1})
    if code == 6:
        assert report["status"] == "stopped"
        assert "--max-duration 5s" in report["resume_command"]


def test_the_bytes_of_a_report_are_those_of_the_rows_and_not_of_what_they_are_sent_as(engine: Any) -> None:
    """Over REST vectors are sent in base64, a third larger."""
    import pyarrow as pa  # noqa: PLC0415

    ids, metadata, contents = ["a", "bcd", "\xe4"], [{"x": 1}] * 3, ["text", "\xfc" * 10, ""]
    table = pa.table({"id": ids, "vector": [[1.0] * 100] * 3, "metadata": metadata, "contents": contents})
    report = cyborg_ingest.load(table, index=engine.name(), target=engine.target, create=True)
    vectors, text = 3 * 100 * 4, sum(len(one.encode()) for one in [*ids, *contents])
    objects = sum(len(json.dumps(one)) - 1 for one in metadata)  # written without blanks
    brackets_and_commas = 4
    assert report.bytes["raw"] == vectors + text + objects + brackets_and_commas
