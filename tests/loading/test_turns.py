"""One load of a job at a time, and on an index as many as it bears: the others end with 75, or wait."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import says
from commands import ran
from conftest import KEY
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import IndexBusyError, JobBusyError
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Engine

MANY = 20
GATE = "gate"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with rows of two jobs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    for name in ("rows", "others"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(1).normal(size=(10, 4)).astype(np.float32))
    return tmp_path


def load(engine: Engine, index: str, *more: object, file: str = "rows.npy") -> list[str]:
    return [*map(str, ("upsert", file, "--index", index, "--target", engine.target, "--create", *more))]


def crowd(folder: Path, many: int, arguments: list[str], *files: str) -> subprocess.Popen[str]:
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    return subprocess.Popen(
        [sys.executable, str(TESTS / "crowd.py"), str(folder), str(many), *arguments],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip


def requests(folder: Path) -> list[str]:
    path = folder / "requests"
    return path.read_text().split() if path.exists() else []


def seen(condition: Callable[[], Any], process: subprocess.Popen[Any]) -> None:
    """Wait until it is so, as long as the process lives."""
    over = threading.Event()
    while not condition():
        assert process.poll() is None, "it ended"
        over.wait(0.02)


@contextlib.contextmanager
def at_work(folder: Path, arguments: list[str]) -> Iterator[int]:
    """A load in its first request, which ends no sooner than the `with`; its process."""
    with crowd(folder, 1, arguments, GATE) as process:
        try:
            seen(lambda: requests(folder), process)
            yield int(requests(folder)[0][1:])
        finally:
            (folder / "open").touch()


def test_of_many_starts_at_once_one_loads_and_the_others_say_who_does(engine: Engine, here: Path) -> None:
    folder, name = here / "crowd", engine.name()
    with crowd(folder, MANY, load(engine, name, "--json"), GATE) as process:
        told, _ = process.communicate(timeout=180)
    assert Counter(map(int, told.split())) == {75: MANY - 1, 0: 1}
    reports = [json.loads((folder / f"{number}.out").read_text()) for number in range(MANY)]
    (loaded,) = (one for one in reports if one["status"] == "ok")
    assert loaded["rows"]["acknowledged"] == 10
    holder = requests(folder)[0][1:]
    for one in reports:
        if one is not loaded:
            assert (one["status"], one["exit_code"], one["retry"]) == ("busy", 75, "same-command")
            assert re.search(rf"job \(pid {holder} on \S+ since [0-9: -]+ UTC: cyborg-ingest upsert .*\)", one["error"])
    assert engine.count(name) == 10


def test_of_many_starts_that_wait_each_has_its_turn(engine: Engine, here: Path) -> None:
    folder, name = here / "crowd", engine.name()
    with crowd(folder, MANY, load(engine, name, "--lock-wait", "10m")) as process:
        told, _ = process.communicate(timeout=180)
    assert [*map(int, told.split())] == [0] * MANY
    noted = requests(folder)
    assert [one[0] for one in noted] == ["+", "-"] * MANY  # never two at a time
    assert len({one[1:] for one in noted}) == MANY
    assert engine.count(name) == 10


def test_a_load_that_is_killed_leaves_no_lock_and_the_next_one_goes_on(engine: Engine, here: Path) -> None:
    arguments = load(engine, engine.name(), "--json")
    with at_work(here / "first", arguments) as process:
        assert ran(*arguments).returncode == 75
        os.kill(process, signal.SIGKILL)
    assert ran(*arguments, "--lock-wait", "1m").returncode == 0


def test_one_that_waits_says_so_once_and_loads_what_is_there_when_its_turn_has_come(engine: Engine, here: Path) -> None:
    arguments = load(engine, engine.name(), "--json")
    waits = [sys.executable, "-m", "cyborg_ingest", *arguments, "--lock-wait", "10m"]
    with at_work(here / "first", arguments) as holder:
        second = subprocess.Popen(waits, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        line = next(one for one in second.stderr if "Waiting" in one)
        np.save(here / "rows.npy", np.ones((30, 4), np.float32))  # which is not known before
    out, told = second.communicate(timeout=60)
    assert re.match(
        rf"note      Another process is running this job \(pid {holder} .*\)\. Waiting for it to end, 10m", line
    )
    assert "Waiting" not in told
    assert (second.returncode, json.loads(out)["rows"]["acknowledged"]) == (0, 30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait(number: signal.Signals, code: int) -> None:
    with locked("jobs"):
        second = subprocess.Popen(
            [sys.executable, "-m", "cyborg_ingest", *LOAD, "--json", "--lock-wait", "10m"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert second.stderr is not None
        assert any("Waiting" in one for one in second.stderr)
        second.send_signal(number)
        out, _ = second.communicate(timeout=60)
    assert second.returncode == code
    assert json.loads(out)["exit_code"] == code


LOAD = ["upsert", "rows.npy", "--index", "x", "--target", "disk:data", "--create"]


@contextlib.contextmanager
def locked(kind: str, *before: str) -> Iterator[None]:
    """Somebody has the lock of the job, or the index, of `LOAD`, and says nothing of himself: as `flock(1)`."""
    assert ran(*(before or LOAD)).returncode == 0
    (path,) = (Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / kind).glob("*/lock")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("kind", ["jobs", "indexes"])
def test_a_wait_ends_with_the_time_that_it_or_the_load_has(kind: str) -> None:
    with locked(kind):
        done = ran(*LOAD, "--lock-wait", "1s")
        assert done.returncode == 75
        says(done.stderr, "It did not end within the {} of --lock-wait; run the same command again later.")
        done = ran(*LOAD, "--lock-wait", "1h", "--max-duration", "1s", "--json")
        assert (done.returncode, json.loads(done.stdout)["status"]) == (6, "stopped")
        done = ran(*LOAD)
        assert done.returncode == 75
        says(done.stderr, "Run the same command again later, or let it wait with --lock-wait 10m.")
    assert ran(*LOAD, "--lock-wait", "10m").returncode == 0


def test_while_a_job_loads_its_index_is_neither_deleted_nor_trained(engine: Engine, here: Path) -> None:
    name = engine.name()
    with at_work(here / "first", load(engine, name)) as holder:
        for verb in (("delete", name, "--yes"), ("train", name)):
            done = ran("index", *verb, "--target", engine.target)
            assert done.returncode == 75, done.stderr
            assert re.search(
                rf"^error +Another process works on index '{name}' \(pid {holder} on .*: cyborg-ingest upsert .*\)\.",
                done.stderr, re.MULTILINE,
            )  # fmt: skip
    done = ran("index", "delete", name, "--yes", "--target", engine.target, "--lock-wait", "1m")
    assert (done.returncode, done.stderr) == (0, "")


def test_other_jobs_share_an_index_of_a_service_and_wait_for_one_of_the_engine(engine: Engine, here: Path) -> None:
    name = engine.name()
    with at_work(here / "first", load(engine, name)):
        done = ran(*load(engine, name, file="others.npy"))
        assert done.returncode == (0 if engine.kind == "rest" else 75), done.stderr
    assert ran(*load(engine, name, "--restart", file="others.npy")).returncode == 0
    assert engine.count(name) == 10


def test_who_only_reads_waits_for_nobody(engine: Engine, here: Path) -> None:
    """But the engine itself lets one process alone open an index on a disk."""
    name = engine.name()
    assert ran(*load(engine, name)).returncode == 0
    code = 0 if engine.kind == "rest" else 75
    with at_work(here / "first", load(engine, name)):
        at = ("--index", name, "--target", engine.target)
        assert ran("verify", "rows.npy", *at).returncode == code
        assert ran("inspect", "rows.npy", *at).returncode == min(code, 1)  # where that is a finding
        assert ran("upsert", "rows.npy", *at, "--dry-run").returncode == code
        assert ran("index", "info", name, "--target", engine.target).returncode == code


def test_threads_of_one_process_load_other_jobs_into_one_index_and_keep_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = threading.Barrier(2, timeout=60)
    real = EmbeddedIndex.upsert_binary

    def upsert(self: Any, *arguments: Any) -> None:
        both.wait()  # each is in the midst of its load
        refused = subprocess.run(
            [sys.executable, "-m", "cyborg_ingest", *LOAD, "--id-prefix", "c"], capture_output=True, check=False
        )
        assert refused.returncode == 75
        real(self, *arguments)

    options: dict[str, Any] = {"index": "x", "target": "disk:data", "create": True}
    cyborg_ingest.load("rows.npy", id_prefix="z", **options)
    monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert)
    reports = []
    threads = [
        threading.Thread(
            target=lambda prefix=prefix: reports.append(cyborg_ingest.load("rows.npy", id_prefix=prefix, **options))
        )
        for prefix in ("a", "b")
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.rows["acknowledged"] for one in reports] == [10, 10]


def test_a_thread_does_not_run_the_job_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    real = EmbeddedIndex.upsert_binary
    refused = []

    def upsert(self: Any, *arguments: Any) -> None:
        with pytest.raises(JobBusyError) as caught:
            cyborg_ingest.load("rows.npy", **options)
        refused.append(caught.value)
        real(self, *arguments)

    options: dict[str, Any] = {"index": "x", "target": "disk:data", "create": True}
    monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert)
    assert cyborg_ingest.load("rows.npy", **options).exit_code == 0
    (error,) = refused
    assert f"(pid {os.getpid()} on " in str(error)
    assert error.report is not None
    assert error.report.status == "busy"


def test_a_load_without_a_journal_keeps_others_from_its_index() -> None:
    with locked("indexes"), pytest.raises(IndexBusyError):
        cyborg_ingest.load("others.npy", index="x", target="disk:data", checkpoint=False)


def test_where_nothing_can_be_locked_an_index_is_not_and_that_is_said(
    here: Path,
) -> None:
    (here / "file").write_text("")
    done = ran(*LOAD, "--no-checkpoint", "--state-dir", here / "file" / "state")
    assert done.returncode == 0, done.stderr
    assert "note      Index 'x' is not locked against other loads of this host: The state directory " in done.stderr
    done = ran("index", "delete", "x", "--target", "disk:data", "--yes", "--state-dir", here / "file" / "state")
    assert (done.returncode, done.stderr.count("is not locked against")) == (0, 1)


def test_a_holder_on_a_full_disk_holds_and_is_not_named() -> None:
    """What says who it is has no room; the lock itself takes none."""
    program = (
        "import resource, sys, time, pathlib\n"
        "from cyborg_ingest.private import Folder\n"
        "from cyborg_ingest.state import locks\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))\n"
        "folder = Folder.root(pathlib.Path(sys.argv[1]), '')\n"
        "lock = locks.take(folder, 'the holder')\n"
        "sys.stdout.write('held\\n'); sys.stdout.flush(); time.sleep(600)\n"
    )
    assert ran(*LOAD).returncode == 0
    (path,) = (Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / "jobs").glob("*/lock")
    with subprocess.Popen([sys.executable, "-c", program, str(path.parent)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            done = ran(*LOAD)
        finally:
            holder.kill()
    assert done.returncode == 75
    assert "error     Another process is running this job. Run the same command again later, or let" in done.stderr


def test_of_several_jobs_one_that_is_busy_ends_none_of_the_others(here: Path) -> None:
    (here / "cyborg-ingest.toml").write_text(
        'target = "disk:data"\ncreate = true\n'
        '[job.a]\nsources = "rows.npy"\nindex = "x"\n[job.b]\nsources = "others.npy"\nindex = "y"\n'
        '[job.c]\nsources = "none.npy"\nindex = "y"\n'
    )
    with locked("jobs", "run", "a"):
        done = ran("run", "a", "b")
        assert (done.returncode, "10 of 10 rows loaded" in done.stderr) == (75, True)
        assert ran("run", "a", "b", "c").returncode == 2  # which says more
        assert ran("run", "b").returncode == 0


@pytest.mark.parametrize("wait", ["0s", "0", "soon", "-1s", "1.5h"])
def test_what_is_no_duration_is_refused(wait: str) -> None:
    done = ran(*LOAD, f"--lock-wait={wait}")
    assert done.returncode == 2
    assert "--lock-wait" in done.stderr


def test_an_index_that_is_not_there_leaves_no_lock_behind() -> None:
    """Neither of one that was asked for once, nor one that others have made."""
    indexes = Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / "indexes"
    for verb in (["delete", "none", "--yes"], ["train", "none"]):
        done = ran("index", *verb, "--target", "disk:data")
        assert done.returncode == 2, done.stderr
        assert list(indexes.iterdir()) == []
    assert ran(*LOAD).returncode == 0
    (one,) = indexes.iterdir()
    assert ran("index", "delete", "x", "--target", "disk:data", "--yes").returncode == 0
    assert ran("index", "delete", "x", "--target", "disk:data", "--yes").returncode == 2
    assert list(indexes.iterdir()) == [one]
