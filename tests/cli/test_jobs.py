"""`jobs` and `runs`: what is remembered of loads is shown as they said it, and removed only where that is asked."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from advised import says
from commands import ran
from conftest import KEY
from test_cli import on_terminal
from test_exit_codes import WRAPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = "".join(json.dumps({"id": f"r{n}", "vector": [1.0, float(n)]}) + "\n" for n in range(40))
DAY = 86_400
FILE = '[job.wiki]\nsources = ["rows.jsonl"]\nindex = "wiki"\ncreate = true\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with good rows, and with some of which one is bad."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    Path("rows.jsonl").write_text(GOOD)
    Path("bad.jsonl").write_text(GOOD.replace("[1.0, 33.0]", '[1.0, "x"]'))
    Path("cyborg-ingest.toml").write_text(FILE)
    return tmp_path


def loaded(*words: object) -> dict[str, Any]:
    """The report of a load, as it printed it itself."""
    done = ran(*words, "--json")
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == report["exit_code"], done.stderr
    return report


def all_kinds() -> dict[str, dict[str, Any]]:
    """A job that ended, one with a rejected row, one that can be resumed, and one that never began; their reports."""
    return {
        "wiki": loaded("run", "wiki"),
        "part": loaded("upsert", "bad.jsonl", "--index", "part", "--create", "--max-errors", 1),
        "stop": loaded("upsert", "bad.jsonl", "--index", "stop", "--create", "--batch-rows", 10),
        "none": loaded("upsert", "rows.jsonl", "--index", "none"),
    }


def listed(kind: str = "jobs", *words: str) -> dict[str, dict[str, Any]]:
    done = ran(kind, "list", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return {one["index"]: one for one in json.loads(done.stdout)[kind]}


def aged(job: dict[str, Any], days: float) -> None:
    """Let all of a job have been there for so many days."""
    then = time.time() - days * DAY
    folder = Path(job["folder"])
    for run in (folder / "runs").iterdir():
        old = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(then))}-{run.name[-6:]}"
        for journal in folder.glob("*.jsonl"):
            assert run.name.encode() in journal.read_bytes() or journal.name == "ended.jsonl"
        run.rename(run.with_name(old))
    for path in folder.glob("*.jsonl"):
        os.utime(path, (then, then))


# Showing


@pytest.mark.usefixtures("here")
def test_the_last_run_of_each_job_is_told_as_it_told_itself() -> None:
    reports = all_kinds()
    runs = listed("runs")
    assert runs.keys() == reports.keys()
    for index, report in reports.items():
        told = ("status", "exit_code", "retry", "started", "ended", "rows", "load_seconds", "error", "target",
                "resume_command", "rejected_file")  # fmt: skip
        assert {name: runs[index][name] for name in told} == {name: report[name] for name in told}
        assert (runs[index]["run"], runs[index]["folder"]) == (report["run_id"], report["run_folder"])
        assert json.loads(ran("runs", "show", report["run_id"], "--json").stdout)["report"] == report
    assert (runs["wiki"]["name"], runs["stop"]["name"]) == ("wiki", None)


@pytest.mark.usefixtures("here")
def test_a_job_says_where_it_stands_and_which_command_resumes_it() -> None:
    reports = all_kinds()
    jobs = listed()
    standing = {"wiki": "ended", "part": "ended", "stop": "resumable", "none": "failed"}
    assert {index: one["standing"] for index, one in jobs.items()} == standing
    assert {index: one["rows"] for index, one in jobs.items()} == {"wiki": 40, "part": 40, "stop": 30, "none": 0}
    assert {index: one["resume_command"] for index, one in jobs.items()} == {
        index: report["resume_command"] for index, report in reports.items()
    }
    told = ran("jobs", "list").stdout
    says(told, "resume: {}")
    lines = told.splitlines()
    command = next(line for line in lines if "resume: " in line and "stop" in line).partition("resume: ")[2]
    report = loaded(*shlex.split(command)[1:], "--max-errors", 1)
    assert report["rows"] == {"read": 40, "acknowledged": 9, "rejected": 1, "skipped": 30, "unsent": 0}
    assert listed()["stop"]["standing"] == "ended"


@pytest.mark.usefixtures("here")
def test_a_job_and_a_run_are_shown_whole() -> None:
    all_kinds()
    shown = ran("jobs", "show", "part").stdout
    for text in ("rows      39 loaded, 1 rejected", "index     part", f"sources   {Path.cwd()}/bad.jsonl", "ended"):
        assert text in shown
    shown = ran("runs", "show", listed("runs")["part"]["run"]).stdout
    assert "rows      40 read, 39 acknowledged, 1 rejected, 0 skipped, 0 unsent" in shown
    assert "rejected  1 vector_invalid" in shown
    runs = json.loads(ran("jobs", "show", "wiki", "--json").stdout)["runs"]
    loaded("run", "wiki")
    again = json.loads(ran("jobs", "show", "wiki", "--json").stdout)["runs"]
    assert [one["run"] for one in again][1:] == [one["run"] for one in runs]
    assert len(json.loads(ran("runs", "list", "--job", "wiki", "--json").stdout)["runs"]) == 2
    assert len(json.loads(ran("runs", "list", "--all", "--json").stdout)["runs"]) == 5


@pytest.mark.usefixtures("here")
def test_an_id_is_as_short_as_it_is_unique() -> None:
    all_kinds()
    job = listed()["stop"]
    digits = job["job"].rpartition("-")[2]
    for word in (job["job"], job["job"][:-9], "stop", digits, digits[:6]):
        assert f"job       {job['job']}\n" in ran("jobs", "show", word).stdout, word
    run = listed("runs")["stop"]["run"]
    for word in (run, run[-6:]):
        assert f"run       {run}\n" in ran("runs", "show", word).stdout, word
    for words, said in (
        (("jobs", "show", "nobody"), "There is no {} {} here; {} has their ids."),
        (("runs", "show", "2"), "may be 4 runs: "),
        (("jobs", "show", ""), "There is no job '' here"),
    ):
        done = ran(*words)
        assert done.returncode == 2
        assert said.partition("{}")[0] in done.stderr
    done = ran("runs", "show", "nothing")
    says(done.stderr, "cyborg-ingest runs list --all")
    assert run in ran("runs", "list", "--all").stdout
    done = ran("jobs", "forget", "nothing")
    says(done.stderr, "cyborg-ingest jobs list")
    assert "stop" in ran("jobs", "list").stdout


@pytest.mark.usefixtures("here")
def test_the_name_of_a_job_in_the_file_goes_before_the_beginning_of_an_id() -> None:
    loaded("upsert", "rows.jsonl", "--index", "wiki-old", "--create")
    loaded("run", "wiki")
    assert "name      wiki\n" in ran("jobs", "show", "wiki").stdout


@pytest.mark.usefixtures("here")
def test_of_jobs_of_one_name_none_is_taken_for_another() -> None:
    """It has loaded into two indexes; the id of another one begins with its name."""
    for index in ("one", "two"):
        Path("cyborg-ingest.toml").write_text(FILE.replace('index = "wiki"', f'index = "{index}"'))
        loaded("run", "wiki")
    loaded("upsert", "rows.jsonl", "--index", "wiki-old", "--create")
    for words in (("show", "wiki"), ("forget", "wiki", "--yes")):
        done = ran("jobs", *words)
        assert done.returncode == 2, done.stdout
        assert "'wiki' may be 2 jobs: " in done.stderr
        assert "one-" in done.stderr
    assert listed().keys() == {"one", "two", "wiki-old"}


@pytest.mark.usefixtures("here")
def test_a_load_that_left_a_damaged_file_out_can_be_resumed() -> None:
    Path("broken.jsonl.gz").write_bytes(b"no gzip")
    report = loaded("upsert", "rows.jsonl", "broken.jsonl.gz", "--index", "i", "--create", "--skip-bad-files")
    assert report["exit_code"] == 1
    job = listed()["i"]
    assert job["standing"] == "resumable"
    aged(job, 40)
    assert job["job"] in json.loads(ran("jobs", "clean", "--json").stdout)["left"]
    Path("broken.jsonl.gz").write_bytes(gzip.compress(b'{"id": "z", "vector": [2.0, 1.0]}\n'))
    report = loaded(*shlex.split(job["resume_command"])[1:])
    assert (report["rows"]["skipped"], report["rows"]["acknowledged"], listed()["i"]["standing"]) == (40, 1, "ended")


@contextlib.contextmanager
def slow_load() -> Iterator[subprocess.Popen[str]]:
    """A load that has sent its first batch, and waits."""
    load = ("upsert", "rows.jsonl", "--index", "slow", "--create", "--batch-rows", "10", "--workers", "1")
    command = [sys.executable, "-c", WRAPPED, "slow", *load]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(line == "sent\n" for line in process.stderr)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("here")
def test_a_load_that_runs_is_said_to_run_and_nothing_of_it_is_removed() -> None:
    with slow_load() as process:
        job = listed()["slow"]
        assert (job["standing"], job["last_run"]["status"], job["resume_command"]) == ("running", "running", None)
        assert job["holder"].startswith(f"pid {process.pid} on {socket.gethostname()} since ")
        assert f"running   pid {process.pid} on" in ran("jobs", "show", "slow").stdout
        assert listed("runs")["slow"]["status"] == "running"
        before = sorted(Path(job["folder"]).rglob("*"))
        done = ran("jobs", "clean", "--older-than", "1s", "--with-resumable", "--with-rejected", "--json")
        assert json.loads(done.stdout)["left"] == {job["job"]: "a load is running"}
        assert ran("jobs", "forget", "slow", "--yes").returncode == 75
        assert sorted(Path(job["folder"]).rglob("*")) == before


@pytest.mark.usefixtures("here")
def test_a_load_that_was_killed_left_no_report_and_is_resumed_by_the_command_that_is_shown() -> None:
    with slow_load():
        pass
    job = listed()["slow"]
    assert (job["standing"], job["last_run"]["status"], job["in_doubt"]) == ("resumable", "unfinished", job["in_doubt"])
    assert job["in_doubt"] >= 10
    assert f"{job['in_doubt']} in doubt" in ran("jobs", "show", "slow").stdout
    command = job["resume_command"]
    assert command in ran("jobs", "list").stdout
    report = loaded(*shlex.split(command)[1:])
    assert (report["exit_code"], report["index_count"]["after"]) == (0, 40)


@pytest.mark.usefixtures("here")
def test_nothing_is_asked_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    all_kinds()

    def refused(*_: object) -> None:
        raise AssertionError("a socket was connected")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "http://nowhere.invalid:9")
    for words in ("jobs list", "jobs show wiki", "runs list --all", "jobs clean", "jobs forget stop --yes"):
        assert ran(*words.split()).returncode == 0, words


# Foreign words, and a state directory that is not as it should be


@pytest.mark.usefixtures("here")
def test_foreign_words_are_shown_and_never_obeyed() -> None:
    name = "\x1b[31mred\x07\u202eturned\r\n"
    assert loaded("upsert", "rows.jsonl", "--index", name)["exit_code"] == 2
    (folder,) = Path("state/jobs").iterdir()
    for words in ("jobs list", "runs list", f"jobs show {folder.name}", "jobs clean --older-than 1s"):
        done = ran(*words.split())
        assert done.returncode == 0, done.stderr
        assert [one for one in done.stdout + done.stderr if one != "\n" and not one.isprintable()] == []


@pytest.mark.usefixtures("here")
def test_a_secret_in_an_address_is_not_shown() -> None:
    job = "https://me:pa55@db.example/rows.parquet?sig=S1GN"
    ran("upsert", "rows.jsonl", "--index", "x", "--create")
    (folder,) = Path("state/jobs").iterdir()
    described = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps({**described, "sources": [job]}))
    for words in (("jobs", "list"), ("jobs", "show", "x"), ("jobs", "list", "--json"), ("runs", "list", "--json")):
        done = ran(*words)
        assert "pa55" not in done.stdout + done.stderr
        assert "S1GN" not in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["nowhere", "empty", "state"])
def test_where_there_are_no_jobs_that_is_said(here: Path, place: str) -> None:
    (here / "empty").mkdir()
    (here / "state" / "jobs").mkdir(parents=True, mode=0o700)
    for words in (("jobs", "list"), ("runs", "list")):
        done = ran(*words, "--state-dir", place)
        assert (done.returncode, done.stdout) == (0, "")
        assert f"in {place}." in done.stderr
    assert ran("jobs", "clean", "--state-dir", place).returncode == 0
    assert json.loads(ran("jobs", "list", "--state-dir", place, "--json").stdout)["jobs"] == []
    assert (here / "nowhere").exists() is False


def test_a_state_directory_that_cannot_be_used_says_what_to_do(here: Path) -> None:
    done = ran("jobs", "list", "--state-dir", "rows.jsonl")
    assert done.returncode == 3
    says(done.stderr, "The state directory {} is not a directory; see --state-dir.")
    assert ran("jobs", "list", "--state-dir", "state").returncode == 0
    (here / "open").mkdir()
    (here / "open").chmod(0o777)
    done = ran("runs", "list", "--state-dir", "open", "--json")
    assert done.returncode == 2
    assert "Other users can write to" in json.loads(done.stdout)["error"]


DAMAGES: dict[str, tuple[str, bytes, str]] = {
    "a journal of a later release": ("journal.jsonl", b'{"begin": 99}\n', "a later release"),
    "a description": ("job.json", b"\xff{", "job.json is damaged"),
    "a description that is a list": ("job.json", b"[1]", "job.json is damaged"),
    "a report": ("report.json", b'{"status": ', "report.json is damaged"),
    "a report of other types": ("report.json", b'{"status": 3, "rows": [], "rejects": 1, "notes": {}}', "unfinished"),
    "a journal of nonsense": ("journal.jsonl", b"\x00\xff\n" * 5, "failed"),
    "an empty journal": ("journal.jsonl", b"", "failed"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_said_and_all_else_is_shown(here: Path, damage: str) -> None:
    name, data, said = DAMAGES[damage]
    loaded("run", "wiki")
    broken = loaded("upsert", "rows.jsonl", "--index", "broken", "--create")
    job = Path(listed()["broken"]["folder"])
    (Path(broken["run_folder"]) if name == "report.json" else job).joinpath(name).write_bytes(data)
    told = ""
    for words in ("jobs list", "runs list", "jobs show broken", f"runs show {broken['run_id']}", "jobs clean"):
        done = ran(*words.split())
        assert done.returncode == 0, done.stderr
        told += done.stdout + done.stderr
        assert "Traceback" not in told
    assert said in told
    assert "index wiki" in told
    assert json.loads(ran("jobs", "list", "--json").stdout)["jobs"]
    assert here.joinpath("state").exists()


@pytest.mark.usefixtures("here")
def test_what_is_no_folder_of_a_job_is_said_and_left_alone() -> None:
    loaded("run", "wiki")
    Path("state/jobs/words").write_text("mine")
    Path("state/jobs/elsewhere").symlink_to(Path("state").absolute())
    jobs = {one["job"]: one for one in json.loads(ran("jobs", "list", "--json").stdout)["jobs"]}
    assert (jobs["words"]["standing"], jobs["elsewhere"]["standing"]) == ("unreadable", "unreadable")
    assert "is a link" in jobs["elsewhere"]["fault"]
    done = json.loads(ran("jobs", "clean", "--older-than", "1s", "--json").stdout)
    assert done["left"].keys() == {"words", "elsewhere"}
    assert Path("state/jobs/words").read_text() == "mine"


# Removing


@pytest.mark.usefixtures("here")
def test_only_what_is_old_is_removed_and_nothing_that_somebody_may_need() -> None:
    all_kinds()
    loaded("upsert", "rows.jsonl", "--index", "new", "--create")
    before = listed()
    for index in ("wiki", "part", "stop", "none"):
        aged(before[index], 31)
    done = ran("jobs", "clean", "--dry-run", "--json")
    foreseen = json.loads(done.stdout)
    assert listed().keys() == before.keys()
    done = ran("jobs", "clean")
    assert f"removed job {before['wiki']['job']}" in done.stdout
    left = listed()
    assert left.keys() == {"part", "stop", "new"}
    assert set(foreseen["jobs"]) == {before[one]["job"] for one in before.keys() - left.keys()}
    assert foreseen["bytes"] == sum(before[one]["bytes"] for one in ("wiki", "none"))
    assert foreseen["left"].keys() == {before["part"]["job"], before["stop"]["job"]}
    says(done.stdout, "it has rejected rows (--with-rejected removes them)")
    says(done.stdout, "it can be resumed (--with-resumable removes it)")
    assert ran("jobs", "clean", "--with-rejected").returncode == 0
    assert listed().keys() == {"stop", "new"}
    assert ran("jobs", "clean", "--with-resumable").returncode == 0
    assert listed().keys() == {"new"}
    assert [path.name for path in Path("state/jobs").iterdir()] == [before["new"]["job"]]
    assert ran("jobs", "clean", "--older-than", "30").returncode == 2


@pytest.mark.usefixtures("here")
def test_old_runs_of_a_job_that_goes_on_are_removed_but_for_the_one_that_counts() -> None:
    loaded("upsert", "bad.jsonl", "--index", "i", "--create", "--batch-rows", 10)
    aged(listed()["i"], 40)
    loaded("upsert", "bad.jsonl", "--index", "i", "--create", "--batch-rows", 10)
    assert listed()["i"]["runs"] == 2
    done = json.loads(ran("jobs", "clean", "--json").stdout)
    assert (done["jobs"], len(done["runs"])) == ([], 1)
    assert listed()["i"]["runs"] == 1
    report = loaded("upsert", "bad.jsonl", "--index", "i", "--create", "--batch-rows", 10, "--max-errors", 1)
    assert report["rows"]["skipped"] == 30


@pytest.mark.usefixtures("here")
def test_files_that_somebody_has_put_into_a_run_are_left_with_it() -> None:
    report = loaded("run", "wiki")
    (Path(report["run_folder"]) / "mine.txt").write_text("words")
    aged(listed()["wiki"], 40)
    looked = json.loads(ran("jobs", "clean", "--dry-run", "--json").stdout)
    done = json.loads(ran("jobs", "clean", "--json").stdout)
    assert "there are files in its runs that are not theirs" in done["left"].values()
    assert {**looked, "dry_run": False} == done
    assert [path.read_text() for path in Path("state").rglob("mine.txt")] == ["words"]


@pytest.mark.usefixtures("here")
def test_a_job_that_is_forgotten_loads_all_rows_again_and_its_rejected_rows_stay() -> None:
    all_kinds()
    done = ran("jobs", "forget", "stop")
    assert done.returncode == 2
    says(done.stderr, "Forgetting {} needs --yes where nobody can be asked.")
    assert ran("jobs", "forget", "stop", "--yes").returncode == 0
    assert ran("jobs", "forget", "part", "--yes").returncode == 0
    assert {listed()[one]["standing"] for one in ("stop", "part")} == {"forgotten"}
    assert Path(listed("runs")["part"]["rejected_file"]).is_file()
    again = loaded("upsert", "bad.jsonl", "--index", "stop", "--batch-rows", 10, "--max-errors", 1)
    assert again["rows"] == {"read": 40, "acknowledged": 39, "rejected": 1, "skipped": 0, "unsent": 0}
    for index in ("stop", "part"):
        assert ran("jobs", "forget", index, "--yes", "--with-runs").returncode == 0
    assert listed().keys() == {"wiki", "none"}
    assert len(list(Path("state/jobs").iterdir())) == 2


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1)])
def test_somebody_at_a_terminal_is_asked(answer: str, left: int) -> None:
    loaded("run", "wiki")
    code, shown = on_terminal("jobs", "forget", "wiki", "--with-runs", answer=answer)
    assert "with 1 run (40 rows)? Its next run sends all of them again." in shown
    assert (code, len(listed())) == (0 if left == 0 else 130, left)


@pytest.mark.parametrize("words", ["jobs", "jobs clean"])
def test_help_fits_into_sixty_columns(words: str) -> None:
    code, shown = on_terminal(*words.split(), "--help", COLUMNS="60")
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 60


@pytest.mark.usefixtures("here")
def test_a_job_in_the_list_fits_into_sixty_columns_but_for_what_is_to_be_copied() -> None:
    all_kinds()
    lines = ran("jobs", "list").stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith(" ")) <= 60
