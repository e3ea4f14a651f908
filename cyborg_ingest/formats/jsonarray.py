"""JSON: one array of objects, in any layout, taken apart block by block; its text is never whole in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.base import Layout
from cyborg_ingest.formats.jsoncolumns import chunk_of
from cyborg_ingest.formats.jsonsample import sampled, schema_of
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.formats.lines import BOM, check_encoding
from cyborg_ingest.formats.records import Gathered, Records
from cyborg_ingest.model import Part
from cyborg_ingest.settings.options import MAX_ROW_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.model import Chunk, ColumnMap


class JsonArrayReader:
    """A JSON array with an object for each row."""

    name = "json"
    suffixes: tuple[str, ...] = (".json",)
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.removeprefix(BOM).lstrip().startswith(b"[")

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. The columns are the fields of the first 100 elements."""
        with sources.reading(uri), sources.streamed(uri) as file:
            check_encoding(uri, file.peek(4))
            sample = sampled(elements(file, uri, sidecars.max_row_bytes))
        if not sample.rows:
            raise FormatError(f"{uri}: its array is empty.")
        if not sample.objects:
            place, problem = sample.problem
            raise FormatError(f"{uri}: row {place}, {problem}. Rows are the objects of an array.")
        size = sources.size(uri)
        part = Part(uri, self.name, 0, 0, 0, None, 0, size)
        estimate = sample.estimate(size, is_packed=not sources.is_seekable(uri))
        return Layout(
            uri, self.name, schema_of(sample.objects), (part,), None, estimate, size, is_seekable=False,
            has_schema=False, is_open=not sample.is_whole,
        )  # fmt: skip

    def read(
        self,
        part: Part,
        columns: ColumnMap,
        sidecars: Sidecars,
        *,
        rows: int,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with sources.reading(part.uri), sources.streamed(part.uri) as file:
            row = 0
            for group in _groups(file, part.uri, rows, sidecars.max_row_bytes):
                if row + len(group.texts) > start:
                    yield chunk_of(part, columns, group, row, 0).rows(start - row, len(group.texts))
                row += len(group.texts)


def _groups(file: BinaryIO, uri: str, rows: int, limit: int) -> Iterator[Records]:
    found, position = Gathered(rows), 0
    for text, end in elements(file, uri, limit):
        if found.is_full_before(text):
            yield Records(found.texts, None, position)
            found = Gathered(rows)
        position = end
        found.add(text)
        if found.is_full:
            yield Records(found.texts, None, position)
            found = Gathered(rows)
    yield Records(found.texts, None, position)


def elements(file: BinaryIO, uri: str, limit: int = MAX_ROW_BYTES) -> Iterator[tuple[bytes, int]]:
    """The text of each element of the array, and the place behind it. Whether it is JSON is not looked at.

    Of one that is too large it is the begin. Raises FormatError where no array begins, SourceError where the text is
    damaged between elements or ends early.
    """
    text = JsonText(file, uri, limit)
    text.begin()
    is_open = not text.passes(b"]")
    while is_open:
        yield text.element()
        is_open = text.passes(b",")
        if not is_open and not text.passes(b"]"):
            raise text.broken(f"row {text.row - 1:,} is followed by neither a comma nor the closing bracket")
    if not text.is_at_end():
        raise text.broken(f"the array is closed behind {text.row:,} rows, and something follows")
