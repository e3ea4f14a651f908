"""What a load has for itself while it runs: its job, and its index as far as the engine needs that."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cyborg_ingest.facts import Locked
from cyborg_ingest.loading.setup import folder_of
from cyborg_ingest.state.turns import Turn, Use, index_locked, job_locked
from cyborg_ingest.targets import is_embedded, one_spelling

if TYPE_CHECKING:
    from cyborg_ingest.facts import Emit
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.stop import Stop


class Exclusive(contextlib.ExitStack):
    """The locks of a load, until it ends. A dry run, which only reads, has none."""

    def __init__(self, settings: LoadSettings, stop: Stop, tell: Emit, command: str | None) -> None:
        super().__init__()
        self._settings = settings
        self._tell = tell
        self._turn = Turn(settings, stop, tell, command)
        self._is_done = settings.dry_run

    def wait(self) -> None:
        """Take them before anything is looked at, where they may be waited for, or where to look starts a command.

        What is planned then is still true; and a command that is started for nothing may have taken its rows from where
        they were.
        """
        is_first = self._settings.lock_wait is not None or self._settings.from_command
        if is_first and self._settings.target:
            self.take(one_spelling(self._settings.target))

    def take(self, target: str) -> None:
        """Take them, the job's first, unless they are taken. Raises JobBusyError, IndexBusyError, StateError."""
        if self._is_done:
            return
        if self._settings.checkpoint:
            self.enter_context(job_locked(folder_of(target, self._settings), self._turn))
        use = Use(
            target,
            self._settings.index,
            is_shared=not is_embedded(target),
            is_traceless=not self._settings.checkpoint,
        )
        self.enter_context(index_locked(use, self._turn))
        self._is_done = True
        self._tell(Locked())
