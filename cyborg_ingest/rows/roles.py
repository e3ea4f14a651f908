"""What a column can be (id, vector, metadata, contents), and by which names and types it is known to be that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest.rows.kinds import is_bytes, is_list, is_matrix, is_text, storage_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ORIGIN = b"origin"
EXAMPLE = b"example"
"""In a field's metadata: where a column comes from that is not in the file; how one of text begins."""


FOLDER = "folder "
"""How the origin of a column begins that is the name of a folder of Hive's: one value for all rows of a file."""


def is_folder(field: pa.Field) -> bool:
    """Whether a column comes from a folder's name."""
    return origin_of(field).startswith(FOLDER)


def origin_of(field: pa.Field) -> str:
    """Where a column comes from that is not in the file; nothing for those that are."""
    return ((field.metadata or {}).get(ORIGIN) or b"").decode(errors="replace")


def called(field: pa.Field, name: str) -> str:
    """How people are told of a column, or of a path to a field: by where it comes from, or by its name."""
    return origin_of(field) or name or "''"


@dataclass(frozen=True, slots=True)
class Role:
    """What a column can be: by which option it is named, by which names it is found, and of which types it is.

    A later tier of names counts only where no column has one of the earlier. Of two names in one tier nobody knows
    which is meant, unless the `first_wins`, which holds for the first tier.
    """

    name: str
    option: str
    tiers: tuple[tuple[str, ...], ...]
    fits: Callable[[pa.DataType], bool]
    types: str
    is_optional: bool = False
    first_wins: bool = False
    names: tuple[str, ...] = field(init=False)
    """Those of all tiers, in small letters: a column may have them in any."""

    def __post_init__(self) -> None:
        """Know a column's name in whatever letters."""
        object.__setattr__(self, "names", tuple(name.lower() for tier in self.tiers for name in tier))


def fits_id(kind: pa.DataType) -> bool:
    """Whether its values can be ids."""
    kind = storage_type(kind)
    whole = pt.is_decimal(kind) and kind.scale <= 0
    return bool(is_text(kind) or pt.is_integer(kind) or is_bytes(kind) or whole or pt.is_null(kind))


def fits_vector(kind: pa.DataType) -> bool:
    """Whether its values can be vectors."""
    if is_matrix(kind):
        return False
    kind = storage_type(kind)
    if not is_list(kind):
        return False
    item = storage_type(kind.value_type)
    return bool(pt.is_floating(item) or pt.is_integer(item) or pt.is_decimal(item) or pt.is_null(item))


def fits_metadata(kind: pa.DataType) -> bool:
    """Whether its values can be all of a row's metadata."""
    kind = storage_type(kind)
    return bool(pt.is_struct(kind) or pt.is_map(kind) or is_text(kind) or pt.is_null(kind))


def fits_contents(kind: pa.DataType) -> bool:
    """Whether its values can be contents."""
    kind = storage_type(kind)
    return bool(is_text(kind) or (is_bytes(kind) and not pt.is_fixed_size_binary(kind)) or pt.is_null(kind))


_VECTOR_TYPES = "a list of numbers, or several columns of numbers"

ID = Role(
    "id",
    "--id-column",
    (
        ("id", "_id", "ids", "uuid"),
        ("docid", "doc_id", "document_id", "chunk_id", "node_id", "point_id", "passage_id", "record_id", "recordId",
         "custom_id", "pk", "key", "_key"),
        ("id_",),
    ),
    fits_id,
    "strings, integers or UUIDs",
)  # fmt: skip
VECTOR = Role(
    "vector",
    "--vector-column",
    (
        ("vector", "embedding", "embeddings", "values", "emb", "vectors"),
        ("dense_vector", "dense", "vec", "openai", "text_embedding", "sentence_embedding", "content_vector",
         "contentVector", "embedding_vector", "ml_generate_embedding_result", "features"),
    ),
    fits_vector,
    _VECTOR_TYPES,
)  # fmt: skip
METADATA = Role(
    "metadata",
    "--metadata-column",
    (
        ("metadata", "meta", "payload", "attributes", "metadatas", "cmetadata", "metadata_", "properties", "$meta"),
    ),
    fits_metadata,
    "a struct, a map or JSON strings",
    is_optional=True,
)  # fmt: skip
CONTENTS = Role(
    "contents",
    "--contents-column",
    (
        ("contents", "content", "text", "document", "page_content"),
        ("texts", "documents", "chunk", "chunk_text", "body", "segment", "passage", "sentence"),
    ),
    fits_contents,
    "strings or bytes",
    is_optional=True,
    first_wins=True,
)  # fmt: skip


ROLES = (ID, VECTOR, METADATA, CONTENTS)


def fitting(name: str, kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """Of the types that the values of a field have, the one that its name asks for; None if there is none."""
    for role in ROLES:
        if name.lower() in role.names:
            return next((kind for kind in kinds if not pt.is_null(kind) and role.fits(kind)), None)
    return None
