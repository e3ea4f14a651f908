"""The first rows of files whose schema does not say enough: together for all columns of one name and type."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from cyborg_ingest import sources as places
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import ORIGIN, Typing, row_parts
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.rows.kinds import is_text, storage_type
from cyborg_ingest.rows.looks import marked, needs_a_look, of_column
from cyborg_ingest.rows.roles import VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.model import Chunk, Part
    from cyborg_ingest.rows.mapping import ColumnChoice

_ROWS = 100
_MOST_FILES = 5
"""In so many files a column is looked at, spread over all: what one file shows says nothing about the others."""


def looked_at(layouts: Iterable[Layout], choice: ColumnChoice, sidecars: Sidecars) -> list[Layout]:
    """The layouts, with what first rows show in the metadata of their fields; JSON and CSV have it already."""
    looks, found = _Looks(choice, sidecars), list(layouts)
    step = max(1, len(found) // _MOST_FILES)
    for one in (*found[::step], *found):
        looks.at(one)
    return [looks.marked(one) for one in found]


class _Looks:
    """What is known of columns by their name and type: files of one load that are alike are mapped alike."""

    def __init__(self, choice: ColumnChoice, sidecars: Sidecars) -> None:
        self._choice, self._sidecars = choice, sidecars
        self._known: dict[tuple[str, str], dict[bytes, bytes]] = {}
        self._tried: dict[tuple[str, str], set[str]] = {}

    def at(self, layout: Layout) -> None:
        """See what the first rows show, where it is still to be known."""
        if self._is_open(layout):
            tried = ((one, self._tried.setdefault(_key(one), set())) for one in self._wanted(layout.schema))
            self._look(layout, [one for one, uris in tried if len(uris) < _MOST_FILES and layout.uri not in uris])

    def marked(self, layout: Layout) -> Layout:
        """The layout, with what is known of its columns: what all that were looked at show."""
        if not self._is_open(layout):
            return layout
        marks = {one.name: self._known.get(_key(one), {}) for one in self._wanted(layout.schema)}
        if not any(marks.values()):
            return layout
        schema = [marked(one, marks.get(one.name, {})) for one in layout.schema]
        return replace(layout, schema=pa.schema(schema, layout.schema.metadata))

    def _is_open(self, layout: Layout) -> bool:
        """Whether only rows show what is in it, and they can be looked at before they are read."""
        reader = READERS[layout.format]
        is_known = not layout.has_schema or reader.is_bare or isinstance(reader, Typing)
        return not is_known and not places.is_read_once(layout.uri)

    def _wanted(self, schema: pa.Schema) -> Iterator[pa.Field]:
        """The columns of which more has to be known to say what they are, as far as the user does not say it."""
        choice = self._choice
        wanted = [one for one in schema if needs_a_look(one) and ORIGIN not in (one.metadata or {})]
        has_vector = bool(wanted) and (choice.vector is not None or any(map(_is_vector, schema)))
        for one in wanted:
            if is_text(storage_type(one.type)):
                is_said = choice.metadata is not None
            else:  # what is not a vector is left out where it looks like one, unless the user says what is loaded
                is_found = choice.vector is None and _is_vector(one)
                is_said = one.name == choice.vector or is_found or (has_vector and bool(choice.metadata_columns))
            if not is_said and one.name not in choice.metadata_columns:
                yield one

    def _look(self, layout: Layout, fields: list[pa.Field]) -> None:
        """Read the first rows; what cannot be read is found, and named, where all rows are."""
        for part, some in _parts(layout, fields):
            names = [one.name for one in some]
            columns = ColumnMap("", metadata_columns=tuple(names))
            chunk = self._first(part, columns)
            for one in some:
                self._tried[_key(one)].add(layout.uri)
                marks = None if chunk is None else of_column(one, chunk.batch.column(one.name).slice(0, _ROWS))
                if marks is not None:
                    known = self._known.get(_key(one), marks)
                    self._known[_key(one)] = {name: value for name, value in marks.items() if known.get(name) == value}

    def _first(self, part: Part, columns: ColumnMap) -> Chunk | None:
        chunks = READERS[part.format].read(part, columns, self._sidecars, rows=_ROWS)
        with contextlib.suppress(SourceError, FormatError), contextlib.closing(chunks):  # type: ignore[type-var]
            return next(chunks, None)
        return None


def _is_vector(field: pa.Field) -> bool:
    """Whether its name alone makes a column the vector."""
    return field.name.lower() in VECTOR.tiers[0] and VECTOR.fits(field.type)


def _parts(layout: Layout, fields: list[pa.Field]) -> Iterator[tuple[Part, list[pa.Field]]]:
    """Where the first rows of columns are: of named arrays each has rows of its own."""
    if layout.arrays is None:
        part = next((one for one in layout.parts if one.rows != 0), None)
        if part is not None and fields:
            yield part, fields
        return
    for one in fields:
        rows, size = layout.arrays.columns[one.name]
        for part in row_parts(layout.uri, layout.format, rows, size, is_seekable=layout.is_seekable)[:1]:
            yield part, [one]


def _key(field: pa.Field) -> tuple[str, str]:
    return field.name, str(field.type)
