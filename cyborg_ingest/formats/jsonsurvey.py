"""The look at a JSON document: what it begins with is kept as nodes, until it is plain where its rows are."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats import jsonnodes
from cyborg_ingest.formats.jsonnodes import Node, is_array_of_rows, is_by_name, is_row, kind_of_node
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
from cyborg_ingest.rows.looks import SHORTEST
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from cyborg_ingest.formats.jsontext import JsonText

LOOK_BYTES = 16_000_000
"""So far a document is looked at where rows are found in it; to its end where there are none, or columns."""
_KEPT = 1000
"""So many bytes of a value are kept for messages."""
_MOST_VALUES = 200_000
"""So many values are kept of a document."""
_ROWS_BY_NAME = 3
"""So many members of an object that are all rows, and so are those that follow."""
_SHOWN = 5
_OBJECTS, _NUMBERS = re.compile(rb"\[[ \t\r\n]*\{"), re.compile(rb"\[[ \t\r\n]*-?[0-9]")


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
                    f"{self._text.uri}: an object follows where the first one ends, so it is not a document. It looks "
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
        if any(kind_of_node(one) in {"columns", "split"} for one in around):
            return math.inf
        beside = around[-1].members if around else []
        return max((one.count for one in beside if one is not node and one.sign == node.sign), default=0)

    def _sample(self, node: Node, sign: bytes, found: bytes) -> None:
        value = _loaded(found)
        node.kinds |= {b'"' if type_of(value) else sign}
        if not node.count and len(found) <= _KEPT:
            node.value = value
        if isinstance(value, str):
            node.texts = (*node.texts, jsonnodes.short(value))
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
            elif len(seen) >= jsonnodes.MOST_MEMBERS and text.sign() not in {b"[", b"{"}:
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
            (self._look_at if len(seen) < jsonnodes.MOST_MEMBERS else self._look_again)(node, child, depth)
        if node.members and node.members[-1] is child:
            seen.add(name)
        if len(seen) == _ROWS_BY_NAME:
            node.is_keyed = all(map(is_row, node.members))
        elif len(seen) == jsonnodes.MOST_MEMBERS and not node.is_cut:
            node.is_keyed = is_by_name(node)

    @property
    def _is_spent(self) -> bool:
        """Whether no more values are kept: what does not lead to the rows that are known is passed."""
        return self._values >= _MOST_VALUES and not self._seeks_rows

    @property
    def _seeks_rows(self) -> bool:
        """Whether nobody knows yet where the rows are: they are not named, and do not stand before what is seen."""
        return self._records is None and not self._to_end

    def _leads_to_records(self, node: Node) -> bool:
        return self._records is not None and f"{self._records}.".startswith(f"{node.name}.")

    def _look_at(self, node: Node, child: Node, depth: int) -> None:
        self._values += 1
        if self._values > _MOST_VALUES and self._seeks_rows:
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
                    f"{child.name} stands behind {jsonnodes.MOST_MEMBERS:,} others and is large, and whether rows are "
                    "in it is not told. Say with --records where they are."
                )
        elif (is_array and node.has_columns) or _OBJECTS.search(found) or _NUMBERS.search(found, 1):
            self._text = text.of_value(found, place)
            self._look_at(node, child, depth)
            self._text = text
            if (
                len(node.members) > jsonnodes.MOST_MEMBERS + _SHOWN and kind_of_node(child) == "one"
            ):  # enough to ask which is meant
                node.members.pop()
                self._values = before
        else:
            node.lacks_arrays = node.lacks_arrays or is_array


def _loaded(text: bytes) -> Any:
    if isinstance(text, TooLarge):
        return parse_object(text)
    try:
        return load_json(text)
    except ValueError:  # of what is not JSON its reader says so
        return None
