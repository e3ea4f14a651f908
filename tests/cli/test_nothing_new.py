"""`--nothing-new-exit N`: the process' exit code where a load had nothing to send; all else says it is well."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import pytest
from commands import ran
from conftest import KEY
from listener import listening_to_all
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from pathlib import Path

LOAD = ("upsert", "rows", "--index", "x", "--json", "--nothing-new-exit", "99")
ONLY_NEW = (*LOAD, "--only-new")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of three rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_CREATE", "true")
    (tmp_path / "rows").mkdir()
    write(tmp_path / "rows" / "a.jsonl", "a1", "a2", "a3")
    write(tmp_path / "rows" / "b.jsonl", "b1", "b2", "b3")
    return tmp_path


def write(path: Path, *ids: str, number: float = 1) -> None:
    path.write_text("".join(json.dumps({"id": one, "vector": [number, 2]}) + "\n" for one in ids))


def ended(*words: object, **environment: str) -> tuple[int, int, bool]:
    """How the process ended, and what its report says: its exit code, and whether nothing was new."""
    done = ran(*words, **environment)
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report["exit_code"], report["nothing_new"]


def stored() -> set[str]:
    client = cyborgdb_core.Client(storage_config=cyborgdb_core.StorageConfig.disk("data"))
    return set(client.load_index("x", KEY).list_ids(index_key=KEY))


def test_a_load_that_finds_all_as_it_was_ends_so_and_its_report_is_well() -> None:
    assert ended(*ONLY_NEW) == (0, 0, False)
    assert ended(*ONLY_NEW) == (99, 0, True)
    assert ended("upsert", "rows", "--index", "x", "--json", "--only-new") == (0, 0, True)
    assert ended(*LOAD) == (0, 0, False)  # which sends all again
    assert ended("upsert", "rows", "--index", "x", "--json", "--only-new", CYBORG_INGEST_NOTHING_NEW_EXIT="255") == (
        255, 0, True
    )  # fmt: skip


def test_a_process_ends_so() -> None:
    command = [sys.executable, "-m", "cyborg_ingest", *ONLY_NEW]
    codes = [subprocess.run(command, capture_output=True, check=False, timeout=60).returncode for _ in range(2)]
    assert codes == [0, 99]


def test_what_is_new_changed_or_vanished_is_something(here: Path) -> None:
    assert ended(*ONLY_NEW) == (0, 0, False)
    write(here / "rows" / "c.jsonl", "c1")
    assert ended(*ONLY_NEW) == (0, 0, False)
    write(here / "rows" / "a.jsonl", "a1", "a2", "a3", number=5)
    assert ended(*ONLY_NEW) == (0, 0, False)
    (here / "rows" / "c.jsonl").unlink()
    assert ended(*ONLY_NEW) == (0, 0, False)
    assert ended(*ONLY_NEW) == (99, 0, True)


@pytest.mark.parametrize("row", ["", '{"id": "a", "vector": [1, 2], "metadata": {"day": 1}}\n'])
def test_sources_without_a_row_to_load_have_nothing_new(here: Path, row: str) -> None:
    (here / "empty.jsonl").write_text(row)
    choose = ("--where", "metadata.day = 2") if row else ("--allow-empty",)
    command = ("upsert", "empty.jsonl", *LOAD[2:], *choose)
    assert ended(*command) == (99, 0, True)
    assert ended(*command, "--dry-run") == (0, 0, False)


def test_an_error_is_an_error_though_nothing_was_sent(here: Path) -> None:
    (here / "empty.jsonl").write_text("")
    assert ran("upsert", "empty.jsonl", *LOAD[2:]).returncode == 2
    assert ended(*ONLY_NEW) == (0, 0, False)
    client = cyborgdb_core.Client(storage_config=cyborgdb_core.StorageConfig.disk("data"))
    client.load_index("x", KEY).delete(["a1", "a2", "a3", "b1", "b2", "b3"], index_key=KEY)
    del client
    assert ended(*ONLY_NEW) == (3, 3, False)


def test_rows_that_stay_rejected_are_said_as_before(here: Path) -> None:
    with (here / "rows" / "b.jsonl").open("a") as file:
        file.write('{"id": "bad", "vector": ["x", 2]}\n')
    for _ in range(2):
        assert ended(*ONLY_NEW, "--max-errors", "1") == (1, 1, False)


def test_rows_that_are_deleted_are_something(here: Path) -> None:
    assert ended(*LOAD, "--delete-missing") == (0, 0, False)
    write(here / "rows" / "b.jsonl", "b1", "b2")
    assert ended(*ONLY_NEW) == (0, 0, False)
    assert "b3" in stored()
    deleting = (*ONLY_NEW, "--delete-missing", "--max-delete", "50%")
    assert ended(*deleting) == (0, 0, False)  # all files are as they were, and a row leaves
    assert "b3" not in stored()
    assert ended(*deleting) == (99, 0, True)


def test_a_load_that_was_stopped_and_only_ends_now_had_something(here: Path) -> None:
    assert ended(*LOAD, "--delete-missing") == (0, 0, False)
    write(here / "rows" / "b.jsonl", "b1", "new")
    assert ended(*LOAD, "--delete-missing", "--max-delete", "0") == (4, 4, False)
    assert "new" in stored()
    done = ran(*LOAD)
    report = json.loads(done.stdout)
    assert (report["rows"]["acknowledged"], report["rows"]["skipped"]) == (0, 5)
    assert (done.returncode, report["exit_code"], report["nothing_new"]) == (0, 0, False)
    assert ended(*ONLY_NEW) == (99, 0, True)


def test_of_several_jobs_all_have_to_have_nothing_new(here: Path) -> None:
    for name in ("one", "two"):
        write(here / f"{name}.jsonl", name)
    (here / "cyborg-ingest.toml").write_text(
        "only-new = true\nnothing-new-exit = 99\n"
        + "".join(f'[job.{name}]\nsources = ["{name}.jsonl"]\nindex = "{name}"\n' for name in ("one", "two"))
    )
    assert ran("run", "one").returncode == 0
    assert ran("run", "one").returncode == 99
    assert ran("run", "one", "two").returncode == 0
    assert ran("run", "one", "two").returncode == 99
    assert ran("run", "one", "two", "--nothing-new-exit", "98").returncode == 98
    write(here / "two.jsonl", "two", number=float("nan"))
    assert ran("run", "one", "two").returncode == 4
    assert ran("run", "two", "one").returncode == 4
    assert ran("run", "two", "one", "--max-errors", "1").returncode == 1


def test_whoever_hears_of_it_hears_that_it_is_well(here: Path) -> None:
    assert ended(*ONLY_NEW) == (0, 0, False)
    with listening_to_all() as listener:
        tell = (
            "--ping-url",
            f"{listener.url}/ping",
            "--metrics-file",
            "x.prom",
            "--on-end",
            "sh -c 'echo $CYBORG_INGEST_EXIT_CODE > code'",
        )
        done = ran(*ONLY_NEW, *tell, "--log-file", "log", "--log-format", "json")
    assert done.returncode == 99
    assert listener.paths == ["/ping/start", "/ping/0"]
    assert (here / "code").read_text() == "0\n"
    gauges = {
        one.name: one.value
        for kind in text_string_to_metric_families((here / "x.prom").read_text())
        for one in kind.samples
    }
    assert gauges["cyborg_ingest_last_run_exit_code"] == 0
    assert gauges["cyborg_ingest_last_success_timestamp_seconds"] == gauges["cyborg_ingest_last_run_timestamp_seconds"]
    lines = [json.loads(line) for line in (here / "log").read_text().splitlines()]
    assert [one["exit_code"] for one in lines if one["event"] == "ended"] == [0]


@pytest.mark.parametrize("code", ["256", "-1"])
def test_what_is_no_exit_code_is_refused(code: str) -> None:
    done = ran(*ONLY_NEW, "--nothing-new-exit", code)
    assert done.returncode == 2
    assert f"--nothing-new-exit is {code}; it must be at " in done.stderr
