"""What a program that starts the command reads: `--json` is one line, and there is one whatever ended the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from commands import ran
from test_cli import on_terminal

from cyborg_ingest.check import verifier

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

ROWS = "".join(json.dumps({"id": f"r{n}", "vector": [1.0, float(n)]}) + "\n" for n in range(5))
FILE = "cyborg-ingest.toml"
GONE = "http://127.0.0.1:9"  # the port of `discard`, where nothing listens


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with rows in it, and an index `there` with these rows."""
    (tmp_path / "rows.jsonl").write_text(ROWS)
    (tmp_path / "key").write_text("ab" * 32)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY_FILE", "key")
    assert ran("upsert", "rows.jsonl", "--index", "there", "--create").returncode == 0
    return tmp_path


def last_line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a program has of it that takes the last line of standard output, on which there is nothing else."""
    assert done.stdout.count("\n") == 1, done.stdout
    assert done.stdout.endswith("\n")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


RESULTS = [
    ("upsert", "rows.jsonl", "--index", "there"),
    ("verify", "rows.jsonl", "--index", "there"),
    ("inspect", "rows.jsonl"),
    ("index", "info", "there"),
    ("config", "show"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", RESULTS, ids=" ".join)
def test_a_result_is_one_line_without_a_terminal_and_moved_in_on_one(words: tuple[str, ...]) -> None:
    done = ran(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert last_line(done)
    code, shown = on_terminal(*words, "--json")
    assert code == 0, shown
    assert '\n  "' in shown.replace("\r", "")


@pytest.mark.usefixtures("here")
def test_each_job_of_a_run_has_its_line(here: Path) -> None:
    (here / FILE).write_text('[job.a]\nsources = "rows.jsonl"\nindex = "there"\n[job.b]\ninherit = "a"\nindex = "no"\n')
    done = ran("run", "a", "b", "--json")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["status"], first["exit_code"]) == ("ok", 0)
    assert (second["exit_code"], second["index"]) == (done.returncode, "no")


def test_the_schema_of_the_configuration_is_a_document_and_no_result() -> None:
    assert '\n  "title": "cyborg-ingest.toml"' in ran("config", "schema").stdout


FAILURES = {
    "an option that is not there": ("upsert", "rows.jsonl", "--index", "there", "--json", "--no-such"),
    "no index": ("upsert", "--json", "rows.jsonl"),
    "a value that its option does not take": ("upsert", "rows.jsonl", "--index", "i", "--json", "--batch-rows", "x"),
    "options that exclude each other": (
        "upsert", "rows.jsonl", "--index", "i", "--json", "--no-checkpoint", "--max-errors", "3",
    ),
    "a file that is not there": ("upsert", "none.jsonl", "--index", "there", "--json"),
    "a profile that is not there": ("upsert", "rows.jsonl", "--index", "there", "--profile", "p", "--json"),
    "a job that is not there": ("run", "nothing", "--json"),
    "a target of no kind": ("upsert", "rows.jsonl", "--index", "there", "--target", "ftp://x", "--json"),
    "verify, no index": ("verify", "rows.jsonl", "--index", "none", "--json"),
    "verify, a word too many": ("verify", "rows.jsonl", "--index", "there", "--json", "--mode", "all"),
    "inspect, no file": ("inspect", "none.jsonl", "--json"),
    "info, no index": ("index", "info", "none", "--json"),
    "info, no target": ("index", "info", "there", "--json", "--target", "nowhere"),
    "config, no file": ("config", "show", "--config", "none.toml", "--json"),
}  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", FAILURES.values(), ids=FAILURES)
def test_what_ends_a_command_before_it_has_a_result_is_a_line_too(words: tuple[str, ...]) -> None:
    done = ran(*words)
    assert done.returncode == 2, done.stderr
    found = last_line(done)
    assert (found["schema_version"], found["status"], found["exit_code"]) == (1, "usage_error", 2)
    assert found["retry"] == "after-fix"
    # what people read on the other stream, where a long line may have been laid on several
    assert " ".join(found["error"].split()) in " ".join(done.stderr.split())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "words",
    [
        ("upsert", "rows.jsonl", "--index", "i", "--index-key-file", "key"),
        ("verify", "rows.jsonl", "--index", "there"),
        ("index", "info", "there"),
    ],
    ids=" ".join,
)
def test_a_service_that_is_not_there_is_a_line_that_says_to_try_again(words: tuple[str, ...]) -> None:
    done = ran(*words, "--target", GONE, "--retries", "0", "--json")
    assert done.returncode == 3
    found = last_line(done)
    assert (found["status"], found["exit_code"], found["retry"]) == ("failed", 3, "same-command")
    assert f"Nothing answers at {GONE}" in found["error"]


@pytest.mark.usefixtures("here")
def test_a_lost_variable_is_a_line_that_names_it() -> None:
    for words in (("upsert", "rows.jsonl"), ("index", "info", "there")):
        done = ran(*words, "--json", CYBORG_INGEST_INDEX="", CYBORG_INGEST_TARGET="")
        assert done.returncode == 2
        assert "is set, and empty" in last_line(done)["error"]


def test_what_asks_for_it_may_stand_in_a_variable_or_in_the_file(here: Path) -> None:
    wrong = ("upsert", "rows.jsonl", "--index", "i", "--batch-rows", "x")
    assert ran(*wrong).stdout == ""
    assert last_line(ran(*wrong, CYBORG_INGEST_JSON="true"))["exit_code"] == 2
    assert ran(*wrong, CYBORG_INGEST_JSON="perhaps").stdout == ""
    (here / FILE).write_text("json = true\n")
    assert last_line(ran(*wrong))["exit_code"] == 2
    assert ran(*wrong, CYBORG_INGEST_JSON="false").stdout == ""


@pytest.mark.usefixtures("here")
def test_a_source_of_that_name_does_not_ask_for_it() -> None:
    assert ran("upsert", "--no-such", "--index", "i", "--", "--json").stdout == ""


@pytest.mark.usefixtures("here")
def test_a_key_is_in_no_line() -> None:
    done = ran("verify", "rows.jsonl", "--index", "there", "--json", "--index-key-file", "ab" * 32)
    assert done.returncode == 2
    assert last_line(done)["status"] == "usage_error"
    done = ran("verify", "rows.jsonl", "--index", "there", "--json", CYBORG_INGEST_INDEX_KEY="cd" * 32)
    assert done.returncode == 2
    assert "cdcdcdcd" not in done.stdout + done.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("error", "code", "status"),
    [(ArithmeticError("one too many"), 70, "bug"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_a_bug_and_an_interruption_are_lines(
    error: BaseException, code: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(verifier, "verify", broken)
    done = ran("verify", "rows.jsonl", "--index", "there", "--json")
    assert done.returncode == code
    assert last_line(done)["status"] == status
