"""Columns whose vectors are text or bytes: which encoding they have is found in their first rows, or is said.

Such a column is given the type of what it holds, so that all that chooses columns knows it for vectors.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from cyborg_ingest import sources as places_of
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import row_parts
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.rows.encodings import (
    ENCODING,
    HINT,
    ONE_LIST,
    SEEN,
    STORED,
    as_bytes,
    decoded,
    decoded_type,
    is_encoded,
    listed_bytes,
)
from cyborg_ingest.rows.kinds import is_list, is_text, storage_type
from cyborg_ingest.rows.mapping import AUTO, MIXED, field_of
from cyborg_ingest.rows.paths import head, steps
from cyborg_ingest.rows.recognition import Guess, confirmed, recognised
from cyborg_ingest.rows.roles import VECTOR
from cyborg_ingest.rows.shaping import Shaping
from cyborg_ingest.rows.sparkvectors import SPARK, is_spark_vector
from cyborg_ingest.rows.typed import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.formats.base import Arrays, Layout, Sidecars
    from cyborg_ingest.model import Chunk, Part
    from cyborg_ingest.rows.mapping import ColumnChoice

_SAMPLED = 100
_FILES = 5
_MOST_ROWS = 10_000
"""So many rows are looked at for some that hold a vector."""


class Encodings:
    """What is known of columns of vectors by their format, name and type; of files that are alike some are looked into.

    `at` gives a layout with the type of numbers for each column of vectors that is encoded: that which is chosen or,
    where none with a name of vectors holds lists, those that have one.
    """

    def __init__(self, sidecars: Sidecars) -> None:
        self._sidecars = sidecars
        self._known: dict[tuple[str, ...], list[Guess]] = {}

    def at(self, layout: Layout, choice: ColumnChoice) -> Layout:
        """The layout; a column of which the encoding cannot be told says why."""
        if layout.arrays is not None:
            return self._of_arrays(layout, layout.arrays, choice)
        schema = layout.schema
        for name in list(_candidates(schema, choice)):
            field = field_of(schema, name)
            found = _marked(field, self._guess(layout, name, field, choice.encoding))
            schema = schema if found is field else _replaced(schema, name, found)
        return replace(layout, schema=schema)

    def _of_arrays(self, layout: Layout, arrays: Arrays, choice: ColumnChoice) -> Layout:
        """Of named arrays vectors are those in two dimensions, unless encoded ones are chosen or named as vectors."""
        schema, found = layout.schema, []
        is_matrix = any(VECTOR.fits(field.type) for field in schema)
        for name in list(_candidates(schema, choice)):
            is_likely = not is_matrix or name == arrays.vector or name.lower() in VECTOR.tiers[0]
            is_meant = is_likely or choice.vector is not None
            if is_meant and name in arrays.columns:
                field = _marked(schema.field(name), self._guess(layout, name, schema.field(name), choice.encoding))
                schema = _replaced(schema, name, field)
                found += [name] if ENCODING in (field.metadata or {}) else []
        if found and choice.vector is None:
            arrays = replace(arrays, vector=found[0] if len(found) == 1 else None)
        return replace(layout, schema=schema, arrays=arrays)

    def _guess(self, layout: Layout, name: str, field: pa.Field, asked: str) -> Guess:
        before = self._known.setdefault((layout.format, name, str(field.type)), [])
        if len(before) < _FILES or any(one != before[0] for one in before):  # several tell of all that are alike
            before.append(_guess(layout, name, field, asked, self._sidecars))
        return before[-1]


def _marked(field: pa.Field, guess: Guess) -> pa.Field:
    """The field with the type of numbers, and what it is in the file; or with why that cannot be told."""
    marks, is_lists = {**(field.metadata or {})}, is_list(storage_type(field.type))
    if not guess.encoding:
        return field if is_lists else field.with_metadata({**marks, HINT: guess.words.encode(errors="replace")})
    marks |= {ENCODING: guess.encoding.encode(), SEEN: guess.words.encode(), STORED: str(field.type).encode()}
    stays = is_lists and not is_encoded(field.type, guess.encoding)
    return pa.field(field.name, field.type if stays else decoded_type(field.type, guess.encoding), metadata=marks)


def encoding_of(schema: pa.Schema, columns: ColumnMap) -> str:
    """The encoding of the column that holds the vectors; "" where they are lists."""
    return _mark(schema, columns, ENCODING)


def encoding_words(schema: pa.Schema, columns: ColumnMap) -> str:
    """The words on it: "text, [..]"."""
    return _mark(schema, columns, SEEN)


def _mark(schema: pa.Schema, columns: ColumnMap, name: bytes) -> str:
    marks = field_of(schema, columns.vector).metadata if columns.vector else None
    return ((marks or {}).get(name) or b"").decode()


def _candidates(schema: pa.Schema, choice: ColumnChoice) -> Iterator[str]:
    if choice.vector is not None:
        try:
            field = field_of(schema, choice.vector)
        except KeyError:  # not there, or several: `map_columns` knows
            return
        if _may_be(field, choice.encoding):
            yield choice.vector
        return
    for tier in VECTOR.tiers:  # what comes behind one that is a vector as it is does not count
        names = {name.lower() for name in tier}
        named = [field for field in schema if field.name.lower() in names]
        if any(VECTOR.fits(field.type) and not _may_be(field, choice.encoding) for field in named):
            return
        yield from (field.name for field in named if _may_be(field, choice.encoding))


def _may_be(field: pa.Field, asked: str) -> bool:
    """Whether it may hold encoded vectors; in JSON also one that holds lists in other rows."""
    return is_encoded(field.type, asked) or (MIXED in (field.metadata or {}) and is_list(storage_type(field.type)))


def _guess(layout: Layout, name: str, field: pa.Field, asked: str, sidecars: Sidecars) -> Guess:
    kind = storage_type(field.type)
    if is_list(kind) and is_encoded(kind):  # of lists
        first = itertools.islice(_sampled(layout, ColumnMap(name, encoding=ONE_LIST), sidecars), 1)
        is_one = all(map(_is_one_list, first))
        return Guess(ONE_LIST, "a list of one list") if is_one else Guess("", "Each row holds several vectors.")
    if is_spark_vector(kind):
        return Guess(SPARK, "Spark's dense and sparse vectors")
    values: list[str | bytes] = []
    for chunk in _sampled(layout, ColumnMap("", contents=name), sidecars):  # read as if they were contents
        values += _values(plain(chunk.batch.column(chunk.columns.contents)))
        if len(values) >= _SAMPLED:
            break
    return recognised(values) if asked == AUTO else confirmed(values, asked)


def _sampled(layout: Layout, alone: ColumnMap, sidecars: Sidecars) -> Iterator[Chunk]:
    """The first rows of one column, as they are."""
    seen = 0
    reader, most = READERS[layout.format], _SAMPLED if places_of.is_read_once(layout.uri) else _MOST_ROWS
    for part in layout.parts or _parts_of(layout, alone):
        for chunk in reader.read(part, alone, sidecars, rows=_SAMPLED):
            yield Shaping().apply(chunk)
            seen += len(chunk.batch)
            if seen >= most:
                return


def _parts_of(layout: Layout, alone: ColumnMap) -> tuple[Part, ...]:
    """Those of one array, whose rows are its own; the layout has none before it is decided which are loaded."""
    columns = {} if layout.arrays is None else layout.arrays.columns
    rows, size = next((columns[name] for name in alone.read if name in columns), (0, 0))
    return row_parts(layout.uri, layout.format, rows, size, is_seekable=layout.is_seekable)


def _is_one_list(chunk: Chunk) -> bool:
    array = plain(chunk.batch.column(chunk.columns.vector))
    return not decoded(array, ONE_LIST)[1] if is_encoded(array.type) else not chunk.faults


def _values(array: pa.Array) -> list[str | bytes]:
    """What is there of text and bytes, blank text left out; text that is not UTF-8 is as bytes are."""
    if pa.types.is_union(array.type):
        return [value for value in array.to_pylist() if value]
    array = listed_bytes(array) if is_list(array.type) else array
    data = [value for value in as_bytes(array).to_pylist() if value and value.strip()]
    return [value.decode(errors="replace") for value in data] if is_text(array.type) else data


def _replaced(schema: pa.Schema, name: str, field: pa.Field) -> pa.Schema:
    """The schema with another field in the place of one; or at the end of a path."""
    place = schema.get_field_index(name)
    if place >= 0:
        return schema.set(place, field)
    place = schema.get_field_index(head(name))
    return schema.set(place, _inside(schema.field(place), steps(name)[1:], field))


def _inside(outer: pa.Field, path: tuple[str | int, ...], field: pa.Field) -> pa.Field:
    if not path:
        return field.with_name(outer.name)
    kind = storage_type(outer.type)
    if is_list(kind):
        return outer.with_type(pa.list_(_inside(kind.value_field, path[1:], field)))
    fields = [kind.field(place) for place in range(kind.num_fields)]
    return outer.with_type(pa.struct([_inside(one, path[1:], field) if one.name == path[0] else one for one in fields]))
