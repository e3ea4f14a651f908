"""Rows in whose place a file says what went wrong: they are not told to be mended, but to be done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from advised import run
from where import TESTS

BATCH = TESTS / "layouts" / "openai-batch-errors"
INTO = ("--index", "x", "--target", "disk:data")
AGAIN = (
    "2 failed in the program that wrote the file, and have no vector: have it do these ids again (of a batch: send "
    "their requests again), then upsert what it writes"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch_output.jsonl").write_bytes((BATCH / "batch_output.jsonl").read_bytes())
    return tmp_path


def rejected(told: str) -> str:
    """What is said of them at the end, as a sentence."""
    lines = told.splitlines()
    first = next(
        place for place, line in enumerate(lines) if line.startswith("rejected") and "batch_output" not in line
    )
    more = [one for one in lines[first + 1 :] if one.startswith(" ")]
    return " ".join(" ".join([lines[first], *more]).split())


def test_their_requests_are_sent_again_and_the_new_answers_loaded(folder: Path) -> None:
    code, told = run("upsert", "batch_output.jsonl", *INTO, "--create", "--key-out", "key", "--max-errors", 5)
    assert code == 1
    words = rejected(told)
    assert words.startswith("rejected the ids are in ")
    assert words.endswith(f"rejected.jsonl {AGAIN}")
    assert "mend" not in words
    path = words.removeprefix("rejected the ids are in ").split(" 2 failed")[0]
    failed = [json.loads(line)["id"] for line in Path(path).read_text("utf-8").splitlines()]
    answers = [json.loads(line) for line in (folder / "batch_output.jsonl").read_text("utf-8").splitlines()]
    good = next(one for one in answers if one["custom_id"] not in failed)
    (folder / "again.jsonl").write_text("\n".join(json.dumps({**good, "custom_id": one}) for one in failed))
    code, told = run("upsert", "again.jsonl", *INTO, "--index-key-file", "key")
    assert code == 0, told
    assert f"{len(answers) - 2} rows before, {len(answers)} after" in " ".join(told.split())


def test_among_others_both_ways_are_told(folder: Path) -> None:
    lines = (folder / "batch_output.jsonl").read_text("utf-8")
    (folder / "batch_output.jsonl").write_text(lines.rstrip("\n") + "\n{\n")
    code, told = run("upsert", "batch_output.jsonl", *INTO, "--create", "--key-out", "key", "--max-errors", 5)
    assert code == 1
    assert rejected(told).endswith(f"rejected.jsonl: fix them there, then upsert that file {AGAIN}")


def test_one_that_stops_a_load_is_to_be_done_again() -> None:
    code, told = run("upsert", "batch_output.jsonl", *INTO, "--create", "--key-out", "key")
    assert code == 4
    assert "Have it done again, or remove the row, or continue after bad rows with --max-errors N;" in " ".join(
        told.split()
    )


def test_so_is_what_inspect_says() -> None:
    _, told = run("inspect", "batch_output.jsonl")
    words = " ".join(told.split())
    assert "Rows that failed in the program that wrote the file: 2 of " in words
    assert "have it do them again, and load what it writes as well; --max-errors N loads the others" in words
