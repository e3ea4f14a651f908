"""One job whose state is in a store, as the run has it that holds its lock.

A thread of its own pushes what the folder of the job says by now, and with that says that the run is alive. The load
does not wait for it, but after a time in which nothing was heard of the store, as when the process was stopped: then
it may have lost the lock, and sends nothing until it knows.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from cyborg_ingest.errors import ExitCode, IngestError, LockLostError
from cyborg_ingest.facts import Noted
from cyborg_ingest.state.files import kept_in
from cyborg_ingest.state.jobs import RUNS, open_job, writing
from cyborg_ingest.state.locks import Holder
from cyborg_ingest.state.remote import lease as leases
from cyborg_ingest.state.remote.lease import Lease
from cyborg_ingest.state.remote.pulling import copied, drop, mark, note_unheard, pull
from cyborg_ingest.state.remote.pushing import Pushed
from cyborg_ingest.state.remote.stores import Store

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.state.remote.head import Files, Head
    from cyborg_ingest.state.turns import Turn

PUSH_SECONDS = 5.0
LAST_SECONDS, STOPPED_SECONDS = 60.0, 8.0
"""So long the last push is tried again; and where the run was stopped, and may be killed soon."""

_PAUSE = 1.0
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


JOBS = "jobs"


def place_of(job: str) -> str:
    """Where a job is below the prefix."""
    return f"{JOBS}/{job}"


class Session:
    """A job, from its lock on until that is given back. `post` hears what the thread has to say.

    `is_removal`: files are only removed meanwhile, or the whole folder. It is not waited for, and takes no time.
    """

    def __init__(self, uri: str, folder: Path, turn: Turn, post: Emit, *, is_removal: bool = False) -> None:
        self._uri = uri
        self._turn = turn
        self._post = post
        self._folder = folder
        self._is_removal = is_removal
        self._lost: LockLostError | None = None
        self._is_failing = False
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._runs: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="state", daemon=True)

    def __enter__(self) -> Self:
        """Raises JobBusyError, StateError, UsageError."""
        store = Store(self._uri)
        with writing(self._folder):
            self._own = open_job(self._folder)
        try:
            self._lease = Lease(store, place_of(self._folder.name))
            self._begin(store)
        except BaseException:
            self._own.close()
            raise
        if not self._is_removal:
            self._thread.start()
        return self

    def _begin(self, store: Store) -> None:
        nonce = copied(self._own, self._uri)
        holder = Holder.here(self._turn.command)

        def take() -> Head | None:
            return self._lease.take(self._turn, holder, own=nonce)

        before = take() if self._is_removal else self._turn.awaited(take)
        self._heard = _now()
        try:
            with writing(self._folder):
                self._pull(store, before, nonce)
        except BaseException:
            with contextlib.suppress(IngestError):
                self._lease.release()
            raise

    def _pull(self, store: Store, before: Head | None, nonce: str | None) -> None:
        """Have what the store has; what was noted here since that was pushed, if nobody else has gone on from there."""
        files: Files = {} if before is None else before.files
        if before is None:
            drop(self._own, kept_in(self._own))
        elif before.nonce != nonce:
            pull(store, self._lease.folder, self._own, files)
            if before.owner is not None and before.run is not None:
                note_unheard(self._own)
        self._runs = _runs(files)
        self._pushed = Pushed(store, self._lease.folder, self._own, files, self._between)
        self._pushed.tidy()
        self._mark(self._lease.renew())

    def _mark(self, head: Head) -> None:
        mark(self._own, self._uri, head)
        self._heard = _now()

    def _between(self) -> None:
        """Say that the run is alive while much is pushed."""
        if _now() - self._heard >= leases.EXPIRY / 4:
            self._mark(self._lease.renew())

    def _work(self) -> None:
        while not self._over.wait(min(PUSH_SECONDS, leases.EXPIRY / 12)):
            with self._lock:
                try:
                    self._push()
                except LockLostError as error:
                    self._lose(error)
                    return
                except (IngestError, OSError) as error:
                    self._fail(error)

    def _push(self, *, is_asked: bool = False) -> None:
        files = self._pushed.changed()
        if files is None and not is_asked and _now() - self._heard < leases.EXPIRY / 4:
            return
        run = max(_runs(files or self._pushed.noted_files) - self._runs, default=None)
        head = self._lease.renew(files, run)
        self._mark(head)
        self._pushed.noted(head.files)
        if self._is_failing:
            self._is_failing = False
            self._post(Noted(f"The store of {self._uri} answers again: what was done since is kept there now."))

    def _lose(self, error: LockLostError) -> None:
        self._turn.stop.end(ExitCode.FAILED, str(error))  # first: who sends hears of both, and ends by it
        self._lost = error

    def _fail(self, error: Exception) -> None:
        """The load goes on: what cannot be pushed is sent again by whoever continues from there."""
        self._heard = _now()
        if not self._is_failing:
            self._is_failing = True
            self._post(
                Noted(
                    f"{_words(error)} The load continues, and that is tried again; until then a run elsewhere would "
                    "send again what was sent since."
                )
            )

    def permit(self) -> None:
        """Wait until it is known that no other run has the job. From any thread. Raises StoppedError."""
        while self._lost is None and _now() - self._heard >= leases.EXPIRY * 3 / 4:
            if not self._turn.stop.passes(0.1):
                raise self._turn.stop.error("stopped before this was sent")
        if self._lost is not None:
            raise self._turn.stop.error(str(self._lost))

    def keep(self) -> None:
        """Push that this run has begun, before it sends the first row. Raises StateError, UsageError.

        Who takes over from one that has not come so far knows that it has sent nothing.
        """
        with self._lock, writing(self._folder):
            self._push(is_asked=True)

    def confirm(self) -> None:
        """See that the job still is this run's, before that says that it is done. Raises LockLostError."""
        with self._lock:
            try:
                if self._lost is None:
                    self._push(is_asked=True)
            except LockLostError as error:
                self._lost = error
            except (IngestError, OSError) as error:
                self._fail(error)
        if self._lost is not None:
            raise self._lost

    def __exit__(self, *_: object) -> None:
        """Push what is left, and give the lock back; where that fails it is said, and changes nothing else."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            if self._lost is None:
                self._end()
        except KeyboardInterrupt:  # who waits for the end of this does not want to
            self._turn.tell(Noted(self._not_kept(InterruptedError("stopped"))))
        finally:
            self._own.close()

    def _end(self) -> None:
        until = time.monotonic() + LAST_SECONDS
        pause = threading.Event()
        while (failed := self._released()) is not None:
            if self._is_removal:
                raise failed
            if self._turn.stop.is_asked():
                until = min(until, time.monotonic() + STOPPED_SECONDS)
            if isinstance(failed, LockLostError) or time.monotonic() >= until:
                self._turn.tell(Noted(str(failed) if isinstance(failed, LockLostError) else self._not_kept(failed)))
                return
            pause.wait(_PAUSE)

    def _released(self) -> Exception | None:
        """What keeps the lock from being given back, with all that was noted; None where it is."""
        try:
            is_gone = self._is_removal and not self._own.is_there()
            head = self._lease.release({} if is_gone else self._pushed.changed())
            if not is_gone:
                mark(self._own, self._uri, head)
        except (IngestError, OSError) as error:
            return error
        self._pushed.noted(head.files)
        return None

    def _not_kept(self, error: Exception) -> str:
        return (
            f"{_words(error)} The end of this run is not kept there: the next run elsewhere sends again what was sent "
            f"since the last push, and finds the job locked for {leases.EXPIRY:.0f} seconds. No row is lost by that."
        )


def _runs(files: Files) -> set[str]:
    return {name.split("/")[1] for name in files if name.startswith(f"{RUNS}/")}


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, IngestError) else f"The copy of the state cannot be read: {error}."


def _now() -> float:
    """Seconds that pass also while this machine sleeps."""
    return time.clock_gettime(_BOOT) if _BOOT is not None else time.monotonic()
