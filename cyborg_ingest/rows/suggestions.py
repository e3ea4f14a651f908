"""The words on a column that is missing, or that has a role's name and not its type: what could take its place."""

from __future__ import annotations

import difflib
import fnmatch
import re
import shlex
from typing import TYPE_CHECKING

import pyarrow.types as pt

from cyborg_ingest.rows.encodings import HINT
from cyborg_ingest.rows.kinds import is_list, is_number, storage_type, unfit_inside
from cyborg_ingest.rows.looks import is_packed, looks_like_vectors
from cyborg_ingest.rows.paths import head, is_path
from cyborg_ingest.rows.roles import EXAMPLE, ID, ORIGIN, ROLES, VECTOR, fits_id, is_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    import pyarrow as pa

from cyborg_ingest.rows.roles import Role
from cyborg_ingest.rows.values import load_json

_SHOWN = 40
_MOST = 20
"""Columns that are listed in a message."""
_FEWEST = 2
_NUMBERED = re.compile(r"(.*?)\d+", re.DOTALL)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_ID_WORDS = {"id", "ids", "uuid", "guid", "key", "pk", "sku", "isbn", "doi", "code", "hash"}
_ID_ENDS = ("id", "uuid", "key")
_ADDRESSES = {"url", "urls", "uri", "link", "href"}
_MADE = "make ids of the file's name and row numbers: --id-template '{file}-{row}'"


def columns_of(names: Iterable[str]) -> str:
    """What columns there are: the first of them."""
    listed = list(names)
    more = f" and {len(listed) - _MOST:,} more" if len(listed) > _MOST else ""
    return f"Columns: {', '.join(listed[:_MOST])}{more}." if listed else "It has no columns."


def not_there(uri: str, schema: pa.Schema, name: str, option: str, taken: Iterable[str] = ()) -> str:
    """The words on a name that an option has and the file has not; `taken` are columns that are something else."""
    role = next((one for one in ROLES if one.option == option), None)
    fitting = [path for path, field in _paths(schema) if role is None or _is_near(path, field, role)]
    folders = [one.name for one in schema if is_folder(one)]
    known = [one for one in (*fitting, *(folders if role is None else ())) if one not in taken]
    ends = {path.rpartition(".")[2]: path for path in reversed(known)}
    close = difflib.get_close_matches(name, known, n=1) or [ends[name] for _ in range(1) if name in ends]
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{uri}: {option} names {name!r}, which is not there.{hint} {columns_of(_described(schema))}"


def _is_near(path: str, field: pa.Field, role: Role) -> bool:
    """Whether a column that has nearly the name that was asked for could have the role."""
    if role is VECTOR and is_number(field.type):
        return True
    return role.fits(field.type) and path.rpartition(".")[2].lower() not in _others(role)


def _described(schema: pa.Schema) -> list[str]:
    return [f"{field.name} ({field.type})" for field in schema if ORIGIN not in (field.metadata or {})]


def _paths(schema: pa.Schema) -> Iterator[tuple[str, pa.Field]]:
    """The columns of the file and the fields in them, by the names that an option takes."""
    for field in schema:
        if ORIGIN not in (field.metadata or {}):
            yield field.name, field
            if "." not in field.name:
                yield from _inner_paths(field.name, field)


def _inner_paths(path: str, field: pa.Field) -> Iterator[tuple[str, pa.Field]]:
    kind = storage_type(field.type)
    item = storage_type(kind.value_type) if is_list(kind) else None
    # a column of several vectors a row is not told to be cut to the first of them
    if item is not None and (pt.is_struct(item) or (is_list(item) and is_path(path))):
        yield f"{path}[0]", kind.value_field
        yield from _inner_paths(f"{path}[0]", kind.value_field)
    for child in (kind.field(place) for place in range(kind.num_fields)) if pt.is_struct(kind) else ():
        if child.name and "." not in child.name:
            yield f"{path}.{child.name}", child
            yield from _inner_paths(f"{path}.{child.name}", child)


def unfit(field: pa.Field, role: Role) -> str:
    """The words on a column that has a role's name and cannot have the role."""
    example = ((field.metadata or {}).get(EXAMPLE) or b"").decode()
    held = f" ({example[:_SHOWN]!r})" if example else ""
    hint = encoding_hint(field) if role is VECTOR else ""
    why = "" if hint else _why_unfit(field.type, role)
    return f"column {field.name!r} is {field.type}{held}, and {role.name} takes {role.types}.{hint}{why}"


def encoding_hint(field: pa.Field) -> str:
    """Why vectors of text or bytes cannot be read, where it was looked at."""
    hint = ((field.metadata or {}).get(HINT) or b"").decode()
    return f" {hint}" if hint else ""


def way_out(field: pa.Field, role: Role, names: Iterable[str] = ()) -> str:
    """What to do with a column that cannot have the role of its name, where no other is likely."""
    others = f"Change its type, or name another with {role.option}"
    if role is ID:
        return f"{others}, or {made_ids(names)}."
    if not role.is_optional:
        return f"{others}."
    none = f"{role.option} '' loads no {role.name}."
    name = one_of_several(field.name)
    if unfit_inside(field.type, field.name) is not None or name is None:
        return f"{others}; {none}"
    return f"{others}; --metadata-columns {name} takes it as a field, and {none}"


def one_of_several(text: str) -> str | None:
    """A text as a shell takes it, for an option whose values have commas between them; None where it cannot be one."""
    return shlex.quote(text) if text and "," not in text and text == text.strip() else None


def made_ids(names: Iterable[str]) -> str:
    """How ids are made where no column holds any; two names are columns' own where there are such."""
    own = {"file", "row"} & set(names)
    return "make ids with --id-template" if own else _MADE


def likely_columns(schema: pa.Schema, role: Role, taken: Iterable[str] = ()) -> list[str]:
    """What to try for a role, as its option takes it: columns of the file that are not known to be anything else.

    `taken` are those that the user has another use for. Ids are only looked for where a name speaks of ids: any text
    could be one, and most often it is the contents; next to them, where it is an address.
    """
    others, used = _others(role), set(taken)
    fitting = []
    for path, field in _paths(schema):
        first = head(path)
        is_other = path.lower() in others or (role is not VECTOR and first.lower() in others) or {path, first} & used
        fits = role.fits(field.type) and not pt.is_null(storage_type(field.type)) and not is_packed(field)
        if fits and not is_other:
            fitting.append((path, field))
    if role is VECTOR:
        fitting.sort(key=lambda one: not looks_like_vectors(one[1]))
    paths = [path for path, _ in fitting]
    if role is ID:
        return [*filter(speaks_of_ids, paths), *filter(_is_address, paths)]
    return paths or ([*_numbered(schema, used)] if role is VECTOR else [])


def _others(role: Role) -> set[str]:
    return {name for other in ROLES if other is not role for name in other.names}


def speaks_of_ids(path: str) -> bool:
    """Whether a name that is none of the usual ones says that there are ids all the same."""
    words = [one.lower() for one in _WORD.findall(path.rpartition(".")[2])]
    return bool(_ID_WORDS & set(words)) or any(one.endswith(_ID_ENDS) for one in words)


def _is_address(path: str) -> bool:
    return not speaks_of_ids(path) and bool(
        _ADDRESSES & {one.lower() for one in _WORD.findall(path.rpartition(".")[2])}
    )


def _numbered(schema: pa.Schema, used: AbstractSet[str]) -> Iterator[str]:
    """The columns of numbers whose names differ by a number alone, as `--vector-column` takes them; the most of them.

    None where no pattern tells them from others, in their order.
    """
    groups: dict[str, list[str]] = {}
    for field in schema:
        found = _NUMBERED.fullmatch(field.name)
        if found and is_number(field.type) and field.name not in used and ORIGIN not in (field.metadata or {}):
            groups.setdefault(found[1], []).append(field.name)
    prefix, names = max(groups.items(), key=lambda one: len(one[1]), default=("", []))
    if len(names) < _FEWEST or set(prefix) & set(",*?[") or prefix != prefix.strip():
        return
    patterns = list(_patterns(prefix, set(names), schema.names))
    if [name for one in patterns for name in schema.names if fnmatch.fnmatchcase(name, one)] == names:
        yield ",".join(patterns)


def _patterns(begin: str, wanted: set[str], names: Iterable[str]) -> Iterator[str]:
    """Patterns of all wanted names that begin so, and of no others."""
    below = [name for name in names if name.startswith(begin)]
    if wanted.issuperset(below):
        yield f"{begin}*"
        return
    if begin in wanted:
        yield begin
    ends = {name[len(begin)] for name in below if len(name) > len(begin)}
    whole = sorted(one for one in ends if wanted.issuperset(name for name in below if name.startswith(begin + one)))
    for one in sorted(one for one in ends.difference(whole) if any(name.startswith(begin + one) for name in wanted)):
        yield from _patterns(begin + one, wanted, below)
    if whole:
        yield f"{begin}[{''.join(whole)}]*"


def nothing_fits(uri: str, schema: pa.Schema, role: Role, taken: Iterable[str] = ()) -> str:
    """The words where no column has one of a role's names, or none of these can have the role."""
    used = set(taken)
    named = next((field for field in schema if field.name.lower() in role.names and field.name not in used), None)
    likely = [one for one in pandas_index(schema) if one not in used] if role is ID else []
    likely += likely_columns(schema, role, used)
    if named is not None:
        return f"{uri}: {unfit(named, role)} {tried(likely[0], role) if likely else way_out(named, role, schema.names)}"
    advice = tried(likely[0], role) if likely else _where_none_is(schema, role)
    own = next((one for one in schema.names if one.lower() in role.names), None)
    if own is not None:
        return f"{uri}: column {own!r} is named by another option, so none is left for the {role.name}. {advice}"
    packed = "".join(f" {packed_bits(field)}" for field in schema if role is VECTOR and is_packed(field))
    packed += next((encoding_hint(one) for one in schema if role is VECTOR and encoding_hint(one)), "")
    usual = f"no column is named {', '.join(role.tiers[0])} or has another usual name of its kind"
    return f"{uri}: {usual}. {columns_of(_described(schema))}{packed} {advice}"


def packed_bits(field: pa.Field) -> str:
    """The words on numbers that are eight components each."""
    return (
        f"{field.name!r} is named like packed bits, eight components in a number, which are never read as numbers: "
        "unpack them with numpy.unpackbits, or write numbers as floats."
    )


def tried(name: str, role: Role) -> str:
    """The advice to try a column; of one in a list, what becomes of the other items."""
    return f"Try {role.option} {shlex.quote(name)}.{_of_lists(name)}"


def _of_lists(path: str) -> str:
    """The words on a path through lists of several rows, of which it takes the first alone; "" of any other."""
    before, item, inner = path.partition("[0]")
    if not item:
        return ""
    advice = (
        " It takes the first item of each list alone: where a list holds several rows, write each item as a row, or "
        "save each row as a .json file by itself and load these"
    )
    return f"{advice} with --records {shlex.quote(before)}." if inner else f"{advice}."


def _where_none_is(schema: pa.Schema, role: Role) -> str:
    if role is ID:
        return f"Name the one of the ids with --id-column, or {made_ids(schema.names)}."
    if any(is_number(field.type) for field in schema if ORIGIN not in (field.metadata or {})):
        return f"{role.option} takes {role.types}: name those, with commas between them."
    return f"{role.option} takes {role.types}; there are none."


def pandas_index(schema: pa.Schema) -> list[str]:
    """The columns that pandas had as the index of its rows: more likely to be ids than any other."""
    try:
        told = load_json((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
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
    item = storage_type(kind.value_type) if is_list(kind) else kind
    if is_list(item):
        return " Each row holds several vectors: write one a row."
    return " Cast its items to numbers." if is_list(kind) else ""
