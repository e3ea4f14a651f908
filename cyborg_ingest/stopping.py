"""SIGINT and SIGTERM: the first stops a run in good order, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from cyborg_ingest.errors import ExitCode, StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from cyborg_ingest.retry import Gate
    from cyborg_ingest.sender import Stop

_EXIT_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Stopper:
    """What a signal does: while rows are sent it asks for a drain, otherwise it ends the run where it stands."""

    def __init__(self, stop: Stop, gate: Gate, drain_seconds: float) -> None:
        self.exit_code = ExitCode.INTERRUPTED
        self.is_sending = False
        self._stop = stop
        self._gate = gate
        self._drain_seconds = drain_seconds
        self._seen = 0

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals inside the `with`; only the main thread may."""
        before = {number: signal.signal(number, self._handle) for number in _EXIT_CODES}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._seen += 1
        self.exit_code = _EXIT_CODES[signal.Signals(number)]
        if self._seen > 1:
            os._exit(self.exit_code)
        self._gate.stop()
        self._stop.ask(self._drain_seconds)
        if not self.is_sending:
            raise self.error()

    def error(self) -> StoppedError:
        """What ends the run."""
        return StoppedError("stopped by a signal", self.exit_code)
