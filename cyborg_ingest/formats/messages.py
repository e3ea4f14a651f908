"""The messages of an Arrow stream or file: how much each takes once it is decoded, told before it is.

A record batch is decoded whole, and a compressed one of 20 kB may hold gigabytes: its buffers say so in front.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats.base import raised_for
from cyborg_ingest.formats.ends import NOT_READ, footer_of
from cyborg_ingest.formats.flatbuffers import FlatTable, arrow_blocks

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Collection, Iterator

    from cyborg_ingest.formats.flatbuffers import Block

_MAGIC = b"ARROW1"
_CONTINUATION = b"\xff\xff\xff\xff"
_DICTIONARY, _BATCH = 2, 3
_SIZE_BYTES = 8
_AS_IT_IS = -1
"""In place of a size: this buffer is not compressed, though others are."""
MOST_HEAD = 64_000_000
"""Of what describes columns, in front of a batch or at the end of a file."""
_BUFFERS: tuple[tuple[Callable[[Any], bool], int], ...] = (
    (pt.is_null, 0), (pt.is_run_end_encoded, 0), (pt.is_struct, 1), (pt.is_fixed_size_list, 1), (pt.is_union, 1),
    (lambda kind: pt.is_list_view(kind) or pt.is_large_list_view(kind), 3), (pt.is_nested, 2),
    (lambda kind: pt.is_string(kind) or pt.is_large_string(kind), 3),
    (lambda kind: pt.is_binary(kind) or pt.is_large_binary(kind), 3),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """A dictionary, a record batch or something else: bytes behind its head, and its buffers (where, how long)."""

    kind: int
    body: int
    buffers: tuple[tuple[int, int], ...]
    is_packed: bool
    variadic: tuple[int, ...]


def message_of(metadata: bytes) -> Message:
    """What the head of a message says. Raises NOT_READ."""
    table = FlatTable.root(metadata)
    kind, body = table.number(1, "B"), table.number(3, "q")
    header = table.table(2)
    batch = header.table(1) if kind == _DICTIONARY and header is not None else header
    if kind not in {_DICTIONARY, _BATCH} or batch is None:
        return Message(kind, body, (), is_packed=False, variadic=())
    buffers = tuple((offset, size) for offset, size in batch.structs(2, "<qq"))
    variadic = tuple(count for (count,) in batch.structs(4, "<q"))
    return Message(kind, body, buffers, batch.table(3) is not None, variadic)


def decoded_size(
    message: Message, schema: pa.Schema | None, names: Collection[str] | None, read: Callable[[int, int], bytes]
) -> int:
    """The bytes of a message's buffers once they are unpacked; `read` gives bytes of its body, from where and how many.

    Of a record batch with this schema those of these columns; else of all.
    """
    wanted = message.buffers
    if message.kind == _BATCH and schema is not None and names is not None:
        variadic = iter(message.variadic)
        counts = [(field.name, _buffers_of(field.type, variadic)) for field in schema]
        wanted, at = (), 0
        for name, count in counts:
            wanted += message.buffers[at : at + count] if name in names else ()
            at += count
    return sum(_unpacked(size, at, read) if message.is_packed else size for at, size in wanted)


def _unpacked(size: int, at: int, read: Callable[[int, int], bytes]) -> int:
    if size < _SIZE_BYTES:
        return size
    (found,) = struct.unpack("<q", read(at, _SIZE_BYTES))
    return size if found == _AS_IT_IS else int(found)


def _buffers_of(kind: pa.DataType, variadic: Iterator[int]) -> int:
    """How many buffers a column of this type has in a record batch."""
    if isinstance(kind, pa.BaseExtensionType):
        return _buffers_of(kind.storage_type, variadic)
    if kind in {pa.string_view(), pa.binary_view()}:
        return 2 + next(variadic, 0)
    own: int = 2 if pt.is_dictionary(kind) else next((count for fits, count in _BUFFERS if fits(kind)), 2)
    own += int(pt.is_union(kind) and kind.mode == "dense")
    return own + sum(_buffers_of(kind.field(number).type, variadic) for number in range(kind.num_fields))


def check_size(uri: str, what: str, size: int, unit: int) -> None:
    """Refuse what is too much at once. Raises SourceError."""
    if size > unit:
        raise SourceError(
            f"{uri}: {what} has {size:,} bytes once it is decoded, and {unit:,} are possible at once. Write it with "
            "fewer rows a record batch (in pyarrow chunksize or max_chunksize, in polars record_batch_size), or "
            f"{raised_for(size)}."
        )


def check_head(uri: str, what: str, size: int) -> None:
    """Refuse what describes more columns, or says more of them, than may be. Raises SourceError."""
    if size > MOST_HEAD:
        raise SourceError(
            f"{uri}: {what} has {size:,} bytes, and {MOST_HEAD:,} are possible: it is decoded whole. Write it with "
            "fewer columns (a list or a map in place of many), and without what its schema's metadata hold."
        )


class FileUnits:
    """The messages of an Arrow file, which can be looked at in any order. What we cannot read is not looked at."""

    def __init__(
        self, uri: str, file: io.BufferedReader, size: int, schema: pa.Schema, names: Collection[str], unit: int
    ) -> None:
        self._uri, self._file, self._schema, self._names, self._unit = uri, file, schema, names, unit
        self._dictionaries: list[Block] = []
        self._batches: list[Block] = []
        with contextlib.suppress(*NOT_READ):
            self._dictionaries, self._batches = arrow_blocks(footer_of(file, size, len(_MAGIC), MOST_HEAD)[0])

    def check_dictionaries(self) -> None:
        """All of them are decoded with the first batch. Raises SourceError."""
        size = sum(self._size(block) for block in self._dictionaries)
        check_size(self._uri, "all its dictionaries together", size, self._unit)

    def check(self, number: int) -> None:
        """Raise SourceError where a record batch is too much at once, in the columns that are wanted."""
        if number < len(self._batches):
            check_size(self._uri, f"record batch {number}", self._size(self._batches[number]), self._unit)

    def _size(self, block: Block) -> int:
        head = self._read(block.begin, min(block.head, self._unit))
        head = head[8:] if head.startswith(_CONTINUATION) else head[4:]
        body = block.begin + block.head
        try:
            message = message_of(head)
            return decoded_size(message, self._schema, self._names, lambda at, size: self._read(body + at, size))
        except NOT_READ:
            return 0

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(max(0, at))
        return self._file.read(max(0, size))


class CheckedMessages:
    """An Arrow stream to read from: no message of it is handed on that is too much at once."""

    closed = False

    def __init__(self, uri: str, file: Any, unit: int) -> None:
        self._uri, self._file, self._unit = uri, file, unit
        self._ready: list[bytes | bytearray] = []
        """Pieces as Arrow asks for them: what is handed on as it is takes no room twice."""
        self._is_open = True
        self._number = 0

    @property
    def position(self) -> int:
        """Bytes of the file that were read and handed on."""
        return int(self._file.position) - sum(map(len, self._ready))

    def read(self, size: int) -> bytes | bytearray:
        """So many bytes, fewer at the end."""
        while self._is_open and sum(map(len, self._ready)) < size:
            self._next()
        if not self._ready:
            return bytes(self._file.read(size))
        if len(self._ready[0]) == size:
            return self._ready.pop(0)
        found = b"".join(self._ready)
        self._ready = [found[size:]] if len(found) > size else []
        return found[:size] if len(found) >= size else found + self._file.read(size - len(found))

    def _next(self) -> None:
        """Take one more message, head and body; what is none is left to whoever reads it."""
        begins = [bytes(self._file.read(4))]
        if begins[0] == _CONTINUATION:
            begins.append(bytes(self._file.read(4)))
        self._ready += filter(None, begins)
        length = int.from_bytes(begins[-1], "little", signed=True) if len(begins[-1]) == len(_CONTINUATION) else 0
        check_head(self._uri, "the head of a message", length)
        metadata = bytes(self._file.read(length)) if length > 0 else b""
        self._ready += filter(None, [metadata])
        if length <= 0 or len(metadata) < length:
            self._is_open = False
            return
        try:
            message = message_of(metadata)
        except NOT_READ:
            self._is_open = False
            return
        what = f"message {self._number} of its stream"
        self._number += 1
        check_size(self._uri, what, message.body, self._unit)
        body = self._file.read(max(0, message.body))
        with contextlib.suppress(*NOT_READ):  # what is too short Arrow finds
            size = decoded_size(message, None, None, lambda at, size: bytes(body[at : at + size]))
            check_size(self._uri, what, size, self._unit)
        self._ready += filter(None, [body])

    def tell(self) -> int:
        """Where it stands."""
        return self.position

    def close(self) -> None:
        """Whoever has opened the file closes it."""
