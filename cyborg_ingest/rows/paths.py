"""Paths: names that lead into a column, as `data.embedding` and `response.body.data[0].embedding`; parsed here."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from cyborg_ingest.model import Json

_PIECE = re.compile(r"(.*?)((?:\[\d{1,9}\])*)", re.DOTALL)
_PLACE = re.compile(r"\[(\d+)\]")


@functools.lru_cache(1024)
def steps(name: str) -> tuple[str | int, ...]:
    """The fields, and the places in lists (from 0), that a path leads through; of a plain name itself."""
    found: list[str | int] = []
    for piece in name.split("."):
        match = _PIECE.fullmatch(piece)
        field, places = (piece, "") if match is None else match.groups()
        found += [field, *map(int, _PLACE.findall(places))]
    return tuple(found)


def is_path(name: str) -> bool:
    """Whether a name can be one that leads into a column, if no column is called so."""
    return ("." in name or "[" in name) and len(steps(name)) > 1


def head(name: str) -> str:
    """The column that a path leads into, or the name."""
    return str(steps(name)[0]) if is_path(name) else name


def column_of(names: Collection[str], name: str) -> str:
    """The column that a name stands for, or that a path leads into."""
    return name if name in names else head(name)


def above_lists(name: str) -> str:
    """The path up to the first list that it leads into: what a reader of columns can tell from others."""
    found = steps(name)
    first = next((place for place, one in enumerate(found) if isinstance(one, int)), len(found))
    return name if first == len(found) else ".".join(map(str, found[:first]))


def value_at(row: Json, name: str) -> Any:
    """A field by its name or, where none has it, by its path; None where there is none, or the list is shorter."""
    return row.get(name) if name in row or not is_path(name) else _follow(row, steps(name))


def has_value(row: Json, name: str) -> bool:
    """Whether the field is there, be it null."""
    if name in row or not is_path(name):
        return name in row
    *before, last = steps(name)
    inside = _follow(row, before)
    return (isinstance(inside, dict) and last in inside) or (
        isinstance(inside, list) and isinstance(last, int) and last < len(inside)
    )


def without(value: Any, first: str, *more: str) -> Any:
    """An object without what a path of fields leads to, nor those that held nothing else."""
    if not isinstance(value, dict) or first not in value:
        return value
    inside = without(value[first], *more) if more else None
    rest = {name: one for name, one in value.items() if name != first}
    return {**value, first: inside} if inside or (more and inside == value[first]) else rest


def null_vector(name: str) -> str:
    """The words on a vector that is null; of one in a list, that the list may be shorter."""
    more = f": nothing is at {name}, whose places count from 0" if above_lists(name) != name else ""
    return f"the vector is null{more}"


def _follow(value: Any, path: Collection[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
