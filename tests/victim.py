"""The command line with an engine that kills its own process: before or after a commit, at a chosen row.

It wraps the real engine; nothing of the loader knows of it. Arguments: the row, "before" or "after", and
then those of `cyborg-ingest`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from cyborg_ingest import cli


def arm(kind: Any, row: int, moment: str) -> None:
    """Let the index of this kind kill the process once so many rows have been sent."""
    real = kind.upsert_binary
    lock = threading.Lock()
    sent = 0

    def upsert_binary(self: Any, ids: list[str], *arguments: Any) -> None:
        nonlocal sent
        with lock:
            sent += len(ids)
            due = sent >= row
        if due and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, ids, *arguments)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)

    kind.upsert_binary = upsert_binary


def index_of(arguments: list[str]) -> Any:
    """The kind of index that the target has; what the other one needs takes long to import."""
    if any(one.startswith("http") for one in arguments):
        from cyborg_ingest.targets.rest import RestIndex  # noqa: PLC0415

        return RestIndex
    from cyborg_ingest.targets.embedded import EmbeddedIndex  # noqa: PLC0415

    return EmbeddedIndex


if __name__ == "__main__":
    arm(index_of(sys.argv), int(sys.argv[1]), sys.argv[2])
    sys.argv = ["cyborg-ingest", *sys.argv[3:]]
    cli.main()
