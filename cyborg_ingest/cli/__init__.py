"""The command line: parse, call, print, exit code; nothing else.

Start with `app`, the program, which lists the commands. A command is one file, imported when it is asked for; its
options are made from the declarations in `settings`, by `options`, and its errors end in `guard`. What `--help` does
not need is imported inside of functions. Nothing imports this room.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading

from cyborg_ingest.cli.app import app
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.output import streams, voice

__all__ = ["app", "main"]

_GIVEN_UP = ("sender", "reader", "looker")
"""How the threads are named that may be left behind."""


_GARBAGE = 20_000
"""So many objects are made before those among them are looked for that nobody can reach; Python's own number is 700."""


def main() -> None:
    """The console script. Ends the process with an exit code of `errors.ExitCode`, or the one for nothing new."""
    from cyborg_ingest.targets.engine_log import Owner  # noqa: PLC0415 - whoever calls `app` has a process of his own

    Owner.is_us = True
    # nothing here multiplies matrices, and the threads that numpy's OpenBLAS would start take turns in spinning
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # what is imported is never garbage; to look for some in it took a tenth of the time of a short command
    gc.set_threshold(_GARBAGE)
    atexit.register(gc.freeze)
    streams.make_unbreakable()
    try:
        app(prog_name="cyborg-ingest")
    except SystemExit as done:
        lost = streams.why_lost(sys.stdout)
        if lost is not None:
            voice.tell("note", f"Not all of the result could be written to standard output: {lost}.")
        if any(thread.name.startswith(_GIVEN_UP) for thread in threading.enumerate()):
            # what a stop has given up, a request or a silent source, would be waited for at the end of the process
            os._exit(done.code if isinstance(done.code, int) else ExitCode.BUG)
        raise
