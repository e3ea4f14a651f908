"""HDF5 is read in a process of its own: what its library does there, crash or never return, is an error of the file."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest import sources
from cyborg_ingest.apart import borrowing, process
from cyborg_ingest.errors import FormatError, IngestError, SourceError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.stop import Stop, heed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")

ROWS, DIMENSION = 50, 3
VECTORS = np.arange(1, 1 + ROWS * DIMENSION, dtype=np.float32).reshape(ROWS, DIMENSION)
SECRET = "5e" * 32

DOING = """
import os, re, signal, sys
sys.path.remove({folder!r})
del sys.modules["h5py"]
import h5py
def act(real):
    def method(*arguments, **options):
        if h5py.acts(*arguments):
            open({folder!r} + "/acting", "w").write(str(os.getpid()))
            {act}
        return real(*arguments, **options)
    return method
h5py.acts = lambda *arguments: {when}
h5py.{method} = act(h5py.{method})
"""
"""The real h5py, of which one method does something else at some time."""

LOOP = 're.match(r"(a+)+$", "a" * 64 + "b")'
"""For ever, in C, and nothing else of Python runs meanwhile: as libhdf5 does."""
CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
READS = {"method": "Dataset.__getitem__", "when": "arguments[1].start >= 20"}


def fake(folder: Path, act: str, *, method: str, when: str) -> Path:
    """A folder to import h5py from, which acts so."""
    (folder / "h5py").mkdir(parents=True)
    text = DOING.format(folder=str(folder), act=act, method=method, when=when)
    (folder / "h5py" / "__init__.py").write_text(text)
    return folder


def saved(path: Path, rows: int = ROWS) -> Path:
    with h5py.File(path, "w") as file:
        file["id"] = np.array([f"r{row}".encode() for row in range(rows)])
        file["vector"] = np.resize(VECTORS, (rows, DIMENSION))
    return path


def read(path: Path, rows: int = 10) -> Iterator[int]:
    """The rows of each chunk."""
    for chunk in make_plan((str(path),), SourceSettings()).chunks(rows):
        yield len(chunk.batch)


def is_there(number: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def none_is_kept() -> Iterator[None]:
    borrowing._end_all()
    yield
    borrowing._end_all()


@pytest.mark.parametrize(
    ("act", "words"),
    [(CRASH, r"crashed \(signal SIGSEGV\)"), ("os.abort()", r"crashed \(signal SIGABRT\)"),
     ("os._exit(3)", r"crashed \(exit code 3\)"), (LOOP, "gave no answer for 10 s"),
     ('os.write(2, b"free(): invalid\\n"); os.abort()', r"crashed \(signal SIGABRT, free\(\): invalid\)"),
     ("raise AttributeError('odd')", r"crashed \(exit code 1, AttributeError: odd\)"),
     ("os.kill(os.getpid(), signal.SIGKILL)", "killed, perhaps for want of memory")],
)  # fmt: skip
def test_whatever_the_library_does_is_an_error_of_the_file_behind_the_rows_before(
    act: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "rows.h5")
    monkeypatch.setattr(process, "SECONDS", 10.0 if act == LOOP else 60.0)
    monkeypatch.syspath_prepend(fake(tmp_path / "fake", act, **READS))
    found: list[int] = []
    with pytest.raises(SourceError, match=rf"rows\.h5: .*{words}") as caught:
        found.extend(read(path))
    assert found == [10, 10]
    assert caught.value.exit_code == 3
    assert not is_there(int((tmp_path / "fake" / "acting").read_text()))
    monkeypatch.undo()
    assert sum(read(path)) == ROWS


def test_in_its_header_the_same_is_decided_before_a_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(fake(tmp_path / "fake", CRASH, method="Group.get", when="True"))
    with pytest.raises(FormatError, match=r"rows\.h5: .*SIGSEGV"):
        next(read(saved(tmp_path / "rows.h5")))


def test_no_row_that_came_before_a_crash_is_lost_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, target = saved(tmp_path / "rows.h5"), f"disk:{tmp_path / 'data'}"
    options: dict[str, Any] = {"index": "x", "target": target, "create": True, "batch_rows": 5}
    monkeypatch.setattr("cyborg_ingest.plan.cutting._CACHE_BYTES", 100)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(fake(tmp_path / "fake", CRASH, **READS))
        with pytest.raises(SourceError, match="SIGSEGV") as caught:
            cyborg_ingest.load(path, **options)
    assert caught.value.report is not None
    assert caught.value.report.rows["acknowledged"] == 20
    report = cyborg_ingest.load(path, **options)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (20, 30)


def test_a_file_is_not_blamed_for_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cut = saved(tmp_path / "rows.h5"), tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:1500])
    numbers = set()
    for one in (path, cut, path, cut, path):
        with contextlib.suppress(IngestError):
            assert sum(read(one)) == ROWS
        numbers |= {kept._process.pid for kept in borrowing._idle}
    assert len(numbers) == 1  # for all of them, one after another
    monkeypatch.setattr(process, "_IDLE_SECONDS", 0.2)
    borrowing._end_all()
    assert sum(read(path)) == ROWS
    (kept,) = borrowing._idle
    wait_for(lambda: kept._process.poll() is not None)  # and then it ends by itself
    assert sum(read(path)) == ROWS


def test_a_stop_ends_a_library_that_does_not_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyborg_ingest.plan.ahead import ahead  # noqa: PLC0415

    path, folder = saved(tmp_path / "rows.h5"), fake(tmp_path / "fake", LOOP, **READS)
    monkeypatch.syspath_prepend(folder)
    stop, found = Stop(0), []
    with ahead(make_plan((str(path),), SourceSettings()).chunks(10), stop) as chunks:
        for chunk in chunks:
            found.append(len(chunk.batch))
            if len(found) == 2:
                wait_for((folder / "acting").exists)
                stop.ask()
    assert found == [10, 10]
    wait_for(lambda: not is_there(int((folder / "acting").read_text())), 10)


def test_one_that_was_asked_for_before_is_heeded_too(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    path, stop = saved(tmp_path / "rows.h5"), Stop(0)
    chunks = read(path)
    with ThreadPoolExecutor(1, "reader", heed, (stop,)) as thread:
        assert thread.submit(next, chunks).result() == 10
        stop.ask()
        with pytest.raises(SourceError, match="killed"):
            thread.submit(next, chunks).result()


COMMAND = "import sys; sys.path.insert(0, {0!r}); sys.argv[0] = 'x'; from cyborg_ingest import cli; cli.main()"


@contextlib.contextmanager
def looping(tmp_path: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A load whose library loops, in a process group of its own; and the number of the process that loops."""
    folder = fake(tmp_path / "fake", LOOP, method="Dataset.__getitem__", when="True")
    with subprocess.Popen(
        [sys.executable, "-I", "-c", COMMAND.format(str(folder)), "upsert", str(saved(tmp_path / "rows.h5")), "--index",
         "x", "--target", f"disk:{tmp_path / 'data'}", "--create"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **more},
    ) as running:  # fmt: skip
        try:
            acting = folder / "acting"
            wait_for(lambda: running.poll() is not None or (acting.exists() and acting.read_text()))
            assert running.poll() is None, running.communicate()
            yield running, int((folder / "acting").read_text())
        finally:
            running.kill()


def test_the_process_ends_with_the_one_that_asked_however_that_ends(tmp_path: Path) -> None:
    with looping(tmp_path) as (running, number):
        assert is_there(number)
        running.kill()
        wait_for(lambda: not is_there(number), 30)


def test_it_knows_no_secret(tmp_path: Path) -> None:
    names = ("CYBORG_INGEST_INDEX_KEY", "CYBORG_INGEST_OTHER_KEY", "AWS_SECRET_ACCESS_KEY", "TOKEN")
    with looping(tmp_path, **dict.fromkeys(names, SECRET)) as (_, number):
        folder = Path(f"/proc/{number}")
        for name in ("environ", "cmdline"):
            assert SECRET.encode() not in (folder / name).read_bytes()
            assert b"CYBORG" not in (folder / name).read_bytes()  # nor the name of any


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_terminals_signal_ends_it_in_good_order(number: signal.Signals, code: int, tmp_path: Path) -> None:
    with looping(tmp_path) as (running, child):
        os.killpg(running.pid, number)
        out, err = running.communicate(timeout=120)
        assert (running.returncode, "Traceback" in out + err) == (code, False), err
        wait_for(lambda: not is_there(child), 30)


def test_signals_do_not_end_it_before_the_rows_are_read(tmp_path: Path) -> None:
    chunks = read(saved(tmp_path / "rows.h5"))
    assert next(chunks) == 10
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for child in map(int, children):
            if b"cyborg_ingest.apart" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, number)
    assert sum(chunks) == ROWS - 10


SCRIPT = """
import sys
import cyborg_ingest
report = cyborg_ingest.load({path!r}, index="x", target={target!r}, create=True)
print(report.rows["acknowledged"])
"""


@pytest.mark.parametrize("way", ["a script without a main guard", "a zip", "a thread", "another folder"])
def test_it_is_found_wherever_the_package_is(way: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.h5")
    script = SCRIPT.format(path=str(path), target=f"disk:{tmp_path / 'data'}")
    if way == "a zip":
        package = Path(cyborg_ingest.__file__).parent
        with zipfile.ZipFile(tmp_path / "package.zip", "w") as out:
            for one in package.rglob("*.py"):
                out.write(one, str(one.relative_to(package.parent)))
        script = f"import sys; sys.path.insert(0, {str(tmp_path / 'package.zip')!r})\n{script}"
        script += "assert '.zip' in cyborg_ingest.__file__"
    elif way == "a thread":
        script = "import threading\ndef work():\n" + script.replace("\n", "\n    ") + "\n"
        script += "one = threading.Thread(target=work)\none.start()\none.join()"
    elif way == "another folder":
        script = script.replace(repr(str(path)), "'rows.h5'")
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, cwd=tmp_path, check=False,
        timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{ROWS}\n"), done.stderr


def test_what_is_no_local_file_is_read_for_it_range_by_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "rows.h5")
    monkeypatch.setattr(sources, "native", lambda _uri: io.BufferedReader(io.FileIO(path)))
    assert list(read(path, 20)) == [20, 20, 10]


def test_without_a_python_to_start_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "rows.h5")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(FormatError, match=r"rows\.h5: .*process of its own: No such file"):
        next(read(path))


FLOOD = r"""exec('import contextlib\n'
    'for one in range(3, 30):\n with contextlib.suppress(OSError): os.write(one, b"x" * 99)')"""


def test_an_answer_that_is_none_is_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(fake(tmp_path / "fake", FLOOD, **READS))
    with pytest.raises(SourceError, match=r"rows\.h5: .*gave an answer that cannot be read: a header of"):
        sum(read(saved(tmp_path / "rows.h5")))


def test_a_host_that_closes_all_that_is_open_reads_hdf5_all_the_same(tmp_path: Path) -> None:
    """Whoever becomes a daemon does: a kept process had no pipes then, and others had their numbers."""
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["train"] = np.ones((3, 4), np.float32)
    script = f"""
import os, sys
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings
def rows():
    plan = make_plan(({str(tmp_path / "rows.h5")!r},), SourceSettings())
    return sum(len(chunk.batch) for chunk in plan.chunks(10))
before = rows()
os.closerange(3, 100)
others = [os.open({str(tmp_path / "other")!r}, os.O_RDWR | os.O_CREAT) for _ in range(20)]
after = rows()
print(before, after, os.fstat(others[0]).st_size, len([os.fstat(one) for one in others]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == (["3", "3", "0", "20"], "")


def test_rows_that_nobody_reads_on_give_their_process_back_from_a_cycle_too(tmp_path: Path) -> None:
    """As a traceback makes them: the pipes were closed first, and the process was kept for the next file."""
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["train"] = np.ones((9, 4), np.float32)
    for _ in range(3):
        chunks = make_plan((str(tmp_path / "rows.h5"),), SourceSettings()).chunks(2)
        assert len(next(chunks).batch) == 2
        cycle: list[Any] = [chunks]
        cycle.append(cycle)
        del chunks, cycle
        gc.collect()
    assert all(kept.is_whole() for kept in borrowing._idle)
    assert sum(len(one.batch) for one in make_plan((str(tmp_path / "rows.h5"),), SourceSettings()).chunks(2)) == 9
