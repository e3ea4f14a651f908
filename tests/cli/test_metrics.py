"""Gauges of runs for Prometheus: in a file that jobs share, and in a Pushgateway, whatever ends a load."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from advised import says
from commands import ROWS, load, ran
from listener import listening_to_all
from pushgateway import gauges, kept_by, running
from test_stopping import SLOWLY

from cyborg_ingest.output import metrics, textfile
from cyborg_ingest.output.hearers import Ending, Subject
from cyborg_ingest.output.metrics import Metrics
from cyborg_ingest.settings.options import NotifySettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "cyborg-ingest.toml"
OWN = (("index", "i"), ("job", "cyborg-ingest"))
STATES = ("read", "acknowledged", "rejected", "skipped", "unsent")
HOSTILE = [
    'quo"te', "back\\slash", "a/b/../c", "..", ".", "sp ace", " ends ", "", "\u00fcn\u00ef\U0001f600", "\\n", "%41",
    "+", "?#", 'x"} 1\\ncyborg_ingest_last_run_rows{y="', "@base64", "{}", "= ", "a,b", "x" * 2000,
]  # fmt: skip
OBEYED = {"new\nline": "new\\nline", "\x00\x1b[0m": "\\x00\\x1b[0m", "\u202e\u2028": "\\u202e\\u2028",
          os.fsdecode(b"caf\xe9"): "caf\\xe9"}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("gateway")) as url:
        yield url


def read(path: Path) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    return gauges(path.read_bytes().decode())


def rows_of(found: dict[str, Any], own: tuple[tuple[str, str], ...] = OWN) -> dict[str, float]:
    return {state: found["last_run_rows"][own + (("state", state),)] for state in STATES}  # noqa: RUF005


def test_a_file_of_gauges_says_how_a_load_ended(here: Path) -> None:
    began = time.time()
    done = load("--metrics-file", "m.prom", "--max-errors", "1", "--json", file="bad.jsonl")
    assert done.returncode == 1, done.stderr
    found, report = read(here / "m.prom"), json.loads(done.stdout)
    assert rows_of(found) == report["rows"]
    assert found["last_run_exit_code"] == {OWN: 1}
    assert began - 1 < found["last_run_timestamp_seconds"][OWN] == found["last_success_timestamp_seconds"][OWN]
    assert found["last_run_timestamp_seconds"][OWN] <= time.time()
    assert 0 < found["last_run_duration_seconds"][OWN] <= time.time() - began
    assert {key[2][1]: value for key, value in found["last_run_bytes"].items()} == report["bytes"]
    assert stat.S_IMODE((here / "m.prom").stat().st_mode) == 0o644
    assert [one.name for one in here.iterdir() if "m.prom" in one.name] == ["m.prom"]


def test_the_last_success_outlives_runs_that_fail(here: Path, gateway: str) -> None:
    options = ("--metrics-file", "m.prom", "--pushgateway", gateway, "--index", "lives")
    own = (("index", "lives"), ("job", "cyborg-ingest"))
    assert ran("upsert", "rows.jsonl", *options).returncode == 0
    before = read(here / "m.prom"), kept_by(gateway)
    assert ran("upsert", "none.jsonl", *options).returncode == 2
    for old, new in zip(before, (read(here / "m.prom"), kept_by(gateway)), strict=True):
        name = "last_success_timestamp_seconds"
        assert new[name][own] == old[name][own]
        assert new["last_run_timestamp_seconds"][own] > old["last_run_timestamp_seconds"][own] == old[name][own]
        assert (old["last_run_exit_code"][own], new["last_run_exit_code"][own]) == (0, 2)
        assert rows_of(old, own)["acknowledged"] == 5
        assert set(rows_of(new, own).values()) == {0}
    assert ran("upsert", "rows.jsonl", "--restart", *options).returncode == 0
    assert read(here / "m.prom")[name][own] > before[0][name][own]


def test_a_load_that_never_succeeded_has_no_last_success(here: Path) -> None:
    assert load("--metrics-file", "m.prom", file="none.jsonl").returncode == 2
    assert "last_success_timestamp_seconds" not in read(here / "m.prom")


@pytest.mark.parametrize(
    ("file", "more", "code"),
    [
        ("none.jsonl", (), 2),
        ("rows.jsonl", ("--no-checkpoint", "--max-errors", "3"), 2),  # decided before anything else
        ("rows.jsonl", ("--target", "http://127.0.0.1:9", "--retries", "0"), 3),
        ("bad.jsonl", (), 4),
        ("rows.jsonl", ("--webhook", "http://127.0.0.1:9/"), 0),
    ],
)
def test_every_end_is_written_and_pushed(file: str, more: tuple[str, ...], code: int, here: Path, gateway: str) -> None:
    index = f"ends-{code}-{len(more)}"
    done = load("--metrics-file", "m.prom", "--pushgateway", gateway, *more, file=file, index=index)
    assert done.returncode == code, done.stderr
    for found in (read(here / "m.prom"), kept_by(gateway)):
        assert found["last_run_exit_code"][(("index", index), ("job", "cyborg-ingest"))] == code


def test_a_bug_is_written_and_a_load_that_is_stopped(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["upsert", "rows.jsonl", "--index", "i", "--batch-rows", "1", "--workers", "1", "--metrics-file", "m.prom"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, "1", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(line == "sent\n" for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143
    found = read(here / "m.prom")
    assert found["last_run_exit_code"] == {OWN: 143}
    assert rows_of(found)["unsent"] > 0

    def broken(*_: object) -> None:
        raise ArithmeticError("one too many")

    monkeypatch.setattr("cyborg_ingest.loading.loader.cutting_of", broken)
    assert load("--metrics-file", "m.prom").returncode == 70
    assert read(here / "m.prom")["last_run_exit_code"] == {OWN: 70}


def test_a_load_that_finds_its_job_busy_writes_that(here: Path) -> None:
    words = ["upsert", "rows.jsonl", "--index", "i", "--batch-rows", "1", "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, "1", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(line == "sent\n" for line in process.stderr)
        done = load("--metrics-file", "m.prom")
        assert read(here / "m.prom")["last_run_exit_code"] == {OWN: done.returncode}
        assert done.returncode == 75, done.stderr
        process.kill()


def test_jobs_of_one_file_keep_each_others_gauges(here: Path) -> None:
    (here / FILE).write_text(
        'metrics-file = "all.prom"\n[job.a]\nsources = "rows.jsonl"\nindex = "a"\n'
        '[job.b]\nsources = "none.jsonl"\nindex = "b"\n'
    )
    assert ran("run", "a", "b").returncode == 2
    found = read(here / "all.prom")
    assert found["last_run_exit_code"] == {
        (("index", "a"), ("job", "a")): 0, (("index", "b"), ("job", "b")): 2,
    }  # fmt: skip
    assert ran("run", "b", "a").returncode == 2
    again = read(here / "all.prom")
    a = (("index", "a"), ("job", "a"))
    assert again["last_run_timestamp_seconds"][a] > found["last_run_timestamp_seconds"][a]
    assert {name: len(values) for name, values in again.items()} == {
        name: len(values) for name, values in found.items()
    }


def ending(code: int = 0) -> Ending:
    return Ending({"exit_code": code, "rows": dict.fromkeys(STATES, 1), "bytes": {"raw": 2, "wire": 3}}, 1.5)


def test_runs_that_end_at_once_do_not_lose_each_others_gauges(tmp_path: Path) -> None:
    path = tmp_path / "all.prom"

    def ends(number: int) -> None:
        subject = Subject(f"job {number}", "i")
        assert list(Metrics(NotifySettings(metrics_file=path), subject).end(ending(number))) == []

    threads = [threading.Thread(target=ends, args=(number,)) for number in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(read(path)["last_run_exit_code"].values()) == list(range(20))


def labelled(text: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("index", text), ("job", text or "cyborg-ingest")


def test_labels_may_be_anything(tmp_path: Path, gateway: str) -> None:
    path = tmp_path / "all.prom"
    for text in (*HOSTILE, *OBEYED):
        settings = NotifySettings(metrics_file=path, pushgateway=gateway)
        assert list(Metrics(settings, Subject(text or None, text)).end(ending())) == []
    expected = {labelled(text) for text in (*HOSTILE, *OBEYED.values())}
    assert set(read(path)["last_run_exit_code"]) == expected
    assert expected <= set(kept_by(gateway)["last_run_exit_code"])


@pytest.mark.parametrize(
    "text",
    ["# TYPE other gauge\nother 1\n", '{"id": 1}\n', "a b c d\n", "cyborg_ingest_last_run_rows{\n", "\x00\xff\n"],
)
def test_a_file_of_something_else_is_left_as_it_is(text: str, here: Path) -> None:
    (here / "other").write_text(text, "latin-1")
    done = load("--metrics-file", "other")
    assert done.returncode == 0
    says(
        done.stderr,
        "The metrics were not written: {} holds something else. Name a file of its own with --metrics-file.",
    )
    assert (here / "other").read_text("latin-1") == text
    assert load("--metrics-file", "own.prom", "--restart").stderr.count("metrics") == 0


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none/m.prom", "No such file or directory"),
        (".", "it is not a file"),
        ("rows.jsonl/m.prom", "Not a directory"),
        ("pipe", "it is not a file"),
        ("x" * 300, "File name too long"),
        ("/proc/version", None),
    ],
)
def test_a_file_that_cannot_be_written_is_a_note_and_nothing_else(path: str, why: str | None, here: Path) -> None:
    os.mkfifo(here / "pipe")
    done = load("--metrics-file", path)
    assert done.returncode == 0, done.stderr
    assert "note      The metrics were not written: " in done.stderr
    assert why is None or f"{why}." in done.stderr


def test_a_full_disk_leaves_the_gauges_that_were_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("--metrics-file", "m.prom").returncode == 0
    before = (here / "m.prom").read_bytes()
    monkeypatch.setattr(metrics, "exposition", lambda _: b"x" * 1_000_000)
    import resource  # noqa: PLC0415 - no such limit elsewhere

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        faults = list(Metrics(NotifySettings(metrics_file="m.prom"), Subject(None, "i")).end(ending()))  # type: ignore[arg-type]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert faults == ["The metrics were not written: m.prom: File too large."]
    assert (here / "m.prom").read_bytes() == before
    assert [one.name for one in here.iterdir() if "m.prom" in one.name] == ["m.prom"]


def test_a_file_that_another_run_holds_is_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textfile, "LONGEST_WAIT", 0.2)
    with textfile._held(str(tmp_path)):
        faults = list(textfile.updated(tmp_path / "m.prom", lambda _: b""))
    assert faults == [f"The metrics were not written: {tmp_path / 'm.prom'}: another run holds it."]
    assert list(textfile.updated(tmp_path / "m.prom", lambda _: b"")) == []


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "m.prom")
    assert list(Metrics(NotifySettings(metrics_file=tmp_path / "link"), Subject(None, "i")).end(ending())) == []
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "m.prom")["last_run_exit_code"] == {OWN: 0}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("way", "said"), [(500, "it answers 500"), (302, "it answers 302"), ("close", "it broke")])
def test_a_pushgateway_that_fails_is_a_note_and_nothing_else(way: int | str, said: str) -> None:
    with listening_to_all() as listener:
        listener.way = way
        done = load("--pushgateway", f"{listener.url}/5ecret5ecret5ecret", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"
    assert f"note      --pushgateway was not told how the load ended: http://127.0.0.1: {said}" in done.stderr
    assert "5ecret" not in done.stdout + done.stderr


@pytest.mark.usefixtures("here")
def test_one_that_never_answers_holds_the_load_for_a_few_seconds() -> None:
    with listening_to_all() as listener:
        listener.way = "hang"
        began = time.monotonic()
        assert load("--pushgateway", listener.url).returncode == 0
        assert time.monotonic() - began < 9


def test_who_we_are_stands_in_the_address_and_nowhere_else(here: Path) -> None:
    with listening_to_all() as listener:
        host = listener.url.removeprefix("http://")
        url = f"http://me:p%40ss-w0rd@{host}/prefix"
        (here / FILE).write_text(f'pushgateway = "{url}"\n')
        shown = ran("config", "show", "--json")
        assert json.loads(shown.stdout)["pushgateway"] == {"value": "***", "from": "the file"}
        listener.way = 401
        done = load("--json", file="bad.jsonl")
        assert done.returncode == 4
        assert listener.paths == ["/prefix/metrics/job/cyborg-ingest/index/i"]
        assert listener.heard[0].authorization == "Basic " + base64.b64encode(b"me:p@ss-w0rd").decode()
        assert "it answers 401." in done.stderr
        assert "pushgateway" not in json.loads(done.stdout)["resume_command"]
        done = load(CYBORG_INGEST_SET="x=p@ss-w0rd p%40ss-w0rd")  # whoever says it
    assert not {"p%40ss-w0rd", "p@ss-w0rd"} & set(done.stderr.split())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("push.example:9091", "begins with neither http:// nor https://"),
        ("http://push.example/?token=5ecret", "has a part behind ?, which is not sent"),
        ("http://push.example/#5ecret", "has a part behind #, which is not sent"),
    ],
)
def test_an_odd_address_is_refused(url: str, fault: str) -> None:
    done = load("--pushgateway", url)
    assert done.returncode == 2
    assert f"--pushgateway {fault}" in done.stderr
    assert "5ecret" not in done.stderr


def test_a_dry_run_is_no_load(here: Path) -> None:
    assert load("--dry-run", "--metrics-file", "m.prom").returncode == 0
    assert not (here / "m.prom").exists()


def test_without_the_package_nothing_is_sent(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with listening_to_all() as listener:
        done = load("--metrics-file", "m.prom", "--ping-url", f"{listener.url}/x")
        assert listener.paths == ["/x/start", "/x/2"]  # those who can hear do
    assert done.returncode == 2
    says(done.stderr, "'cyborg-ingest[metrics]', or leave --metrics-file and --pushgateway out.")
    assert not (here / "data").exists()
    assert load().returncode == 0


def test_variables_and_the_resume_command_name_the_file(here: Path) -> None:
    done = load("--json", file="bad.jsonl", CYBORG_INGEST_METRICS_FILE="m.prom")
    assert done.returncode == 4
    assert f"--metrics-file {here / 'm.prom'}" in json.loads(done.stdout)["resume_command"]
    assert read(here / "m.prom")["last_run_exit_code"] == {OWN: 4}


def test_no_metrics_are_written_where_the_next_load_would_find_them(here: Path) -> None:
    (here / "rows").mkdir()
    (here / "rows" / "a.jsonl").write_text(ROWS)
    with listening_to_all() as listener:
        done = load("--metrics-file", "rows/m.jsonl", "--ping-url", f"{listener.url}/x", file="rows")
    assert done.returncode == 2
    says(done.stderr, "--metrics-file {}")
    assert "--metrics-file rows/m.jsonl lies where rows finds its files" in done.stderr
    assert listener.paths == ["/x/start", "/x/2"]
    assert [one.name for one in (here / "rows").iterdir()] == ["a.jsonl"]
    assert load("--metrics-file", "rows/m.prom", file="rows").returncode == 0
    assert load("--metrics-file", "rows/m.prom", file="rows").returncode == 0
