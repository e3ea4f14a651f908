"""The lock of a job in a store: who has written its head last, and has not given it back, has it.

A holder writes a new head every few seconds. Where none comes for `EXPIRY` seconds the lock is nobody's: then another
takes it by a head of its own, under the condition that the last one is still there, so that of two only one can. That
time is measured by the store's clock, which has stamped the head and stamps an object of ours beside it, and for its
last `GRACE` seconds by our own while we look: no clock of another host counts. Within these a store that has just come
back lets the holder go on, and a request that the holder had on its way when it was killed has been applied.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING

from cyborg_ingest.errors import IngestError, JobBusyError, LockLostError, UsageError
from cyborg_ingest.facts import Noted
from cyborg_ingest.state.remote.head import Head, head_of
from cyborg_ingest.state.remote.stores import TakenError

if TYPE_CHECKING:
    import datetime

    from cyborg_ingest.state.locks import Holder
    from cyborg_ingest.state.remote.head import Files
    from cyborg_ingest.state.remote.stores import Store, Version
    from cyborg_ingest.state.turns import Turn

EXPIRY = 60.0
GRACE = 15.0
_PAUSE = 1.0
_TICK = 1.0
"""Stores stamp whole seconds."""

_OURS = 1000
"""So many heads that this process has written last are known to be its own."""

HEAD = "head.json"


class Lease:
    """The head of one job, and whether it is ours. One thread at a time."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self.folder = folder
        self._path = f"{folder}/{HEAD}"
        self._version: Version | None = None
        self._owner: Holder | None = None
        self.head: Head | None = None
        """As it was found before the lock was taken, and then as it is."""
        self._seen: tuple[str, float, float] | None = None
        """The head of another, since when it is looked at, and how old it was then."""
        self._is_said = False
        self._ours: deque[str] = deque(maxlen=_OURS)

    def look(self) -> Head | None:
        """The head as it is now; None where nothing is kept of the job. Nothing is taken."""
        found = self.seen()
        return None if found is None else found[0]

    def seen(self) -> tuple[Head, datetime.datetime] | None:
        """The same, and when it was written, by the clock of the store."""
        found = self._store.read(self._path)
        return None if found is None else (self._head(found.data), found.modified)

    def take(self, turn: Turn, owner: Holder, *, own: str | None = None) -> Head | None:
        """Take the lock; the head that was there. Raises JobBusyError where somebody has it.

        `own` is the nonce of a head that a process has written that is known to have ended.
        """
        self._owner = owner
        while True:
            found = self._store.read(self._path)
            before = None if found is None else self._head(found.data)
            free = before is None or before.owner is None or before.nonce == own
            if not free and before is not None and found is not None:
                free = self._is_left(before, found.modified, turn)
            if free:
                try:
                    self._version, self.head = self._written(before, found.version if found else None)
                except TakenError:  # another was faster
                    continue
                return before
            if not turn.stop.passes(_PAUSE):
                raise turn.stop.error()

    def _head(self, data: bytes) -> Head:
        return head_of(data, f"{self._store.uri}/{self._path}")

    def _written(self, before: Head | None, version: Version | None) -> tuple[Version, Head]:
        before = before or Head(None, EXPIRY)
        unheard = before.run if before.owner is not None else None  # until this run has pushed that it knows of it
        head = before.next(self._owner, EXPIRY, before.files, unheard)
        new = self._put(head, version)
        try:
            self._store.check_conditions(self._path, head.data())
        except UsageError:
            with contextlib.suppress(TakenError, IngestError):
                self._put(head.next(None, EXPIRY, head.files), new)
            raise
        return new, head

    def _is_left(self, head: Head, modified: datetime.datetime, turn: Turn) -> bool:
        """Whether its holder is gone. Raises JobBusyError where it is not, or nothing says so yet."""
        if self._seen is None or self._seen[0] != head.nonce:
            self._seen = head.nonce, time.monotonic(), self._age(modified)
            self._is_said = False
        _, since, age = self._seen
        watched, grace = time.monotonic() - since, min(GRACE, head.expires / 4)
        if age + watched < head.expires - grace:
            raise self._busy(head)
        if not self._is_said:
            self._is_said = True
            turn.tell(Noted(f"{self._busy(head)} Nothing was heard of it for {age + watched:.0f} seconds; it is waited "
                            f"for {grace:.0f} more before this run takes its place."))  # fmt: skip
        return watched >= grace and age + watched >= head.expires

    def _age(self, modified: datetime.datetime) -> float:
        """How old an object is at least, by the clock of the store that has stamped it."""
        path = f"{self.folder}/clock-{secrets.token_hex(6)}"
        try:
            return (self._store.write(path, b"") - modified).total_seconds() - _TICK
        finally:
            self._store.remove([path])

    def _busy(self, head: Head) -> JobBusyError:
        run = f", run {head.run}" if head.run else ""
        return JobBusyError(f"Another process is running this job ({head.owner}{run}), whose state is in "
                            f"{self._store.uri}.")  # fmt: skip

    def renew(self, files: Files | None = None, run: str | None = None) -> Head:
        """Say that it is still ours, and what its files are made of now. Raises LockLostError, StateError."""
        return self._next(self._owner, files, run)

    def release(self, files: Files | None = None) -> Head:
        """Give it back."""
        return self._next(None, files, None)

    def _next(self, owner: Holder | None, files: Files | None, run: str | None) -> Head:
        if self.head is None or self._version is None:
            raise LockLostError("The lock of this job was not taken.")
        run = run or self.head.run if owner is not None else None
        head = self.head.next(owner, EXPIRY, self.head.files if files is None else files, run)
        try:
            self._version = self._put(head, self._version)
        except TakenError:
            raise self._lost() from None
        self.head = head
        return head

    def _put(self, head: Head, version: Version | None) -> Version:
        """Write a head in place of that version. Raises TakenError.

        The answer to an earlier try may have been lost: what is found is then a head of ours, this one or the last.
        """
        data = head.data()
        self._ours.append(head.nonce)
        try:
            if version is None:
                return self._store.create(self._path, data)
            return self._store.replace(self._path, data, version)
        except TakenError:
            found = self._store.read(self._path)
            nonce = None if found is None else self._head(found.data).nonce
            if found is None or nonce not in self._ours:
                raise
            return found.version if nonce == head.nonce else self._store.replace(self._path, data, found.version)

    def _lost(self) -> LockLostError:
        now = self.look()
        who = f" ({now.owner})" if now is not None and now.owner is not None else ""
        return LockLostError(
            f"Another process{who} has taken this job over in {self._store.uri}, since nothing was heard of this one "
            f"for {EXPIRY:.0f} seconds or more. Nothing more is sent or noted here. Rows that were sent are safe; "
            "run the same command again when the other has ended."
        )
