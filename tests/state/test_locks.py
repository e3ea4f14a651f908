"""A lock of ours: who holds it is said, whatever stands in its files, and it ends with its process."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cyborg_ingest.errors import UntrustedError
from cyborg_ingest.private import Folder
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.state import locks
from cyborg_ingest.state.locks import HeldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder.root(tmp_path, "name another") as one:
        yield one


def refused(folder: Folder, *, is_shared: bool = False) -> list[str]:
    with pytest.raises(HeldError) as caught:
        locks.take(folder, None, is_shared=is_shared)
    return [str(one) for one in caught.value.holders]


def names(folder: Folder) -> set[str]:
    return {re.sub("[0-9a-f]{12}", "N", one) for one in folder.names()}


def test_who_has_a_lock_is_said_by_process_host_time_and_command(folder: Folder) -> None:
    with locks.take(folder, "cyborg-ingest upsert 'a b'"):
        (told,) = refused(folder)
    assert re.fullmatch(
        rf"pid {os.getpid()} on {re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC: "
        "cyborg-ingest upsert 'a b'",
        told,
    )
    assert names(folder) == {"lock"}
    with locks.take(folder, None):
        assert names(folder) == {"lock", "holder-N"}
        assert refused(folder)[0].endswith(" UTC")


def test_a_shared_lock_is_had_by_many_and_by_nobody_alone(folder: Folder) -> None:
    with locks.take(folder, "first", is_shared=True), locks.take(folder, "second", is_shared=True):
        assert sorted(one.rpartition(": ")[2] for one in refused(folder)) == ["first", "second"]
    with locks.take(folder, "alone"):
        assert len(refused(folder, is_shared=True)) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff\xfe", b"{", b"[1]", b"null", b"{}", b"[" * 100_000, b'{"pid": "7", "host": "h", "since": "x"}',
        b'{"pid": true, "host": "h", "since": "2026-01-01T00:00:00+00:00", "command": null}',
        b'{"pid": -1, "host": "h", "since": "2026-01-01T00:00:00+00:00", "command": null}',
        b'{"pid": 7, "host": 8, "since": "2026-01-01T00:00:00+00:00", "command": null}',
        b'{"pid": 7, "host": "h", "since": "0001-01-01T00:00:00+23:59", "command": null}',
        b'{"pid": 7, "host": "h", "since": "2026-01-01T00:00:00+00:00", "command": ["rm"]}',
        b'{"pid": 1' + b"0" * 5000 + b', "host": "h", "since": "2026-01-01T00:00:00+00:00"}',
    ],
)  # fmt: skip
def test_what_is_no_holder_says_nothing(folder: Folder, text: bytes) -> None:
    with locks.take(folder, None):
        for name in [one for one in folder.names() if one != "lock"]:
            (folder.path / name).write_bytes(text)
        assert refused(folder) == []


def test_what_a_holder_says_of_itself_is_shown_and_not_obeyed_and_holds_no_secret(folder: Folder) -> None:
    KNOWN.add("a-5ecret-of-ours")
    with locks.take(folder, "x --a a-5ecret-of-ours \x1b[2J\n\u202e" + "y" * 5000):
        (own,) = (one for one in folder.names() if one != "lock")
        assert "5ecret" not in (folder.path / own).read_text()
        (told,) = refused(folder)
    assert told.isprintable()
    assert "5ecret" not in told
    assert "\\x1b[2J\\n\\u202e" in told
    assert len(told) < 1500


def test_other_files_beside_a_lock_are_left_alone(folder: Folder, tmp_path: Path) -> None:
    others = {"holder-", "holder-0123456789ab.txt", "job.json", "holder-0123456789AB"}
    for name in others:
        (tmp_path / name).write_text("{}")
    with locks.take(folder, None):
        assert len(refused(folder)) == 1
    assert {*others, "lock"} == set(folder.names())


def test_a_link_in_the_place_of_a_holder_is_refused_as_everywhere(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"pid": 1, "host": "h", "since": "2026-01-01T00:00:00+00:00"}')
    (tmp_path / "holder-0123456789ab").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UntrustedError, match="is a link"):
        locks.take(folder, None)


HOLDER = """
import os, pathlib, sys, time
from cyborg_ingest.private import Folder
from cyborg_ingest.state import locks
folder = Folder.root(pathlib.Path(sys.argv[1]), "")
lock = locks.take(folder, "the holder")
if sys.argv[2] == "fork" and os.fork() == 0:
    print("held", os.getpid(), flush=True)
    time.sleep(600)
if sys.argv[2] == "exec":
    import subprocess
    child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    print("held", child.pid, flush=True)
if sys.argv[2] == "alone":
    print("held 0", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("what", ["alone", "fork", "exec"])
def test_a_lock_ends_with_its_process_also_where_that_has_children_which_go_on(folder: Folder, what: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.path), what], stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        child = int(one.stdout.readline().split()[1])
        try:
            (told,) = refused(folder)
            assert told.startswith(f"pid {one.pid} on ")
            assert told.endswith(": the holder")
            one.kill()
            one.wait()
            if child:
                os.kill(child, 0)  # it is there
            assert names(folder) == {"lock", "holder-N"}  # which says nothing any more
            with locks.take(folder, "next"):
                (told,) = refused(folder)
                assert told.endswith(": next")
                assert len(folder.names()) == 2
        finally:
            if child:
                os.kill(child, signal.SIGKILL)


def test_a_child_that_ends_leaves_the_lock_to_its_parent(folder: Folder) -> None:
    with locks.take(folder, None) as lock:
        child = os.fork()
        if not child:
            lock.free()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert len(refused(folder)) == 1
    with locks.take(folder, None):
        pass


def test_anybody_who_locks_the_file_has_it(folder: Folder) -> None:
    """As `flock(1)` does."""
    with (folder.path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert refused(folder) == []
    with locks.take(folder, None):
        own = next(one for one in folder.names() if one != "lock")
        assert json.loads((folder.path / own).read_text())["pid"] == os.getpid()
