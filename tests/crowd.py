"""Many processes of the command at once, forked from one that has imported it; and requests that wait for a file.

It wraps the real engines; nothing of the loader knows of it. Arguments: a folder, how many, and those of
`cyborg-ingest`. In the folder are `N.out` and `N.err` of each, and `requests`, where each request notes that it begins
and that it has ended. If there is a `gate`, requests begin once there is an `open`; which is made when all but one of
several have ended. Prints the exit codes, as they come.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from cyborg_ingest import cli
from cyborg_ingest.loading import loader  # noqa: F401 - which is what takes long to import
from cyborg_ingest.output import display  # noqa: F401
from cyborg_ingest.targets.embedded import EmbeddedIndex
from cyborg_ingest.targets.rest import RestIndex


def watch(folder: Path) -> None:
    """Let requests note in the folder when they begin and end, and wait for its gate."""
    for kind in (EmbeddedIndex, RestIndex):
        _wrap(kind, folder)


def _wrap(kind: Any, folder: Path) -> None:
    real = kind.upsert_binary

    def upsert_binary(self: Any, *arguments: Any) -> None:
        note(folder, "+")
        while (folder / "gate").exists() and not (folder / "open").exists():
            time.sleep(0.02)
        real(self, *arguments)
        note(folder, "-")

    kind.upsert_binary = upsert_binary


def note(folder: Path, what: str) -> None:
    with (folder / "requests").open("a") as file:
        file.write(f"{what}{os.getpid()} ")


def start(folder: Path, number: int, arguments: list[str]) -> None:
    """A process of the command."""
    if os.fork():
        return
    for stream, name in ((1, "out"), (2, "err")):
        file = os.open(folder / f"{number}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
    sys.argv = ["cyborg-ingest", *arguments]
    code: Any = "it did not end by itself"
    try:
        cli.main()
    except SystemExit as done:
        code = done.code or 0
    finally:
        sys.stdout.flush()
        os._exit(int(code))


if __name__ == "__main__":
    place, many = Path(sys.argv[1]), int(sys.argv[2])
    watch(place)
    for one in range(many):
        start(place, one, sys.argv[3:])
    for left in range(many, 0, -1):
        if left == 1 < many:
            (place / "open").touch()
        with contextlib.suppress(ChildProcessError):
            sys.stdout.write(f"{os.waitstatus_to_exitcode(os.wait()[1])}\n")
