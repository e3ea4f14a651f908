"""A signal ends every wait: for a silent source, a request, a pause, a row to be found, a library's own code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import Engine

WAITING = """
import ctypes, sys, threading, time
from cyborg_ingest import cli
from cyborg_ingest.errors import RefusedError, TargetError
from cyborg_ingest.targets.embedded import EmbeddedIndex
from cyborg_ingest.targets.rest import RestIndex

def say():
    print("waiting", file=sys.stderr, flush=True)

def wait():
    say()
    time.sleep(600)

def wait_in_a_library():  # for a lock that is taken twice: no signal interrupts that
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    threading.Timer(1, say).start()
    library.pthread_mutex_lock(mutex)

calls = 0
def replaced(name, act):
    for kind in (EmbeddedIndex, RestIndex):
        def method(self, *arguments, real=getattr(kind, name)):
            global calls
            calls += 1
            act(calls, *arguments)
            return real(self, *arguments)
        setattr(kind, name, method)

def answer_nothing(number, ids, *rest):
    wait()

def fail_beside_one_that_hangs(number, ids, *rest):
    if number > 1:
        raise TargetError("it is gone")
    time.sleep(0.5)
    wait()

def hang_while_the_row_at_fault_is_looked_for(number, ids, *rest):
    if number > 2:
        wait()
    if number > 1:
        raise RefusedError("a row of it is bad")

def tell(number, ids, *rest):
    if number == 2:
        say()

what = sys.argv[1]
if what == "native":
    EmbeddedIndex.count = lambda self: wait_in_a_library()
elif what == "get":
    replaced("get", answer_nothing)
elif what:
    replaced("upsert_binary", globals()[what])
sys.argv = ["cyborg-ingest", *sys.argv[2:]]
cli.main()
"""


def rows(count: int, dimension: int = 2) -> str:
    rest = [0.123456789] * (dimension - 1)
    return "".join(json.dumps({"id": f"r{row}", "vector": [row, *rest]}) + "\n" for row in range(count))


def stopped(
    what: str, arguments: Sequence[object], *, until: str = "waiting", typed: str | None = None
) -> tuple[int, str, str]:
    """What a command that is told to end once it says `until` exits with, and what it says on both streams."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, what, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        limit = threading.Timer(60, process.kill)
        limit.start()
        try:
            assert process.stdin is not None
            assert process.stderr is not None
            if typed is not None:
                process.stdin.write(typed)
                process.stdin.flush()  # and left open
            before = []
            if until:
                for line in process.stderr:
                    before.append(line)
                    if until in line:
                        break
                else:
                    pytest.fail("".join(before))
            process.send_signal(signal.SIGTERM)
            process.wait(30)  # of 600 seconds that it would wait
            assert process.stdout is not None
            return process.returncode, process.stdout.read(), "".join(before) + process.stderr.read()
        finally:
            limit.cancel()
            process.kill()


@pytest.fixture
def load(tmp_path: Path) -> list[object]:
    """Of 400 rows, in batches of 100."""
    np.save(tmp_path / "rows.npy", np.arange(1, 801, dtype=np.float32).reshape(400, 2))
    options = ["--create", "--batch-rows", 100, "--drain-timeout", 1]
    return ["upsert", tmp_path / "rows.npy", "--index", "x", "--target", f"disk:{tmp_path / 'data'}", *options]


@pytest.mark.parametrize(
    "what",
    ["answer_nothing", "fail_beside_one_that_hangs", "hang_while_the_row_at_fault_is_looked_for"],
)
def test_a_signal_ends_the_wait_for_a_request(load: list[object], what: str) -> None:
    code, _, said = stopped(what, load)
    assert code == 143, said
    assert "stopped   by a signal" in said
    assert "the same command" in said or "cyborg-ingest upsert" in said


@pytest.mark.parametrize("typed", ["", rows(6000, 384)], ids=["before the first row", "in the midst of the rows"])
def test_a_signal_ends_the_wait_for_a_silent_pipe(load: list[object], typed: str) -> None:
    piped = [*load[:1], "-", "--format", "jsonl", *load[2:]]
    code, _, said = stopped("tell" if typed else "", piped, until="waiting" if typed else "", typed=typed)
    assert code in ({143} if typed else {143, -signal.SIGTERM}), said  # it may come before Python is there
    if typed:
        assert "stopped   by a signal" in said


def test_what_was_sent_before_a_pipe_fell_silent_is_noted(engine: Engine) -> None:
    index = engine.name()
    options = ["--index", index, "--target", engine.target, "--create", "--batch-rows", 100, "--json"]
    code, out, said = stopped("tell", ["upsert", "-", "--format", "jsonl", *options], typed=rows(6000, 384))
    assert code == 143, said
    assert json.loads(out)["rows"]["acknowledged"] == engine.count(index) > 0


def test_a_signal_ends_a_comparison(load: list[object]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *map(str, load)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    code, _, said = stopped("get", ["verify", *load[1:6]])
    assert code == 143, said
    assert "stopped" in said


def test_a_signal_ends_a_wait_in_the_code_of_a_library_where_no_handler_is_run(load: list[object]) -> None:
    code, _, said = stopped("native", load)
    assert code == 143, said
    assert "in the midst of a wait" in said


@pytest.mark.parametrize(
    "arguments", [["index", "info", "x"], ["index", "list"], ["upsert", "rows.jsonl", "--index", "x"]]
)
def test_a_signal_ends_the_wait_for_a_service_that_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", "11" * 32)
    (tmp_path / "rows.jsonl").write_text(rows(3))
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"http://127.0.0.1:{server.getsockname()[1]}"
        with subprocess.Popen(
            [sys.executable, "-m", "cyborg_ingest", *arguments, "--target", target],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
        ) as process:  # fmt: skip
            try:
                connection, _ = server.accept()  # it has asked
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=30)
            finally:
                process.kill()
            connection.close()
    assert process.returncode == 143, said
    assert "stopped" in said
    assert "Traceback" not in said
