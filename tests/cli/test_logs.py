"""What is said on standard error, for programs that gather logs: times, levels, objects, priorities of systemd."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from advised import says
from commands import BAD, ROWS, load, ran
from listener import listening_to_all

from cyborg_ingest.output.logfile import LogFile

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LEVELS = {"error", "warning", "notice", "info"}


def objects(text: str) -> list[dict[str, Any]]:
    """Every line, each of which is an object of a log."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert list(one)[:4] == ["time", "level", "event", "message"]
        assert STAMP.fullmatch(one["time"])
        assert one["level"] in LEVELS
        assert one["message"]
    return found


@pytest.mark.usefixtures("here")
def test_all_that_a_load_says_is_an_object_a_line() -> None:
    done = load("--log-format", "json", "--max-errors", "20", "--json", file="worse.jsonl")
    assert done.returncode == 1
    assert json.loads(done.stdout)["exit_code"] == 1
    found = objects(done.stderr)
    assert [one["event"] for one in found if one["event"] not in {"noted", "progress"}] == [
        "planned", *["rowrejected"] * 10, "more", "creating", "ended",
    ]  # fmt: skip
    planned, rejected, ended = (next(o for o in found if o["event"] == e) for e in ("planned", "rowrejected", "ended"))
    assert (planned["level"], planned["index"], planned["sources"]) == ("info", "i", ["worse.jsonl"])
    assert (rejected["level"], rejected["file"], rejected["row"]) == ("warning", "worse.jsonl", 5)
    assert rejected["message"].startswith("worse.jsonl")
    assert (ended["level"], ended["exit_code"], ended["status"]) == ("warning", 1, "ok_with_rejected_rows")
    assert ended["rows"] == {"read": 17, "acknowledged": 5, "rejected": 12, "skipped": 0, "unsent": 0}
    assert ended["message"].startswith("done 5 of 17 rows loaded")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("upsert", "none.jsonl", "--index", "i"), 2),
        (("upsert", "rows.jsonl", "--index", "i", "--metric", "odd"), 2),  # what the parser refuses
        (("upsert", "rows.jsonl"), 2),
        (("run", "nobody"), 2),
        (("verify", "rows.jsonl", "--index", "nobody"), 2),
        (("inspect", "none.jsonl"), 2),
        (("upsert", "worse.jsonl", "--index", "i", "--verbose"), 4),
    ],
)
def test_errors_are_objects_too_wherever_they_are_found(words: tuple[str, ...], code: int) -> None:
    for more, environment in ((("--log-format", "json"), {}), (("--log-format=json",), {}), ((), {"FORMAT": "json"})):
        variables = {f"CYBORG_INGEST_LOG_{name}": value for name, value in environment.items()}
        done = ran(*words, *more, CYBORG_INGEST_TYPO="x", **variables)
        assert done.returncode == code, done.stderr
        found = objects(done.stderr)
        error = next(one for one in found if one["event"] == "error")
        assert (error["level"], error["exit_code"]) == ("error", code)
        noted = [one for one in found if one["event"] == "noted" and "CYBORG_INGEST_TYPO" in one["message"]]
        assert [one["level"] for one in noted] == ["notice"] * ("run" not in words)


def test_the_configuration_file_says_it_too_and_each_job_for_itself(here: Path) -> None:
    (here / "cyborg-ingest.toml").write_text(
        '[job.a]\nsources = "rows.jsonl"\nindex = "a"\nlog-format = "json"\n[job.b]\ninherit = "a"\nsources = "none"\n'
    )
    done = ran("run", "a", "b")
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first == "job       a"
    found = objects("\n".join(rest))
    assert [one["message"] for one in found if one["event"] == "job"] == ["b"]
    assert found[-1]["event"] == "error"
    (here / "cyborg-ingest.toml").write_text('log-format = "json"\n')
    assert objects(load("--metric", "odd").stderr)[-1]["event"] == "error"


@pytest.mark.usefixtures("here")
def test_text_has_the_time_and_level_of_each_line() -> None:
    done = load("--log-format", "text", "--max-errors", "20", file="worse.jsonl")
    plain = load("--restart", "--max-errors", "20", file="worse.jsonl").stderr.splitlines()
    lines = [
        re.fullmatch(rf"({STAMP.pattern}) (ERROR|WARNING|NOTICE|INFO) +(.*)", one) for one in done.stderr.splitlines()
    ]
    assert None not in lines
    said = [(one[2], one[3]) for one in lines if one]
    assert ("INFO", "index     i") in said
    assert {level for level, text in said if text.startswith("rejected  worse.jsonl")} == {"WARNING"}
    assert [text for _, text in said][:5] == [one.strip() for one in plain[:5]]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("form", "progress"), [("text", "rich"), ("text", "json"), ("json", "rich")])
def test_a_bar_is_no_log(form: str, progress: str) -> None:
    done = load("--log-format", form, "--progress", progress)
    assert done.returncode == 2
    says(done.stderr, "plain, which says every 5 seconds how far it is, or none.")
    assert load("--log-format", form, "--progress", "plain").returncode == 0
    assert load("--log-format", form, "--progress", "none", "--restart").returncode == 0


@pytest.mark.usefixtures("here")
def test_progress_json_is_what_it_was_and_part_of_a_log_of_objects() -> None:
    kinds = [json.loads(line)["event"] for line in load("--progress", "json").stderr.splitlines()]
    assert ("planned" in kinds, kinds[-1]) == (True, "ended")
    assert objects(load("--progress", "json", "--log-format", "json", "--restart").stderr)[-1]["event"] == "ended"


@pytest.mark.usefixtures("here")
def test_how_far_it_is_is_an_object_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyborg_ingest.output.display.INTERVAL", 0.001)
    found = objects(load("--log-format", "json", "--batch-rows", "1", "--workers", "1").stderr)
    progress = [one for one in found if one["event"] == "progress"]
    assert progress
    assert progress[-1]["rows_expected"] == 5
    assert progress[-1]["message"].startswith("loading ")


LOUD = """
import sys, threading, warnings
from cyborg_ingest import cli
from cyborg_ingest.loading import loader
real = loader.cutting_of
def loud(*arguments):
    warnings.warn("odd\\x1b[31m")
    def broken():
        raise ValueError("of another thread")
    thread = threading.Thread(target=broken)
    thread.start()
    thread.join()
    sys.stderr.write("begun, ")
    sys.stderr.write("and ended\\nnot ended")
    return real(*arguments)
loader.cutting_of = loud
sys.argv = ["cyborg-ingest", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.usefixtures("here")
def test_what_others_write_to_standard_error_is_an_object_a_line_too() -> None:
    words = [sys.executable, "-c", LOUD, "upsert", "rows.jsonl", "--index", "i", "--log-format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    others = [one["message"] for one in objects(done.stderr) if one["event"] == "other"]
    assert "warning   UserWarning: odd\\x1b[31m" in others
    assert "ValueError: of another thread" in others
    assert others[-2:] == ["begun, and ended", "not ended"]


@pytest.mark.usefixtures("here")
def test_a_bug_is_a_traceback_and_an_error_of_one_object_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("one too\nmany")

    monkeypatch.setattr("cyborg_ingest.loading.loader.cutting_of", broken)
    found = objects(load("--log-format", "json").stderr)
    trace, error = (next(one for one in found if one["event"] == event) for event in ("traceback", "error"))
    assert "ArithmeticError: one too" in trace["message"]
    assert (error["exit_code"], error["level"]) == (70, "error")


def journaled(here: Path, *words: str, **environment: str) -> list[str]:
    """The lines of a command whose standard error is what systemd says that it is."""
    with (here / "journal").open("w+b") as journal:
        status = os.fstat(journal.fileno())
        stream = f"{status.st_dev}:{status.st_ino}"
        subprocess.run(
            [sys.executable, "-m", "cyborg_ingest", *words], stdout=subprocess.DEVNULL, stderr=journal, check=False,
            env={**os.environ, "JOURNAL_STREAM": stream, **environment},
        )  # fmt: skip
    return (here / "journal").read_text().splitlines()


@pytest.mark.parametrize("form", ["auto", "text"])
def test_the_journal_of_systemd_gets_priorities_and_no_times(form: str, here: Path) -> None:
    lines = journaled(here, "upsert", "worse.jsonl", "--index", "i", "--log-format", form)
    assert all(re.match("<[3-6]>", one) for one in lines), lines
    assert "<6>index     i" in lines
    assert any(one.startswith("<4>rejected  worse.jsonl") for one in lines)
    assert any(one.startswith("<3>error     ") for one in lines)
    assert not any(STAMP.search(one) for one in lines)
    lines = journaled(here, "upsert", "rows.jsonl", "--index", "i", "--log-format", form, JOURNAL_STREAM="1:2")
    assert not any(one.startswith("<") for one in lines)


def test_objects_in_the_journal_have_priorities_before_them(here: Path) -> None:
    lines = journaled(here, "upsert", "none.jsonl", "--index", "i", "--log-format", "json")
    assert {one[:3] for one in lines} == {"<3>"}
    assert objects("\n".join(one[3:] for one in lines))[-1]["event"] == "error"


def test_names_are_shown_and_never_obeyed_and_no_key_is_said(here: Path) -> None:
    odd = "x\x1b[31m\u202e\n<0>forged.jsonl"
    (here / odd).write_text(ROWS + BAD)
    for form in ("text", "json"):
        done = load("--log-format", form, "--restart", "--max-errors", "1", file=odd)
        assert done.returncode == 1, done.stderr
        assert not {"\x1b", "\u202e"} & set(done.stderr)
        assert not any(line.startswith("<0>") for line in done.stderr.splitlines())
        assert "ab" * 32 not in done.stderr
    for one in objects(done.stderr):
        assert one["message"].isprintable()


def test_a_log_file_has_all_that_is_said_but_progress(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyborg_ingest.output.display.INTERVAL", 0.001)
    slow = ("--batch-rows", "1", "--workers", "1", "--log-file", "log")
    done = load(*slow, "--max-errors", "20", file="worse.jsonl")
    assert "\nloading " in done.stderr
    lines = (here / "log").read_text().splitlines()
    parted = [re.fullmatch(rf"{STAMP.pattern} (ERROR|WARNING|NOTICE|INFO) +(.*)", one) for one in lines]
    expected = [
        one.strip() for one in done.stderr.splitlines() if not one.startswith(("loading ", "looking ", "reading "))
    ]
    assert [one[2] for one in parted if one] == expected
    assert load(*slow, "--progress", "json", file="none.jsonl").returncode == 2
    assert " ERROR   error     " in (here / "log").read_text().splitlines()[-1]
    (here / "log").unlink()
    assert load(*slow, "--log-format", "json", "--restart").returncode == 0
    events = [one["event"] for one in objects((here / "log").read_text())]
    assert ("planned" in events, events[-1], "progress" in events) == (True, "ended", False)


def test_every_command_has_a_log_file_and_each_job_its_own(here: Path) -> None:
    (here / "cyborg-ingest.toml").write_text(
        "".join(f'[job.{one}]\nsources = "rows.jsonl"\nindex = "{one}"\nlog-file = "{one}.log"\n' for one in "ab")
    )
    assert ran("run", "a", "b").returncode == 0
    for one in "ab":
        text = (here / f"{one}.log").read_text()
        assert re.findall("index     (.)$", text, re.MULTILINE) == [one]
    done = ran("verify", "rows.jsonl", "--index", "a", "--log-file", "verify.log", CYBORG_INGEST_TYPO="x")
    assert done.returncode == 0
    assert "CYBORG_INGEST_TYPO" in (here / "verify.log").read_text()


def test_a_log_file_is_rotated_and_so_many_are_kept(here: Path) -> None:
    for _ in range(12):
        assert (
            load("--log-file", "log", "--log-file-bytes", "1000", "--log-file-keep", "2", "--restart").returncode == 0
        )
    found = sorted(one.name for one in here.iterdir() if one.name.startswith("log"))
    assert found == ["log", "log.1", "log.2"]
    assert all((here / one).stat().st_size <= 1000 for one in found)
    for _ in range(3):
        load("--log-file", "grows", "--log-file-bytes", "1000", "--log-file-keep", "0", "--restart")
    assert (here / "grows").stat().st_size > 1000
    assert not (here / "grows.1").exists()


@pytest.mark.parametrize("is_renamed", [True, False])
def test_a_log_file_that_something_else_takes_away_is_begun_anew(is_renamed: bool, tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", 1000, 2)
    assert log.add(["one"]) is None
    (tmp_path / "log").rename(tmp_path / "old") if is_renamed else (tmp_path / "log").unlink()
    assert log.add(["two"]) is None
    log.close()
    assert (tmp_path / "log").read_text() == "two\n"
    assert not is_renamed or (tmp_path / "old").read_text() == "one\n"


def test_a_full_disk_is_said_once_and_changes_nothing(here: Path) -> None:
    """`/dev/full` is not a file; a limit of the process is what a full disk is."""
    script = 'ulimit -f 1; exec "$0" -m cyborg_ingest "$@"'
    (here / "log").write_text("2026-01-01T00:00:00.000Z INFO x\n" * 31)  # 992 bytes: the rest of a kilobyte is free
    words = ["inspect", "rows.jsonl", "--log-file", "log", "--log-file-keep", "0", "--json"]
    noisy = {"CYBORG_INGEST_TYPO": "x", "CYBORG_INGEST_TYPE": "y", "CYBORG_INGEST_TYPA": "z"}
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, *words], capture_output=True, text=True, check=False,
        env={**os.environ, **noisy, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert done.stderr.count(f"note      The log file {here / 'log'} lacks lines: File too large.") == 1


def test_a_folder_that_does_not_let_us_rotate_lets_the_file_grow(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", 20, 1)
    (tmp_path / "log.1").mkdir()
    (tmp_path / "log.1/x").touch()
    faults = [log.add(["x" * 15]) for _ in range(3)]
    log.close()
    assert faults[0] is None
    assert [one.partition(":")[0] for one in faults if one] == ["it cannot be rotated"]
    assert (tmp_path / "log").read_text() == ("x" * 15 + "\n") * 3


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none/log", "No such file or directory"),
        (".", "Is a directory"),
        ("bad.jsonl", "it holds something else than a log"),
        ("rows.jsonl/log", "Not a directory"),
        ("/dev/full", "it is not a file"),
        ("pipe", "No such device or address"),
    ],
)
def test_a_log_file_that_cannot_be_one_ends_it_before_the_first_row(path: str, why: str, here: Path) -> None:
    os.mkfifo(here / "pipe")
    with listening_to_all() as listener:
        done = load("--log-file", path, "--ping-url", f"{listener.url}/x", "--json")
        assert listener.paths == ["/x/start", "/x/2"]
    assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (2, 2)
    says(done.stderr, "--log-file {}: {}. Name another file.")
    assert f"--log-file {path}: {why}." in done.stderr
    assert not (here / "data").exists()
    assert (here / "rows.jsonl").read_text() == ROWS
    assert load("--log-file", "log").returncode == 0


@pytest.mark.parametrize("command", ["upsert", "inspect", "verify"])
@pytest.mark.parametrize(
    ("source", "file", "why"),
    [
        ("rows", "rows/log.jsonl", "lies where {} finds its files: the next run would load it"),
        ("rows/*.jsonl", "rows/x.jsonl", "lies where {} finds its files: the next run would load it"),
        ("new.csv", "new.csv", "is the same file as {}, which is read"),
    ],
)
def test_a_log_file_is_not_begun_where_the_next_load_would_find_it(
    command: str, source: str, file: str, why: str, here: Path
) -> None:
    (here / "rows").mkdir()
    (here / "rows" / "a.jsonl").write_text(ROWS)
    index = () if command == "inspect" else ("--index", "i")
    done = ran(command, source, *index, "--log-file", file)
    assert done.returncode == 2
    says(done.stderr, "--log-file {}")
    assert f"--log-file {file} {why.format(source)}. Name another file." in done.stderr
    assert not (here / file).exists()
    assert load("--log-file", "rows/kept.log", file="rows").returncode == 0
    assert load("--log-file", "rows/kept.log", file="rows").returncode == 0


@pytest.mark.usefixtures("here")
def test_a_list_that_is_not_there_is_said_in_the_log_file_too() -> None:
    done = load("--log-file", "log.jsonl", file="@none")
    assert done.returncode == 2
    assert "@none: the list cannot be read" in Path("log.jsonl").read_text()


def test_a_look_at_the_configuration_opens_no_log_file(here: Path) -> None:
    done = ran("config", "show", "--log-file", "log", "--json")
    assert json.loads(done.stdout)["log-file"]["value"].endswith("log")
    assert not (here / "log").exists()
