"""What is copied to a temporary file for being found by id ends with an error of ours where the disk is full."""

from __future__ import annotations

import subprocess
import sys

FULL = """
import resource, signal, sys
from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
spool = Spool("--metadata x.csv", "CREATE TABLE t (id TEXT, text)")
try:
    print(sum(spool.fill("INSERT INTO t VALUES (?, ?)", ((str(row), "x" * 10_000) for row in range(int(sys.argv[1]))))))
except SourceError as error:
    print(error)
"""


def filled(rows: int) -> str:
    command = [sys.executable, "-c", FULL, str(rows)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_disk_for_temporary_files_that_is_full_is_said_with_what_was_copied_and_where_to() -> None:
    told = filled(10_000)
    assert told.startswith("--metadata x.csv: it is copied to a temporary file")
    assert "SQLITE_TMPDIR" in told


def test_what_has_room_in_memory_needs_no_disk() -> None:
    assert filled(10) == "10\n"
