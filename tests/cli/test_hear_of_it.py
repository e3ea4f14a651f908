"""A load is heard of: pings, a webhook and a command, none of which changes how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from advised import says
from commands import load, ran
from listener import listening_to_all
from test_stopping import SLOWLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from listener import Listener

FILE = "cyborg-ingest.toml"
SECRET = "/0b9c-5ecret-4dd0e55-77aa"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening_to_all() as one:
        yield one


COUNTS = {"status", "exit_code", "rows", "load_seconds", "rows_per_second", "requests", "retries", "rejects"}


@pytest.mark.usefixtures("here")
def test_a_monitor_hears_that_a_load_begins_and_how_it_ended_in_one_run(listener: Listener) -> None:
    assert load("--ping-url", f"{listener.url}{SECRET}").returncode == 0
    assert listener.paths == [f"{SECRET}/start", f"{SECRET}/0"]
    first, last = (one.query["rid"][0] for one in listener.heard)
    assert first == last == str(uuid.UUID(first))
    assert load("--ping-url", f"{listener.url}{SECRET}/?create=1").returncode == 0
    assert listener.paths[2:] == [f"{SECRET}/start", f"{SECRET}/0"]
    assert listener.heard[3].query["create"] == ["1"]
    assert listener.heard[3].query["rid"] != [first]


@pytest.mark.parametrize(
    ("file", "more", "code"),
    [
        ("rows.jsonl", (), 0),
        ("bad.jsonl", ("--max-errors", "1"), 1),
        ("none.jsonl", (), 2),
        ("rows.jsonl", ("--no-checkpoint", "--max-errors", "3"), 2),  # decided before anything else
        ("rows.jsonl", ("--target", "http://127.0.0.1:9", "--retries", "0"), 3),
        ("bad.jsonl", (), 4),
    ],
)
def test_every_end_is_heard_with_its_exit_code_and_counts_alone(
    file: str, more: tuple[str, ...], code: int, listener: Listener, here: Path
) -> None:
    url = f"{listener.url}{SECRET}"
    done = load("--ping-url", url, "--webhook", f"{url}-hook", "--json", *more, file=file)
    assert done.returncode == code, done.stderr
    assert sorted(listener.paths) == sorted([f"{SECRET}/start", f"{SECRET}/{code}", f"{SECRET}-hook"])
    bodies = {one.path: one.body for one in listener.heard}
    counts = bodies[f"{SECRET}/{code}"]
    assert set(counts) <= COUNTS
    assert bodies[f"{SECRET}/start"] == {}
    assert counts["exit_code"] == code
    assert not {word for word in ("bad-one", "row-", "jsonl", str(here)) if word in json.dumps(counts)}
    assert bodies[f"{SECRET}-hook"] == json.loads(done.stdout)


@pytest.mark.usefixtures("here")
def test_of_a_load_its_counts_are_told(listener: Listener) -> None:
    load("--ping-url", listener.url, "--max-errors", "1", file="bad.jsonl")
    counts = listener.heard[-1].body
    assert counts["rows"] == {"read": 6, "acknowledged": 5, "rejected": 1, "skipped": 0, "unsent": 0}
    assert sum(counts["rejects"].values()) == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("way", "said", "tries"),
    [
        (500, "it answers 500", 3),
        (404, "it answers 404", 1),
        (302, "it answers 302, and leads elsewhere, which is not followed", 1),
        ("close", "it broke the connection", 3),
    ],
)
def test_what_could_not_be_told_is_a_note_and_nothing_else(
    way: int | str, said: str, tries: int, listener: Listener
) -> None:
    listener.way = way
    done = load("--ping-url", f"{listener.url}{SECRET}", "--webhook", f"{listener.url}{SECRET}-hook", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"
    for what in ("--ping-url was not told that the load began", "--ping-url was not told how the load ended",
                 "--webhook was not told the report"):  # fmt: skip
        assert f"note      {what}: http://127.0.0.1: {said}." in done.stderr
    assert listener.paths.count(f"{SECRET}/start") == listener.paths.count(f"{SECRET}-hook") == tries
    assert "/elsewhere" not in listener.paths
    assert SECRET[1:] not in done.stdout + done.stderr


@pytest.mark.usefixtures("here")
def test_one_that_never_answers_holds_the_load_for_a_few_seconds_in_all(listener: Listener) -> None:
    listener.way = "hang"
    assert load().returncode == 0
    began = time.monotonic()
    done = load("--ping-url", f"{listener.url}{SECRET}", "--webhook", f"{listener.url}{SECRET}-hook", "--restart")
    assert time.monotonic() - began < 9
    assert done.returncode == 0
    assert done.stderr.count("it gave no answer in time") == 3


@pytest.mark.usefixtures("here")
def test_a_monitor_that_is_not_there_and_one_of_no_address_are_notes() -> None:
    for url, why in (("http://127.0.0.1:9/x", "nothing answers there"), ("https://127.0.0.1:9/x", "nothing answers")):
        done = load("--ping-url", url)
        assert done.returncode == 0
        assert why in done.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("hc-ping.com/5ecret5ecret5ecret", "begins with neither http:// nor https://"),
        ("ftp://hc-ping.com/5ecret5ecret5ecret", "begins with neither http:// nor https://"),
        ("https://me:5ecret5ecret5ecret@hc-ping.com/x", "holds a user or a password, which are not sent"),
        ("https://5ecret5ecret5ecret@hc-ping.com/x", "holds a user or a password, which are not sent"),
        ("https:///5ecret5ecret5ecret", "names no host, or no port of one"),
        ("https://hc-ping.com:0/5ecret5ecret5ecret", "names no host, or no port of one"),
        ("https://hc-ping.com:99999/5ecret5ecret5ecret", "is not an address"),
        ("https://hc-ping.com/5ecret 5ecret5ecret", "holds blanks or control characters"),
        ("https://hc-ping.com/x#5ecret5ecret5ecret", "has a part behind #, which is not sent"),
    ],
)
def test_an_odd_address_is_refused_before_anything_is_sent(url: str, fault: str, here: Path) -> None:
    for option in ("ping-url", "webhook"):
        done = load(f"--{option}", url, "--json")
        says(done.stderr, "{} {}. It takes an address as in https://HOST/PATH.")
        assert f"--{option} {fault}" in done.stderr
        assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (2, 2)
        assert not (here / "data").exists()
        (here / FILE).write_text(f'{option} = "{url}"\n')
        checked = ran("config", "validate")
        assert checked.returncode == 2
        assert "5ecret" not in done.stderr + done.stdout + checked.stderr + checked.stdout
        (here / FILE).unlink()
    assert load("--ping-url", "https://127.0.0.1:9/x").returncode == 0


def test_addresses_are_secrets(here: Path, listener: Listener) -> None:
    url = f"{listener.url}{SECRET}"
    (here / FILE).write_text(
        f'ping-url = "{url}"\nwebhook = "{url}-hook"\n[job.j]\nsources = "bad.jsonl"\nindex = "i"\n'
    )
    shown = ran("config", "show", "--json")
    assert json.loads(shown.stdout)["ping-url"] == {"value": "***", "from": "the file"}
    done = ran("run", "j", "--json", "--webhook", f"{url}-other")
    assert done.returncode == 4
    assert f"{SECRET}-other" in listener.paths
    report = json.loads(done.stdout)
    assert "--webhook" not in report["resume_command"]
    kept = "".join(one.read_text("utf-8", "replace") for one in (here.parent).rglob("report.json"))
    for text in (shown.stdout, done.stdout, done.stderr, kept):
        assert SECRET[1:] not in text
    done = load("--webhook", url, CYBORG_INGEST_SET=f"x={url}")  # whoever says it
    assert SECRET[1:] not in done.stdout + done.stderr


def test_every_job_is_heard_of_and_variables_and_the_file_say_it_too(here: Path, listener: Listener) -> None:
    (here / FILE).write_text(
        f'[job.a]\nsources = "rows.jsonl"\nindex = "a"\nping-url = "{listener.url}/a"\n'
        f'[job.b]\nsources = "none.jsonl"\nindex = "b"\nping-url = "{listener.url}/b"\n'
    )
    assert ran("run", "a", "b").returncode == 2
    assert listener.paths == ["/a/start", "/a/0", "/b/start", "/b/2"]
    assert load(CYBORG_INGEST_PING_URL=f"{listener.url}/v").returncode == 0
    assert listener.paths[4:] == ["/v/start", "/v/0"]


@pytest.mark.usefixtures("here")
def test_a_dry_run_is_no_load_for_a_monitor(listener: Listener) -> None:
    assert load("--dry-run", "--ping-url", f"{listener.url}/x", "--webhook", f"{listener.url}/hook").returncode == 0
    assert listener.paths == ["/hook"]
    assert listener.heard[0].body["status"] == "dry_run"


@pytest.mark.usefixtures("here")
def test_of_a_load_that_another_process_runs_a_monitor_hears_by_that_one_alone(listener: Listener) -> None:
    """A `/start` of this one would never end, and a failure of it be none."""
    assert load().returncode == 0
    (lock,) = Path(os.environ["CYBORG_INGEST_STATE_DIR"], "jobs").glob("*/lock")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = load("--ping-url", f"{listener.url}/x", "--webhook", f"{listener.url}/hook")
        assert done.returncode == 75, done.stderr
        done = load("--ping-url", f"{listener.url}/x", "--lock-wait", "1s")
        assert done.returncode == 75, done.stderr
    assert listener.paths == ["/hook"]
    assert (listener.heard[0].body["status"], listener.heard[0].body["exit_code"]) == ("busy", 75)


@pytest.mark.usefixtures("here")
def test_what_stays_on_this_machine_goes_through_no_proxy(listener: Listener) -> None:
    done = load("--ping-url", f"{listener.url}/x", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert (done.returncode, listener.paths) == (0, ["/x/start", "/x/0"])


TELL = """
import json, os, sys
names = sorted(one for one in os.environ if one.startswith(("CYBORG", "AWS_")))
told = {name: os.environ.get("CYBORG_INGEST_" + name) for name in ("EXIT_CODE", "STATUS", "REPORT")}
report = json.load(open(told["REPORT"]))
json.dump({"names": names, **told, "report": report}, open("told.json", "w"))
print("talk")
"""


def on_end(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def told(here: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((here / "told.json").read_text())
    return found


@pytest.mark.parametrize(
    ("file", "code", "status"),
    [("rows.jsonl", 0, "ok"), ("bad.jsonl", 4, "bad_rows"), ("none.jsonl", 2, "usage_error")],
)
def test_a_command_is_told_how_it_ended_and_no_key(file: str, code: int, status: str, here: Path) -> None:
    secrets = {"CYBORG_INGEST_API_KEY": "k" * 20, "CYBORG_INGEST_WEBHOOK": "http://127.0.0.1:9/x"}
    words = [sys.executable, "-m", "cyborg_ingest", "upsert", file, "--index", "i", "--json", "--on-end", on_end(TELL)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **secrets})
    assert done.returncode == code, done.stderr
    found = told(here)
    assert (found["EXIT_CODE"], found["STATUS"]) == (str(code), status)
    assert found["report"] == json.loads(done.stdout)  # which has no other line: what a command prints is talk
    assert "talk\n" in done.stderr
    assert not {*secrets, "CYBORG_INGEST_ON_END"} & set(found["names"])
    assert "CYBORG_INGEST_STATE_DIR" in found["names"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("false", "false ended with 1."),
        ("no-such-program --x", "no-such-program cannot be run: No such file or directory."),
        ("sh -c 'kill -9 $$'", "sh was ended by signal 9."),
    ],
)
def test_a_command_that_fails_is_a_note(command: str, why: str) -> None:
    done = load("--on-end", command)
    says(done.stderr, "--on-end: {} {}.")
    assert f"note      --on-end: {why}" in done.stderr
    assert done.returncode == 0
    assert load("--on-end", "true").stderr.count("--on-end") == 0


@pytest.mark.usefixtures("here")
def test_a_command_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyborg_ingest.output.onend.LONGEST", 0.5)
    done = load("--on-end", "sh -c 'sleep 60 & wait'")
    assert done.returncode == 0
    assert "--on-end: sh did not end within 0 s, and was ended." in done.stderr


@pytest.mark.parametrize("command", ["'", ""])
def test_a_command_that_is_none_is_refused_before_anything_is_sent(command: str, here: Path) -> None:
    assert load("--on-end", command).returncode == 2
    assert not (here / "data").exists()


@pytest.mark.usefixtures("here")
def test_what_the_command_is_told_is_no_option_of_ours() -> None:
    done = load(CYBORG_INGEST_EXIT_CODE="0", CYBORG_INGEST_STATUS="ok", CYBORG_INGEST_REPORT="r")
    assert "no option has this variable" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_load_that_is_stopped_is_heard_of(number: signal.Signals, code: int, here: Path, listener: Listener) -> None:
    words = ["upsert", "rows.jsonl", "--index", "i", "--json", "--batch-rows", "1", "--workers", "1"]
    words += ["--ping-url", f"{listener.url}/x", "--webhook", f"{listener.url}/hook", "--on-end", on_end(TELL)]
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, "1", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(line == "sent\n" for line in process.stderr)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert sorted(listener.paths) == ["/hook", f"/x/{code}", "/x/start"]
    report = json.loads(out)
    assert report["exit_code"] == code
    assert report["rows"]["unsent"] > 0
    assert next(one.body for one in listener.heard if one.path == "/hook") == report
    assert told(here)["EXIT_CODE"] == str(code)


@pytest.mark.usefixtures("here")
def test_a_bug_is_heard_of(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("one too many")

    monkeypatch.setattr("cyborg_ingest.loading.loader.cutting_of", broken)
    assert load("--ping-url", f"{listener.url}/x", "--webhook", f"{listener.url}/hook").returncode == 70
    assert set(listener.paths) == {"/x/start", "/x/70", "/hook"}
    assert next(one.body for one in listener.heard if one.path == "/hook")["error"] == "one too many"


def test_addresses_come_from_files_and_the_next_command_names_these(here: Path, listener: Listener) -> None:
    for name in ("ping", "hook"):
        (here / name).write_text(f"{listener.url}/{name}{SECRET}\n")
        (here / name).chmod(0o600)
    done = load("--ping-url-file", "ping", "--json", file="worse.jsonl", CYBORG_INGEST_WEBHOOK_FILE="hook")
    assert done.returncode == 4
    assert set(listener.paths) == {f"/ping{SECRET}/start", f"/ping{SECRET}/4", f"/hook{SECRET}"}
    command = json.loads(done.stdout)["resume_command"]
    assert f"--ping-url-file {here / 'ping'}" in command
    assert SECRET not in done.stdout + done.stderr
    shown = ran("config", "show", "--ping-url-file", "ping", "--json").stdout
    assert json.loads(shown)["ping-url-file"]["value"].endswith("ping")
    (here / "cyborg-ingest.toml").write_text('webhook-file = "hook"\n')
    assert load(file="rows.jsonl").returncode == 0
    assert listener.paths[-1] == f"/hook{SECRET}"


@pytest.mark.parametrize("flag", ["--ping-url", "--webhook", "--pushgateway"])
def test_a_file_without_an_address_ends_a_load_before_it_begins(flag: str, here: Path) -> None:
    done = load(f"{flag}-file", "none")
    assert (done.returncode, f"{flag}-file none: No such file or directory." in done.stderr) == (2, True)
    says(done.stderr, "{}-file {}: {}.")
    for text in ("", "mailto:x", "https://", "\x00"):
        (here / "address").write_text(text)
        done = load(f"{flag}-file", "address")
        assert done.returncode == 2
        says(done.stderr, "{} {}. It takes an address as in https://HOST/PATH.")
        assert f"{flag}-file address " in done.stderr
    (here / "address").write_bytes(b"\xff\xfe")
    assert f"{flag}-file address: it is not text." in load(f"{flag}-file", "address").stderr
    done = load(f"{flag}-file", "address", flag, "https://h/x")
    assert done.returncode == 2
    says(done.stderr, "{} and {}-file are both given, by options or variables: drop one.")
    assert not (here / "data").exists()


def test_a_file_with_an_address_that_others_can_read_is_said(here: Path, listener: Listener) -> None:
    (here / "hook").write_text(f"{listener.url}/hook")
    (here / "hook").chmod(0o644)
    done = load("--webhook-file", "hook")
    assert done.returncode == 0
    says(done.stderr, "Every user of this machine can read the address of {}: chmod 600 {}")
    assert "the address of --webhook-file: chmod 600 hook\n" in done.stderr
    subprocess.run(["chmod", "600", "hook"], check=True)
    assert "the address of" not in load("--webhook-file", "hook").stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("moment", ["begin", "hear", "end"])
def test_a_bug_in_one_who_hears_of_a_load_is_a_note_and_the_others_hear_of_it(
    moment: str, listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("made by the test")

    monkeypatch.setattr(f"cyborg_ingest.output.github.GitHub.{moment}", broken)
    on_github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    done = load("--ping-url", f"{listener.url}/x", "--json", **on_github)
    assert (done.returncode, json.loads(done.stdout)["rows"]["acknowledged"]) == (0, 5)
    why = "note      GitHub hears no more of this load, by a bug in cyborg-ingest: ZeroDivisionError: made by the test."
    assert done.stderr.count(why) == 1
    assert "Traceback" not in done.stderr
    assert listener.paths == ["/x/start", "/x/0"]


LINGER = "import pathlib, time; pathlib.Path('began').touch(); time.sleep(60)"


def test_who_waits_no_longer_for_others_to_be_told_changes_nothing_either(here: Path) -> None:
    words = [sys.executable, "-m", "cyborg_ingest", "upsert", "rows.jsonl", "--index", "i", "--on-end", on_end(LINGER)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (here / "began").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert time.monotonic() - began < 8
    assert "Stopped while others were told how the load ended: some may not have heard of it." in err
