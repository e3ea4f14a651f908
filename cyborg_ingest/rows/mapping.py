"""Which column is id, vector, metadata and contents: given, or found by name and type."""

from __future__ import annotations

import fnmatch
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest.errors import MappingError
from cyborg_ingest.facts import NOT_ASKED_FOR
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.rows import leftover, tiers
from cyborg_ingest.rows.kinds import is_list, is_number, storage_type, twice_inside, unfit_inside
from cyborg_ingest.rows.leftover import ALL_COLUMNS, NO_COLUMNS, REJECTED_KEY, Leftover, is_unseen
from cyborg_ingest.rows.looks import is_packed, is_plain_text, length_of
from cyborg_ingest.rows.paths import above_lists, column_of, head, is_path, steps
from cyborg_ingest.rows.roles import CONTENTS, ID, METADATA, ROLES, VECTOR, fits_id
from cyborg_ingest.rows.suggestions import (
    encoding_hint,
    likely_columns,
    not_there,
    nothing_fits,
    packed_bits,
    tried,
    unfit,
    way_out,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from cyborg_ingest.rows.roles import Role

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


def map_columns(uri: str, schema: pa.Schema, choice: ColumnChoice) -> ColumnMap:
    """Decide for one source which column is what.

    Raises MappingError where a column is missing, has the wrong type, or two would do.
    """
    chosen_by_user = (choice.id, choice.vector, choice.metadata, choice.contents)
    taken = {*choice.metadata_columns, *(name for name in chosen_by_user if name)}
    several = _vector_columns(uri, schema, choice.vector)
    vector, why = ("", "") if several else _column(uri, schema, VECTOR, choice.vector, taken)
    reasons: dict[str | None, str] = {vector: why}
    if vector is None:
        raise MappingError(nothing_fits(uri, schema, VECTOR, taken))
    taken |= {vector, *several}
    identity, why = (None, "") if choice.makes_ids else _column(uri, schema, ID, choice.id, taken)
    reasons[identity] = why
    if identity is None and not choice.makes_ids:
        raise MappingError(nothing_fits(uri, schema, ID, taken))
    taken.add(identity or "")
    contents, reasons[contents] = _column(uri, schema, CONTENTS, choice.contents, taken)
    taken.add(contents or "")
    metadata, reasons[metadata] = _column(uri, schema, METADATA, choice.metadata, taken)
    chosen = [name for name in (vector, *several, identity, contents, metadata) if name]
    rest = _rest(uri, schema, choice, chosen, len(several) or length_of(field_of(schema, vector)))
    if choice.metadata_columns:
        rest = leftover.without_vectors(rest, schema, several or (vector,))
    if metadata:
        inside = "load none of it with --metadata-column '', and its other fields by name with --metadata-columns"
        _refuse_unfit(uri, field_of(schema, metadata).type, metadata, inside)
    for name in choice.id_parts:
        _check_part(uri, field_of(schema, _existing(uri, schema, name, "--id-template")))
    for name in choice.tested:
        _existing(uri, schema, name, "--where")
    there = frozenset(schema.names)
    loaded = {*chosen, *rest.columns, REJECTED_KEY}
    used = {column_of(there, name) for name in loaded}  # of some a field alone, and there is a reason against the rest
    left_out = tuple(
        one.name
        for one in schema
        if (one.name in rest.reasons and one.name not in loaded) or (one.name not in used and not is_unseen(one))
    )
    left_out += tuple(name for name in rest.reasons if name not in there)
    filled = [role for role, name in ((METADATA, metadata), (CONTENTS, contents)) if name]
    refused = (*rest.refused, *_left_without_role(schema, left_out, [ID, VECTOR, *filled]))
    _check_names(uri, choice, rest.columns)
    _check_fields(uri, schema, [*([metadata] if metadata else []), *rest.columns])
    reasons |= {name: rest.reasons.get(name, "") for name in left_out}
    reasons |= {one.name: "text, not JSON" for one in schema if is_plain_text(one) and one.name in rest.columns}
    return ColumnMap(
        vector, identity, metadata, tuple(rest.columns), contents, left_out,
        takes_all=choice.metadata_columns in {(), (ALL_COLUMNS,)},
        id_parts=tuple((name, name) for name in choice.id_parts),
        tested=tuple((name, name) for name in choice.tested),
        vector_columns=several,
        constants=choice.constants,
        renames=choice.renames,
        refused=refused,
        reasons=tuple((name, why) for name, why in reasons.items() if name and why),
        cut=_cut(rest, several or (vector,), metadata),
        own_first=not choice.metadata_columns,
    )  # fmt: skip


def _cut(rest: Leftover, vectors: Iterable[str], metadata: str | None) -> tuple[str, ...]:
    """What is cut out of the metadata: of their own column the vector alone, which nobody wants there."""
    of_vectors = {above_lists(one) if is_path(one) else one for one in vectors}
    own = f"{metadata}." if metadata else None
    return tuple(path for path in rest.cut if path in of_vectors or own is None or not path.startswith(own))


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


def _check_names(uri: str, choice: ColumnChoice, columns: Iterable[str]) -> None:
    """Refuse new names that would hide a field."""
    renames = dict(choice.renames)
    stored = Counter(renames.get(name, name) for name in columns)
    twice = next((name for name, count in stored.items() if count > 1), None)
    if twice is not None:
        raise MappingError(f"{uri}: with --rename two columns of the metadata have the name {twice!r}.")


def _check_fields(uri: str, schema: pa.Schema, columns: Iterable[str]) -> None:
    """Refuse fields of one name in metadata, which Arrow allows: all but the last would be lost."""
    for name in columns:
        found = twice_inside(field_of(schema, name).type, name)
        if found is not None:
            path, kinds = found[0], ", ".join(map(str, found[1]))
            raise MappingError(
                f"{uri}: {len(found[1])} fields are named {path!r}, of the types {kinds}, and metadata has one of a "
                "name. Rename the others."
            )


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
    if given is None or not set(given) & set(",*?[") or has_field(schema, given):
        return ()
    found: list[str] = []
    there, seen = dict.fromkeys(schema.names), set()
    for name in map(str.strip, given.split(",")):
        matching = [] if name in there else [one for one in there if fnmatch.fnmatchcase(one, name)]
        found += matching or [_existing(uri, schema, name, VECTOR.option)]
    for name in found:
        kind = field_of(schema, name).type
        if name in seen:
            raise MappingError(f"{uri}: --vector-column {given} names {name!r} twice. Name each column once.")
        seen.add(name)
        if not is_number(kind):
            raise MappingError(
                f"{uri}: --vector-column {given} takes in {name!r}, which is {kind}, no number. Name it more closely."
                f"{encoding_hint(field_of(schema, name))}"
            )
    return tuple(found)


def _column(
    uri: str, schema: pa.Schema, role: Role, given: str | None, taken: AbstractSet[str]
) -> tuple[str | None, str]:
    """The column that has a role, and why it is that one, where it was not named and its name alone does not say it."""
    if given == "" and role.is_optional:
        return None, ""
    if given is not None:
        field = field_of(schema, _existing(uri, schema, given, role.option, taken))
        is_packed_bits = role is VECTOR and is_packed(field)
        if is_packed_bits or not role.fits(field.type):
            why = f"column {given!r} is {field.type}, and {role.name} takes {role.types}.{encoding_hint(field)}"
            raise MappingError(
                f"{uri}: {packed_bits(field) if is_packed_bits else why} Name another with {role.option}."
            )
        return given, ""
    own = (field for field in schema if field.name.lower() == role.name and field.name not in taken)
    unusable = next((one for one in own if not role.fits(one.type)), None)
    if unusable is not None and not (role.is_optional and ALL_COLUMNS in taken):
        likely = likely_columns(schema, role, taken) if role in {VECTOR, ID} else []
        advice = tried(likely[0], role) if likely else way_out(unusable, role, schema.names)
        raise MappingError(f"{uri}: {unfit(unusable, role)} {advice}")
    return tiers.found(uri, schema, role, taken)


def _existing(uri: str, schema: pa.Schema, name: str, option: str, taken: Iterable[str] = ()) -> str:
    if has_field(schema, name):
        return name
    raise MappingError(not_there(uri, schema, name, option, taken))


def has_field(schema: pa.Schema, name: str) -> bool:
    """Whether there is such a column, or such a path."""
    try:
        field_of(schema, name)
    except KeyError:
        return False
    return True


def _rest(uri: str, schema: pa.Schema, choice: ColumnChoice, chosen: list[str], dimension: int | None) -> Leftover:
    """What becomes of the columns that have no role; `dimension` is that of the vectors, where it is known."""
    given = choice.metadata_columns
    if given == (ALL_COLUMNS,):
        return leftover.all_of(schema, set(chosen))
    if not given:
        options = {METADATA: choice.metadata, CONTENTS: choice.contents}
        empty = [role for role, name in options.items() if name == ""]
        unwanted = {name: f"{role.name} {NOT_ASKED_FOR}" for role in empty for name in _of_role(schema, role, chosen)}
        return leftover.by_default(schema, chosen, unwanted, dimension)
    if given == (NO_COLUMNS,) and NO_COLUMNS not in schema.names:
        given = ()
    taken = frozenset(chosen)
    for name in given:
        _existing(uri, schema, name, "--metadata-columns")
        if name in taken:
            raise MappingError(f"{uri}: --metadata-columns names {name!r}, which already has another role.")
        _refuse_unfit(uri, field_of(schema, name).type, name, "do not name it with --metadata-columns")
    into = {head(name) for name in (*chosen, *given)}
    why = {one.name: NOT_ASKED_FOR for one in schema if one.name not in into and not is_unseen(one)}
    return Leftover(list(given), reasons=why)


def _of_role(schema: pa.Schema, role: Role, chosen: list[str]) -> list[str]:
    """The columns that would have a role, or have its very name."""
    found = tiers.named_columns(schema, role, chosen)
    return [*(found[:1] if role.first_wins else found), *(one for one in schema.names if one.lower() == role.name)]


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
