"""What a run leaves behind: a log of what was said, and not for ever."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import secrets
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.errors import IngestError, JobBusyError
from cyborg_ingest.private import Folder
from cyborg_ingest.settings import spelled
from cyborg_ingest.settings.options import LoadSettings, NotifySettings
from cyborg_ingest.state import runlog
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.pruning import KEPT_DAYS, KEPT_RUNS, MOST_RUNS, prune_runs
from cyborg_ingest.state.runlog import RunLog

if TYPE_CHECKING:
    from cyborg_ingest.loading.report import RunReport

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten rows, one of them bad."""
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row], "contents": "words"} for row in range(10)]
    rows[4]["vector"] = [1.0]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def load(source: Path, **options: Any) -> RunReport:
    folder = source.parent
    given = {"target": f"disk:{folder / 'd'}", "create": True, "state_dir": folder / "s", "max_errors": "1"}
    return cyborg_ingest.load(source, index="i", **{**given, **options})


def lines(report: RunReport) -> list[dict[str, Any]]:
    assert report.run_folder is not None
    return [json.loads(line) for line in (Path(report.run_folder) / "log.jsonl").read_text().splitlines()]


def test_a_run_keeps_what_was_said_with_its_time_and_for_its_owner_alone(source: Path) -> None:
    before = datetime.datetime.now(datetime.timezone.utc)
    report = load(source)
    after = datetime.datetime.now(datetime.timezone.utc)
    found = lines(report)
    said = [one["event"] for one in found if one["event"] not in {"noted", "began"}]
    assert said == ["started", "planned", "rowrejected", "creating", "sending", "ended"]
    assert next(one for one in found if one["event"] == "planned")["sources"] == [str(source)]
    assert any("key for index 'i' is kept in" in one["text"] for one in found if one["event"] == "noted")
    rejected = next(one for one in found if one["event"] == "rowrejected")
    assert (rejected["row"], rejected["line"], rejected["reason"]) == (4, 5, "vector_dimension")
    assert "words" not in json.dumps(found)
    assert found[-1]["rows"] == report.rows
    assert (found[-1]["status"], found[-1]["exit_code"]) == ("ok_with_rejected_rows", 1)
    times = [datetime.datetime.fromisoformat(one["time"].replace("Z", "+00:00")) for one in found]
    assert times == sorted(times)
    assert before - datetime.timedelta(milliseconds=1) <= times[0] <= times[-1] <= after
    log = Path(str(report.run_folder)) / "log.jsonl"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_begins_with_what_was_asked_for_and_the_versions_and_no_secret(source: Path) -> None:
    report = load(source, batch_rows=3, where="contents = 'words' OR id = 'r4'", drain_timeout=9.5, retries=2)
    said = lines(report)[0]
    assert said["event"] == "started"
    assert said["settings"] == {
        "target": report.target, "create": True, "max-errors": "1", "state-dir": str(source.parent / "s"),
        "batch-rows": 3, "where": "contents = 'words' OR id = 'r4'", "drain-timeout": 9.5, "retries": 2,
    }  # fmt: skip
    assert said["versions"] == {
        "cyborg-ingest": cyborg_ingest.__version__, "Python": f"CPython {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}", **{name: importlib.metadata.version(name)
        for name in ("numpy", "pyarrow", "cyborgdb-core", "h5py") if name in said["versions"]},
    }  # fmt: skip
    assert {"numpy", "pyarrow", "cyborgdb-core"} <= said["versions"].keys()


def test_addresses_in_it_are_without_their_secrets() -> None:
    settings = LoadSettings(sources=("x",), index="i", target="https://user:5ecret@db.example/?sig=5ecret")
    assert spelled.values(settings) == {"target": "https://***@db.example/?sig=***"}
    addresses = NotifySettings(webhook="https://hooks.example/5ecret")
    assert spelled.values(addresses) == {"webhook": "***"}


def test_a_run_that_fails_says_so_in_its_log(source: Path) -> None:
    with pytest.raises(IngestError) as caught:
        load(source, max_errors="0")
    assert caught.value.report is not None
    assert lines(caught.value.report)[-1]["error"].startswith(f"{source}, line 5 ")
    assert str(caught.value).startswith(f"{source}, line 5 ")


def test_a_load_without_a_journal_keeps_no_log(source: Path) -> None:
    for options in ({"dry_run": True}, {"checkpoint": False, "max_errors": "0", "limit": 3}):
        load(source, **options)
    assert not list(source.parent.glob("s/**/log.jsonl"))


def test_a_key_that_is_said_is_not_in_the_log(tmp_path: Path) -> None:
    from cyborg_ingest.settings.scrubbing import KNOWN  # noqa: PLC0415

    key = secrets.token_bytes(32)
    KNOWN.add(key)
    quote = repr(key)[1]
    with Folder.root(tmp_path, "") as folder:
        log = RunLog(folder)
        log.add("noted", NOW, {"text": f"said {key!r}", key.hex(): [list(key)]})
        log.close()
        log.add("noted", NOW, {"text": "too late"})
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {
        "time": "2026-03-01T12:00:00.000Z", "event": "noted", "text": f"said b{quote}***{quote}", "***": ["***"],
    }  # fmt: skip


def test_a_journal_that_is_closed_leaves_no_file_open(tmp_path: Path) -> None:
    """Each run left the log's: a process that loads all day had none left for anything else."""
    description = {"index": "i"}
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with Journal(tmp_path / "job", description):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_log_has_a_largest_size_and_the_end_of_its_run(tmp_path: Path) -> None:
    with Folder.root(tmp_path, "") as folder:
        log = RunLog(folder)

        def say_much() -> None:
            for _ in range(500):
                log.add("noted", NOW, {"text": "x" * 1000})

        threads = [threading.Thread(target=say_much) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        log.add("ended", NOW, {"error": None}, is_last=True)
        log.close()
    found = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["event"] for one in found[-2:]] == ["full", "ended"]
    assert runlog.LARGEST - 2000 < (tmp_path / "log.jsonl").stat().st_size < runlog.LARGEST + 2000


@pytest.mark.parametrize("fault", ["cannot be opened", "is full"])
def test_a_log_that_cannot_be_written_changes_nothing(
    source: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    real = Folder.open

    def no_log(self: Folder, name: str, flags: int = os.O_RDONLY, *, is_secret: bool = False) -> int:
        if name != "log.jsonl":
            return real(self, name, flags, is_secret=is_secret)
        if fault == "is full":
            return os.open("/dev/full", os.O_WRONLY)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "open", no_log)
    report = load(source)
    assert report.exit_code == 1
    assert report.rows == {"read": 10, "acknowledged": 9, "rejected": 1, "skipped": 0, "unsent": 0}


# Old runs


def name(days: float, number: int = 0) -> str:
    """The name of a run that began so many days before NOW."""
    return f"{NOW - datetime.timedelta(days=days):%Y%m%dT%H%M%SZ}-{number:06x}"


def runs(folder: Path, *names: str) -> Path:
    """A folder with runs of these names, each with its report and log."""
    for one in names:
        (folder / one).mkdir(mode=0o700, parents=True)
        for file in ("report.json", "log.jsonl", "samples.jsonl"):
            (folder / one / file).write_text("{}")
    return folder


def pruned(folder: Path, *spared: str) -> set[str]:
    with Folder.root(folder, "") as one:
        prune_runs(one, spared, NOW)
    return {path.name for path in folder.iterdir()}


def test_the_newest_runs_are_kept_however_old(tmp_path: Path) -> None:
    names = [name(100 + day) for day in range(KEPT_RUNS + 5)]
    assert pruned(runs(tmp_path / "runs", *names)) == set(names[:KEPT_RUNS])


def test_runs_of_the_last_days_are_kept_however_many(tmp_path: Path) -> None:
    young = [name(KEPT_DAYS - 0.5, number) for number in range(KEPT_RUNS + 30)]
    old = [name(KEPT_DAYS + 0.5, number) for number in range(10)]
    assert pruned(runs(tmp_path / "runs", *young, *old)) == set(young)


def test_there_are_never_more_than_the_most(tmp_path: Path) -> None:
    young = [name(1, number) for number in range(MOST_RUNS + 7)]
    assert pruned(runs(tmp_path / "runs", *young)) == set(young[7:])


def test_what_is_not_a_runs_own_and_what_is_nowhere_else_stays(tmp_path: Path) -> None:
    new, old = [name(1, number) for number in range(KEPT_RUNS)], [name(90, number) for number in range(8)]
    folder = runs(tmp_path / "runs", *new, *old)
    (folder / old[0] / "rejected.jsonl").write_text("{}\n")
    (folder / old[1] / "notes.txt").write_text("of the user\n")
    (folder / old[2] / "report.json").unlink()
    (folder / old[2] / "report.json").mkdir()
    (folder / old[3] / ".report.json.0123456789abcdef.new").write_text("torn")
    elsewhere = runs(tmp_path / "elsewhere", old[4])
    for one in ("report.json", "log.jsonl", "samples.jsonl"):
        (folder / old[4] / one).unlink()
    (folder / old[4]).rmdir()
    (folder / old[4]).symlink_to(elsewhere / old[4])
    (folder / "20200101T000000Z").mkdir()
    (folder / "20200101T000000Z-aaaaaa").write_text("a file")
    kept = pruned(folder, old[5])
    assert kept == {*new, *old[:3], old[4], old[5], "20200101T000000Z", "20200101T000000Z-aaaaaa"}
    assert (elsewhere / old[4] / "report.json").exists()


def test_a_load_prunes_its_own_job_and_no_other_and_not_while_another_run_goes_on(source: Path) -> None:
    np.save(source.parent / "other.npy", np.ones((3, 2), np.float32))
    good = source.parent / "good.jsonl"
    good.write_text('{"id": "a", "vector": [1.0, 2.0]}\n')
    first, other = load(good), load(source.parent / "other.npy")
    names = [name(4000, number) for number in range(KEPT_RUNS + 3)]
    for report in (first, other):
        runs(Path(str(report.run_folder)).parent, *names)
    job = Path(str(first.run_folder)).parents[1]
    with Journal(job, json.loads((job / "job.json").read_text())) as journal:
        pruning = {path.name for path in (job / "runs").iterdir()}
        runs(job / "runs", *set(names) - pruning)
        with pytest.raises(JobBusyError):
            load(good)
        assert set(names) < {path.name for path in (job / "runs").iterdir()}
        assert journal.run.path.is_dir()
    again = load(good)
    left = {path.name for path in (job / "runs").iterdir()}
    # the newest ones: that of the first load, the journal's that was just opened, and the oldest names fill up
    assert len(left) == KEPT_RUNS + 1
    assert {Path(str(first.run_folder)).name, Path(str(again.run_folder)).name} < left
    assert set(names) < {path.name for path in Path(str(other.run_folder)).parent.iterdir()}


def test_a_run_whose_rejected_rows_a_load_goes_on_with_is_kept(source: Path) -> None:
    stopped = load(source, max_errors="1", limit=8)
    folder = Path(str(stopped.run_folder))
    old = folder.parent / name(4000)
    runs(folder.parent, *[name(1, number) for number in range(KEPT_RUNS + 3)])
    folder.rename(old)
    load(source, max_errors="1", limit=8)
    assert (old / "rejected.jsonl").exists()
