"""How fast a load may send: so many rows, and so many bytes, a second, for all of its workers together."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cyborg_ingest.settings.quantities import bytes_of

if TYPE_CHECKING:
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.stop import Stop


class Pace:
    """A token bucket with room for one request, which may be larger than it: the next waits until it is paid for.

    So from its first request to any later one no more than the rate was sent, but for that request itself.
    """

    def __init__(self, stop: Stop, *, rows: float | None, size: float | None) -> None:
        self._stop = stop
        self._rows, self._size = rows, size
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, rows: int, size: int) -> None:
        """Wait until a request of so many rows and bytes may leave. From any thread. Raises StoppedError on a stop."""
        seconds = max(rows / self._rows if self._rows else 0.0, size / self._size if self._size else 0.0)
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._free_at)
            self._free_at = turn + seconds
        if not self._stop.passes(turn - now):
            raise self._stop.error("stopped before this was sent")


def pace_of(settings: LoadSettings, stop: Stop) -> Pace | None:
    """The pace that a load is asked for; None where it may send as fast as it can."""
    rows, size = settings.max_rows_per_second, settings.max_bytes_per_second
    if rows is None and size is None:
        return None
    return Pace(stop, rows=rows, size=None if size is None else bytes_of(size))
