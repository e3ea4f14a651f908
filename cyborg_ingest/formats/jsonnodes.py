"""A JSON document as far as it was looked at: its values, and what each is that may hold rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest.formats.jsonshapes import has_marks
from cyborg_ingest.formats.jsonvectors import is_vector_name
from cyborg_ingest.rows.roles import CONTENTS, ID, METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_MEMBERS = 1_000
"""So many members of an object are looked at; of those behind them only such as may hold rows."""
ITSELF = "."
"""How a document is named that is the rows, in `--records`."""
_LONG = 1_000
"""So many characters of a text are kept to compare it with names."""
_OWN_ID = re.compile(r"(?i:.*_(id|uuid|key))|.*[a-z]Id")
"""How ids are named beside the usual names."""


@dataclass(slots=True)
class Node:
    """A value of the document, as far as it was looked at.

    `sign` is what it begins with, at byte `place`. Of an array `count` is how many elements it has, `kinds` what the
    first of them begin with, `texts` these where they are text, long ones as `short` has them. `value` is a number, a
    truth value, a text or how it begins; of an array its first element where that is not long. `holds_vectors`: the
    value is a list of numbers, or has one in it; of an array of objects, its rows have. `has_embedding`: one of these
    lists is a vector by its name or its length. `holds_arrays`: an array of objects is in an object. `is_cut`: not all
    members of an object are among the `members`, and it `lacks_arrays` where some of those are. `has_columns`: one of
    its arrays holds lists of vectors.
    """

    path: tuple[str, ...]
    sign: bytes
    place: int
    members: list[Node] = field(default_factory=list)
    count: int = 0
    kinds: frozenset[bytes] = frozenset()
    texts: tuple[str | int, ...] = ()
    value: Any = None
    is_numbers: bool = False
    holds_vectors: bool = False
    has_embedding: bool = False
    holds_arrays: bool = False
    is_keyed: bool = False
    is_cut: bool = False
    has_columns: bool = False
    lacks_arrays: bool = False

    @property
    def name(self) -> str:
        """As `--records` takes it."""
        return ".".join(self.path) or ITSELF

    def all(self) -> Iterator[Node]:
        """It and all in it, the outer ones first."""
        yield self
        for one in self.members:
            yield from one.all()

    @property
    def arrays(self) -> list[Node]:
        """Its members that are arrays, but not empty ones beside others, nor those that only name others, each once.

        Lists of vectors in an object beside an array as long are among them (Cohere's embeddings by their types):
        under the object's name where it has one, else by their paths.
        """
        names = {short(one.path[-1]) for one in self.members}
        plain = [one for one in self.members if one.sign == b"[" and not one.names_all_in(names)]
        plain = [one for one in plain if one.count] or plain
        lengths = {one.count for one in plain}
        inner = [one.lists_of_vectors() for one in self.members if one.sign == b"{"]
        return [*plain, *(one for several in inner for one in several if {two.count for two in several} <= lengths)]

    def names_all_in(self, names: set[str | int]) -> bool:
        """Whether an array's elements are names, none of them twice, and no more than were looked at."""
        return bool(self.count) and self.count == len(names.intersection(self.texts))

    def lists_of_vectors(self) -> list[Node]:
        """Its members where all are lists of vectors, by the names of columns."""
        if not all(b"[" in one.kinds and one.holds_vectors for one in self.members):
            return []
        if len(self.members) == 1:
            return [replace(self.members[0], path=self.path)]
        return [replace(one, path=(f"{self.path[-1]}.{one.path[-1]}",)) for one in self.members]


def short(text: str) -> str | int:
    """A text, or instead of a long one a number that the same text always has: its elements may be whole documents."""
    return text if len(text) <= _LONG else hash(text)


def is_row(node: Node) -> bool:
    """Whether an object is itself a row: it has a vector of its own, and what it holds are not rows."""
    return node.sign == b"{" and node.holds_vectors and not node.holds_arrays and not node.is_keyed


def is_known_row(node: Node) -> bool:
    """Whether an object has the fields of a row that another program writes, whatever is in it."""
    return has_marks({one.path[-1] for one in node.members})


def is_array_of_rows(node: Node) -> bool:
    """Whether an array has objects as its elements."""
    return node.sign == b"[" and b"{" in node.kinds


def is_columns(node: Node) -> bool:
    """Whether an object's arrays are columns: several, and vectors in one of them; or several vectors alone."""
    arrays = [one for one in node.arrays if b"[" in one.kinds and one.holds_vectors]
    return bool(arrays) and (len(node.arrays) > 1 or _are_vectors_alone(node, arrays[0]))


def _are_vectors_alone(node: Node, array: Node) -> bool:
    """Whether what stands beside several vectors has nothing of a row in it, as in Ollama's answer."""
    others = {one.path[-1].lower() for one in node.members if one.path != array.path}
    is_own = has_id(node) or others & {*METADATA.names, *CONTENTS.names}
    return array.count > 1 and is_vector_name(array.path[-1]) and not is_own


def is_columns_by_index(node: Node) -> bool:
    """Whether an object's members are columns as pandas writes them: objects with the same names, each of one kind."""
    names = [[one.path[-1] for one in member.members] for member in node.members]
    least = min([MOST_MEMBERS, *map(len, names)])
    is_alike = len(names) > 1 and least > 0 and all(one[:least] == names[0][:least] for one in names)
    is_even = all(len({_type(one.sign) for one in member.members} - {b"n"}) <= 1 for member in node.members)
    has_vectors = any(one.is_numbers for member in node.members for one in member.members)
    return is_alike and is_even and has_vectors and not all(map(is_row, node.members))


def _type(sign: bytes) -> bytes:
    """What begins with a sign: numbers begin with several."""
    return b"0" if sign.isdigit() or sign == b"-" else sign


def is_by_name(node: Node) -> bool:
    """Whether an object's members are rows: all are objects, some with vectors, and the others have their fields.

    A single one that holds rows itself is around them, as in {"data": {"0": {...}, "1": {...}}}, and no row.
    """
    if node.is_keyed:
        return True
    if len(node.members) == 1 and _is_around_rows(node.members[0]):
        return False
    is_all = all(one.sign == b"{" for one in node.members)
    rows = {frozenset(inner.path[-1] for inner in one.members) for one in node.members if is_row(one)}
    names = {frozenset(inner.path[-1] for inner in one.members) for one in node.members} - rows
    return bool(rows) and is_all and all(any(one & fields == one for fields in rows) for one in names)


def _is_around_rows(node: Node) -> bool:
    """Whether an object has rows by name or columns by index in it, however deep, not the named vectors of one row."""
    is_one = any(is_vector_name(one.path[-1]) and is_row(one) for one in node.members)
    is_outer = len(node.members) == 1 and _is_around_rows(node.members[0])
    return is_outer or is_columns_by_index(node) or (not is_one and is_by_name(node))


def is_split(node: Node) -> bool:
    """Whether an object has rows as arrays, and the names of what is in them, as pandas' orient="split"."""
    found = {one.path[-1]: one for one in node.members}
    data, columns = found.get("data"), found.get("columns")
    return bool(data and columns and b"[" in data.kinds and columns.kinds == {b'"'})


def kind_of_node(node: Node) -> str:
    """How an array or object holds rows: see `Within`."""
    if node.sign == b"[":
        return "array"
    if is_split(node):
        return "split"
    if is_columns(node) or is_columns_by_index(node):
        return "columns"
    return "keyed" if is_by_name(node) else "one"


def has_id(node: Node) -> bool:
    """Whether a member of it that is neither an array nor an object is named like an id; {"$oid": "..."} is a text."""
    return any(looks_like_id(one.path[-1]) and (one.sign not in {b"[", b"{"} or _is_typed(one)) for one in node.members)


def _is_typed(node: Node) -> bool:
    return len(node.members) == 1 and node.members[0].path[-1].startswith("$")


def looks_like_id(name: str) -> bool:
    """Whether a name is one that ids have."""
    return name.lower() in ID.names or _OWN_ID.fullmatch(name) is not None
