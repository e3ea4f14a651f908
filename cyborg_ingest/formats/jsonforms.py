"""How a JSON document holds rows: in an array, by name, as columns; found by a look at what it begins with."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.jsonnodes import (
    ITSELF,
    Node,
    has_id,
    is_array_of_rows,
    is_by_name,
    is_columns,
    is_columns_by_index,
    is_known_row,
    is_row,
    is_split,
    kind_of_node,
)
from cyborg_ingest.formats.jsonsurvey import Survey
from cyborg_ingest.formats.jsonvectors import is_vector_name
from cyborg_ingest.model import Within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.formats.jsontext import JsonText

_SHOWN = 5
_SHOWN_VALUE = 40
_RECORDS = "--records"
EACH = "[]"
"""In `--records`: each item of a list."""
_BEHIND_EACH = re.compile(r"\[\](?!\.|\[\]|$)")


def form_of(text: JsonText, records: str | None) -> tuple[Within, str, Node, int | None]:
    """Where the rows of the document are that begins here, and in words; the document as far as it was looked at.

    And how many rows there are, where they were counted.

    Raises FormatError where that cannot be told, or the user is wrong; SourceError where it breaks off.
    """
    if records is None and text.sign() == b"[":
        return Within("array", (), ((ITSELF, text.place),)), "", Node((), b"[", text.place), None
    if records is not None and EACH in records:
        _check_path(text.uri, records)
        return Within("pages", (), ((records, text.place),)), f"rows in {records}", Node((), b"", text.place), None
    survey = Survey(text, records).run()
    within, words = _chosen(text.uri, survey, records)
    return within, words, survey.root, _count(survey.root, within) if survey.is_whole else None


def _check_path(uri: str, records: str) -> None:
    """Raise FormatError where a name follows the items of a list and no dot is between them."""
    right = _BEHIND_EACH.sub(f"{EACH}.", records)
    if right != records:
        raise FormatError(
            f"{uri}: --records names {records!r}, and a dot is missing behind []. Say it with {_RECORDS} "
            f"{shlex.quote(right)}."
        )


def _count(root: Node, within: Within) -> int:
    """How many rows there are."""
    node = root
    for name in within.path:
        node = next(one for one in node.members if one.path[-1] == name)
    if within.kind == "split":
        return next(one.count for one in node.members if one.path[-1] == "data")
    if within.kind == "columns":
        return (node.arrays if is_columns(node) else node.members)[0].count
    return 1 if within.kind == "one" else node.count


def _chosen(uri: str, survey: Survey, records: str | None) -> tuple[Within, str]:
    root = survey.root
    if records is not None:
        node = next((one for one in root.all() if one.name == records), None)
        if node is None:
            raise FormatError(f"{uri}: --records names {records!r}, which is not there. {_what_is_there(root)}")
        if node.path and node.sign not in {b"[", b"{"}:
            raise FormatError(
                f"{uri}: --records names {records!r}, which is {_short(node.value)} and holds no rows. "
                f"{_what_is_there(root)}"
            )
        return _form(uri, node, is_sure=True)
    likely = list(_candidates(root))
    having = [one for one in likely if one.holds_vectors or one.sign == b"{"] or likely
    if len(having) > 1:
        options = " or ".join(f"{_RECORDS} {shlex.quote(one.name)}" for one in having[:_SHOWN])
        raise FormatError(f"{uri}: rows could be in more than one place. Say in which with {options}.")
    return _form(uri, having[0] if having else root, is_sure=survey.is_whole)


def holds_rows(text: JsonText) -> bool:
    """Whether vectors are in the document in a way that rows are, but not as one row. Raises FormatError."""
    found = Survey(text, None).run().root
    return any(one is not found or is_columns(one) or _has_embeddings(one) for one in places_of_rows(found))


def _has_embeddings(node: Node) -> bool:
    """Whether an object has rows by their name, or columns of pandas, that hold vectors: no sizes, no ranges."""
    inner = [(member, one) for member in node.members for one in member.members if one.is_numbers]
    if kind_of_node(node) == "columns":
        return any(is_vector_name(column.path[-1]) or one.has_embedding for column, one in inner)
    return kind_of_node(node) == "keyed" and any(is_vector_name(one.path[-1]) or one.has_embedding for _, one in inner)


def places_of_rows(node: Node) -> list[Node]:
    """The values in one, or it, that could hold the rows, and hold vectors."""
    return [one for one in _candidates(node) if one.holds_vectors or is_columns(one)]


def _candidates(node: Node) -> Iterator[Node]:
    """The values that could hold the rows, none of which is part of another."""
    if is_array_of_rows(node) or is_known_row(node):
        yield node
    elif node.sign == b"{":
        rows = [one for one in node.members if is_row(one)]
        if is_columns(node) or is_columns_by_index(node) or is_split(node) or is_by_name(node):
            yield node
        elif rows and not has_id(node) and not any(one.is_numbers for one in node.members):
            yield from (inner for one in node.members for inner in _candidates(one))
        else:
            inner = [one for member in node.members if not is_row(member) for one in _candidates(member)]
            if node.holds_vectors and (has_id(node) or not inner):
                yield node
            yield from inner


def _form(uri: str, node: Node, *, is_sure: bool) -> tuple[Within, str]:
    where = f" in {node.name}" if node.path else ""
    if node.sign == b"[":
        if node.count and b"{" not in node.kinds:
            raise FormatError(f"{uri}: the elements of {node.name} are not objects, so they are not rows.")
        return Within("array", node.path, ((node.name, node.place),), is_sure), f"rows{where}" if node.path else ""
    if node.sign != b"{":
        raise FormatError(f"{uri}: it begins with {node.sign!r}, so it is neither an array nor an object.")
    kind = kind_of_node(node)
    if kind == "split":
        places = tuple((one.path[-1], one.place) for one in node.members if one.path[-1] in {"columns", "data"})
        return Within("split", node.path, places), f"arrays, and the names of their items{where}"
    if kind == "columns":
        return _columns(uri, node, node.arrays if is_columns(node) else node.members), f"columns{where}"
    words = f"rows by their id{where}" if kind == "keyed" else f"one row{where}"
    return Within(kind, node.path, ((node.name, node.place),), is_sure), words


def _columns(uri: str, node: Node, columns: list[Node]) -> Within:
    """The columns of an object. Raises FormatError where they are not of one length, or two have the same name."""
    if node.lacks_arrays or (node.is_cut and not is_columns(node)):
        raise FormatError(
            f"{uri}: {node.name} has {node.count:,} members, which as columns are too many. Write it as rows."
        )
    first, *others = columns
    other = next((one for one in others if one.count != first.count), None)
    if other is not None:
        raise FormatError(
            f"{uri}: {first.name!r} has {first.count:,} values and {other.name!r} has {other.count:,}: as columns they "
            "do not belong together. Write it again, or without one of them."
        )
    check_names(uri, [one.path[-1] for one in columns])
    return Within("columns", node.path, tuple((one.path[-1], one.place) for one in columns))


def check_names(uri: str, names: Sequence[str]) -> None:
    """Raise FormatError where two columns have the same name: one would be lost."""
    again = next((name for name, count in Counter(names).items() if count > 1), None)
    if again is not None:
        raise FormatError(f"{uri}: two of its columns are named {json.dumps(again)}. Write it with one.")


def _short(value: Any) -> str:
    return json.dumps(value)[:_SHOWN_VALUE]


def _what_is_there(root: Node) -> str:
    names = [one.name for one in root.all() if one.sign in {b"[", b"{"} and one.path]
    return f"It holds {', '.join(names[:20])}." if names else "There are no arrays and no objects in it."
