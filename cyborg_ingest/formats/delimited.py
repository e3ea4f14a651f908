"""CSV and TSV: a header with names, and text of which all cells together tell what each column is.

What the user says of a column is believed; a cell that is not so is its row's fault. Ids are text whatever they look
like.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, MappingError, SourceError
from cyborg_ingest.formats.base import EXAMPLE, ORIGIN, Layout, check_names
from cyborg_ingest.formats.bounds import bounded
from cyborg_ingest.formats.cellcolumns import CellColumns
from cyborg_ingest.formats.cellrows import CellRows
from cyborg_ingest.formats.cells import ARROW, NUMBERS, Kind, kind_of, numbers
from cyborg_ingest.formats.headers import Sign, check_header, delimiter_of, made_names, with_index, words_on_sign
from cyborg_ingest.formats.numbers import number_parser
from cyborg_ingest.formats.records import SAMPLED_ROWS
from cyborg_ingest.formats.scan import Column, Form, look_at, words_on
from cyborg_ingest.model import Part
from cyborg_ingest.rows.encodings import HINT
from cyborg_ingest.rows.looks import marked, needs_a_look, of_numbers, of_texts
from cyborg_ingest.rows.mapping import MIXED
from cyborg_ingest.rows.roles import VECTOR
from cyborg_ingest.rows.suggestions import columns_of, encoding_hint

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.formats.base import Dialect, Sidecars
    from cyborg_ingest.formats.cellrows import Row
    from cyborg_ingest.model import Chunk, ColumnMap

_SCANNED_ROWS = 2000
_KEPT_EXAMPLE = 40
_HEAD_BYTES = 65_536
_MOST_COLUMNS = 200_000


class DelimitedReader:
    """Cells between delimiters, quoted as RFC 4180 has it."""

    is_bare = False

    def __init__(self, name: str, suffixes: tuple[str, ...], delimiter: str) -> None:
        self.name = name
        self.suffixes = suffixes
        self._delimiter = delimiter

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - no bytes are sure to be CSV
        """See `base.Reader`."""
        return False

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. The types are those of the first 100 rows, until `typed` has looked at all."""
        size = sources.size(uri)
        with sources.reading(uri), sources.streamed(uri) as file:
            table = _Table(uri, file, self._delimiter, sidecars, FormatError)
            rows = None if table.sampled or table.take(1) else 0  # a header alone
        estimate = round(size * table.sampled / table.position) if sources.is_seekable(uri) else 0
        part = Part(uri, self.name, 0, 0, 0, None, 0, size)
        return Layout(uri, self.name, table.schema, (part,), rows, estimate, size, is_seekable=False, notes=table.notes)

    def typed(self, layout: Layout, columns: ColumnMap, sidecars: Sidecars) -> tuple[Layout, ColumnMap]:
        """See `base.Typing`. What the user has said is not looked at."""
        said = dict(sidecars.dialect.types)
        loose = (*columns.metadata_columns, *(name for name, _ in columns.tested))
        own = {field.name for field in layout.schema if ORIGIN not in (field.metadata or {})}
        wanted = [name for name in dict.fromkeys(loose) if name in own and name not in said]
        found, is_whole = self._scanned(layout.uri, wanted, sidecars) if wanted else ({}, True)
        kinds = {name: column.kind for name, column in found.items()}
        fields = [_typed(field, found[field.name]) if field.name in found else field for field in layout.schema]
        notes = tuple(words_on(layout.uri, layout.schema, found, is_whole=is_whole))
        texts = (layout.schema.field(name) for name, column in found.items() if column.kind is Kind.TEXT)
        hints = ((field.name, encoding_hint(field)) for field in texts)
        notes += tuple(f"{layout.uri}: column {name!r} is text.{hint}" for name, hint in hints if hint)
        types = {**{name: kind.value for name, kind in kinds.items()}, **said}
        typed = replace(layout, schema=pa.schema(fields), notes=(*layout.notes, *notes))
        seen = {name: column.kind_without_markers.value for name, column in found.items()}
        return typed, replace(columns, types=tuple(types.items()), seen=tuple(seen.items()))

    def _scanned(self, uri: str, wanted: list[str], sidecars: Sidecars) -> tuple[dict[str, Column], bool]:
        """What the wanted columns are by all of their cells; and whether all were seen: a pipe has no second look."""
        found = {name: Column(decimal=sidecars.dialect.decimal) for name in wanted}
        with sources.reading(uri), sources.beginning(uri) as file:
            try:
                table = _Table(uri, file, self._delimiter, sidecars, FormatError)
                while rows := table.take(_SCANNED_ROWS):
                    look_at(found, table.form, [row.cells for row in rows if not row.cut])
            except sources.BeginningEndedError:
                return found, False
        return found, True

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with sources.reading(part.uri), sources.streamed(part.uri) as file:
            table = _Table(part.uri, file, self._delimiter, sidecars, SourceError)
            row = 0
            while found := table.take(rows):
                if row + len(found) > start:
                    chunk = CellColumns(table.schema, columns, table.form, sidecars, found)
                    wanted = chunk.chunk(part, row).rows(start - row, len(found))
                    yield from bounded([wanted], sidecars.max_row_bytes, sidecars.at_once)
                row += len(found)


def _typed(field: pa.Field, column: Column) -> pa.Field:
    """A column with its type; marked where it is text because of markers, which are not compared with a condition."""
    is_mixed = column.kind is not column.kind_without_markers
    marks = {**(field.metadata or {}), **({MIXED: b""} if is_mixed else {})}
    return pa.field(field.name, ARROW[column.kind], metadata=marks or None)


class _Table:
    """A file's rows, and what the first of them tell. Raises `kind`, FormatError of its header."""

    def __init__(
        self,
        uri: str,
        file: io.BufferedReader,
        delimiter: str,
        sidecars: Sidecars,
        kind: type[FormatError | SourceError],
    ) -> None:
        dialect, limit = sidecars.dialect, sidecars.max_row_bytes
        found = delimiter_of(file.peek(_HEAD_BYTES)[:_HEAD_BYTES], delimiter)
        if dialect.delimiter is not None or (dialect.has_header is False and not found.has_line):
            found = Sign(dialect.delimiter or delimiter, has_line=found.has_line)
        delimiter = found.delimiter
        self.notes = words_on_sign(uri, found) if found.words else ()
        self._rows, self._most = CellRows(uri, file, delimiter, kind, limit), sidecars.at_once.text
        first = next(iter(self._rows.read(1, self._most)), None)
        if first is not None and found.has_line:
            first = next(iter(self._rows.read(1, self._most)), None)
        if first is None:
            raise FormatError(f"{uri}: " + ("nothing came in." if sources.is_stream(uri) else "the file is empty."))
        if first.cut or len(first.cells) > _MOST_COLUMNS:
            most = f"the {limit:,} bytes that --max-row-bytes allows" if first.cut else f"{_MOST_COLUMNS:,} columns"
            raise FormatError(f"{uri}: its first line is longer than {most}. Is it a table, a row a line?")
        has_header = dialect.has_header is not False
        if has_header:
            is_sure = dialect.delimiter is not None or found.has_line
            check_header(uri, first.cells, delimiter, is_said=dialect.has_header is True, is_sure=is_sure)
        names = with_index(first.cells) if has_header else made_names(len(first.cells))
        header = tuple(first.cells) if has_header else ()
        self.form = Form(tuple(names), delimiter, header, frozenset(dialect.nulls), dialect.decimal)
        self._rows.most_cells = len(names)
        self._ahead = [*([] if has_header else [first]), *self._rows.read(SAMPLED_ROWS, self._most)]
        self.sampled = len(self._ahead)
        self.schema = _schema(uri, self.form, [row.cells for row in self._ahead if not row.cut], dialect)

    @property
    def position(self) -> int:
        """The bytes that were read so far."""
        return self._rows.position

    def take(self, count: int) -> list[Row]:
        """The next rows, `count` or `so many bytes as are read at once; none at the end."""
        if not self._ahead:
            return self._rows.read(count, self._most)
        found, self._ahead = self._ahead[:count], self._ahead[count:]
        return found


def _schema(uri: str, form: Form, rows: Sequence[list[str]], dialect: Dialect) -> pa.Schema:
    """The columns, with the types that the first rows or the user give them; text with an example of it."""
    said = dict(dialect.types)
    unknown = next((name for name in said if name not in form.places), None)
    if unknown is not None:
        raise MappingError(f"{uri}: --column-types names {unknown!r}, which is not there. {columns_of(form.names)}")
    whole = [cells for cells in rows if len(cells) == len(form.names) and not form.is_header(cells)]
    columns = zip(*whole, strict=True) if whole else itertools.repeat((), len(form.names))
    fields = []
    for name, column in zip(form.names, columns, strict=False):
        texts = [text for text in column if text and text not in form.nulls]
        kind = Kind(said[name]) if name in said else _first_kind(name, texts, form.decimal)
        marks = _marks(texts, form.decimal) if kind is Kind.TEXT and texts else None
        field = pa.field(name, ARROW[kind], metadata=marks)
        fields.append(marked(field, _looked_at(kind, texts)) if needs_a_look(field) else field)
    schema = pa.schema(fields)
    check_names(uri, schema)
    return schema


def _marks(texts: Sequence[str], decimal: str) -> dict[bytes, str]:
    """An example of a column of text; and what would make numbers of it."""
    other = "," if decimal == "." else "."
    is_number = kind_of(texts, other) in NUMBERS
    return {
        EXAMPLE: texts[0][:_KEPT_EXAMPLE],
        **({HINT: f"If {texts[0][:_KEPT_EXAMPLE]!r} is a number, say --decimal '{other}'."} if is_number else {}),
    }


def _first_kind(name: str, texts: Sequence[str], decimal: str) -> Kind:
    """The kind of the first cells; a column that is named as vectors are holds some, though none comes at first."""
    return Kind.VECTOR if not texts and name.lower() in VECTOR.names else kind_of(texts, decimal)


def _looked_at(kind: Kind, texts: Sequence[str]) -> dict[bytes, bytes]:
    """What the first cells show beside their kind."""
    if kind is Kind.TEXT:
        return of_texts(texts)
    parse = number_parser()
    return of_numbers(numbers(text, parse) for text in texts)
