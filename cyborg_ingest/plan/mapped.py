"""One source, mapped: which of its columns is what, and which of its Parts may hold a row that is asked for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cyborg_ingest.errors import MappingError
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import ORIGIN, Pruning, Typing, shape_noted
from cyborg_ingest.formats.named import map_layout
from cyborg_ingest.plan.encoded import encoding_of
from cyborg_ingest.plan.late import LATE, type_of
from cyborg_ingest.plan.reading import Source
from cyborg_ingest.rows.knowntables import known, named_vectors
from cyborg_ingest.rows.leftover import ALL_COLUMNS
from cyborg_ingest.rows.mapping import has_field
from cyborg_ingest.rows.roles import FOLDER
from cyborg_ingest.rows.shaping import constant_array
from cyborg_ingest.rows.templates import OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyborg_ingest.formats.base import Layout, Reader, Sidecars
    from cyborg_ingest.model import ColumnMap, Part
    from cyborg_ingest.plan.encoded import Encodings
    from cyborg_ingest.rows.mapping import ColumnChoice
    from cyborg_ingest.rows.shaping import Shaping


def map_source(
    layout: Layout, shaping: Shaping, choice: ColumnChoice, sidecars: Sidecars, encodings: Encodings
) -> Source:
    """One source, mapped. Raises MappingError, which names it."""
    try:
        layout, columns = _resolved(_with_folders(layout, shaping.folders), choice, sidecars, encodings)
        if shaping.filter is not None:
            shaping.filter.check(layout.uri, partial(type_of, layout))
        _refuse_roles_of_folders(layout.uri, columns, shaping.folders)
        return Source(layout, _as_constants(layout, columns, shaping.folders), shaping, _relevant(layout, shaping))
    except MappingError as error:
        error.uri = layout.uri
        raise


def recut(source: Source, parts: tuple[Part, ...]) -> Source:
    """The source, in other Parts."""
    layout = replace(source.layout, parts=parts)
    return replace(source, layout=layout, relevant=_relevant(layout, source.shaping))


def _with_folders(layout: Layout, folders: Mapping[str, Any]) -> Layout:
    """The layout with a column for each of Hive's folders; one that the file has itself stays the file's."""
    schema = layout.schema
    for name, value in folders.items():
        if name not in schema.names:
            kind = constant_array(value, 0).type
            schema = schema.append(pa.field(name, kind, metadata={ORIGIN: f"{FOLDER}{name}"}))
    return replace(layout, schema=schema)


def _resolved(
    layout: Layout, choice: ColumnChoice, sidecars: Sidecars, encodings: Encodings
) -> tuple[Layout, ColumnMap]:
    """Which column is what; and the layout with the types that these columns have once they are read."""
    own = OWN - set(layout.schema.names)
    choice = replace(choice, id_parts=tuple(name for name in choice.id_parts if name not in own))
    layout = _as_known_table(layout, choice, encodings)
    choice = _with_roles(choice, layout)
    layout, columns = map_layout(encodings.at(layout, choice), choice)
    reader = READERS[layout.format]
    _refuse_paths(layout, columns, reader)
    return reader.typed(layout, columns, sidecars) if isinstance(reader, Typing) else (layout, columns)


def _as_known_table(layout: Layout, choice: ColumnChoice, encodings: Encodings) -> Layout:
    """The layout with what is known of such a table, unless its rows have a shape, or its vectors are named."""
    if layout.roles or layout.arrays is not None or choice.vector is not None:
        return layout
    is_named = next(named_vectors(layout.schema), None) is not None
    title, roles = known(layout.uri, encodings.at(layout, choice).schema if is_named else layout.schema)
    if not title:
        return layout
    words = ", ".join(one for one in (title, layout.shape) if one)
    return replace(layout, shape=words, roles=roles, notes=(*layout.notes, *shape_noted(layout.uri, title)))


def _with_roles(choice: ColumnChoice, layout: Layout) -> ColumnChoice:
    """The user's choice and, where there is none, the columns that the shape of the rows has."""
    there = {name: value for name, value in layout.roles if value == (ALL_COLUMNS,) or has_field(layout.schema, value)}
    is_left = {name: getattr(choice, name) in (None, ()) for name in there}
    is_left["metadata_columns"] = not choice.metadata_columns and choice.metadata is None
    return replace(choice, **{name: value for name, value in there.items() if is_left[name]})


def _refuse_paths(layout: Layout, columns: ColumnMap, reader: Reader) -> None:
    """Refuse names that lead into columns which are read whole. Raises MappingError."""
    is_flat = layout.arrays is not None or reader.is_bare or isinstance(reader, Typing)
    there = frozenset(layout.schema.names)
    path = next((name for name in columns.read if is_flat and name not in there), None)
    if path is not None:
        raise MappingError(
            f"{layout.uri}: {path!r} leads into a list, and columns of {layout.format} are read whole. Name a column; "
            "paths are for JSON, Parquet and Arrow."
        )


def _refuse_roles_of_folders(uri: str, columns: ColumnMap, folders: Mapping[str, Any]) -> None:
    """Refuse a folder in a role in which each row needs a value of its own. Raises MappingError."""
    roles = (columns.id, columns.vector, columns.metadata, columns.contents, *columns.vector_columns)
    folder = next((name for name in roles if name in folders), None)
    if folder is not None:
        raise MappingError(
            f"{uri}: {folder!r} is the name of a folder, one value for all its rows: it can be metadata, or a part of "
            "the ids by --id-template."
        )


def _as_constants(layout: Layout, columns: ColumnMap, folders: Mapping[str, Any]) -> ColumnMap:
    """A folder's column that goes to the metadata is a constant, the same for all rows; nothing of it is read."""
    renames, taken = dict(columns.renames), [name for name in columns.metadata_columns if name in folders]
    constants = {renames.get(name, name): folders[name] for name in taken if folders[name] is not None}
    return replace(
        columns,
        metadata_columns=tuple(name for name in columns.metadata_columns if name not in taken),
        constants=tuple({**constants, **dict(columns.constants)}.items()),
        id_parts=tuple(one for one in columns.id_parts if one[0] not in folders),
        tested=tuple(one for one in columns.tested if one[0] not in folders),
        believed=tuple(one.name for one in layout.schema if LATE in (one.metadata or {})),
        encoding=encoding_of(layout.schema, columns),
    )


def _relevant(layout: Layout, shaping: Shaping) -> frozenset[int] | None:
    """The Parts that the filter leaves, where the format's own statistics can tell; None: all."""
    reader = READERS[layout.format]
    if shaping.filter is None or not isinstance(reader, Pruning) or shaping.folders.keys() & set(shaping.filter.fields):
        return None
    return reader.relevant(layout, shaping.filter.may_match)
