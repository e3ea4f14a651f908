"""JSONL: one object a line. Parts are ranges of bytes; a Part has the lines that begin in its range."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.model import Part
from cyborg_ingest.readers.base import PART_BYTES, Layout
from cyborg_ingest.readers.lines import stripped
from cyborg_ingest.readers.records import CHUNK_BYTES, SAMPLED_ROWS, Records, chunk_of, parse_object, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from cyborg_ingest.model import Chunk, ColumnMap, Json
    from cyborg_ingest.readers.base import Sidecars

_BLOCK_BYTES = 1 << 20
_LONGEST_LINE = 256_000_000
_ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class _Base:
    """Rows and lines of a file before some place in it."""

    rows: int
    lines: int


class JsonlReader:
    """JSON objects, one a line; blank lines are no rows."""

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")
    is_bare = False

    def __init__(self) -> None:
        # where a Part begins -> what stands before it, kept as Parts are read one after another
        self._bases: dict[tuple[str, str, int], _Base] = {}

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:  # noqa: ARG002 - the protocol's
        """See `base.Reader`. The columns are the fields of the first 100 lines."""
        is_seekable = sources.is_seekable(uri)
        with sources.reading(uri), sources.streamed(uri) as file:
            sample = _sample(uri, file)
        size = sources.size(uri)
        steps = range(0, size, PART_BYTES) if is_seekable else range(1)
        parts = tuple(
            Part(uri, self.name, number, start, min(size, start + PART_BYTES) if is_seekable else 0, None,
                 None if start else 0, min(size, start + PART_BYTES) - start if is_seekable else size)
            for number, start in enumerate(steps)
        )  # fmt: skip
        estimate = round(size * sample.packing * sample.lines / sample.read) if size else 0
        return Layout(uri, self.name, schema_of(sample.objects), parts, None, estimate, size, is_seekable)

    def read(
        self,
        part: Part,
        columns: ColumnMap,
        sidecars: Sidecars,  # noqa: ARG002 - only what has no names needs them
        *,
        rows: int,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with sources.reading(part.uri), sources.streamed(part.uri) as file:
            base = self._base(file, part)
            row, line = 0, base.lines
            for group in _groups(file, part, base.lines, rows):
                if row + len(group.texts) > start:
                    yield chunk_of(part, columns, group, row, base.rows).rows(start - row, len(group.texts))
                row += len(group.texts)
                line = group.last_line
            self._bases[part.uri, part.fingerprint, part.stop] = _Base(base.rows + row, line)

    def _base(self, file: BinaryIO, part: Part) -> _Base:
        if not part.start:
            return _Base(0, 0)
        key = part.uri, part.fingerprint, part.start
        if key not in self._bases:
            self._bases[key] = _count_before(file, part.start)
        return self._bases[key]


def _lines(file: BinaryIO, uri: str, start: int, stop: int) -> Iterator[tuple[bytes, int]]:
    """The lines that begin in [start, stop), each with the place behind it."""
    position = 0
    if start:
        file.seek(start - 1)
        position = start - 1 + len(file.readline())
    rest, is_first, size = b"", start == 0, _BLOCK_BYTES
    while position < stop:
        block = file.read(size)
        lines = (rest + block).split(b"\n")
        rest = lines.pop() if block else b""
        for line in lines:
            if position >= stop or (not block and not line):
                return
            position += len(line) + bool(block)
            yield stripped(line, is_first=is_first), position
            is_first = False
        if not block:
            return
        if len(rest) > _LONGEST_LINE:
            raise SourceError(
                f"{uri}: the line at byte {position:,} is longer than {_LONGEST_LINE:,} bytes. Is it JSONL, one object "
                "a line?"
            )
        size = max(_BLOCK_BYTES, len(rest))  # or a long line would be copied once for each block


def _groups(file: BinaryIO, part: Part, lines_before: int, rows: int) -> Iterator[Records]:
    texts: list[bytes] = []
    numbers: list[int] = []
    size, number, position = 0, lines_before, part.start
    for text, position in _lines(file, part.uri, part.start, part.stop or _ENDLESS):
        number += 1
        if text.strip():
            texts.append(text)
            numbers.append(number)
            size += len(text)
        if len(texts) >= rows or size >= CHUNK_BYTES:
            yield Records(texts, numbers, position - part.start, number)
            texts, numbers, size = [], [], 0
    yield Records(texts, numbers, max(0, position - part.start), number)


def _count_before(file: BinaryIO, start: int) -> _Base:
    rows = lines = 0
    file.seek(0)
    for text, _ in _lines(file, file.name, 0, start):
        lines += 1
        rows += bool(text.strip())
    return _Base(rows, lines)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first lines: objects, how many are not blank, bytes read; `packing`: how many bytes one of the file holds."""

    objects: list[Json]
    lines: int
    read: int
    packing: float


def _sample(uri: str, file: BinaryIO) -> _Sample:
    """Raises FormatError where no line is an object."""
    objects: list[Json] = []
    problem, read, lines, kept = "", 0, 0, b""
    for number, (text, position) in enumerate(_lines(file, uri, 0, _ENDLESS), 1):
        read = position
        kept = kept or text[:_BLOCK_BYTES]
        if text.strip():
            lines += 1
            found = parse_object(text)
            if isinstance(found, dict):
                objects.append(found)
            problem = problem or ((found if isinstance(found, str) else "") and f"line {number}, {found}")
        if lines >= SAMPLED_ROWS or read >= CHUNK_BYTES:
            break
    if not lines:
        raise FormatError(f"{uri}: the file is empty." if not read else f"{uri}: it has blank lines only.")
    if not objects:
        hint = "" if not kept.lstrip().startswith(b"[") else " It looks like a JSON array: say so with --format json."
        raise FormatError(f"{uri}: {problem}. It is no JSONL, which has one object a line.{hint}")
    is_packed = uri != sources.STDIN and sources.compression_of(uri) is not None
    return _Sample(objects, lines, read, len(kept) / len(zlib.compress(kept, 1)) if is_packed else 1.0)
