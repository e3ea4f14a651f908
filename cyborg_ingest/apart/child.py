"""What runs in a process of its own: it does what it is asked, until nobody asks any more."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
from typing import TYPE_CHECKING, Any

from cyborg_ingest.apart.asked import Asked
from cyborg_ingest.apart.hdf5 import Hdf5

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
"""It ends with whoever asks, who may still need answers when a terminal or the system tells all processes to end."""


def main(life: int, seconds: float, idle_seconds: float, more: Sequence[str]) -> None:
    """Answer until standard input ends, or nothing was asked for `idle_seconds` between two files; see `process`.

    It is killed where an answer takes longer than `seconds`, or where `life` is closed at the other end: also in the
    midst of a library that does not return. The modules `more` are imported for what they do to the library.
    """
    asked = Asked(_detached(life), seconds)
    service, limit = Hdf5(asked, more), idle_seconds
    while True:
        request = asked.read(limit)
        limit = idle_seconds if request["do"] == "end" else 0.0
        for header, buffers in _answers(service, request):
            asked.write(header, buffers)
        asked.write({"end": True})


def _answers(service: Any, request: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Sequence[Buffer]]]:
    try:
        yield from getattr(service, request.pop("do"))(**request)
    except ImportError as error:
        yield {"missing": str(error)}, ()
    except service.BROKEN as error:
        yield {"failed": " ".join(str(error).split()).rstrip(".") or type(error).__name__}, ()


def _detached(life: int) -> int:
    """Let no signal but those that kill end this process, and these when its parent is gone; where answers go."""
    for name in _IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # else the time that an answer may take ends it
        fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is not an answer
    return answers
