"""How a JSON document holds rows: in an array, by name, as columns; found by a look at what it begins with."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.jsonshapes import has_marks
from cyborg_ingest.formats.jsonvectors import (
    DEEPEST,
    SAMPLED,
    has_embedding,
    holds_vectors,
    is_number,
    is_vector_name,
    type_of,
)
from cyborg_ingest.formats.records import TooLarge, parse_object
from cyborg_ingest.model import Within
from cyborg_ingest.rows.looks import SHORTEST
from cyborg_ingest.rows.roles import CONTENTS, ID, METADATA
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.formats.jsontext import JsonText

LOOK_BYTES = 16_000_000
"""So far a document is looked at where rows are found in it; to its end where there are none, or columns."""
_KEPT = 1000
"""So many bytes of a value are kept for messages."""
_MOST_MEMBERS = 1_000
"""So many members of an object are looked at; of those behind them only such as may hold rows."""
_MOST_VALUES = 200_000
"""So many values are kept of a document."""
_ROWS_BY_NAME = 3
"""So many members of an object that are all rows, and so are those that follow."""
_SHOWN = 5
_SHOWN_VALUE = 40
_RECORDS = "--records"
_OBJECTS, _NUMBERS = re.compile(rb"\[[ \t\r\n]*\{"), re.compile(rb"\[[ \t\r\n]*-?[0-9]")
ITSELF, EACH = ".", "[]"
"""In `--records`: the document; and each item of a list."""
_OWN_ID = re.compile(r"(?i:.*_(id|uuid|key))|.*[a-z]Id")
"""How ids are named beside the usual names."""


@dataclass(slots=True)
class Node:
    """A value of the document, as far as it was looked at.

    `sign` is what it begins with, at byte `place`. Of an array `count` is how many elements it has, `kinds` what the
    first of them begin with, `texts` what these are where they are text. `value` is a number, a truth
    value, a text or how it begins; of an array its first element where that is not long. `holds_vectors`: the value is
    a list of numbers, or has one in it; of an array of objects, its rows have. `has_embedding`: one of these lists is a
    vector by its name or its length. `holds_arrays`: an array of objects is in an object. `is_cut`: not all members of
    an object are among the `members`, and it `lacks_arrays` where some of those are. `has_columns`: one of its arrays
    holds lists of vectors.
    """

    path: tuple[str, ...]
    sign: bytes
    place: int
    members: list[Node] = field(default_factory=list)
    count: int = 0
    kinds: frozenset[bytes] = frozenset()
    texts: tuple[str, ...] = ()
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
        """Its members that are arrays, but not empty ones beside others, nor those that only tell the names of others.

        Lists of vectors in an object beside an array as long are among them (Cohere's embeddings by their types):
        under the object's name where it has one, else by their paths.
        """
        names = {one.path[-1] for one in self.members}
        plain = [one for one in self.members if one.sign == b"[" and not (one.texts and {*one.texts} <= names)]
        plain = [one for one in plain if one.count] or plain
        lengths = {one.count for one in plain}
        inner = [one.lists_of_vectors() for one in self.members if one.sign == b"{"]
        return [*plain, *(one for several in inner for one in several if {two.count for two in several} <= lengths)]

    def lists_of_vectors(self) -> list[Node]:
        """Its members where all are lists of vectors, by the names of columns."""
        if not all(b"[" in one.kinds and one.holds_vectors for one in self.members):
            return []
        if len(self.members) == 1:
            return [replace(self.members[0], path=self.path)]
        return [replace(one, path=(f"{self.path[-1]}.{one.path[-1]}",)) for one in self.members]


class EnoughError(Exception):
    """Rows are found, and the rest of the document is not looked at."""


class Survey:
    """A look at a document."""

    def __init__(self, text: JsonText, records: str | None, *, to_end: bool = False) -> None:
        self._text = text
        self._records = records
        self._to_end = to_end
        self._values = 0
        self.root = Node((), b"", 0)
        self._open: list[Node] = []
        """The objects that the next value is in, the outer ones first."""
        self._columns: tuple[Node | None, float] = None, 0.0
        """How long the longest is beside the array or object that was asked about last."""
        self.is_whole = True

    def run(self) -> Survey:
        """Look at all of it, or at enough. Raises FormatError where a name is twice, and what the text raises."""
        try:
            self.value(self.root, 0)
            if self._text.sign() == self.root.sign == b"{":
                raise FormatError(
                    f"{self._text.uri}: an object follows where the first one ends, so it is no document. It looks "
                    "like one object a line: say so with --format jsonl."
                )
            if not self._text.is_at_end():
                raise self._text.broken("something follows where the document ends")
        except EnoughError:
            self.is_whole = False
        return self

    def value(self, node: Node, depth: int) -> None:
        """Look at the next value and move behind it."""
        node.sign, node.place = self._text.sign(), self._text.place
        if node.sign == b"[":
            self._array(node)
        elif node.sign == b"{" and depth < DEEPEST:
            self._object(node, depth)
        else:
            found = self._text.value()[0]
            node.value = _loaded(found) if len(found) <= _KEPT else found[1:_KEPT].decode(errors="replace")

    def _array(self, node: Node) -> None:
        text = self._text
        text.passes(b"[")
        is_open = not text.passes(b"]")
        while is_open:
            sign = text.sign()
            found = text.value()[0]
            if node.count < SAMPLED:
                self._sample(node, sign, found)
            elif sign not in {b"{", b"[", b'"'}:
                node.count += text.pass_numbers()
            node.count += 1
            self._end_if_enough(node, has_rows=b"{" in node.kinds and node.has_embedding)
            is_open = text.passes(b",")
            if not is_open and not text.passes(b"]"):
                raise text.broken(f"element {node.count - 1:,} of {node.name} is followed by neither a comma nor ]")
        node.has_embedding = node.has_embedding and not (node.is_numbers and node.count < SHORTEST)

    def _end_if_enough(self, node: Node, *, has_rows: bool) -> None:
        """Stop in an array or object that is what was looked for, and no column of metadata."""
        if (
            self._to_end
            or self._text.place <= LOOK_BYTES
            or not (has_rows if self._records is None else node.name == self._records)
        ):
            return
        if self._columns[0] is not node:
            self._columns = node, self._longest_beside(node)
        if self._records is not None or node.count > self._columns[1]:
            raise EnoughError

    def _longest_beside(self, node: Node) -> float:
        """How many values the longest has of those beside it that would be columns if it were one.

        No end to it in an object of columns: all of these have to be known.
        """
        around = [one for one in self._open if one is not node]
        if any(_kind(one) in {"columns", "split"} for one in around):
            return math.inf
        beside = around[-1].members if around else []
        return max((one.count for one in beside if one is not node and one.sign == node.sign), default=0)

    def _sample(self, node: Node, sign: bytes, found: bytes) -> None:
        value = _loaded(found)
        node.kinds |= {b'"' if type_of(value) else sign}
        if not node.count and len(found) <= _KEPT:
            node.value = value
        if isinstance(value, str):
            node.texts = (*node.texts, value)
        node.is_numbers = node.is_numbers or is_number(value)
        node.holds_vectors = node.holds_vectors or holds_vectors(value)
        node.has_embedding = node.has_embedding or isinstance(value, float) or has_embedding(value)

    def _object(self, node: Node, depth: int) -> None:
        text = self._text
        self._open.append(node)
        text.passes(b"{")
        seen: set[str] = set()
        is_open = not text.passes(b"}")
        while is_open:
            name, _ = text.key()
            node.count += 1
            if node.is_keyed:
                text.value()
                self._end_if_enough(node, has_rows=node.has_embedding)
            elif len(seen) >= _MOST_MEMBERS and text.sign() not in {b"[", b"{"}:
                text.value()
                node.is_cut = True
                node.count += text.pass_members()
            else:
                self._member(node, name, seen, depth)
            is_open = text.passes(b",")
            if not is_open and not text.passes(b"}"):
                raise text.broken(f"member {name!r} of {node.name} is followed by neither a comma nor }}")
        self._open.pop()
        node.holds_vectors = any(one.is_numbers or (one.holds_vectors and one.sign == b"{") for one in node.members)

    def _member(self, node: Node, name: str, seen: set[str], depth: int) -> None:
        if name in seen:
            raise FormatError(f"{self._text.uri}: {node.name} has two members named {name!r}. Write it with one.")
        child = Node((*node.path, name), b"", 0)
        if self._leads_to_records(child):
            self._values = 0  # of what is in them as much is kept, whatever was before
            self._look_at(node, child, depth)
        elif self._is_spent:
            node.is_cut = True
            self._text.value()
        else:
            (self._look_at if len(seen) < _MOST_MEMBERS else self._look_again)(node, child, depth)
        if node.members and node.members[-1] is child:
            seen.add(name)
        if len(seen) == _ROWS_BY_NAME:
            node.is_keyed = all(map(is_row, node.members))
        elif len(seen) == _MOST_MEMBERS and not node.is_cut:
            node.is_keyed = is_by_name(node)

    @property
    def _is_spent(self) -> bool:
        """Whether no more values are kept, and what is not on the way to what `--records` names is passed."""
        return self._records is not None and self._values >= _MOST_VALUES

    def _leads_to_records(self, node: Node) -> bool:
        return self._records is not None and f"{self._records}.".startswith(f"{node.name}.")

    def _look_at(self, node: Node, child: Node, depth: int) -> None:
        self._values += 1
        if self._values > _MOST_VALUES and self._records is None:
            raise self._text.refused(
                f"more than {_MOST_VALUES:,} values are in it, and where its rows are is not told yet. Say it with "
                "--records."
            )
        node.members.append(child)
        self.value(child, depth + 1)
        is_vector = is_vector_name(child.path[-1]) and (child.is_numbers or child.holds_vectors)
        node.has_embedding = node.has_embedding or child.has_embedding or is_vector
        node.holds_arrays = node.holds_arrays or child.holds_arrays or is_array_of_rows(child)
        node.has_columns = node.has_columns or (b"[" in child.kinds and child.holds_vectors)

    def _look_again(self, node: Node, child: Node, depth: int) -> None:
        """Pass a member behind many others, and look at it where rows may be in it, or it is one of the columns."""
        text, place, before = self._text, self._text.place, self._values
        found = text.value()[0]
        is_array = found[:1] == b"["
        node.is_cut = True
        if isinstance(found, TooLarge) and (is_array or found[:1] == b"{"):
            node.lacks_arrays = node.lacks_arrays or is_array
            if self._records is None:
                raise text.refused(
                    f"{child.name} stands behind {_MOST_MEMBERS:,} others and is large, and whether rows are in it is "
                    f"not told. Say with --records where they are."
                )
        elif (is_array and node.has_columns) or _OBJECTS.search(found) or _NUMBERS.search(found, 1):
            self._text = text.of_value(found, place)
            self._look_at(node, child, depth)
            self._text = text
            if len(node.members) > _MOST_MEMBERS + _SHOWN and _kind(child) == "one":  # enough to ask which is meant
                node.members.pop()
                self._values = before
        else:
            node.lacks_arrays = node.lacks_arrays or is_array


def _loaded(text: bytes) -> Any:
    if isinstance(text, TooLarge):
        return parse_object(text)
    try:
        return load_json(text)
    except ValueError:  # of what is no JSON its reader says so
        return None


def is_row(node: Node) -> bool:
    """Whether an object is itself a row: it has a vector of its own, and what it holds are no rows."""
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
    is_own = _has_id(node) or others & {*METADATA.names, *CONTENTS.names}
    return array.count > 1 and is_vector_name(array.path[-1]) and not is_own


def is_columns_by_index(node: Node) -> bool:
    """Whether an object's members are columns as pandas writes them: objects with the same names, each of one kind."""
    names = [[one.path[-1] for one in member.members] for member in node.members]
    least = min([_MOST_MEMBERS, *map(len, names)])
    is_alike = len(names) > 1 and least > 0 and all(one[:least] == names[0][:least] for one in names)
    is_even = all(len({_type(one.sign) for one in member.members} - {b"n"}) <= 1 for member in node.members)
    has_vectors = any(one.is_numbers for member in node.members for one in member.members)
    return is_alike and is_even and has_vectors and not all(map(is_row, node.members))


def _type(sign: bytes) -> bytes:
    """What begins with a sign: numbers begin with several."""
    return b"0" if sign.isdigit() or sign == b"-" else sign


def is_by_name(node: Node) -> bool:
    """Whether an object's members are rows: all are objects, some with vectors, and the others have their fields."""
    if node.is_keyed:
        return True
    is_all = all(one.sign == b"{" for one in node.members)
    rows = {frozenset(inner.path[-1] for inner in one.members) for one in node.members if is_row(one)}
    names = {frozenset(inner.path[-1] for inner in one.members) for one in node.members} - rows
    return bool(rows) and is_all and all(any(one & fields == one for fields in rows) for one in names)


def is_split(node: Node) -> bool:
    """Whether an object has rows as arrays, and the names of what is in them, as pandas' orient="split"."""
    found = {one.path[-1]: one for one in node.members}
    data, columns = found.get("data"), found.get("columns")
    return bool(data and columns and b"[" in data.kinds and columns.kinds == {b'"'})


def form_of(text: JsonText, records: str | None) -> tuple[Within, str, Node, int | None]:
    """Where the rows of the document are that begins here, and in words; the document as far as it was looked at.

    And how many rows there are, where they were counted.

    Raises FormatError where that cannot be told, or the user is wrong; SourceError where it breaks off.
    """
    if records is None and text.sign() == b"[":
        return Within("array", (), ((ITSELF, text.place),)), "", Node((), b"[", text.place), None
    if records is not None and EACH in records:
        return Within("pages", (), ((records, text.place),)), f"rows in {records}", Node((), b"", text.place), None
    survey = Survey(text, records).run()
    within, words = _chosen(text.uri, survey, records)
    return within, words, survey.root, _count(survey.root, within) if survey.is_whole else None


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
    if _kind(node) == "columns":
        return any(is_vector_name(column.path[-1]) or one.has_embedding for column, one in inner)
    return _kind(node) == "keyed" and any(is_vector_name(one.path[-1]) or one.has_embedding for _, one in inner)


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
        elif rows and not _has_id(node) and not any(one.is_numbers for one in node.members):
            yield from (inner for one in node.members for inner in _candidates(one))
        else:
            inner = [one for member in node.members if not is_row(member) for one in _candidates(member)]
            if node.holds_vectors and (_has_id(node) or not inner):
                yield node
            yield from inner


def _has_id(node: Node) -> bool:
    """Whether a member of it that is no array and no object is named like an id; {"$oid": "..."} is a text."""
    return any(looks_like_id(one.path[-1]) and (one.sign not in {b"[", b"{"} or _is_typed(one)) for one in node.members)


def _is_typed(node: Node) -> bool:
    return len(node.members) == 1 and node.members[0].path[-1].startswith("$")


def looks_like_id(name: str) -> bool:
    """Whether a name is one that ids have."""
    return name.lower() in ID.names or _OWN_ID.fullmatch(name) is not None


def _form(uri: str, node: Node, *, is_sure: bool) -> tuple[Within, str]:
    where = f" in {node.name}" if node.path else ""
    if node.sign == b"[":
        if node.count and b"{" not in node.kinds:
            raise FormatError(f"{uri}: the elements of {node.name} are no objects, so they are no rows.")
        return Within("array", node.path, ((node.name, node.place),), is_sure), f"rows{where}" if node.path else ""
    if node.sign != b"{":
        raise FormatError(f"{uri}: it begins with {node.sign!r}, so it is neither an array nor an object.")
    kind = _kind(node)
    if kind == "split":
        places = tuple((one.path[-1], one.place) for one in node.members if one.path[-1] in {"columns", "data"})
        return Within("split", node.path, places), f"arrays, and the names of their items{where}"
    if kind == "columns":
        return _columns(uri, node, node.arrays if is_columns(node) else node.members), f"columns{where}"
    words = f"rows by their id{where}" if kind == "keyed" else f"one row{where}"
    return Within(kind, node.path, ((node.name, node.place),), is_sure), words


def _kind(node: Node) -> str:
    """How an array or object holds rows: see `Within`."""
    if node.sign == b"[":
        return "array"
    if is_split(node):
        return "split"
    if is_columns(node) or is_columns_by_index(node):
        return "columns"
    return "keyed" if is_by_name(node) else "one"


def _columns(uri: str, node: Node, columns: list[Node]) -> Within:
    """The columns of an object. Raises FormatError where they are not of one length."""
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
    return Within("columns", node.path, tuple((one.path[-1], one.place) for one in columns))


def _short(value: Any) -> str:
    return json.dumps(value)[:_SHOWN_VALUE]


def _what_is_there(root: Node) -> str:
    names = [one.name for one in root.all() if one.sign in {b"[", b"{"} and one.path]
    return f"It holds {', '.join(names[:20])}." if names else "There are no arrays and no objects in it."
