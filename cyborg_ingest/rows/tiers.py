"""Which column has a role by its name, tier by tier; of vectors also the only column that looks like some."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cyborg_ingest.errors import MappingError
from cyborg_ingest.rows.looks import is_plain_text, looks_like_vectors, may_be_vectors
from cyborg_ingest.rows.roles import CONTENTS, ID, METADATA, VECTOR, is_folder
from cyborg_ingest.rows.suggestions import pandas_index, speaks_of_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import pyarrow as pa

    from cyborg_ingest.rows.roles import Role

THE_ONLY_VECTOR = "the only vector"


def found(uri: str, schema: pa.Schema, role: Role, taken: Collection[str]) -> tuple[str | None, str]:
    """The column that has a role, and why it is that one where its name alone does not say it; None if there is none.

    Raises MappingError where several could be it.
    """
    usable = [field for field in schema if field.name not in taken and _can_be(field, role)]
    index = [name for name in pandas_index(schema) if name not in taken] if role is ID else []
    if len(index) == 1 and index[0].lower() in ID.names:
        return _by_very_name(usable, role, index[0]) or (index[0], "the index of pandas")
    for place, tier in enumerate(role.tiers):
        named = _named(usable, tier)
        if len(named) == 1 and place and role is VECTOR:
            _refuse_rivals(uri, schema, taken, named[0])
        if len(named) > 1 and not (role.first_wins and not place):
            raise MappingError(several(uri, role, (field.name for field in usable if field.name in named)))
        if named:
            return named[0], f"before {', '.join(named[1:])}" if len(named) > 1 else ""
    if role is VECTOR:
        return _only_vector(uri, schema, taken)
    if len(index) == 1 and speaks_of_ids(index[0]):
        return index[0], "the index of pandas"
    return None, ""


def _by_very_name(usable: Iterable[pa.Field], role: Role, index: str) -> tuple[str, str] | None:
    """A column that is called as the role is, which is more than another of its names that an index has."""
    own = next((field.name for field in usable if field.name.lower() == role.name), index)
    return None if index in {own, role.name} else (own, f"before {index}")


def named_columns(schema: pa.Schema, role: Role, taken: Collection[str] = ()) -> list[str]:
    """The columns that have a name of the first tier of which there are any, in the order of its names."""
    usable = [field for field in schema if field.name not in taken and _can_be(field, role)]
    return next((named for tier in role.tiers if (named := _named(usable, tier))), [])


def several(uri: str, role: Role, names: Iterable[str]) -> str:
    """The words on columns of which nobody knows which one has a role."""
    options = " or ".join(f"{role.option} {shlex.quote(name)}" for name in names)
    return f"{uri}: more than one column could be the {role.name}. Decide with {options}."


def _named(usable: Sequence[pa.Field], tier: tuple[str, ...]) -> list[str]:
    """The columns of a tier, in the order of its names."""
    places = {name.lower(): place for place, name in enumerate(tier)}
    found = [field.name for field in usable if field.name.lower() in places]
    return sorted(found, key=lambda name: places[name.lower()])


def _can_be(field: pa.Field, role: Role) -> bool:
    """Whether a column can have a role, as far as its type and its first values show."""
    if not role.fits(field.type):
        return False
    if role in {METADATA, CONTENTS} and is_folder(field):
        return False  # one value for all rows
    return role is not METADATA or not is_plain_text(field)


def _refuse_rivals(uri: str, schema: pa.Schema, taken: Collection[str], name: str) -> None:
    """Raise MappingError where another column looks like vectors, too: the name is not sure enough."""
    rivals = [
        field.name
        for field in schema
        if field.name != name and field.name not in taken and (may_be_vectors(field) or looks_like_vectors(field))
    ]
    if rivals:
        raise MappingError(several(uri, VECTOR, [name, *rivals]))


def _only_vector(uri: str, schema: pa.Schema, taken: Collection[str]) -> tuple[str | None, str]:
    likely = [field.name for field in schema if field.name not in taken and may_be_vectors(field)]
    if not likely:
        return None, ""
    if len(likely) > 1:
        raise MappingError(several(uri, VECTOR, likely))
    _refuse_rivals(uri, schema, taken, likely[0])
    return likely[0], THE_ONLY_VECTOR
