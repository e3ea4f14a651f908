"""What stands in a JSON document beside its rows, and is not loaded: it is named, and an error in it comes first.

Where it has no rows, what it has instead is the error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats.jsonnodes import is_array_of_rows, is_known_row, looks_like_id
from cyborg_ingest.formats.jsonshapes import shortened, told
from cyborg_ingest.formats.jsonvectors import is_vector_name
from cyborg_ingest.rows.roles import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.formats.jsonnodes import Node
    from cyborg_ingest.model import Within

_SHOWN = 5
_NAMES = 60
_ERRORS = {"error", "errors", "failures"}
_USUAL = {"object", "model", "usage", "took", "time", "status", "included"}
"""What answers of many services have in them, and nobody misses."""
_MORE = re.compile(r"(?i:next|_?next_?(page|offset|cursor|token|link|url|key)\w*|_?scroll_?id|has_?(more|next_?page))")
"""How members are named that tell where the next answer begins."""

_NUMBERS = re.compile(r"[\w+/=-]{20}|[\s\[({]*[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?[\s,;|]+[-+]?[0-9.]")
"""How texts begin that may be vectors: in base64 or hexadecimal digits, or as several numbers."""


def beside(uri: str, root: Node, within: Within) -> tuple[str, ...]:
    """The note on what is in the document and in no row, where there is anything.

    Of what stands behind the rows only as much is known as was looked at.
    """
    found = [one for one in _others(root, within) if not _is_empty(one)]
    inner = [one for other in found for one in other.all() if not _is_empty(one)]
    said = []
    error = next((one for one in inner if _is_error(one)), None)
    if error is not None:
        said.append(f"it has an error beside its rows: {words_on(error)}")
    more = next((one for one in inner if _MORE.fullmatch(one.path[-1])), None)
    if more is not None:
        shown = "is there" if more.sign in {b"[", b"{"} else f"is {shortened(repr(more.value))}"
        said.append(f"more rows may follow in another answer: {_named(more)} {shown}")
    others = [one for one in found if one.path[-1] not in _USUAL]
    if others:
        names = ", ".join(map(_named, others[:_SHOWN]))
        count = len(others) + sum(one.count - len(one.members) for one in _around(root, within) if one.is_cut)
        rest = f" and {count - len(others[:_SHOWN]):,} more" if count > len(others[:_SHOWN]) else ""
        said.append(f"beside its rows, and not loaded: {names}{rest}")
    return (f"{uri}: {'; '.join(said)}.",) if said else ()


def check_holds_some(uri: str, root: Node) -> None:
    """Raise FormatError for an object with no vector in it, where it says why: an error, or what is null or empty.

    EmptySourceError where it is certain that it has no rows, as the last page of many has none.
    """
    nodes = [*root.all()]
    if root.sign != b"{" or any(one.holds_vectors or is_known_row(one) or _is_in_part(one) for one in nodes):
        return
    if any(_is_vector(one) and any(inner.value for inner in one.all()) for one in nodes):
        return
    if any(is_array_of_rows(one) and one.path[-1].lower() not in METADATA.names for one in nodes):
        return  # whose vectors may be text, under any name
    error = next((one for one in nodes if one.path and _is_error(one) and not _is_empty(one)), None)
    if error is not None:
        raise FormatError(f"{uri}: it holds an error and no vectors: {words_on(error)}. Get the data again.")
    empty = [one for one in nodes if _is_open(one)]
    if empty and not any((one.sign == b"[" and one.count) or _may_be_vector(one) for one in nodes):
        names = ", ".join(map(_named, empty[:_SHOWN]))
        raise EmptySourceError(f"{uri}: it holds no rows: {names} {'is' if len(empty) == 1 else 'are'} empty.")
    missing = next((one for one in nodes if _is_vector(one) and (one.sign == b"n" or _is_open(one))), None)
    if missing is not None:
        what = "null" if missing.sign == b"n" else "empty"
        raise FormatError(
            f"{uri}: {_named(missing)} is {what}, and no other vectors are in it. Get the data again with its vectors: "
            'some programs leave them out unless they are asked for (Chroma: include=["embeddings"]).'
        )


def _is_in_part(node: Node) -> bool:
    """Whether it holds what was passed, which may be a vector: members behind many others, or what is very deep."""
    return node.is_cut or (node.sign == b"{" and bool(node.value))


def _may_be_vector(node: Node) -> bool:
    """Whether a text may be a vector under a name that only an option tells: not an id, nor the next page's place."""
    name = node.path[-1] if node.path else ""
    is_text = node.sign == b'"' and isinstance(node.value, str) and _NUMBERS.match(node.value) is not None
    return is_text and not looks_like_id(name) and not _MORE.fullmatch(name)


def _is_open(node: Node) -> bool:
    return node.sign == b"[" and not node.count


def _is_vector(node: Node) -> bool:
    return bool(node.path) and is_vector_name(node.path[-1])


def _others(root: Node, within: Within) -> Iterator[Node]:
    """The members on the way to the rows that do not lead there."""
    loaded = {place for _, place in within.places}
    for node in _around(root, within):
        is_last = len(node.path) == len(within.path)
        yield from (
            one
            for one in node.members
            if (
                loaded.isdisjoint(inner.place for inner in one.all())
                if is_last
                else one.path != within.path[: len(one.path)]
            )
        )


def _around(root: Node, within: Within) -> list[Node]:
    """The objects on the way to the rows, the outer ones first; with that of columns, which are members of it."""
    found = [root]
    for depth in range(1, len(within.path) + 1):
        found += [one for one in found[-1].members if one.path == within.path[:depth]]
    return found if within.kind in {"columns", "split"} else found[: len(within.path)]


def _is_empty(node: Node) -> bool:
    return not (node.value or node.count) or node.kinds == {b"n"}


def _is_error(node: Node) -> bool:
    """Whether a member tells of one; a number with fractions is a measure."""
    return node.path[-1].lower() in _ERRORS and not isinstance(node.value, float)


def words_on(node: Node) -> str:
    """An error in the words of who wrote it, short and escaped: its message and its code where it has them."""
    if node.sign == b"[":
        count = f"{node.count:,}, the first is " if node.count > 1 else ""
        return count + shortened(repr(told(node.value)))
    value = {one.path[-1]: one.value for one in node.members} if node.members else node.value
    return shortened(repr(told(value)))


def _named(node: Node) -> str:
    """The member's place, in quotes where a message would not hold it as it is."""
    name = node.name
    if len(name) > _NAMES:
        name = f"{name[:_NAMES]}..."
    return name if name.isprintable() and not set(name) & {" ", ","} else repr(name)
