"""Tables as other programs write them: what their columns are, where the names alone would not tell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pyarrow.types as pt

from cyborg_ingest.errors import MappingError
from cyborg_ingest.rows.kinds import storage_type
from cyborg_ingest.rows.leftover import is_sparse
from cyborg_ingest.rows.paths import steps
from cyborg_ingest.rows.roles import VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

Roles = tuple[tuple[str, str], ...]
"""Columns by the names of `ColumnChoice`."""

_TABLES: tuple[tuple[str, frozenset[str], Roles], ...] = (
    (
        "LlamaIndex's table",
        frozenset({"id", "node_id", "metadata_", "embedding"}),
        (("id", "node_id"), ("metadata", "metadata_"), ("contents", "text")),
    ),
)
"""What it is called, the columns that it has, and what they are. LlamaIndex' own `id` numbers the rows of its table."""

_COLUMN_AND_NAME = 2
_NAMED = ("vector", "vectors", "embedding", "embeddings")
"""Columns in which several vectors are, each by its name, as Qdrant and Weaviate have them."""


def known(uri: str, schema: pa.Schema) -> tuple[str, Roles]:
    """What a table with this schema is called, and what its columns are; nothing where it is none of these.

    A column of text or bytes that holds vectors has the type of these, as `Encodings` gives it.
    Raises MappingError where several vectors have names, and no other column is the one that is meant.
    """
    names = frozenset(schema.names)
    for title, columns, roles in _TABLES:
        if columns <= names:
            return title, tuple((role, name) for role, name in roles if name in names)
    paths = [] if any(map(_is_vector, schema)) else list(named_vectors(schema))
    if len(paths) > 1:
        usable = [path for path in paths if paths.count(path) == 1 and len(steps(path)) == _COLUMN_AND_NAME]
        if not usable:
            raise MappingError(
                f"{uri}: each row has several vectors by their names, and no path leads to one. Rename them."
            )
        options = " or ".join(f"{VECTOR.option} {shlex.quote(path)}" for path in usable)
        raise MappingError(f"{uri}: each row has several vectors by their names. Name the one to load: {options}.")
    return (f"named vectors ({paths[0]})", (("vector", paths[0]),)) if paths else ("", ())


def _is_vector(field: pa.Field) -> bool:
    """Whether a column is found as vectors by itself; of text and bytes, once it is known for vectors."""
    return field.name.lower() in VECTOR.names and VECTOR.fits(field.type)


def named_vectors(schema: pa.Schema) -> Iterator[str]:
    """The vectors that have names in a column, each by its path."""
    for field in schema:
        kind = storage_type(field.type)
        if field.name.lower() in _NAMED and pt.is_struct(kind) and not is_sparse(field):
            children = [kind.field(place) for place in range(kind.num_fields)]
            yield from (f"{field.name}.{one.name}" for one in children if VECTOR.fits(one.type))
