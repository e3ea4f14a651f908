"""What other threads have to say, handed on by the one thread that does the work as a whole."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyborg_ingest.facts import Emit, Event


class Mailbox:
    """Any thread may `put`; the facts are handed on, in their order, from the thread that made this.

    `arrived` is done while something waits, for whoever waits for several things at once.
    """

    def __init__(self, tell: Emit) -> None:
        self.arrived: Future[None] = Future()
        self._tell = tell
        self._facts: deque[Event] = deque()
        self._lock = threading.Lock()
        self._owner = threading.get_ident()

    def put(self, fact: Event) -> None:
        """Leave a fact; from its own thread, it is handed on at once."""
        with self._lock:
            self._facts.append(fact)
            if not self.arrived.done():
                self.arrived.set_result(None)
        if threading.get_ident() == self._owner:
            self.deliver()

    def deliver(self) -> None:
        """Hand on what waits."""
        with self._lock:
            facts = list(self._facts)
            self._facts.clear()
            if self.arrived.done():
                self.arrived = Future()
        for fact in facts:
            self._tell(fact)
