"""Options in the environment: each value whole, an empty one refused, a misspelled one said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from where import ROOT

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.output import howfar
from cyborg_ingest.settings import environment
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.tally import SourceTally, Tally

PAGE = (ROOT / "docs" / "environment.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.arange(1, 9, dtype=np.float32).reshape(2, 4))
    return tmp_path


def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, list(arguments), env=dict(variables))
    return done.exit_code, done.stdout, done.stderr


UPSERT = ("upsert", "rows.npy", "--index", "docs", "--target", "disk:data", "--create")


def metadata() -> dict[str, object]:
    with cyborg_ingest.connect("disk:data") as client:
        (key,) = Path.cwd().glob("*.key")
        with client.index("docs", bytes.fromhex(key.read_text("ascii"))) as index:
            return dict(index.get(["0"])[0].metadata or {})


def test_an_option_that_may_be_repeated_takes_a_value_a_line_with_blanks_in_it() -> None:
    given = {
        "title": "a title of several words, with a comma", "tags": ["x y", "z"], "quoted": "it's \"so\"",
        "many": {"a": 1, "b": [2, 3]}, "year": 1862,
    }  # fmt: skip
    lines = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()]
    code, _, told = run(*UPSERT, "--key-out", "a.key", CYBORG_INGEST_SET="\n".join(["", *lines, ""]))
    assert code == 0, told
    assert metadata() == given


def test_what_is_typed_counts_and_not_the_variable() -> None:
    code, _, told = run(*UPSERT, "--key-out", "a.key", "--set", "a=1", CYBORG_INGEST_SET="b=2\nc=3")
    assert code == 0, told
    assert metadata() == {"a": 1}


def test_names_are_renamed_from_the_environment_by_the_same_rule() -> None:
    rows = [{"id": "0", "vector": [1, 2, 3, 4], "old name": 1, "b": 2}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("upsert", "rows.jsonl", *UPSERT[2:], "--key-out", "a.key", "--metadata-columns", "*")
    code, _, told = run(*arguments, CYBORG_INGEST_RENAME="old name=new name\nb=c")
    assert code == 0, told
    assert metadata() == {"new name": 1, "c": 2}


def test_every_option_that_may_be_repeated_says_how_its_variable_is_read() -> None:
    shown = re.sub(r"\s+", " ", run("upsert", "--help")[1])
    for one in declarations(LoadSettings).values():
        variable = f"[env var: {one.env}{', one a line' if one.repeats else ''}"
        assert one.takes_rest or variable in shown, one.flag


VARIABLES = sorted(environment.known())


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_is_refused_whichever_it_is(name: str) -> None:
    code, _, told = run(*UPSERT, "--dry-run", **{name: ""})
    assert code == 2
    assert f"{name} is set, and empty" in told


def test_an_empty_variable_of_an_option_that_must_be_given_is_what_is_told() -> None:
    code, _, told = run("upsert", "rows.npy", "--target", "disk:data", CYBORG_INGEST_INDEX="")
    assert code == 2
    assert "CYBORG_INGEST_INDEX is set, and empty" in told
    assert run("--version", CYBORG_INGEST_INDEX="")[0] == run("upsert", "--help", CYBORG_INGEST_INDEX="")[0] == 0


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("CYBORG_INGEST_TARGT", "CYBORG_INGEST_TARGET"),
        ("CYBORG_INGEST_MAXERRORS", "CYBORG_INGEST_MAX_ERRORS"),
        ("CYBORG_INGEST_INDEXKEY", "CYBORG_INGEST_INDEX_KEY"),
        ("CYBORG_INGEST_BATCH_ROW", "CYBORG_INGEST_BATCH_ROWS"),
        ("cyborg_ingest_limit", "CYBORG_INGEST_LIMIT"),
    ],
)
def test_a_misspelled_variable_is_said_with_the_one_that_is_near(wrong: str, near: str) -> None:
    for command in (("index", "list", "--target", "disk:data"), (*UPSERT, "--key-out", "a.key", "--dry-run")):
        _, _, told = run(*command, **{wrong: "1"})
        (note,) = [line for line in told.splitlines() if wrong in line]
        assert note.startswith("note ")
        assert note.endswith(f"Is it {near}?")


def test_a_misspelled_variable_is_said_where_its_option_is_missed_and_to_programs_as_an_event() -> None:
    code, _, told = run("upsert", "rows.npy", "--target", "disk:data", CYBORG_INGEST_INDX="docs")
    assert code == 2
    assert "Is it CYBORG_INGEST_INDEX?" in told
    _, _, told = run(*UPSERT, "--key-out", "a.key", "--progress", "json", CYBORG_INGEST_LIMT="1")
    events = [json.loads(line) for line in told.splitlines()]
    assert [one["event"] for one in events if "CYBORG_INGEST_LIMIT" in str(one.get("text"))] == ["noted"]


def test_the_variables_of_the_tests_are_no_misspelling() -> None:
    ours = {"CYBORG_INGEST_TEST_INSTALLED": "1", "CYBORG_INGEST_BENCH_DIR": "x", "CYBORG": "x", "OTHER": "y"}
    assert environment.misspelled({**ours, **dict.fromkeys(VARIABLES, "x")}) == []


def test_the_page_names_every_variable_that_is_no_options() -> None:
    assert [name for name in environment._OTHERS if f"`{name}`" not in PAGE] == []


# Progress


STATES = [
    (total, skipped, rejected, read)
    for total in (None, 1000)
    for skipped in (0, 900, 1780)
    for rejected in (0, 20)
    for read in (0, 80, 500, 1800)
    if total is None or skipped + rejected + read <= total
]


@pytest.mark.parametrize(("total", "skipped", "rejected", "read"), STATES)
def test_progress_is_never_beyond_the_whole_and_nothing_is_left_for_less_than_no_time(
    total: int | None, skipped: int, rejected: int, read: int
) -> None:
    """Also of a pipe that goes on where an earlier run got, before this one has read that far."""
    one = SourceTally(total, 1000, read=read + rejected, acknowledged=read, rejected=rejected, skipped=skipped)
    tally = Tally({"-": one}, first_read=1.0, last_ack=11.0)
    facts = howfar.progress_facts(tally)
    assert 0 <= facts["percent"] <= 100
    assert facts["seconds_left"] is None or facts["seconds_left"] >= 0
    assert facts["rows"] <= facts["rows_expected"]


def test_what_is_left_is_told_by_the_pace_of_this_run() -> None:
    """900 of 1,000 rows were loaded earlier; 50 took 10 seconds, so the other 50 take as long."""
    one = SourceTally(1000, 1000, read=60, acknowledged=50, skipped=900)
    assert howfar.progress_facts(Tally({"a": one}, first_read=1.0, last_ack=11.0))["seconds_left"] == 10.0
