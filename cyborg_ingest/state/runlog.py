"""`log.jsonl`: what was said in a run, one object a line, with its time in UTC.

It is there to be looked at afterwards, and never changes the result of a load: what cannot be written is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING

from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    import datetime

    from cyborg_ingest.model import Json
    from cyborg_ingest.private import Folder

LOG = "log.jsonl"

LARGEST = 1_000_000
"""Bytes of a log; what is said beyond is left out, but for how the run ended."""


def read_log(folder: Folder) -> list[Json]:
    """What was said in a run, in order; a line that is damaged is left out. Raises OSError, UntrustedError."""
    try:
        handle = folder.open(LOG)
    except FileNotFoundError:
        return []
    with os.fdopen(handle, "rb") as file:
        lines = file.read(2 * LARGEST).splitlines()
    found: list[Json] = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(line)
            found += [said] if isinstance(said, dict) else []
    return found


class RunLog:
    """Appends lines, from any thread. No method raises."""

    def __init__(self, folder: Folder) -> None:
        self._lock = threading.Lock()
        self._size = 0
        self._handle = -1
        with contextlib.suppress(OSError):
            self._handle = folder.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, event: str, time: datetime.datetime, facts: Json, *, is_last: bool = False) -> None:
        """Add a line; `is_last`: however long the log is."""
        with self._lock:
            if self._handle < 0 or (self._size >= LARGEST and not is_last):
                return
            stamp = f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"
            line = self._line({"time": stamp, "event": event, **facts})
            self._size += len(line)
            if self._size >= LARGEST and not is_last:
                line = self._line({"time": stamp, "event": "full", "text": "what else was said is left out"})
            self._write(line)

    @staticmethod
    def _line(record: Json) -> bytes:
        return json.dumps(KNOWN.scrubbed(record), default=str).encode() + b"\n"

    def _write(self, line: bytes) -> None:
        try:
            if os.write(self._handle, line) != len(line):  # the disk is full
                self._close()
        except OSError:
            self._close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.close(self._handle)
        self._handle = -1
