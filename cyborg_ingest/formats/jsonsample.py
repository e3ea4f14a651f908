"""The first rows of JSON: which fields there are, and of which types. A row may differ from them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cyborg_ingest.formats.base import EXAMPLE, ORIGIN
from cyborg_ingest.formats.records import SAMPLED_ROWS, in_memory, parse_object
from cyborg_ingest.rows.leftover import REJECTED_KEY
from cyborg_ingest.rows.looks import marked, needs_a_look, of_values
from cyborg_ingest.rows.mapping import MIXED
from cyborg_ingest.rows.roles import CONTENTS, METADATA, fitting
from cyborg_ingest.rows.tiers import named_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Json

_SHOWN = 40
_SAMPLED_TEXT = 1 << 20
_SAMPLED_BYTES = 16_000_000
_SAMPLED_KEYS = 500_000
"""Fewer rows are sampled where they have more fields together: each may be another, and a type of its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a file.

    Which are objects; the place and the fault of the first that is none; how many rows that were, not blank, and the
    bytes read for them; some of the text; whether that were all of the rows.
    """

    objects: list[Json]
    problem: tuple[int, str]
    rows: int
    read: int
    text: bytes
    is_whole: bool

    def estimate(self, size: int, *, is_packed: bool) -> int:
        """About how many rows a file of so many bytes has, compressed or not."""
        packing = len(self.text) / len(zlib.compress(self.text, 1)) if is_packed else 1.0
        return round(size * packing * self.rows / self.read) if self.read else 0


def sampled(texts: Iterable[tuple[bytes, int]]) -> Sample:
    """The first 100 rows, or some MB of them, from texts each with the place behind it."""
    objects: list[Json] = []
    problem, rows, read, kept, is_whole, size, keys = (0, ""), 0, 0, b"", True, 0, 0
    for place, (text, read) in enumerate(texts):  # noqa: B007 - the last one's is used below
        kept += text[: _SAMPLED_TEXT - len(kept)]
        size += in_memory(text)
        keys += text.count(b":")
        if text.strip():
            rows += 1
            found = parse_object(text)
            if isinstance(found, dict):
                objects.append(found)
            elif not problem[1]:
                problem = place, found
        if rows >= SAMPLED_ROWS or size >= _SAMPLED_BYTES or keys >= _SAMPLED_KEYS:
            is_whole = False
            break
    return Sample(objects, problem, rows, read, kept, is_whole)


def schema_of(objects: list[Json]) -> pa.Schema:
    """The fields of the first rows. A row may differ from them: then that row is at fault, not the file."""
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for one in objects:
        for name, value in one.items():
            if name != REJECTED_KEY:
                kinds.setdefault(name, {})[_type(value)] = None
    found = [_field(name, fitting(name, several) or _widest(several), several) for name, several in kinds.items()]
    found = [_with_example(_looked_at(one, objects), objects) for one in found]
    # JSONL's own names, though they may come later in the file
    for role in (METADATA, CONTENTS):
        name, likely = role.name, [one for one in found if one.name.lower() in role.names]
        if name not in kinds and not named_columns(pa.schema(found), role):
            found.append(pa.field(name, pa.null(), metadata={ORIGIN: f"{name} (none so far)"}))
        elif all(fitting(one.name, [one.type]) is None for one in likely):
            found = [pa.field(name, pa.null()) if one.name == name else one for one in found]
    return pa.schema(found)


def _looked_at(field: pa.Field, objects: list[Json]) -> pa.Field:
    """A field with what its first values show."""
    return marked(field, of_values(one.get(field.name) for one in objects)) if needs_a_look(field) else field


def _with_example(field: pa.Field, objects: list[Json]) -> pa.Field:
    """A field of text with how the first of it begins, for messages."""
    text = next((one[field.name] for one in objects if one.get(field.name)), None)
    if not pa.types.is_string(field.type) or not isinstance(text, str):
        return field
    shown = text[:_SHOWN].encode(errors="replace")
    return field.with_metadata({**(field.metadata or {}), EXAMPLE: shown})


def _type(value: Any) -> pa.DataType:
    if isinstance(value, list):
        return pa.list_(_item_type(value[0]) if value else pa.float64())
    if isinstance(value, dict):
        # bytes as contents; a struct otherwise
        if set(value) == {"base64"}:
            return pa.binary()
        return pa.struct([pa.field(name, _type(item)) for name, item in value.items()])
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    return kinds.get(type(value), pa.null())


def _item_type(first: Any) -> pa.DataType:
    """The type of a list's items, by the first one; of numbers, whole ones too, the one that vectors have."""
    return _type(first) if isinstance(first, str | bool | list | dict) else pa.float64()


def _field(name: str, kind: pa.DataType, kinds: Iterable[pa.DataType]) -> pa.Field:
    """A field of this type, marked where its values are of several."""
    several = {one.id for one in kinds if not pa.types.is_null(one)}
    is_mixed = len(several) > 1 and several != {pa.int64().id, pa.float64().id}
    return pa.field(name, kind, metadata={MIXED: b""} if is_mixed else None)


def _widest(kinds: Iterable[pa.DataType]) -> pa.DataType:
    several = [kind for kind in kinds if not pa.types.is_null(kind)]
    if set(several) == {pa.int64(), pa.float64()}:
        return pa.float64()
    structs = [kind for kind in several if pa.types.is_struct(kind)]
    if structs:
        return _merged(structs)
    nested = [kind for kind in several if pa.types.is_nested(kind)]
    if nested and all(map(pa.types.is_list, nested)):
        return pa.list_(_widest([kind.value_type for kind in nested]))
    return (nested or [pa.string()])[0] if len(several) > 1 else (several or [pa.null()])[0]


def _merged(structs: list[pa.StructType]) -> pa.StructType:
    """An object with the fields that any of them has."""
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for one in structs:
        for number in range(one.num_fields):
            kinds.setdefault(one.field(number).name, {})[one.field(number).type] = None
    return pa.struct([_field(name, _widest(several), several) for name, several in kinds.items()])
