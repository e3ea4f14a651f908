"""What can be read once: but for a head that may be looked at first; what comes is digested as it passes."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cyborg_ingest.errors import SourceChangedError, SourceError
from cyborg_ingest.model import Mark
from cyborg_ingest.sources.base import BeginningEndedError
from cyborg_ingest.sources.digest import Digest, digest_of
from cyborg_ingest.sources.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from cyborg_ingest.sources.base import Listing

_HEAD_BYTES = 32_000_000
"""As far as the first look may read, and the rows still begin at the first byte."""

_MARK_BYTES = 65_536
_BLOCK = 1 << 20


class Stream(ABC):
    """A place that has one stream of bytes; whoever has it says where they come from, and what is said of it."""

    uri: str
    title: str
    """What it is called at the beginning of a sentence."""
    advice: str
    """What has to be done for it to be the same once more: the beginning of a sentence."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._begin = 0
        """Where in the stream the first byte stands that is kept."""
        self._came = 0
        self._digest = Digest()
        self._expected: list[Mark] = []
        self._wrong: Mark | None = None

    @abstractmethod
    def find(self, source: str) -> Listing:
        """See `base.Store`."""

    @abstractmethod
    def more(self, size: int) -> bytes:
        """The bytes that come next, up to so many; nothing at the end. Raises SourceError."""

    def open(self, uri: str) -> io.BufferedReader:  # noqa: ARG002 - there is one
        """See `base.Store`."""
        self._check_is_kept(0)
        return io.BufferedReader(_Pipe(self), _BLOCK)

    def beginning(self) -> io.BufferedReader:
        """What can be read again later, and no more: behind it is BeginningEndedError."""
        self._check_is_kept(0)
        return io.BufferedReader(_Beginning(self), 1 << 16)

    def size(self, uri: str) -> int:  # noqa: ARG002 - nobody knows
        """See `base.Store`."""
        return 0

    def version(self, uri: str) -> Version:  # noqa: ARG002 - there is one
        """See `base.Store`: what came once is read once."""
        return Version()

    def knows(self, uri: str, version: Version) -> bool:  # noqa: ARG002 - it has no version
        """See `base.Store`."""
        return True

    def has_read(self, uri: str) -> bool:  # noqa: ARG002 - there is one
        """See `base.Store`."""
        return False

    def fingerprint(self, uri: str, version: Version) -> str:  # noqa: ARG002 - it has no version
        """See `base.Store`: of its head. Whether all that follows is the same, too, `prove` tells."""
        return hashlib.blake2b(self.read(0, _MARK_BYTES), digest_size=16).hexdigest()

    def mark(self, uri: str) -> Mark:  # noqa: ARG002 - there is one
        """How many bytes have come so far, and their digest: all rows that were read until now lie in them."""
        return Mark(self._came, self._digest.text())

    def expect(self, uri: str, marks: Iterable[Mark]) -> None:  # noqa: ARG002 - there is one
        """Compare what comes, from its first byte on, with what came in another run."""
        ordered = sorted(marks, key=lambda one: one.size)
        self._expected, self._wrong = [one for one in ordered if one.size > self._came], None
        for one in ordered[: len(ordered) - len(self._expected)]:  # all of it is in the head, which is kept
            self._compare(one, digest_of(self._kept[: one.size]))

    def agrees(self, uri: str) -> bool:  # noqa: ARG002 - there is one
        """Whether what was expected came, as far as it can still be read from its first byte on; reads ahead for it."""
        end = min(_HEAD_BYTES, max((one.size for one in self._expected), default=0))
        while self._came < end and self._wrong is None:
            data = self._pull(min(_BLOCK, end - self._came))
            if not data:
                return False
            self._kept += data
        return self._wrong is None

    def prove(self, uri: str, size: int, *, discard: bool = False) -> None:  # noqa: ARG002 - there is one
        """Raise SourceChangedError unless so many bytes have come and are as expected; what is missing is read ahead.

        `discard`: nothing of it will be read.
        """
        while self._came < size and self._wrong is None:
            data = self._pull(min(_BLOCK, size - self._came))
            if not data:
                break
            if discard:
                self._forget(self._came)
            else:
                self._kept += data
        if self._wrong is None and self._came < size:
            raise self._changed(f"ended after {self._came:,} bytes", size)
        if self._wrong is not None and self._wrong.size <= size:
            raise self._changed(f"differs within its first {self._wrong.size:,} bytes", size)

    @abstractmethod
    def finish(self) -> None:
        """All rows were read: raise SourceError where what made them says that they are not all there."""

    def skip(self) -> bool:
        """Read past what comes next; False at the end."""
        data = self._pull(_BLOCK)
        self._forget(self._came)
        return bool(data)

    def read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from a position; those of the head can be read again, others once."""
        self._check_is_kept(position)
        if position < _HEAD_BYTES:
            end = min(position + size, _HEAD_BYTES)
            while self._came < end and (data := self._pull(end - self._came)):
                self._kept += data
            return bytes(self._kept[position : position + size])
        self._forget(position)
        data = bytes(self._kept[:size]) or self._pull(size)
        self._forget(position + len(data))
        return data

    def _check_is_kept(self, position: int) -> None:
        if position < self._begin:
            raise SourceError(
                f"{self.title} can be read once only, and it has been. Save it in a file to read it again."
            )

    def _forget(self, position: int) -> None:
        del self._kept[: position - self._begin]
        self._begin = position

    def _pull(self, size: int) -> bytes:
        """What comes next, digested; nothing at the end."""
        data = self.more(size)
        view, place = memoryview(data), 0
        while self._expected and self._expected[0].size <= self._came + len(data):
            one = self._expected.pop(0)
            self._digest.update(view[place : one.size - self._came])
            place = one.size - self._came
            self._compare(one, self._digest.text())
        self._digest.update(view[place:])
        self._came += len(data)
        return data

    def _compare(self, mark: Mark, digest: str) -> None:
        if mark.digest != digest:
            self._wrong = self._wrong or mark

    def _changed(self, what: str, size: int) -> SourceChangedError:
        return SourceChangedError(
            f"{self.title} is not what the earlier run was fed with: it {what}, and rows of the first {size:,} were "
            f"loaded then. {self.advice}, and the same command resumes; --restart loads all that comes.",
            self.uri,
        )


class _Pipe(io.RawIOBase):
    def __init__(self, source: Stream) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.read(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


class _Beginning(_Pipe):
    def readinto(self, buffer: Buffer) -> int:
        if self._position >= _HEAD_BYTES:
            raise BeginningEndedError
        return super().readinto(memoryview(buffer).cast("B")[: _HEAD_BYTES - self._position])
