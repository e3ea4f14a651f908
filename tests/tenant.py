"""The command line with a lock in a store that expires soon, and an engine that waits, or stops its process.

It wraps the real engines; nothing of the loader knows of it. Arguments: seconds until the lock expires, a folder, how
many requests go through before the others wait for a file `open` in that folder, and then those of `cyborg-ingest`.
Each request that has ended is a line in `requests` there. Where there is a file `stops`, the process is stopped
(SIGSTOP) when the last of the first requests has ended, and no request waits.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cyborg_ingest import cli
from cyborg_ingest.state.remote import lease, session
from cyborg_ingest.targets.embedded import EmbeddedIndex
from cyborg_ingest.targets.rest import RestIndex

LAST_SECONDS = 1.0


def hurry(expiry: float) -> None:
    """Let locks expire so soon, and let what is noted be pushed at once."""
    lease.EXPIRY, lease.GRACE, lease._PAUSE = expiry, expiry / 4, 0.05
    session.PUSH_SECONDS, session.LAST_SECONDS, session._PAUSE = 0.1, LAST_SECONDS, 0.1


def arm(kind: Any, folder: Path, free: int) -> None:
    real, lock, begun = kind.upsert_binary, threading.Lock(), 0

    def upsert_binary(self: Any, *arguments: Any) -> None:
        nonlocal begun
        with lock:
            begun += 1
            number = begun
        while number > free and not (folder / "open").exists() and not (folder / "stops").exists():
            time.sleep(0.01)
        real(self, *arguments)
        with (folder / "requests").open("a") as file:
            file.write(f"{number}\n")
        if number == free and (folder / "stops").exists():
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.2)  # another thread may take the signal: this one gets no further meanwhile

    kind.upsert_binary = upsert_binary


if __name__ == "__main__":
    hurry(float(sys.argv[1]))
    for one in (EmbeddedIndex, RestIndex):
        arm(one, Path(sys.argv[2]), int(sys.argv[3]))
    sys.argv = ["cyborg-ingest", *sys.argv[4:]]
    cli.main()
