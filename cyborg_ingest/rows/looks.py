"""What the first values of a column show of it, beside its type: marks in its field's metadata, and what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from cyborg_ingest.rows.kinds import is_list, is_text, storage_type
from cyborg_ingest.rows.roles import METADATA, VECTOR
from cyborg_ingest.rows.typed import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

LENGTH = b"length"
"""The length of all lists that were looked at, where they have one."""
WHOLE = b"whole numbers"
"""The lists that were looked at hold nothing else, though their type has fractions: JSON and CSV have one for both."""
PLAIN = b"plain text"
"""No text that was looked at begins as an object of JSON does."""

SHORTEST = 8
"""Lists that are all as long may be vectors from this length on: shorter ones are coordinates, scores, colours."""

_WORD = re.compile(r"[a-z]+")
_PACKED, _PACKED_IF_WHOLE, _PACKED_IF_BYTES = {"ubinary", "packedbits"}, {"binary"}, {"bits", "bit", "packed"}


def marked(field: pa.Field, marks: dict[bytes, bytes]) -> pa.Field:
    """The field, with more in its metadata."""
    return field.with_metadata({**(field.metadata or {}), **marks}) if marks else field


def of_lists(lengths: Iterable[int], *, are_whole: bool) -> dict[bytes, bytes]:
    """What lists of these lengths show; empty ones show nothing."""
    found = set(lengths) - {0}
    marks = {LENGTH: str(*found).encode()} if len(found) == 1 else {}
    return {**marks, WHOLE: b""} if are_whole and found else marks


def of_texts(texts: Iterable[str]) -> dict[bytes, bytes]:
    """What texts show: none of them is an object, though some say something."""
    said = _said(texts)
    return {PLAIN: b""} if said and not any(text.startswith("{") for text in said) else {}


def _said(texts: Iterable[str]) -> list[str]:
    """Those that say something."""
    return [text for text in map(str.strip, texts) if text and text != "null"]


def of_column(field: pa.Field, array: pa.Array) -> dict[bytes, bytes] | None:
    """What the first values of a column show; None where these are none."""
    array = plain(array)
    if array.null_count == len(array):
        return None
    if is_text(array.type):
        try:
            said = _said(one for one in array.to_pylist() if one)
        except UnicodeDecodeError:
            return {}
        return of_texts(said) if said else None
    if not is_list(storage_type(field.type)) or pt.is_fixed_size_list(array.type):
        return {}
    lengths = {one or 0 for one in pc.unique(pc.list_value_length(array)).to_pylist()}
    return None if lengths == {0} else of_lists(lengths, are_whole=False)


def needs_a_look(field: pa.Field) -> bool:
    """Whether the type alone does not say what the column may be: text by a name of metadata, lists of any length."""
    kind = storage_type(field.type)
    if is_text(kind):
        return field.name.lower() in METADATA.names
    return VECTOR.fits(field.type) and not pt.is_fixed_size_list(kind)


def is_plain_text(field: pa.Field) -> bool:
    """Whether a column of text is seen to hold no objects."""
    return PLAIN in (field.metadata or {})


def is_packed(field: pa.Field) -> bool:
    """Whether its numbers are eight bits each of a vector, and none of its components, as its name says."""
    if not VECTOR.fits(field.type):
        return False
    words, item = set(_WORD.findall(field.name.lower())), _item(field)
    if words & _PACKED or (words & _PACKED_IF_BYTES and item in {pa.int8(), pa.uint8()}):
        return True
    return bool(words & _PACKED_IF_WHOLE) and (pt.is_integer(item) or WHOLE in (field.metadata or {}))


def length_of(field: pa.Field) -> int | None:
    """The one length of a column's lists, by its type or by what was looked at."""
    kind = storage_type(field.type)
    if pt.is_fixed_size_list(kind):
        return int(kind.list_size)
    length = (field.metadata or {}).get(LENGTH)
    return None if length is None else int(length)


def may_be_vectors(field: pa.Field) -> bool:
    """Whether nothing but its name speaks against it: floats in lists of one length, of any where the type fixes it."""
    return _looks_so(field) and not _are_whole(field) and not is_packed(field)


def looks_like_vectors(field: pa.Field, dimension: int | None = None) -> bool:
    """Whether lists of numbers, whole ones too, are as vectors are: 8 or more, or as many as `dimension`."""
    length = length_of(field) if VECTOR.fits(field.type) else None
    if length is None or is_packed(field):
        return False
    is_fixed = pt.is_fixed_size_list(storage_type(field.type))
    return length >= SHORTEST or (is_fixed and length == dimension)


def _looks_so(field: pa.Field) -> bool:
    if not VECTOR.fits(field.type):
        return False
    length = length_of(field)
    return length is not None and (length >= SHORTEST or pt.is_fixed_size_list(storage_type(field.type)))


def _are_whole(field: pa.Field) -> bool:
    return pt.is_integer(_item(field)) or pt.is_null(_item(field)) or WHOLE in (field.metadata or {})


def _item(field: pa.Field) -> pa.DataType:
    return storage_type(storage_type(field.type).value_type)


def of_values(values: Iterable[Any]) -> dict[bytes, bytes]:
    """What the first values of a field of JSON show, of lists and of texts."""
    some = [one for one in values if one is not None]
    lists = [one for one in some if isinstance(one, list)]
    if lists and len(lists) == len(some) and all(type(one[0]) in {int, float} for one in lists if one):
        return of_lists(map(len, lists), are_whole=all(_is_whole(one) for one in lists))
    texts = [one for one in some if isinstance(one, str)]
    return of_texts(texts) if texts and len(texts) == len(some) else {}


def _is_whole(numbers: list[Any]) -> bool:
    return all(type(one) is int for one in numbers)


def of_numbers(vectors: Iterable[Any]) -> dict[bytes, bytes]:
    """What the first lists of a CSV show, which are float64 in memory."""
    lists = [np.frombuffer(one) for one in vectors if one is not None]
    return of_lists(map(len, lists), are_whole=all((one == np.floor(one)).all() for one in lists))
