"""A load, and a client, leave the process that they are in as it was: it is their host's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is open is told by /proc")

HOST = """
import contextlib, gc, locale, logging, os, signal, socket, sys, threading, time, warnings
import cyborgdb_core, numpy, numpy.ma, pandas, requests, rich.progress  # what they do when they are imported is theirs
import cyborg_ingest
from pathlib import Path
target, folder, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
rows = [{"id": str(row), "vector": [1.0, row, 2.0], "n": row} for row in range(300)]
seen = []

def handler(number, frame):
    seen.append(number)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1):
    signal.signal(number, handler)
wakeup = socket.socketpair()
wakeup[1].setblocking(False)
signal.set_wakeup_fd(wakeup[1].fileno())
warnings.filterwarnings("error", message="mine")
logging.getLogger("cyborg_ingest").addHandler(logging.NullHandler())

def state():
    gc.collect()
    descriptors = {}
    for one in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            descriptors[one] = os.readlink(f"/proc/self/fd/{one}")
    held = {one for one in descriptors.values() if not one.startswith(str(folder / "data"))}
    return {
        "signals": [signal.getsignal(number) for number in range(1, 32)],
        "wakeup": signal.set_wakeup_fd(wakeup[1].fileno()),
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "directory": os.getcwd(),
        "streams": [sys.stdin, sys.stdout, sys.stderr, sys.excepthook, threading.excepthook],
        "logging": [logging.root.handlers[:], logging.getLogger("cyborg_ingest").handlers[:], logging.root.level],
        "threads": sorted(one.name for one in threading.enumerate()),
        "descriptors": sorted(held),
        "recursion": sys.getrecursionlimit(),
        "umask": os.umask(0o22),
    }

def ended(action):
    try:
        action()
    except (cyborg_ingest.IngestError, ZeroDivisionError, TypeError) as error:
        return type(error).__name__
    return "well"

def break_off():
    yield from rows[:200]
    1 / 0

options = {"index": f"i{how}", "target": target, "state_dir": folder / "state"}
create = {**options, "create": True, "key_out": folder / f"{how}.key"}
done = {
    "a load": lambda: cyborg_ingest.load(rows, **create),
    "a load with a bar": lambda: cyborg_ingest.load(rows, progress=True, max_duration="1h", max_errors=3, **create),
    "a load of a file": lambda: cyborg_ingest.load(folder / "rows.jsonl", verify="full", **create),
    "one that fails": lambda: cyborg_ingest.load(break_off(), **create),
    "one of bad rows": lambda: cyborg_ingest.load([*rows, {"id": "x", "vector": [1.0]}], **create),
    "verify": lambda: cyborg_ingest.verify(rows, index=f"i{how}", target=target, index_key=folder / f"{how}.key"),
    "inspect": lambda: cyborg_ingest.inspect(rows),
    "a client": lambda: client(),
}

def client():
    with cyborg_ingest.connect(target, retries=2) as one, one.index(f"i{how}", folder / f"{how}.key") as index:
        index.get(["1"]), index.query([1.0, 2.0, 3.0]), index.count()

before = state()
for name, action in done.items():
    print(name, ended(action))
    after = state()
    for what in before:
        if before[what] != after[what]:
            print("CHANGED", name, what, [x for x in (after[what] if isinstance(after[what], list) else [after[what]])
                                          if not isinstance(before[what], list) or x not in before[what]])
os.kill(os.getpid(), signal.SIGTERM)
print(seen == [signal.SIGTERM])
"""


def test_a_host_has_its_process_back_as_it_was(engine: Engine, tmp_path: Path) -> None:
    rows = (json.dumps({"id": f"f{row}", "vector": [1, row, 2]}) for row in range(300))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    target = f"disk:{tmp_path / 'data'}" if engine.kind == "embedded" else engine.target
    done = subprocess.run(
        [sys.executable, "-c", HOST, target, str(tmp_path), engine.name()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("CHANGED")] == []
    assert lines == [
        "a load well", "a load with a bar well", "a load of a file well", "one that fails SourceError",
        "one of bad rows BadRowError", "verify well", "inspect well", "a client well", "True",
    ]  # fmt: skip
