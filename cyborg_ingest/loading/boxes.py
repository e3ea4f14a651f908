"""The time that a load may take: when it is over, the load stops as for a first signal."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.settings.quantities import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.stop import Stop


@contextlib.contextmanager
def boxed(stop: Stop, duration: str | None) -> Iterator[None]:
    """Ask for a stop where the `with` takes longer than this, as in 5h50m; None: it may take as long as it does."""
    if duration is None:
        yield
        return
    reason = f"stopped: --max-duration {duration} is over. What was acknowledged is noted; the same command resumes."
    seconds = min(seconds_of(duration), threading.TIMEOUT_MAX)
    timer = threading.Timer(seconds, stop.end, (ExitCode.BOX_REACHED, reason))
    timer.name, timer.daemon = "box", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # or it might ask in the midst of what ends the run
        stop.is_interrupting = False
