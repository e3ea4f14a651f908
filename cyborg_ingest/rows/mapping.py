"""Which column is id, vector, metadata and contents: given, or found by name and type."""

from __future__ import annotations

import fnmatch
import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest.errors import MappingError
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.rows.kinds import is_list, is_number, storage_type, unfit_inside
from cyborg_ingest.rows.paths import column_of, is_path, steps
from cyborg_ingest.rows.roles import CONTENTS, ID, METADATA, ROLES, VECTOR, fits_id
from cyborg_ingest.rows.suggestions import encoding_hint, likely_columns, not_there, nothing_fits, tried, unfit, way_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.rows.roles import Role

REJECTED_KEY = "_rejected"
"""What `rejected.jsonl` adds to a row; never loaded, on any input."""

ALL_COLUMNS = "*"

AUTO = "auto"
"""The encoding of vectors that is found."""

MIXED = b"mixed"
"""In a field's metadata: its values are of several kinds, and its type says nothing of the next one."""


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
    encoding: str = AUTO
    """Of vectors that are text or bytes."""


def resolve(uri: str, schema: pa.Schema, choice: ColumnChoice) -> ColumnMap:
    """Decide for one source which column is what.

    Raises MappingError where a column is missing, has the wrong type, or two would do.
    """
    chosen_by_user = (choice.id, choice.vector, choice.metadata, choice.contents)
    taken = {*choice.metadata_columns, *(name for name in chosen_by_user if name)}
    several = _vector_columns(uri, schema, choice.vector)
    vector = "" if several else _column(uri, schema, VECTOR, choice.vector, taken)
    if vector is None:
        raise MappingError(nothing_fits(uri, schema, VECTOR, taken))
    taken |= {vector, *several}
    identity = None if choice.makes_ids else _column(uri, schema, ID, choice.id, taken)
    if identity is None and not choice.makes_ids:
        raise MappingError(nothing_fits(uri, schema, ID, taken))
    taken.add(identity or "")
    contents = _column(uri, schema, CONTENTS, choice.contents, taken)
    taken.add(contents or "")
    metadata = _column(uri, schema, METADATA, choice.metadata, taken)
    taken.add(metadata or "")
    chosen = (vector, identity, contents, metadata, *several)
    columns, refused = _metadata_columns(uri, schema, choice.metadata_columns, chosen)
    if metadata:
        inside = "load none of it with --metadata-column '', and its other fields by name with --metadata-columns"
        _refuse_unfit(uri, field_of(schema, metadata).type, metadata, inside)
    for name in choice.id_parts:
        _check_part(uri, field_of(schema, _existing(uri, schema, name, "--id-template")))
    for name in choice.tested:
        _existing(uri, schema, name, "--where")
    there = frozenset(schema.names)
    used = {column_of(there, name) for name in (*chosen, *columns) if name} | {REJECTED_KEY}
    left_out = tuple(name for name in schema.names if name not in used)
    filled = [role for role, name in ((METADATA, metadata), (CONTENTS, contents)) if name]
    refused += tuple(_left_without_role(schema, left_out, [ID, VECTOR, *filled]))
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
    is_known = is_number or pt.is_date(kind) or pt.is_timestamp(kind) or fits_id(field.type)
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


def field_of(schema: pa.Schema, name: str) -> pa.Field:
    """A column by its name or, where none has it, by its path: data[0].embedding is `embedding` in the first of `data`.

    Raises KeyError.
    """
    if schema.get_field_index(name) >= 0 or not is_path(name):
        return schema.field(name)
    first, *path = steps(name)
    found = schema.field(str(first))
    for step in path:
        kind = storage_type(found.type)
        if isinstance(step, int) and is_list(kind):
            found = kind.value_field
        elif isinstance(step, str) and pt.is_struct(kind) and kind.get_field_index(step) >= 0:
            found = kind.field(step)
        else:
            raise KeyError(name)
    return found.with_name(name)


def dimension_of(schema: pa.Schema, columns: ColumnMap) -> int | None:
    """The dimension that a schema fixes; None where only the vectors tell."""
    if columns.vector_columns:
        return len(columns.vector_columns)
    kind = storage_type(field_of(schema, columns.vector).type)
    return int(kind.list_size) if pt.is_fixed_size_list(kind) else None


def _vector_columns(uri: str, schema: pa.Schema, given: str | None) -> tuple[str, ...]:
    """The columns of numbers that names and patterns stand for; none where `given` is the name of one column."""
    if given is None or not set(given) & set(",*?[") or _is_there(schema, given):
        return ()
    found: list[str] = []
    for name in map(str.strip, given.split(",")):
        matching = [one for one in schema.names if fnmatch.fnmatchcase(one, name)] if name not in schema.names else []
        found += matching or [_existing(uri, schema, name, VECTOR.option)]
    for place, name in enumerate(found):
        kind = field_of(schema, name).type
        if name in found[:place]:
            raise MappingError(f"{uri}: --vector-column {given} names {name!r} twice. Name each column once.")
        if not is_number(kind):
            raise MappingError(
                f"{uri}: --vector-column {given} takes in {name!r}, which is {kind}, no number. Name it more closely."
                f"{encoding_hint(field_of(schema, name))}"
            )
    return tuple(found)


def _column(uri: str, schema: pa.Schema, role: Role, given: str | None, taken: Iterable[str]) -> str | None:
    if given == "" and role.is_optional:
        return None
    if given is not None:
        field = field_of(schema, _existing(uri, schema, given, role.option, taken))
        if not role.fits(field.type):
            raise MappingError(
                f"{uri}: column {given!r} is {field.type}, and {role.name} takes {role.types}.{encoding_hint(field)} "
                f"Name another with {role.option}."
            )
        return given
    named = [field for field in schema if field.name.lower() in role.names and field.name not in taken]
    unusable = next((one for one in named if one.name.lower() == role.name and not role.fits(one.type)), None)
    if unusable is not None and not (role.is_optional and ALL_COLUMNS in taken):
        likely = likely_columns(schema, role, taken) if role in {VECTOR, ID} else []
        advice = tried(likely[0], role) if likely else way_out(unusable, role, schema.names)
        raise MappingError(f"{uri}: {unfit(unusable, role)} {advice}")
    found = [field.name for field in named if role.fits(field.type)]
    if len(found) > 1:
        options = " or ".join(f"{role.option} {shlex.quote(name)}" for name in found)
        raise MappingError(f"{uri}: more than one column could be the {role.name}. Decide with {options}.")
    return found[0] if found else None


def _existing(uri: str, schema: pa.Schema, name: str, option: str, taken: Iterable[str] = ()) -> str:
    if _is_there(schema, name):
        return name
    raise MappingError(not_there(uri, schema, name, option, taken))


def _is_there(schema: pa.Schema, name: str) -> bool:
    try:
        field_of(schema, name)
    except KeyError:
        return False
    return True


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
        _refuse_unfit(uri, field_of(schema, name).type, name, "do not name it with --metadata-columns")
    return given, ()


def _left_without_role(
    schema: pa.Schema, left_out: tuple[str, ...], filled: Iterable[Role]
) -> Iterator[tuple[str, str]]:
    """Columns that have a role's name, not its type, and are therefore not loaded; each with why."""
    for role in ROLES:
        for name in left_out if role not in filled else ():
            if name.lower() in role.names and not role.fits(schema.field(name).type):
                yield name, f"{name!r} is {schema.field(name).type}, and {role.name} takes {role.types}"


def _refuse_unfit(uri: str, kind: pa.DataType, name: str, otherwise: str) -> None:
    found = unfit_inside(kind, name)
    if found is not None:
        raise MappingError(f"{uri}: column {found[0]!r} {found[1]} or text, or {otherwise}.")
