"""The folder of a run: its rejected rows, its log, its samples and its report.

Nothing in the folder of an earlier run is touched, until it is old: see `pruning`.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from cyborg_ingest.state.jobs import RUNS, is_run, new_run
from cyborg_ingest.state.pruning import REPORT, prune_runs
from cyborg_ingest.state.rejected import RejectedFile
from cyborg_ingest.state.runlog import RunLog
from cyborg_ingest.state.samples import SampleFile

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from cyborg_ingest.model import Json
    from cyborg_ingest.private import Folder
    from cyborg_ingest.state.ledger import State


class RunFolder:
    """A new folder in that of a job; `last` is the name of the run before, which is not removed.

    All methods raise OSError.
    """

    def __init__(self, job: Folder, last: object, now: datetime.datetime) -> None:
        self._job = job
        with contextlib.ExitStack() as opened:
            self._runs = opened.enter_context(job.below(RUNS))
            prune_runs(self._runs, {str(last)}, now)
            self._folder = opened.enter_context(new_run(self._runs))
            self.rejected = RejectedFile(self._folder)
            self.log = RunLog(self._folder)
            opened.callback(self.log.close)
            self.samples = SampleFile(self._folder)
            opened.callback(self.samples.close)
            self._opened = opened.pop_all()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder.path

    def take_over(self, state: State, last: object) -> None:
        """Begin with the rejected rows of the run that wrote this state: `last`, or one from before runs had folders.

        A rejected row that is not in the file any more is nowhere: read on from there, and reject it again.
        """
        missing = known = state.rejected_rows()
        if known:
            with contextlib.suppress(FileNotFoundError), self._earlier(last) as earlier:
                missing = self.rejected.take_over(earlier, known)
        if missing:
            for key, part in state.parts.items():
                lost = [place for place, (row, _) in part.rejected.items() if (key[0], row) in missing]
                if lost:
                    part.forget(min(lost))

    def _earlier(self, last: object) -> contextlib.AbstractContextManager[Folder]:
        """The folder in which the last run left its rejected rows. Raises FileNotFoundError."""
        if last is None:
            return contextlib.nullcontext(self._job)
        if not is_run(last):
            raise FileNotFoundError
        return self._runs.below(str(last), make=False)

    def is_there(self) -> bool:
        """Whether nobody has removed or moved it."""
        return self._folder.is_there()

    def has_rejected(self) -> bool:
        """Whether its rejected rows are there."""
        return self.is_there() and self.rejected.is_there()

    def end(self, report: Json) -> None:
        """Keep the report of the run."""
        self.rejected.sync()
        self._folder.replace(REPORT, json.dumps(report, indent=2).encode())

    def close(self) -> None:
        """Let go of it."""
        self._opened.close()
