"""Reading ahead: while one chunk is dealt with, the next one is read by another thread."""

from __future__ import annotations

import contextlib
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cyborg_ingest.stop import heed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.stop import Stop

_T = TypeVar("_T")


class Mail(Protocol):
    """What other threads have to say."""

    @property
    def arrived(self) -> Future[None]:
        """Done while something waits."""

    def deliver(self) -> None:
        """Hand it on."""


@contextlib.contextmanager
def ahead(chunks: Iterator[_T], stop: Stop, mail: Mail | None = None, *, here: bool = False) -> Iterator[Iterator[_T]]:
    """The same chunks, the next one read by another thread while the last is dealt with; a stop ends them.

    `mail` is handed on while the next one is waited for. `here`: they are read by this thread, and not ahead. A
    program's generator may use what belongs to its thread, and whoever interrupts it has to find it there.

    The thread ends with the `with`. In a generator its end would be left to the garbage collector, which may come in
    the midst of another thread's start: then both wait for each other, for ever.
    """
    if here:
        yield _heeding(chunks, stop, mail)
        return
    reader = _Ahead(chunks, stop, mail)
    try:
        yield reader
    finally:
        reader.close()


def _heeding(chunks: Iterator[_T], stop: Stop, mail: Mail | None) -> Iterator[_T]:
    for chunk in chunks:
        if mail:
            mail.deliver()
        if stop.is_asked():
            return
        yield chunk


_LAST_READ_SECONDS = 5.0
"""How long a chunk that nobody wants any more is waited for: a source may be silent for ever."""


class _Ahead(Generic[_T]):
    def __init__(self, chunks: Iterator[_T], stop: Stop, mail: Mail | None) -> None:
        self._chunks = chunks
        self._stop = stop
        self._mail = mail
        self._thread = ThreadPoolExecutor(1, "reader", heed, (stop,))
        self._next: Future[_T | None] = self._thread.submit(next, chunks, None)

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        while not (self._next.done() or self._stop.is_asked()):
            waited: list[Future[Any]] = [self._next, self._stop.wake, *([self._mail.arrived] if self._mail else [])]
            wait(waited, return_when=FIRST_COMPLETED)
            if self._mail:
                self._mail.deliver()
        chunk = self._next.result() if self._next.done() else None
        if chunk is None:
            raise StopIteration
        self._next = self._thread.submit(next, self._chunks, None)
        return chunk

    def close(self) -> None:
        """Leave the thread to itself where it is still reading."""
        is_done = bool(wait([self._next], 0 if self._stop.is_asked() else _LAST_READ_SECONDS).done)
        self._thread.shutdown(wait=is_done, cancel_futures=True)
