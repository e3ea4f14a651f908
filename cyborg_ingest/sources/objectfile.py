"""One object of a store, as a file that is read in ranges."""

from __future__ import annotations

import io
import random
import re
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cyborg_ingest.errors import SourceChangedError, SourceError
from cyborg_ingest.sources.small import LastPieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

_TRIES = 5
_LONGEST_PAUSE = 8.0
EDGE_BYTES = 65_536


def etag(file: Any) -> str | None:
    """The object's etag, where its store tells one."""
    for name, value in (file.metadata() or {}).items():
        if _text(name).lower() == "etag":
            return _text(value).strip('"')
    return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


_IS_FINAL = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN_ID|UNRECOGNIZED_CLIENT"
    r"|NO_SUCH_BUCKET|\(HTTP status 40[0-57]\)"
)
"""What S3 says again however often it is asked, in the words of Arrow, whose errors have no number."""


def words_of(error: BaseException) -> str:
    """The store's words in one line."""
    return " ".join(str(error).split())[:400].rstrip(".") + "."


class ObjectGoneError(SourceError):
    """The object no longer exists."""


class ObjectFile(io.RawIOBase):
    """An object that is read in ranges: one that breaks is opened again, and continues where it was.

    `on_read` hears of every range. The requests for them do not say which version they are for (Arrow has no
    If-Match): whoever uses their bytes asks for the object's version behind them. `connected` is what an earlier
    look at it has left, which spares a request; so do the `pieces` that were read last. The end is read in one piece:
    where formats have a footer, they look for it in steps.
    """

    def __init__(
        self,
        uri: str,
        connect: Callable[[], Any],
        on_read: Callable[[], None] = lambda: None,
        connected: tuple[Any, str] | None = None,
        pieces: LastPieces | None = None,
    ) -> None:
        self._uri = uri
        self._connect = connect
        self._on_read = on_read
        self._pieces = pieces or LastPieces()
        self._position = 0
        self._file: Any
        self.tag: str | None
        self._file, self.tag = connected or (None, None)
        self.size = int(self._tried(lambda file: file.size()))

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
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self.size - self._position))
        self._on_read()
        data = self._pieces.get(self._uri, self._position, wanted) or self._asked_for(wanted)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _asked_for(self, wanted: int) -> bytes:
        """So many bytes from the position on, as the store has them. Raises SourceError."""
        if not wanted:
            return b""
        place = min(self._position, max(0, self.size - EDGE_BYTES))
        size = self._position + wanted - place
        data: bytes = self._tried(lambda file: file.read_at(size, place))
        if len(data) < size:
            raise SourceError(f"{self._uri}: it breaks off at byte {place + len(data):,}.")
        self._pieces.put(self._uri, place, data)
        return data[self._position - place :]

    def _tried(self, step: Callable[[Any], Any]) -> Any:
        for number in range(_TRIES):
            try:
                return step(self._opened())
            except FileNotFoundError:
                raise ObjectGoneError(f"{self._uri}: the object is gone.") from None
            except (OSError, pa.ArrowException) as error:
                self._file = None
                if number == _TRIES - 1 or _IS_FINAL.search(str(error)):
                    raise SourceError(f"{self._uri} cannot be read: {words_of(error)}") from None
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.2 * 2**number)))  # noqa: S311 - jitter
        raise AssertionError

    def _opened(self) -> Any:
        if self._file is None:
            self._file = self._connect()
            tag = etag(self._file)
            if self.tag is not None and tag != self.tag:
                raise SourceChangedError(
                    f"{self._uri} was replaced while it was read. Run the same command again.", self._uri
                )
            self.tag = tag
        return self._file

    @property
    def connection(self) -> Any:
        """What reads it; several may use one, so nobody closes it."""
        return self._opened()
