"""Which column is id, vector, metadata and contents: given, or found by name and type."""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest.errors import MappingError
from cyborg_ingest.kinds import is_bytes, is_list, is_text, storage_type, unfit_inside
from cyborg_ingest.model import ColumnMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

ID_NAMES = ("id", "_id", "doc_id", "uuid", "key", "ids")
VECTOR_NAMES = ("vector", "embedding", "embeddings", "values", "emb", "vectors")
METADATA_NAMES = ("metadata", "meta", "payload", "attributes")
CONTENTS_NAMES = ("contents", "content", "text", "document", "chunk", "body", "page_content", "texts")

REJECTED_KEY = "_rejected"
"""What `rejected.jsonl` adds to a row; never loaded, on any input."""

ALL_COLUMNS = "*"

MIXED = b"mixed"
"""In a field's metadata: its values are of several kinds, and its type says nothing of the next one."""

ORIGIN = b"origin"
EXAMPLE = b"example"
"""In a field's metadata: where a column comes from that is not in the file; how one of text begins."""

_SHOWN = 40
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The user's own choice of columns; None means: find it."""

    id: str | None = None
    vector: str | None = None
    metadata: str | None = None
    metadata_columns: tuple[str, ...] = ()
    contents: str | None = None
    id_parts: tuple[str, ...] = ()
    """Columns that ids are made of."""
    tested: tuple[str, ...] = ()
    """Columns that a condition looks at."""
    makes_ids: bool = False
    """The ids are made of `id_parts` and a text: no column is looked for."""
    constants: tuple[tuple[str, Any], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    option: str
    names: tuple[str, ...]
    fits: Callable[[pa.DataType], bool]
    types: str
    is_optional: bool = False


def _fits_id(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    whole = pt.is_decimal(kind) and kind.scale <= 0
    return bool(is_text(kind) or pt.is_integer(kind) or is_bytes(kind) or whole or pt.is_null(kind))


def _fits_vector(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.FixedShapeTensorType) and len(kind.shape) != 1:  # a matrix a row, stored as one list
        return False
    kind = storage_type(kind)
    if not is_list(kind):
        return False
    item = storage_type(kind.value_type)
    return bool(pt.is_floating(item) or pt.is_integer(item) or pt.is_decimal(item) or pt.is_null(item))


def _fits_metadata(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    return bool(pt.is_struct(kind) or pt.is_map(kind) or is_text(kind) or pt.is_null(kind))


def _fits_contents(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    return bool(is_text(kind) or (is_bytes(kind) and not pt.is_fixed_size_binary(kind)) or pt.is_null(kind))


_VECTOR_TYPES = "a list of numbers, or several columns of numbers as x,y,z or 'v*'"
_ID = _Role("id", "--id-column", ID_NAMES, _fits_id, "strings, integers or UUIDs")
_VECTOR = _Role("vector", "--vector-column", VECTOR_NAMES, _fits_vector, _VECTOR_TYPES)
_METADATA = _Role(
    "metadata", "--metadata-column", METADATA_NAMES, _fits_metadata, "a struct, a map or JSON strings", True
)
_CONTENTS = _Role("contents", "--contents-column", CONTENTS_NAMES, _fits_contents, "strings or bytes", True)


_ROLES = (_ID, _VECTOR, _METADATA, _CONTENTS)


def fitting(name: str, kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """Of the types that the values of a field have, the one that its name asks for; None if there is none."""
    for role in _ROLES:
        if name.lower() in role.names:
            return next((kind for kind in kinds if not pt.is_null(kind) and role.fits(kind)), None)
    return None


def resolve(uri: str, schema: pa.Schema, choice: ColumnChoice) -> ColumnMap:
    """Decide for one source which column is what.

    Raises MappingError where a column is missing, has the wrong type, or two would do.
    """
    taken: set[str] = set(choice.metadata_columns)
    several = _vector_columns(uri, schema, choice.vector)
    vector = "" if several else _column(uri, schema, _VECTOR, choice.vector, taken)
    if vector is None:
        raise MappingError(_nothing_fits(uri, schema, _VECTOR))
    taken |= {vector, *several}
    identity = None if choice.makes_ids else _column(uri, schema, _ID, choice.id, taken)
    if identity is None and not choice.makes_ids:
        raise MappingError(_nothing_fits(uri, schema, _ID))
    taken.add(identity or "")
    contents = _column(uri, schema, _CONTENTS, choice.contents, taken)
    taken.add(contents or "")
    metadata = _column(uri, schema, _METADATA, choice.metadata, taken)
    taken.add(metadata or "")
    chosen = (vector, identity, contents, metadata, *several)
    columns, refused = _metadata_columns(uri, schema, choice.metadata_columns, chosen)
    if metadata:
        _refuse_unfit(uri, field_of(schema, metadata).type, metadata)
    for name in choice.id_parts:
        _check_part(uri, field_of(schema, _existing(uri, schema, name, "--id-template")))
    for name in choice.tested:
        _existing(uri, schema, name, "--where")
    there = frozenset(schema.names)
    used = {column_of(there, name) for name in (*chosen, *columns) if name} | {REJECTED_KEY}
    left_out = tuple(name for name in schema.names if name not in used)
    filled = [role for role, name in ((_METADATA, metadata), (_CONTENTS, contents)) if name]
    refused += tuple(_left_without_role(schema, left_out, [_ID, _VECTOR, *filled]))
    _check_names(uri, choice, columns)
    return ColumnMap(
        vector, identity, metadata, columns, contents, left_out,
        takes_all=choice.metadata_columns == (ALL_COLUMNS,),
        id_parts=tuple((name, name) for name in choice.id_parts),
        tested=tuple((name, name) for name in choice.tested),
        vector_columns=several,
        constants=choice.constants,
        renames=choice.renames,
        refused=refused,
    )  # fmt: skip


def _check_part(uri: str, field: pa.Field) -> None:
    """Refuse what has no text of its own that could be a part of an id."""
    kind = storage_type(field.type)
    is_number = pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_boolean(kind)
    is_known = is_number or pt.is_date(kind) or pt.is_timestamp(kind) or _fits_id(field.type)
    if not is_known and MIXED not in (field.metadata or {}):  # of several kinds: each row is judged by itself
        raise MappingError(
            f"{uri}: --id-template names {field.name!r}, which is {field.type}. Ids are made of text, numbers, "
            "booleans, dates, timestamps and UUIDs."
        )


def _check_names(uri: str, choice: ColumnChoice, columns: tuple[str, ...]) -> None:
    """Refuse new names that would hide a field."""
    renames = dict(choice.renames)
    stored = Counter(renames.get(name, name) for name in columns)
    twice = next((name for name, count in stored.items() if count > 1), None)
    if twice is not None:
        raise MappingError(f"{uri}: with --rename two columns of the metadata have the name {twice!r}.")


def column_of(names: AbstractSet[str], name: str) -> str:
    """The column that a name stands for, or that a path leads into."""
    return name if name in names else name.partition(".")[0]


def field_of(schema: pa.Schema, name: str) -> pa.Field:
    """A column by its name or, where none has it, by its path: data.embedding is `embedding` in `data`.

    Raises KeyError.
    """
    if "." not in name or schema.get_field_index(name) >= 0:
        return schema.field(name)
    head, *steps = name.split(".")
    found = schema.field(head)
    for step in steps:
        kind = storage_type(found.type)
        if not pt.is_struct(kind) or kind.get_field_index(step) < 0:
            raise KeyError(name)
        found = kind.field(step)
    return found.with_name(name)


def dimension_of(schema: pa.Schema, columns: ColumnMap) -> int | None:
    """The dimension that a schema fixes; None where only the vectors tell."""
    if columns.vector_columns:
        return len(columns.vector_columns)
    kind = storage_type(field_of(schema, columns.vector).type)
    return int(kind.list_size) if pt.is_fixed_size_list(kind) else None


def _vector_columns(uri: str, schema: pa.Schema, given: str | None) -> tuple[str, ...]:
    """The columns of numbers that names and patterns stand for; none where `given` is the name of one column."""
    if given is None or given in schema.names or not set(given) & set(",*?["):
        return ()
    found: list[str] = []
    for name in map(str.strip, given.split(",")):
        matching = [one for one in schema.names if fnmatch.fnmatchcase(one, name)] if name not in schema.names else []
        found += matching or [_existing(uri, schema, name, _VECTOR.option)]
    for place, name in enumerate(found):
        kind = storage_type(field_of(schema, name).type)
        if name in found[:place]:
            raise MappingError(f"{uri}: --vector-column {given} names {name!r} twice. Name each column once.")
        if not (pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)):
            raise MappingError(
                f"{uri}: --vector-column {given} takes in {name!r}, which is {kind}, no number. Name it more closely."
            )
    return tuple(found)


def _column(uri: str, schema: pa.Schema, role: _Role, given: str | None, taken: Iterable[str]) -> str | None:
    if given == "" and role.is_optional:
        return None
    if given is not None:
        kind = field_of(schema, _existing(uri, schema, given, role.option)).type
        if not role.fits(kind):
            raise MappingError(
                f"{uri}: column {given!r} is {kind}, and {role.name} takes {role.types}. "
                f"Name another with {role.option}."
            )
        return given
    named = [field for field in schema if field.name.lower() in role.names and field.name not in taken]
    unusable = next((one for one in named if one.name.lower() == role.name and not role.fits(one.type)), None)
    if unusable is not None and not (role.is_optional and ALL_COLUMNS in taken):
        likely = _likely(schema, role) if role is _VECTOR else []
        advice = f"Try {role.option} {likely[0]}." if likely else _way_out(unusable.name, role)
        raise MappingError(f"{uri}: {_unfit(unusable, role)} {advice}")
    found = [field.name for field in named if role.fits(field.type)]
    if len(found) > 1:
        options = " or ".join(f"{role.option} {name}" for name in found)
        raise MappingError(f"{uri}: more than one column could be the {role.name}. Decide with {options}.")
    return found[0] if found else None


def _existing(uri: str, schema: pa.Schema, name: str, option: str) -> str:
    with contextlib.suppress(KeyError):
        field_of(schema, name)
        return name
    close = difflib.get_close_matches(name, schema.names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise MappingError(f"{uri}: {option} names {name!r}, which is not there.{hint} {_columns_of(schema)}")


def _columns_of(schema: pa.Schema) -> str:
    listed = ", ".join(f"{field.name} ({field.type})" for field in schema if ORIGIN not in (field.metadata or {}))
    return f"Columns: {listed}." if listed else "It has no columns."


def _unfit(field: pa.Field, role: _Role) -> str:
    """The words on a column that has a role's name and cannot have the role."""
    example = ((field.metadata or {}).get(EXAMPLE) or b"").decode()
    held = f" ({example[:_SHOWN]!r})" if example else ""
    hint = _hint(example) if role is _VECTOR else ""
    why = _why_unfit(field.type, role)
    return f"column {field.name!r} is {field.type}{held}, and {role.name} takes {role.types}.{hint}{why}"


def _hint(text: str) -> str:
    """What text in the place of a vector may be, and how it is written so that it can be read."""
    if text.startswith("{"):
        return " PostgreSQL writes arrays so: select to_json(...) of it."
    if text.startswith("["):
        is_json = "," in text and ";" not in text
        return " It is JSON inside of text: write it as an array." if is_json else " Write it as JSON, as [0.1, 0.2]."
    if _BASE64.fullmatch(text):
        return " It may be base64, as OpenAI's encoding_format has it: ask for floats, or decode it."
    return ""


def _way_out(name: str, role: _Role) -> str:
    others = f"Change its type, or name another with {role.option}"
    if role.is_optional:
        return f"{others}; --metadata-columns {name} takes it as a field, and {role.option} '' loads no {role.name}."
    return f"{others}" + (", or make ids with --id-template." if role is _ID else ".")


def _likely(schema: pa.Schema, role: _Role) -> list[str]:
    """The columns of the file that could have a role and are not named as if they had another; by their paths."""
    others = {name for other in _ROLES if other is not role for name in other.names}
    found = []
    for field in schema:
        kind = storage_type(field.type)
        if ORIGIN in (field.metadata or {}) or field.name.lower() in others or pt.is_null(kind):
            continue
        if role.fits(kind):
            found.append(field.name)
        elif pt.is_struct(kind):
            children = [kind.field(number) for number in range(kind.num_fields)]
            found += [f"{field.name}.{one.name}" for one in children if role.fits(one.type) and role is _VECTOR]
    return found


def _nothing_fits(uri: str, schema: pa.Schema, role: _Role) -> str:
    named = next((field for field in schema if field.name.lower() in role.names), None)
    likely = [*(_pandas_index(schema) if role is _ID else ()), *_likely(schema, role)]
    advice = f"Try {role.option} {likely[0]}." if likely else f"{role.option} takes one with {role.types}; none has."
    if named is not None:
        return f"{uri}: {_unfit(named, role)} {advice if likely else _way_out(named.name, role)}"
    return f"{uri}: no column is named {', '.join(role.names)}. {_columns_of(schema)} {advice}"


def _pandas_index(schema: pa.Schema) -> list[str]:
    """The columns that pandas had as the index of its rows: more likely to be ids than any other."""
    try:
        told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        return [name for name in told if name in schema.names and _fits_id(schema.field(name).type)]
    except (ValueError, KeyError, TypeError):  # anybody's text: what is not as pandas writes it tells nothing
        return []


def _why_unfit(kind: pa.DataType, role: _Role) -> str:
    """What to do about a column that has a role's name and not its type."""
    kind = storage_type(kind)
    if role is _ID and pt.is_floating(kind):
        return " (pandas makes floats of integers where one is missing: astype('Int64') keeps them.)"
    if role is not _VECTOR:
        return ""
    if is_bytes(kind):
        return " Bytes do not say which numbers they are: write a list, as with numpy.frombuffer."
    item = storage_type(kind.value_type) if is_list(kind) else kind
    if is_list(item):
        return " Each row holds several vectors: write one a row."
    return " Cast its items to numbers." if is_list(kind) else ""


def _metadata_columns(
    uri: str, schema: pa.Schema, given: tuple[str, ...], chosen: tuple[str | None, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The columns that become fields; and of all columns those that cannot, each with why."""
    if given == (ALL_COLUMNS,):
        names = [name for name in schema.names if name not in chosen and name != REJECTED_KEY]
        unfit = {name: found for name in names if (found := unfit_inside(schema.field(name).type, name))}
        return (
            tuple(name for name in names if name not in unfit),
            tuple((name, f"{path!r} {why} or text") for name, (path, why) in unfit.items()),
        )
    for name in given:
        _existing(uri, schema, name, "--metadata-columns")
        if name in chosen:
            raise MappingError(f"{uri}: --metadata-columns names {name!r}, which already has another role.")
        _refuse_unfit(uri, field_of(schema, name).type, name)
    return given, ()


def _left_without_role(
    schema: pa.Schema, left_out: tuple[str, ...], filled: Iterable[_Role]
) -> Iterator[tuple[str, str]]:
    """Columns that have a role's name, not its type, and are therefore not loaded; each with why."""
    for role in _ROLES:
        for name in left_out if role not in filled else ():
            if name.lower() in role.names and not role.fits(schema.field(name).type):
                yield name, f"{name!r} is {schema.field(name).type}, and {role.name} takes {role.types}"


def _refuse_unfit(uri: str, kind: pa.DataType, name: str) -> None:
    found = unfit_inside(kind, name)
    if found is not None:
        raise MappingError(f"{uri}: column {found[0]!r} {found[1]} or text, or leave it out with --metadata-columns.")
