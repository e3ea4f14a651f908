"""The way from a process of its own to the one that asks it, who may take any time to read or write."""

from __future__ import annotations

import io
import os
import signal
from typing import TYPE_CHECKING, Any

from cyborg_ingest.apart import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from cyborg_ingest.apart.messages import Bytes

_COMMANDS = 0


class Asked:
    """Where questions come from (standard input) and where `answers` go.

    Between the two this process may take so many `seconds`: then the system ends it, whatever a library does.
    """

    def __init__(self, answers: int, seconds: float) -> None:
        self._answers, self._seconds = answers, seconds

    def read(self, idle_seconds: float = 0.0) -> dict[str, Any]:
        """The next question; it may take any time to come, or so many seconds."""
        signal.setitimer(signal.ITIMER_REAL, idle_seconds)
        request, _ = messages.read(_fill)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return request

    def write(self, header: dict[str, Any], buffers: Sequence[Buffer] = ()) -> None:
        """Answer."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        messages.write(self._answers, header, buffers)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def want(self, offset: int, size: int) -> Bytes:
        """Bytes of the file, which the one who asks has open."""
        self.write({"want": [offset, size]})
        signal.setitimer(signal.ITIMER_REAL, 0)
        _, (data,) = messages.read(_fill)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return data


def _fill(room: memoryview) -> None:
    while len(room):
        count = os.readv(_COMMANDS, [room])
        if not count:  # there is nobody any more who asks
            os._exit(0)
        room = room[count:]


class RemoteFile(io.RawIOBase):
    """A file that the one who asks reads, range by range."""

    def __init__(self, asked: Asked, size: int) -> None:
        self._asked, self._size, self._position = asked, size, 0

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")
        data = self._asked.want(self._position, min(len(view), max(0, self._size - self._position)))
        view[: len(data)] = data.data
        self._position += len(data)
        return len(data)
