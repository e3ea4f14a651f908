"""`ids`: 64 bits of the id of each row that a job has sent, beside its journal.

They say which Parts share ids, and which rows of the index the job has brought there. What stands in the file is true
whatever becomes of a load: these rows of this Part, as its file was then, have these ids. So it is appended to before
rows leave, and rows whose ids stand in it add none. A block that is damaged, and what stands behind it, counts as not
there: then a row is loaded once more, or is not deleted.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cyborg_ingest.rows.idhashes import MODULUS, NONE, among, hashes_of, merged, without
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.jobs import reading, writing
from cyborg_ingest.state.ledger import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Concatenate

    from typing_extensions import ParamSpec

    from cyborg_ingest.model import Batch
    from cyborg_ingest.private import Folder
    from cyborg_ingest.rows.idhashes import Hashes
    from cyborg_ingest.state.ledger import PartKey

    _P = ParamSpec("_P")

_T = TypeVar("_T")

NAME = "ids"

_HEAD = b"cyborg-ingest ids 1 %d\n" % MODULUS
_BLOCK = struct.Struct("<16sQQQQQ")
"""What the rows are of, the first and the one behind the last, ids that were sent, other ids, rows without an id."""
_CHECKSUM = struct.Struct("<I")
_HASH_BYTES = 8

_FORMER, _REFUSED = b"former".ljust(16), b"refused".ljust(16)
"""In the place of a Part's name: of rows of Parts that are no more; and of rows that the target did not take.

The second begins and ends at the place of the block by which they were sent. Earlier releases have noted no place: then
the target took them by none of the blocks before.
"""

_FEW = 1_000_000
"""So many ids of Parts that are no more are left as they are."""


def name_of(key: PartKey, choice: str) -> bytes:
    """What a Part is called here: its rows are the same for the same name."""
    return hashlib.blake2b(repr((*key, choice)).encode("utf-8", "backslashreplace"), digest_size=16).digest()


def is_lasting(batch: Batch) -> bool:
    """Whether the same fingerprint means the same rows: of a stream, which has marks, and of an object it does not."""
    return batch.mark is None and batch.part.fingerprint not in {"", batch.part.uri}


@dataclass(frozen=True, slots=True)
class _Block:
    """Some hashes in the file, from `place` on: those of rows that were sent first."""

    name: bytes
    start: int
    stop: int
    sent: int
    others: int
    unknown: int
    place: int

    @property
    def end(self) -> int:
        return self.place + (self.sent + self.others) * _HASH_BYTES

    def head(self) -> bytes:
        return _BLOCK.pack(self.name, self.start, self.stop, self.sent, self.others, self.unknown)


def _told(method: Callable[Concatenate[Ids, _P], _T]) -> Callable[Concatenate[Ids, _P], _T]:
    """Errors of the system become StateError: who asks for ids has nothing else to do with files."""

    @functools.wraps(method)
    def called(self: Ids, /, *arguments: _P.args, **more: _P.kwargs) -> _T:
        with self.touched():
            return method(self, *arguments, **more)

    return called


class Ids:
    """The file, for the one process that holds the job; or for one that only reads it. All methods raise StateError."""

    def __init__(self, folder: Folder, *, is_read: bool = False) -> None:
        self._folder = folder
        self._is_read = is_read
        self._names: dict[tuple[PartKey, str], bytes] = {}
        self._handle = -1
        with self.touched(), contextlib.ExitStack() as unless_scanned:
            unless_scanned.callback(self.close)
            with contextlib.suppress(FileNotFoundError):  # an older release has kept none
                self._handle = folder.open(NAME, os.O_RDONLY if is_read else os.O_RDWR | os.O_CREAT)
            self._scan()
            unless_scanned.pop_all()

    def touched(self) -> AbstractContextManager[None]:
        """The file is read or written in it."""
        return (reading if self._is_read else writing)(self._folder.path)

    def _scan(self) -> None:
        """Find the blocks; what is behind the last whole one is cut off."""
        self._blocks: list[_Block] = []
        self._by_name: dict[bytes, list[_Block]] = {}
        self._rows: dict[bytes, RangeSet] = {}
        self._refused: dict[int, list[int]] = {}
        self._end = 0
        if self._handle >= 0 and os.pread(self._handle, len(_HEAD), 0) == _HEAD:
            self._end = len(_HEAD)
            while (block := self._block_at(self._end)) is not None:
                self._take(block)
        if self._is_read:
            return
        os.ftruncate(self._handle, self._end)
        if not self._end:
            self._write(_HEAD)

    def _block_at(self, place: int) -> _Block | None:
        head = os.pread(self._handle, _BLOCK.size, place)
        if len(head) < _BLOCK.size:
            return None
        name, start, stop, sent, others, unknown = _BLOCK.unpack(head)
        block = _Block(name, start, stop, sent, others, unknown, place + _BLOCK.size)
        if block.end + _CHECKSUM.size > os.fstat(self._handle).st_size:
            return None
        checksum = os.pread(self._handle, _CHECKSUM.size, block.end)
        is_whole = _CHECKSUM.unpack(checksum)[0] == zlib.crc32(self._bytes(block), zlib.crc32(head))
        return block if is_whole else None

    def _bytes(self, block: _Block) -> bytes:
        return os.pread(self._handle, block.end - block.place, block.place)

    def _take(self, block: _Block) -> None:
        self._blocks.append(block)
        self._by_name.setdefault(block.name, []).append(block)
        self._rows.setdefault(block.name, RangeSet()).add(block.start, block.stop)
        if block.name == _REFUSED and block.start:
            self._refused.setdefault(block.start, []).extend(self._sent(block).tolist())
        self._end = block.end + _CHECKSUM.size

    def _write(self, data: bytes) -> None:
        if os.pwrite(self._handle, data, self._end) != len(data):
            os.ftruncate(self._handle, self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += len(data)

    def _append(
        self, name: bytes, rows: tuple[int, int], sent: Hashes, others: Hashes = NONE, unknown: int = 0
    ) -> None:
        block = _Block(name, *rows, len(sent), len(others), unknown, self._end + _BLOCK.size)
        head, body = block.head(), sent.astype("<u8").tobytes() + others.astype("<u8").tobytes()
        self._write(head + body + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(head))))
        self._take(block)

    def _all(self, block: _Block) -> Hashes:
        """The ids of its rows, rejected and refused ones too."""
        return np.frombuffer(self._bytes(block), "<u8").astype(np.uint64)

    def _sent(self, block: _Block) -> Hashes:
        """The ids of its rows that were sent, and not refused."""
        found = self._all(block)[: block.sent]
        for one in self._refused.get(block.place, ()):  # of two rows of an id one may have been taken
            found = np.delete(found, np.flatnonzero(found == one)[:1])
        return found

    def _name(self, key: PartKey, choice: str) -> bytes:
        found = self._names.get((key, choice))
        if found is None:
            found = self._names[key, choice] = name_of(key, choice)
        return found

    @_told
    def sending(self, batch: Batch) -> None:
        """Note the ids of rows that leave now, and of those among them that are rejected."""
        part = batch.part
        name = self._name(key_of(part), part.choice) if is_lasting(batch) else _FORMER
        rows = (batch.start, batch.stop) if is_lasting(batch) else (0, 0)
        if not batch.again and (rows == (0, 0) or next(self._missing(name, *rows), None)):
            others = [one.id for one in batch.rejections if one.id is not None]
            unknown = sum(one.id is None for one in batch.rejections)
            self._append(name, rows, hashes_of(batch.ids), hashes_of(others), unknown)

    @_told
    def refused(self, batch: Batch, ids: Collection[str]) -> None:
        """Note that the target did not take these, which were sent as rows of this batch."""
        for one in hashes_of(list(ids)):
            for block in list(self._sent_by(batch)):
                if one in self._sent(block):
                    self._append(_REFUSED, (block.place, block.place), np.array([one], np.uint64))
                    if block.name == _FORMER:
                        break

    def _sent_by(self, batch: Batch) -> Iterator[_Block]:
        """The blocks that may have the rows of a batch; where nobody knows which, the last ones come first."""
        if not is_lasting(batch):
            yield from reversed(self._by_name.get(_FORMER, []))
        for one in self._blocks_of([(key_of(batch.part), batch.part.choice)]):
            if one.start < batch.stop and batch.start < one.stop:
                yield one

    def _missing(self, name: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
        return self._rows.get(name, RangeSet()).missing(start, stop)

    def knows(self, key: PartKey, choice: str, rows: Iterable[tuple[int, int]]) -> bool:
        """Whether the ids of these rows of a Part are known, as far as they have one."""
        name = self._name(key, choice)
        return not any(gap for start, stop in rows for gap in self._missing(name, start, stop))

    @_told
    def of(self, keys: Iterable[tuple[PartKey, str]]) -> Hashes:
        """The ids of all rows of these Parts that are known, rejected ones too; sorted, each once."""
        return merged([self._all(one) for one in self._blocks_of(keys)])

    @_told
    def of_others(self, keys: Iterable[tuple[PartKey, str]]) -> Hashes:
        """The ids of all rows of any other Parts, those of which it is not known of which they are among them."""
        names = {self._name(*one) for one in keys}
        return merged([self._all(one) for one in self._blocks if one.name not in names])

    @_told
    def may_repeat(self, key: PartKey, choice: str) -> bool:
        """Whether an id may occur twice in the rows of a Part that were sent."""
        found = [self._all(one) for one in self._blocks_of([(key, choice)])]
        return len(merged(found)) < sum(map(len, found))

    @_told
    def within(self, key: PartKey, choice: str, rows: RangeSet) -> Hashes:
        """The ids of these rows of a Part, as far as they were sent with no others."""
        found = [one for one in self._blocks_of([(key, choice)]) if not [*rows.missing(one.start, one.stop)]]
        return merged([self._all(one) for one in found])

    @_told
    def around(self, key: PartKey, choice: str, rows: RangeSet) -> Hashes:
        """The ids of these rows of a Part, and of others that were sent with them."""
        found = [one for one in self._blocks_of([(key, choice)]) if rows.overlaps(one.start, one.stop)]
        return merged([self._all(one) for one in found])

    def without_id(self, keys: Iterable[tuple[PartKey, str]]) -> int:
        """So many rows of these Parts have no id that could be read."""
        return sum(one.unknown for one in self._blocks_of(keys))

    def _blocks_of(self, keys: Iterable[tuple[PartKey, str]]) -> Iterator[_Block]:
        for name in dict.fromkeys(self._name(*one) for one in keys):
            yield from self._by_name.get(name, ())

    @_told
    def brought(self) -> Hashes:
        """All ids that the job has sent since it keeps them, and that were not refused; sorted, each once."""
        found = NONE
        some: list[Hashes] = []
        for block in self._blocks:
            if block.name != _REFUSED:
                some.append(self._sent(block))
            elif not block.start:
                found, some = without(merged([found, *some]), self._sent(block)), []
        return merged([found, *some])

    @_told
    def tidy(self, live: Iterable[tuple[PartKey, str]], *, few: int = _FEW) -> None:
        """Put the ids of Parts that are no more together, each once, where they are many."""
        kept = [*self._blocks_of(live)]
        names = {_REFUSED, *(one.name for one in kept)}
        others = [one for one in self._blocks if one.name not in names]
        if len(others) > 1 and sum(one.sent for one in others) > few:
            brought, own = self.brought(), merged([self._sent(one) for one in kept])
            self._rewrite(kept, without(brought, own))

    @_told
    def keep(self, live: Iterable[tuple[PartKey, str]]) -> None:
        """Forget the ids that no row of these Parts has: their rows are gone from the index.

        A row that is rejected now may be there as an earlier version of its Part had it: that one is still brought.
        """
        kept = [*self._blocks_of(live)]
        brought, present = self.brought(), merged([self._all(one) for one in kept])
        own = merged([self._sent(one) for one in kept])
        self._rewrite(kept, without(brought[among(brought, present)], own))

    @_told
    def forget(self) -> None:
        """Forget all ids: the index is another one. Who only reads the file leaves it as it is."""
        if not self._is_read:
            self._rewrite([], NONE)
            return
        self.close()
        self._scan()

    def _rewrite(self, blocks: list[_Block], former: Hashes) -> None:
        """Write the file anew, whole or not at all: these blocks, what was refused, and what was of other Parts."""
        refused = merged([self._sent(one) for one in self._by_name.get(_REFUSED, ()) if not one.start])
        records = [self._without_refused(one) for one in blocks]
        for name, hashes in ((_REFUSED, refused), (_FORMER, former)):
            if len(hashes) and (blocks or len(former)):
                records.append((_Block(name, 0, 0, len(hashes), 0, 0, 0).head(), hashes.astype("<u8").tobytes()))
        with self._folder.replacing(NAME) as handle, os.fdopen(os.dup(handle), "wb") as out:
            out.write(_HEAD)
            for head, body in records:
                out.write(head + body + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(head))))
        self.close()
        self._handle = self._folder.open(NAME, os.O_RDWR)
        self._scan()

    def _without_refused(self, block: _Block) -> tuple[bytes, bytes]:
        """A block as it is written anew: what was refused is one of its other ids, and its place may be another."""
        found, sent = self._all(block), self._sent(block)
        others = np.concatenate([found[block.sent :], np.array(self._refused.get(block.place, ()), np.uint64)])
        head = replace(block, sent=len(sent), others=len(others)).head()
        return head, np.concatenate([sent, others]).astype("<u8").tobytes()

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1
