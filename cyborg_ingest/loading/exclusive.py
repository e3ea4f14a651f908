"""What a load has for itself while it runs: its job, here and where else that is kept, and its index.

The index as far as the engine needs that.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cyborg_ingest.facts import Locked
from cyborg_ingest.loading.setup import folder_of
from cyborg_ingest.state.turns import Turn, Use, index_locked, job_locked
from cyborg_ingest.targets import is_embedded, one_spelling

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.remote.session import Session
    from cyborg_ingest.stop import Stop


class Exclusive(contextlib.ExitStack):
    """The locks of a load, until it ends. A dry run, which only reads, has none.

    `copied`: the settings with the directory where the job is on this machine, which is a copy where its state is kept
    elsewhere. Locks of indexes are where those of all other jobs are. `post` is told by other threads.
    """

    def __init__(
        self,
        settings: LoadSettings,
        stop: Stop,
        tell: Emit,
        command: str | None,
        *,
        copied: LoadSettings | None = None,
        post: Emit | None = None,
    ) -> None:
        super().__init__()
        self._settings = copied or settings
        self._tell = tell
        self._post = post or tell
        self._turn = Turn(settings, stop, tell, command)
        self._is_done = False
        self.session: Session | None = None
        """What pushes the state of the job, where it is kept elsewhere."""

    def wait(self) -> None:
        """Take them before anything is looked at, where they may be waited for, or where to look starts a command.

        And where what is known of the job has to be fetched first. What is planned then is still true; and a command
        that is started for nothing may have taken its rows from where they were.
        """
        settings = self._settings
        is_first = settings.lock_wait is not None or settings.from_command or settings.state_uri
        if is_first and settings.target:
            self.take(one_spelling(settings.target))

    def take(self, target: str) -> None:
        """Take them, the job's first, unless they are taken. Raises JobBusyError, IndexBusyError, StateError."""
        if self._is_done:
            return
        self._is_done = True
        if self._settings.dry_run:
            self._look(target)
            return
        if self._settings.checkpoint:
            folder = folder_of(target, self._settings)
            self.enter_context(job_locked(folder, self._turn))
            self._fetch(folder)
        use = Use(
            target,
            self._settings.index,
            is_shared=not is_embedded(target),
            is_traceless=not self._settings.checkpoint,
        )
        self.enter_context(index_locked(use, self._turn))
        self._tell(Locked())

    def keep(self) -> None:
        """Have it known elsewhere that this run has begun, before it sends the first row. Raises StateError."""
        if self.session is not None:
            self.session.keep()

    def permit(self) -> None:
        """Wait until it is known that no other run has the job. From any thread. Raises StoppedError."""
        if self.session is not None:
            self.session.permit()

    def confirm(self) -> None:
        """See that no other run has the job, before this one says that it is done. Raises StateError."""
        if self.session is not None:
            self.session.confirm()

    def _look(self, target: str) -> None:
        if self._settings.state_uri:
            from cyborg_ingest.state.remote.looking import fetch_job  # noqa: PLC0415 - few loads need it

            fetch_job(self._settings.state_uri, folder_of(target, self._settings))

    def _fetch(self, folder: Path) -> None:
        if self._settings.state_uri:
            from cyborg_ingest.state.remote.session import Session  # noqa: PLC0415 - few loads need it

            self.session = self.enter_context(Session(self._settings.state_uri, folder, self._turn, self._post))
