"""Fields of JSON that the first rows do not have: the user's word for them is taken, and nothing is ruled out."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from cyborg_ingest.formats.base import ORIGIN
from cyborg_ingest.rows.leftover import ALL_COLUMNS, NO_COLUMNS, is_unseen
from cyborg_ingest.rows.mapping import MIXED, field_of, has_field
from cyborg_ingest.rows.paths import is_path
from cyborg_ingest.rows.roles import CONTENTS, METADATA
from cyborg_ingest.rows.suggestions import one_of_several
from cyborg_ingest.rows.templates import OWN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cyborg_ingest.formats.base import Layout
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.mapping import ColumnChoice

LATE = b"late"
"""In the metadata of such a field."""


def believed(
    layouts: Sequence[Layout], choice: ColumnChoice, folders: Mapping[str, Collection[str]]
) -> Iterator[Layout]:
    """The layouts, with the fields that the user names where a row may still have them.

    In a file of a few rows all are known: then a name counts only if another file has it, or may have it. Ids and
    vectors are only believed in where rows are chosen: every row needs them, and the first ones have none. `folders`
    are the names that each file's folders give it.
    """
    named = [choice.metadata or None, choice.contents or None, *choice.metadata_columns, *choice.tested]
    if choice.tested:
        named += [choice.id, _single(choice.vector), *(name for name in choice.id_parts if name not in OWN)]
    names = [name for name in dict.fromkeys(named) if name is not None and name not in {ALL_COLUMNS, NO_COLUMNS}]
    likely = [name for name in names if any(one.is_open or has_field(one.schema, name) for one in layouts)]
    kinds = {name: pa.list_(pa.float64()) if name == choice.vector else pa.null() for name in likely}
    return (one if one.has_schema else _with_late(one, kinds, folders[one.uri]) for one in layouts)


def _single(vector: str | None) -> str | None:
    """The vector's own field, if it is one."""
    return None if vector is None or set(vector) & set(",*?[") else vector


def _with_late(layout: Layout, kinds: Mapping[str, pa.DataType], folders: Collection[str]) -> Layout:
    schema = layout.schema
    for name, kind in kinds.items():
        place = schema.get_field_index(name)
        if place >= 0 and is_unseen(schema.field(place)):  # a name that JSONL has anyway
            schema = schema.set(place, schema.field(place).with_metadata({ORIGIN: f"{name} (none so far)", LATE: b""}))
        elif name not in folders and not has_field(layout.schema, name):
            schema = schema.append(pa.field(name, kind, metadata={ORIGIN: f"{name} (none so far)", LATE: b""}))
    return replace(layout, schema=schema)


def type_of(layout: Layout, name: str) -> pa.DataType:
    """The type that all values of a field have; null where they may be of any."""
    field = field_of(layout.schema, name)
    return pa.null() if layout.is_open or MIXED in (field.metadata or {}) else field.type


def left_out(uri: str, name: str) -> str:
    """What to say of a field that comes late and that nobody has named."""
    one = one_of_several(name)
    advice = "" if one is None else f" --metadata-columns {one} would load it."
    return f"{uri}: field {name!r} is not in the first rows, and is left out.{advice}"


def stored(uri: str, name: str) -> str:
    """What to say of a field that comes late, and would have had a role."""
    role = METADATA if name.lower() in METADATA.names else CONTENTS
    told = f"{uri}: field {name!r} is not in the first rows, and becomes a field of the metadata."
    return f"{told} {role.option} {shlex.quote(name)} would take it as the {role.name}."


def told(uri: str, name: str, *, takes_all: bool) -> str:
    """What to say of a field that comes late; `takes_all`: what has no role becomes metadata."""
    if takes_all and is_path(name):
        return f"{uri}: field {name!r} is not in the first rows, and is left out, as other vectors are."
    return stored(uri, name) if takes_all else left_out(uri, name)


def missing(plan: Plan, seen: Iterable[tuple[str, str]], *, is_whole: bool, rows: int) -> Iterator[str]:
    """What to say at the end of names and conditions that came to nothing.

    `seen` are believed fields that rows had, each with its file; `is_whole`: all rows were read. `rows` is how many
    were asked for.
    """
    conditions = {source.shaping.filter.text for source in plan.sources if source.shaping.filter is not None}
    if conditions and not rows:
        yield f"No row meets --where {' '.join(conditions)!r}: nothing is loaded."
    named = {name for source in plan.sources for name in source.columns.believed}
    had = {name for source in plan.sources for name in source.layout.schema.names} - named
    for name in sorted(named - had - {name for _, name in seen}) if is_whole else ():
        yield f"No row has a field {name!r}, which an option names. Is it spelled as in the files?"
