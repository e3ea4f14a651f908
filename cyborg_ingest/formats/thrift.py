"""What a Parquet's footer and its pages say, in Thrift's compact protocol."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC_BYTES = 4
_SCHEMA, _ROW_GROUPS, _ALGORITHM = 2, 4, 8
_LONGEST_NUMBER = 70
"""Bits that a number of 64 takes at most."""
_ELEMENT = {1: 5, 2: 5, 3: 5, 4: 8, 5: 5}
"""The kinds of an element's fields: type, width, whether it repeats, name, how many are in it."""
_REPEATED = 2
_DEFINED = {0: 0, 1: 1, _REPEATED: 1}
"""How much deeper a value is defined for an element that is there, that may be absent, that is there many times."""
_FIXED = 7
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}
"""Bytes of a value, by the number of its type."""


class _Compact:
    """A reader of Thrift's compact protocol: structs as dicts by the number of the field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def read_bytes(self) -> int:
        """The bytes that were read so far."""
        return self._at

    def struct(self) -> dict[int, Any]:
        return {number: self.value(kind) for number, kind in self.fields()}

    def fields(self) -> Iterator[tuple[int, int]]:
        """The numbers and kinds of a struct's fields; the value of each has to be read before the next."""
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._number()
            yield number, head & 15

    def items(self) -> Iterator[int]:
        """The kind of each item of a list; the value of each has to be read before the next."""
        head = self._byte()
        size = head >> 4 if head >> 4 != 15 else self._unsigned()  # noqa: PLR2004 - then the size follows
        return itertools.repeat(head & 15, size)

    def value(self, kind: int) -> Any:
        if kind in {1, 2}:  # true, false
            return kind == 1
        if kind == 3:  # noqa: PLR2004 - a byte
            return self._byte()
        if kind in {4, 5, 6}:
            return self._number()
        if kind in {7, 8}:
            size = 8 if kind == 7 else self._unsigned()  # noqa: PLR2004 - a double, else bytes
            self._at += size
            return self._data[self._at - size : self._at]
        return self._list() if kind in {9, 10} else self.struct()

    def skip(self, kind: int) -> None:
        """Read past a value, and keep nothing of it."""
        if kind in {9, 10}:
            for inner in self.items():
                self._byte() if inner in {1, 2} else self.skip(inner)
        elif kind in {11, 12}:
            for _, inner in self.fields():
                self.skip(inner)
        else:
            self.value(kind)

    def _list(self) -> list[Any]:
        return [self._byte() == 1 if kind in {1, 2} else self.value(kind) for kind in self.items()]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]  # behind the last one is IndexError

    def _unsigned(self) -> int:
        found = self._byte()
        if found < 128:  # noqa: PLR2004 - no further byte, as mostly
            return found
        found, shift = found & 127, 7
        while shift < _LONGEST_NUMBER:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - as above
                return found
            shift += 7
        raise ValueError("a number without an end")

    def _number(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A column that holds values itself, as the schema has it; the depths of what may be absent and of lists."""

    name: str
    kind: int
    width: int | None
    definition: int
    repetition: int


class ParquetFooter:
    """What a Parquet's footer says, of which one column is in memory at a time. Raises NOT_READ.

    `is_encrypted`: columns are, though the footer itself can be read by all. `end`: where what it names ends: pages,
    indexes, Bloom filters. `columns` are those that hold values themselves, `pieces` these in each row group.
    `contradiction`: what it says of a column in a row group, where its schema says another thing; "" for nothing.
    `odd_bounds`: the row groups and columns whose least or greatest value has another size than its values.
    """

    def __init__(self, footer: bytes) -> None:
        self.is_encrypted = False
        self.end = _MAGIC_BYTES
        self.columns = self.pieces = self.groups = 0
        self.contradiction = ""
        self.odd_bounds: set[tuple[int, int]] = set()
        self._leaves: list[_Leaf] = []
        self._thrift = _Compact(footer)
        for number, kind in self._thrift.fields():
            self.is_encrypted |= number == _ALGORITHM
            if number == _SCHEMA:
                elements = iter([self._element() for _ in self._thrift.items()])
                self._leaves = list(_leaves(elements, next(elements).get(5, 0), 0, 0))
            elif number == _ROW_GROUPS:
                for _ in self._thrift.items():
                    self._read_group()
                    self.groups += 1
            else:
                self._thrift.skip(kind)

    def _element(self) -> dict[int, Any]:
        """An element of the schema. One with a field of another kind is none: Arrow would read on without the field."""
        found = {}
        for number, kind in self._thrift.fields():
            if _ELEMENT.get(number, kind) != kind:
                raise ValueError("an element of the schema that is none")
            found[number] = self._thrift.value(kind)
        return found

    def _read_group(self) -> None:
        count = 0
        for number, kind in self._thrift.fields():
            if number != 1:  # its columns
                self._thrift.skip(kind)
                continue
            for _ in self._thrift.items():
                chunk = self._thrift.struct()
                places = [chunk[at] + chunk.get(size, 0) for at, size in ((4, 5), (6, 7)) if at in chunk]
                self.end = max([self.end, *places, *_of_column(chunk.get(3, {}))])
                if not self.contradiction and count < len(self._leaves):
                    self._compare(count, chunk.get(3, {}))
                count += 1
        if count != len(self._leaves) and not self.contradiction:
            self.contradiction = f"row group {self.groups} has {count:,} columns, its schema {len(self._leaves):,}"
        self.pieces += count
        self.columns = max(self.columns, count)

    def _compare(self, place: int, column: dict[int, Any]) -> None:
        leaf = self._leaves[place]
        found = _contradiction(leaf, column)
        if found:
            self.contradiction = f"row group {self.groups} has {found} in column {leaf.name!r}"
        if _are_odd(leaf, column.get(12, {})):
            self.odd_bounds.add((self.groups, place))


def _leaves(elements: Iterator[dict[int, Any]], count: int, definition: int, repetition: int) -> Iterator[_Leaf]:
    """The columns among the next `count` elements of a schema and what is in them, at these depths."""
    for _ in range(count):
        one = next(elements)
        deeper = definition + _DEFINED[one.get(3, 0)], repetition + (one.get(3) == _REPEATED)
        if one.get(5) or 1 not in one:  # a group; it may be empty
            yield from _leaves(elements, one.get(5, 0), *deeper)
        else:
            yield _Leaf(one[4].decode(errors="replace"), one[1], one.get(2), *deeper)


def _contradiction(leaf: _Leaf, column: dict[int, Any]) -> str:
    """What a row group says of a column and its schema does not: its type, how deep it is; "" for nothing."""
    if column.get(1) != leaf.kind:
        return "another type"
    histograms = column.get(16, {})
    if any(
        len(histograms.get(number, ())) not in {0, deepest + 1}
        for number, deepest in ((2, leaf.repetition), (3, leaf.definition))
    ):
        return "another number of levels"
    return ""


def _are_odd(leaf: _Leaf, statistics: dict[int, Any]) -> bool:
    """Whether a bound is not a value of the column: some writers cut those of long values, as of texts."""
    width = leaf.width if leaf.kind == _FIXED else _WIDTHS.get(leaf.kind)
    return width is not None and any(
        len(statistics[number]) != width for number in (1, 2, 5, 6) if number in statistics
    )


def _of_column(column: dict[int, Any]) -> Iterator[int]:
    """Where its pages end, and its Bloom filter."""
    begins = [column[field] for field in (9, 10, 11) if column.get(field)]  # of data, index, dictionary
    if begins:
        yield min(begins) + column[7]
    if column.get(14):
        yield column[14] + column.get(15, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a Parquet column: bytes in the file with its head, bytes once it is unpacked, values in it."""

    bytes: int
    size: int
    values: int


def page_head(data: bytes) -> Page:
    """What stands at the begin of a page. Raises NOT_READ; IndexError where more of it is needed."""
    thrift = _Compact(data)
    fields = thrift.struct()
    kinds = [fields[number] for number in (5, 7, 8) if number in fields]  # a page of data, a dictionary, the newer data
    return Page(thrift.read_bytes + fields[3], fields[2], kinds[0].get(1, 0) if kinds else 0)
