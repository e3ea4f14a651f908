"""The words on a column that is missing, or that has a role's name and not its type: what could take its place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pyarrow.types as pt

from cyborg_ingest.kinds import is_bytes, is_list, storage_type
from cyborg_ingest.roles import EXAMPLE, ID, ORIGIN, ROLES, VECTOR, fits_id

if TYPE_CHECKING:
    import pyarrow as pa

    from cyborg_ingest.roles import Role

_SHOWN = 40
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")


def columns_of(schema: pa.Schema) -> str:
    """What columns there are."""
    listed = ", ".join(f"{field.name} ({field.type})" for field in schema if ORIGIN not in (field.metadata or {}))
    return f"Columns: {listed}." if listed else "It has no columns."


def unfit(field: pa.Field, role: Role) -> str:
    """The words on a column that has a role's name and cannot have the role."""
    example = ((field.metadata or {}).get(EXAMPLE) or b"").decode()
    held = f" ({example[:_SHOWN]!r})" if example else ""
    hint = _hint(example) if role is VECTOR else ""
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


def way_out(name: str, role: Role) -> str:
    """What to do with a column that cannot have the role of its name, where no other is likely."""
    others = f"Change its type, or name another with {role.option}"
    if role.is_optional:
        return f"{others}; --metadata-columns {name} takes it as a field, and {role.option} '' loads no {role.name}."
    return f"{others}" + (", or make ids with --id-template." if role is ID else ".")


def likely_columns(schema: pa.Schema, role: Role) -> list[str]:
    """The columns of the file that could have a role and are not named as if they had another; by their paths."""
    others = {name for other in ROLES if other is not role for name in other.names}
    found = []
    for field in schema:
        kind = storage_type(field.type)
        if ORIGIN in (field.metadata or {}) or field.name.lower() in others or pt.is_null(kind):
            continue
        if role.fits(kind):
            found.append(field.name)
        elif pt.is_struct(kind):
            children = [kind.field(number) for number in range(kind.num_fields)]
            found += [f"{field.name}.{one.name}" for one in children if role.fits(one.type) and role is VECTOR]
    return found


def nothing_fits(uri: str, schema: pa.Schema, role: Role) -> str:
    """The words where no column has one of a role's names, or none of these can have the role."""
    named = next((field for field in schema if field.name.lower() in role.names), None)
    likely = [*(_pandas_index(schema) if role is ID else ()), *likely_columns(schema, role)]
    advice = f"Try {role.option} {likely[0]}." if likely else f"{role.option} takes one with {role.types}; none has."
    if named is not None:
        return f"{uri}: {unfit(named, role)} {advice if likely else way_out(named.name, role)}"
    return f"{uri}: no column is named {', '.join(role.names)}. {columns_of(schema)} {advice}"


def _pandas_index(schema: pa.Schema) -> list[str]:
    """The columns that pandas had as the index of its rows: more likely to be ids than any other."""
    try:
        told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        return [name for name in told if name in schema.names and fits_id(schema.field(name).type)]
    except (ValueError, KeyError, TypeError):  # anybody's text: what is not as pandas writes it tells nothing
        return []


def _why_unfit(kind: pa.DataType, role: Role) -> str:
    """What to do about a column that has a role's name and not its type."""
    kind = storage_type(kind)
    if role is ID and pt.is_floating(kind):
        return " (pandas makes floats of integers where one is missing: astype('Int64') keeps them.)"
    if role is not VECTOR:
        return ""
    if is_bytes(kind):
        return " Bytes do not say which numbers they are: write a list, as with numpy.frombuffer."
    item = storage_type(kind.value_type) if is_list(kind) else kind
    if is_list(item):
        return " Each row holds several vectors: write one a row."
    return " Cast its items to numbers." if is_list(kind) else ""
