"""JSONL: one object a line. Parts are ranges of bytes; a Part has the lines that begin in its range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats.base import PART_BYTES, Kept, Layout, ReadsOn
from cyborg_ingest.formats.jsonbulk import Numbered, is_bulk, numbered, paired
from cyborg_ingest.formats.jsoncolumns import chunk_of
from cyborg_ingest.formats.jsonsample import sampled, schema_of
from cyborg_ingest.formats.jsonshapes import BULK, check_vectors, shape_of, shaped, unwrapped, with_requests
from cyborg_ingest.formats.lines import ENDLESS, TO_UTF8, check_encoding, first_sign, lines_between
from cyborg_ingest.formats.records import NOT_UTF8, Gathered, Records
from cyborg_ingest.formats.requesttexts import with_texts
from cyborg_ingest.model import Part

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import BinaryIO

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.formats.jsonsample import Sample
    from cyborg_ingest.model import Chunk, ColumnMap

_HINTS = {
    b"[": " It looks like a JSON array: say so with --format json.",
    b"{": " An object over several lines is not a row: a JSON array of objects is read with --format json.",
}
"""Of what the first line begins with."""


class JsonlReader(ReadsOn):
    """JSON objects, one a line; blank lines are not rows."""

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson", ".json")
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return first_sign(head) == b"{"

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. The columns are the fields of the first 100 lines."""
        is_seekable = sources.is_seekable(uri)
        with sources.reading(uri), sources.streamed(uri) as file:
            check_encoding(uri, file.peek(4))
            sample = _sample(uri, file, sidecars.max_row_bytes)
        if is_bulk(sample.objects) and BULK.is_left(sidecars.named):
            with sources.reading(uri), sources.streamed(uri) as file:
                sample = sampled(_texts(paired(numbered(lines_between(file, 0, ENDLESS, sidecars.max_row_bytes), 0))))
        known = shape_of(sample.objects, sidecars.named)
        is_packed = not is_seekable
        is_seekable = is_seekable and known is not BULK  # in the middle, nobody knows an action from a document
        rows = unwrapped(sample.objects, known)
        check_vectors(uri, rows, known, sidecars.named)
        size = sources.size(uri)
        steps = range(0, size, PART_BYTES) if is_seekable else range(1)
        parts = tuple(
            Part(uri, self.name, number, start, min(size, start + PART_BYTES) if is_seekable else 0, None,
                 None if start else 0, min(size, start + PART_BYTES) - start if is_seekable else size,
                 lines_before=None if start else 0, shape=known.name if known else "")
            for number, start in enumerate(steps)
        )  # fmt: skip
        estimate = sample.estimate(size, is_packed=is_packed)
        layout = Layout(
            uri, self.name, schema_of(rows), parts, None, estimate, size, is_seekable,
            has_schema=False, is_open=not sample.is_whole, **shaped(uri, known),
        )  # fmt: skip
        return with_requests(layout, known, sidecars)

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Generator[Chunk, None, int]:
        """See `base.Keeping`. Where the Part does not say what is before it, that is read and counted."""
        limit, row = sidecars.max_row_bytes, 0
        with sources.reading(part.uri), Kept() as alone:
            is_stream = not part.stop  # it cannot be sought in: it is opened for this one Part
            file = (alone if is_stream else kept).get((part.uri, part.fingerprint), lambda: sources.streamed(part.uri))
            if not is_stream:
                file.seek(0)
            rows_before, lines = _before(file, part, limit)
            for group in _groups(file, part, lines, rows, sidecars):
                if row + len(group.texts) > start:
                    chunk = chunk_of(part, columns, group, row, rows_before).rows(start - row, len(group.texts))
                    yield with_texts(chunk, sidecars.contents_from, sidecars.max_row_bytes)
                row += len(group.texts)
                lines = group.last_line
        return lines


def _texts(lines: Iterator[Numbered]) -> Iterator[tuple[bytes, int]]:
    return ((text, end) for text, end, _, _ in lines)


def _groups(file: BinaryIO, part: Part, lines_before: int, rows: int, sidecars: Sidecars) -> Iterator[Records]:
    limit = sidecars.max_row_bytes
    found, number = Gathered(rows, sidecars.at_once), lines_before
    lines = numbered(lines_between(file, part.start, part.stop or ENDLESS, limit), lines_before)
    for text, _, line, last in paired(lines) if part.shape == BULK.name else lines:
        if found.is_full_before(text):
            yield Records(found.texts, found.lines, number)
            found = Gathered(rows, sidecars.at_once)
        number = last
        if text.strip():
            found.add(text, line)
        if found.is_full:
            yield Records(found.texts, found.lines, number)
            found = Gathered(rows, sidecars.at_once)
    yield Records(found.texts, found.lines, number)


def _before(file: BinaryIO, part: Part, limit: int) -> tuple[int, int]:
    """Rows and lines before a Part."""
    if not part.start:
        return 0, 0
    if part.first_row is not None and part.lines_before is not None:
        return part.first_row, part.lines_before
    return _count_before(file, part.start, limit)


def _count_before(file: BinaryIO, start: int, limit: int) -> tuple[int, int]:
    rows = lines = 0
    file.seek(0)
    for text, _ in lines_between(file, 0, start, limit):
        lines += 1
        rows += bool(text.strip())
    return rows, lines


def _sample(uri: str, file: BinaryIO, limit: int) -> Sample:
    """Raises FormatError where no line is an object; EmptySourceError where all are blank or an empty JSON array."""
    sample = sampled(lines_between(file, 0, ENDLESS, limit))
    if not sample.rows:
        raise EmptySourceError(f"{uri}: " + ("it has blank lines only." if sample.read else "the file is empty."))
    if not sample.objects:
        if sample.is_whole and b"".join(sample.text.split()) == b"[]":  # a shard of a writer that had no rows
            raise EmptySourceError(f"{uri}: its array is empty.")
        place, problem = sample.problem
        hint = f"It is not JSONL, which has one object a line.{_HINTS.get(sample.text.lstrip()[:1], '')}"
        raise FormatError(f"{uri}: line {place + 1}, {problem}. {TO_UTF8 if problem.endswith(NOT_UTF8) else hint}")
    return sample
