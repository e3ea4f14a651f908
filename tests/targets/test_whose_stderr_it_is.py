"""The engine's own lines are not seen, and nothing else that writes to stderr is touched: it is its host's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the C++ library of Linux is written to")

HOST = """
import ctypes, os, sys

class Host:
    '''A C++ library of the host's: it shares std::cerr with all others.'''

    def __init__(self):
        library = ctypes.CDLL("libstdc++.so.6")
        init = library._ZNSt8ios_base4InitC1Ev
        init.argtypes, init.restype = [ctypes.c_void_p], None
        self._init = ctypes.create_string_buffer(16)
        init(ctypes.addressof(self._init))
        self._cerr = ctypes.addressof(ctypes.c_char.in_dll(library, "_ZSt4cerr"))
        self._put = library._ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc
        self._put.argtypes, self._put.restype = [ctypes.c_void_p, ctypes.c_char_p], ctypes.c_void_p

    def say(self, text):
        self._put(self._cerr, f"C++ {text}\\n".encode())
        os.write(2, f"fd 2 {text}\\n".encode())
        print(f"Python {text}", file=sys.stderr, flush=True)

host = Host()
folder = sys.argv[1]
"""
FAILING = """
import cyborg_ingest
import numpy as np
from cyborg_ingest.errors import IngestError
host.say("before")
with cyborg_ingest.connect(f"disk:{folder}") as client:
    host.say("connected")
    for _ in range(2):
        try:
            client.index("i", bytes(range(1, 33))).get(["a"])
        except IngestError as error:
            print(type(error).__name__)
        host.say("after a failure")
"""
MADE = """
import cyborgdb_core
storage = cyborgdb_core.StorageConfig.disk(folder)
engine = cyborgdb_core.Client(storage_config=storage)
engine.create_index("i", bytes(range(32)), dimension=2)
del engine
"""
WITHOUT_PROC = """
from cyborg_ingest.targets import engine_log
def redirect(_library):
    raise PermissionError("no /proc here")
engine_log._redirect = redirect
"""
MINE = "from cyborg_ingest import cli\nsys.argv = ['cyborg-ingest', *sys.argv[2:]]\ncli.main()\n"


def ran(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": (bytes(range(1, 33))).hex()}
    command = [sys.executable, "-c", HOST + program, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def said(*moments: str) -> list[str]:
    return [f"{who} {moment}" for moment in moments for who in ("C++", "fd 2", "Python")]


def test_a_host_sees_its_own_lines_and_none_of_the_engines(tmp_path: Path) -> None:
    done = ran(tmp_path / "data", MADE + FAILING)
    assert done.stdout.split() == ["IndexKeyError", "IndexKeyError"], done.stderr
    assert done.stderr.splitlines() == said("before", "connected", "after a failure", "after a failure")


def test_what_the_engine_would_have_said_is_what_is_muted(tmp_path: Path) -> None:
    """Else the test above would see nothing in any case."""
    failing = "try:\n    cyborgdb_core.Client(storage_config=storage).load_index('i', bytes(range(1, 33)))\n"
    done = ran(tmp_path / "data", f"{MADE}{failing}except ValueError:\n    pass\n")
    assert "[ERROR]" in done.stderr


def test_a_load_leaves_the_streams_of_its_host_as_they_are(tmp_path: Path) -> None:
    program = """
import cyborg_ingest, pyarrow as pa
rows = pa.table({"id": ["a"], "vector": [[1.0, 2.0]]})
options = {"index": "new", "target": f"disk:{folder}", "state_dir": folder + "-state", "create": True}
for key in (bytes(range(32)), bytes(range(1, 33))):
    os.environ["CYBORG_INGEST_INDEX_KEY"] = key.hex()
    try:
        print(cyborg_ingest.load(rows, **options).exit_code)
    except cyborg_ingest.IngestError as error:
        print(int(error.exit_code))
    host.say("loaded")
"""
    done = ran(tmp_path / "data", program)
    assert done.stdout.split() == ["0", "2"], done.stderr
    assert done.stderr.splitlines() == said("loaded", "loaded")


def test_where_the_engine_alone_cannot_be_muted_a_hosts_lines_stay_and_the_engines_too(tmp_path: Path) -> None:
    done = ran(tmp_path / "data", MADE + WITHOUT_PROC + FAILING)
    lines = done.stderr.splitlines()
    assert [one for one in lines if "[ERROR]" not in one] == said(
        "before", "connected", "after a failure", "after a failure"
    )
    assert any("[ERROR]" in one for one in lines)


@pytest.mark.parametrize("program", [MINE, WITHOUT_PROC + MINE], ids=["muted", "without /proc"])
def test_the_command_line_shows_none_of_the_engines_lines(tmp_path: Path, program: str) -> None:
    folder = tmp_path / "data"
    assert ran(folder, MADE).returncode == 0
    done = ran(folder, program, "index", "info", "i", "--target", f"disk:{folder}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error ")
