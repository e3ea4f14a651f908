"""Whether values of JSON are vectors, or hold some: by their names, their lengths and what is in them."""

from __future__ import annotations

from typing import Any

from cyborg_ingest.rows.looks import SHORTEST
from cyborg_ingest.rows.roles import VECTOR

SAMPLED = 10
"""So many items of a list tell of all."""
DEEPEST = 8


def type_of(value: Any) -> str:
    """The type that MongoDB names beside a value, as in {"$numberDouble": "0.5"}, which is not a row; else ""."""
    name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else ""
    return name if name.startswith("$") else ""


def is_number(value: Any) -> bool:
    """Whether a value is a number, or one that MongoDB names the type of."""
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain or type_of(value).startswith("$number")


def holds_vectors(value: Any, depth: int = DEEPEST) -> bool:
    """Whether a value is a list of numbers, or has one in it, in the first items of its lists."""
    if isinstance(value, dict) and depth:
        return any(holds_vectors(one, depth - 1) for one in value.values())
    if isinstance(value, list) and value:
        return is_number(value[0]) or (depth > 0 and any(holds_vectors(one, depth - 1) for one in value[:SAMPLED]))
    return False


def has_embedding(value: Any, depth: int = DEEPEST) -> bool:
    """Whether one of these lists is a vector by its name, or is as long as vectors are and has fractions."""
    if isinstance(value, dict) and depth:
        return any(
            (is_vector_name(name) and holds_vectors(one)) or has_embedding(one, depth - 1)
            for name, one in value.items()
        )
    if isinstance(value, list) and value and not is_number(value[0]):
        return depth > 0 and any(has_embedding(one, depth - 1) for one in value[:SAMPLED])
    return isinstance(value, list) and len(value) >= SHORTEST and any(isinstance(one, float) for one in value[:SAMPLED])


def is_vector_name(name: str) -> bool:
    """Whether a name is one that vectors have."""
    return name.lower() in VECTOR.names
