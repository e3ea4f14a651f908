"""JSON: one document that holds rows, in any layout, taken apart block by block; its text is never whole in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats.base import Layout
from cyborg_ingest.formats.jsonbeside import beside, check_holds_some
from cyborg_ingest.formats.jsoncolumns import chunk_of
from cyborg_ingest.formats.jsonforms import form_of
from cyborg_ingest.formats.jsonrows import rows_of
from cyborg_ingest.formats.jsonsample import sampled, schema_of
from cyborg_ingest.formats.jsonshapes import check_vectors, shape_of, shaped, unwrapped, with_requests
from cyborg_ingest.formats.jsonsurvey import LOOK_BYTES
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.formats.lines import TO_UTF8, check_encoding, first_sign
from cyborg_ingest.formats.records import NOT_UTF8, Gathered, Records
from cyborg_ingest.formats.requesttexts import with_texts
from cyborg_ingest.model import Part, Within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.formats.bounds import AtOnce
    from cyborg_ingest.model import Chunk, ColumnMap

_BARE = " Vectors alone, without names, are loaded as .npy: save them with numpy.save."
_WHOLE = Within("array", (), ((".", 0),))


class JsonReader:
    """A JSON document: an array with an object for each row, or an object that holds rows."""

    name = "json"
    suffixes: tuple[str, ...] = (".json",)
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return first_sign(head) == b"["

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. The columns are the fields of the first 100 rows."""
        within, shape, notes, count = _within(uri, sidecars)
        sample = sampled(rows_of(uri, within, sidecars.max_row_bytes))
        if not sample.rows:
            raise EmptySourceError(f"{uri}: its array is empty.")
        if not sample.objects:
            place, problem = sample.problem
            hint = f"Rows are the objects of an array.{_BARE if sample.text.lstrip().startswith(b'[') else ''}"
            raise FormatError(f"{uri}: row {place}, {problem}. {TO_UTF8 if problem.endswith(NOT_UTF8) else hint}")
        size = sources.size(uri)
        known = shape_of(sample.objects, sidecars.named)
        rows = unwrapped(sample.objects, known)
        check_vectors(uri, rows, known, sidecars.named)
        part = Part(uri, self.name, 0, 0, 0, None, 0, size, within=within, shape=known.name if known else "")
        estimate = sample.estimate(size, is_packed=not sources.is_seekable(uri)) if count is None else count
        layout = Layout(
            uri, self.name, schema_of(rows), (part,), None, estimate, size,
            is_seekable=False, has_schema=False, is_open=not sample.is_whole, **shaped(uri, known, shape),
        )  # fmt: skip
        return with_requests(replace(layout, notes=(*layout.notes, *notes)), known, sidecars)

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
        row = 0
        found = rows_of(part.uri, part.within or _WHOLE, sidecars.max_row_bytes)
        for group in _groups(found, rows, sidecars.at_once):
            if row + len(group.texts) > start:
                chunk = chunk_of(part, columns, group, row, 0).rows(start - row, len(group.texts))
                yield with_texts(chunk, sidecars.contents_from, sidecars.max_row_bytes)
            row += len(group.texts)


def _within(uri: str, sidecars: Sidecars) -> tuple[Within, str, tuple[str, ...], int | None]:
    """Where the rows are, and in words; the note on what is beside them; how many there are, where they were counted.

    Raises FormatError, SourceError.
    """
    with sources.reading(uri), sources.streamed(uri) as file:
        check_encoding(uri, file.peek(4))
        text = JsonText(file, uri, sidecars.max_row_bytes, error=FormatError)
        text.container = "document"
        text.begin()
        within, words, root, count = form_of(text, sidecars.records)
        if sidecars.records is None and not sidecars.named:
            check_holds_some(uri, root)
        if within.kind in {"columns", "split"} and sources.is_read_once(uri) and text.place > LOOK_BYTES:
            raise FormatError(
                f"{uri}: its columns stand one behind the other, and no pipe shows several places at once. Save it in "
                "a file, and load that."
            )
    sure = replace(within, is_sure=within.is_sure or sidecars.records is not None)
    return sure, words, beside(uri, root, within), count


def _groups(rows_found: Iterator[tuple[bytes, int]], rows: int, at_once: AtOnce) -> Iterator[Records]:
    found = Gathered(rows, at_once)
    for text, _ in rows_found:
        if found.is_full_before(text):
            yield Records(found.texts, None)
            found = Gathered(rows, at_once)
        found.add(text)
        if found.is_full:
            yield Records(found.texts, None)
            found = Gathered(rows, at_once)
    yield Records(found.texts, None)
