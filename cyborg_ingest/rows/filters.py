"""`--where`: which rows of a batch a condition is true of."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cyborg_ingest.errors import MappingError, UsageError
from cyborg_ingest.rows.conditions import (
    BOOLEAN,
    TEXT,
    And,
    Column,
    Compare,
    Flag,
    IsNull,
    Like,
    Not,
    Value,
    columns_of,
    parse_condition,
)
from cyborg_ingest.rows.operands import Looked, Operand, bits, equal, kinds_of, less, look_at, text_of
from cyborg_ingest.rows.pruning import may_match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt

    from cyborg_ingest.rows.conditions import Condition, Or
    from cyborg_ingest.rows.pruning import Bounds

    Mask = npt.NDArray[np.bool_]


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip


class Truth(NamedTuple):
    """SQL's three values, a row each: true, false, and unknown where it is neither."""

    yes: Mask
    no: Mask


@dataclass(frozen=True)
class Filter:
    """A condition on a row's columns, with SQL's rules for null: what is not true is not taken."""

    text: str
    tree: Condition
    fields: tuple[str, ...]
    """The columns it looks at; a path names a field of a struct."""

    def judged(self, columns: Mapping[str, pa.Array], hidden: Mapping[str, Mask]) -> tuple[Mask, Mask]:
        """Which rows are taken; and of which it cannot be told, since a value that decides cannot be read.

        `columns` has one for every field; `hidden` says in which rows of one a null stands for what cannot be read.
        """
        looked = {name: _hiding(look_at(columns[name]), hidden.get(name)) for name in self.fields}
        found = _Judgement(looked).of(self.tree)
        unread = np.logical_or.reduce([one.unread for one in looked.values()])
        return found.yes, unread & ~found.yes & ~found.no

    def may_match(self, bounds_of: Callable[[str], Bounds | None]) -> bool:
        """Whether it may be true of a row of which no more is known than the bounds of its columns."""
        return may_match(self.tree, bounds_of)

    def check(self, uri: str, type_of: Callable[[str], pa.DataType]) -> None:
        """Refuse to compare what has no common order. Raises MappingError."""
        for one in _comparisons(self.tree):
            sides = [_kinds(side, type_of) for side in one]
            if None not in sides and not frozenset.intersection(*(side or frozenset() for side in sides)):
                told = " and ".join(_told(side, type_of) for side in one)
                place = f"{uri}: " if uri else ""
                raise MappingError(
                    f"{place}--where {self.text!r} does not fit the columns: {told} cannot be compared. Text stands in "
                    "single quotes; dates are written DATE '2024-12-31'."
                )


def parse_filter(text: str) -> Filter:
    """A filter from a condition in SQL. Raises UsageError."""
    tree = parse_condition(text)
    found = Filter(text, tree, tuple(dict.fromkeys(columns_of(tree))))
    if not found.fields:
        raise UsageError(f"--where {text!r} looks at no column.")
    found.check("", lambda _name: pa.null())
    return found


def _hiding(looked: Looked, hidden: Mask | None) -> Looked:
    return looked if hidden is None else Looked(looked.operands, looked.known & ~hidden, looked.unread | hidden)


def _comparisons(tree: Condition) -> Iterable[tuple[Column | Value, Column | Value]]:
    """What is compared with what: a pattern counts as text, and a condition by itself as a boolean."""
    if isinstance(tree, Compare):
        yield tree.left, tree.right
    elif isinstance(tree, Like):
        yield tree.column, Value(TEXT, "".join(piece or "%" for piece in tree.pattern))
    elif isinstance(tree, Flag):
        yield tree.column, Value(BOOLEAN, True)
    elif isinstance(tree, Not):
        yield from _comparisons(tree.part)
    elif not isinstance(tree, IsNull):
        for part in tree.parts:
            yield from _comparisons(part)


def _kinds(side: Column | Value, type_of: Callable[[str], pa.DataType]) -> frozenset[str] | None:
    return frozenset({side.kind}) if isinstance(side, Value) else kinds_of(type_of(side.name))


def _told(side: Column | Value, type_of: Callable[[str], pa.DataType]) -> str:
    return f"{side.name} ({type_of(side.name)})" if isinstance(side, Column) else f"{side.value!s} ({side.kind})"


class _Judgement:
    """A condition, and the columns that it looks at."""

    def __init__(self, looked: Mapping[str, Looked]) -> None:
        self._looked = looked
        self._rows = len(next(iter(looked.values())).known)

    def of(self, tree: Condition) -> Truth:
        """Where it is true and where it is false."""
        if isinstance(tree, Compare):
            return self._compare(tree)
        if isinstance(tree, Like):
            return self._like(tree)
        if isinstance(tree, IsNull):
            one = self._looked[tree.column.name]
            return Truth(~one.known & ~one.unread, one.known)
        if isinstance(tree, Flag):
            return self._compare(Compare("=", tree.column, Value(BOOLEAN, True)))
        if isinstance(tree, Not):
            found = self.of(tree.part)
            return Truth(found.no, found.yes)
        return self._several(tree)

    def _several(self, tree: And | Or) -> Truth:
        yes, no = self.of(tree.parts[0])
        for part in tree.parts[1:]:
            more = self.of(part)
            yes, no = (yes & more.yes, no | more.no) if isinstance(tree, And) else (yes | more.yes, no & more.no)
        return Truth(yes, no)

    def _sides(self, side: Column | Value) -> tuple[Operand, ...]:
        return (Operand(side.kind, side.value, None),) if isinstance(side, Value) else self._looked[side.name].operands

    def _compare(self, tree: Compare) -> Truth:
        """Values of one kind are compared; those of different kinds leave it unknown."""
        yes, no = np.zeros(self._rows, np.bool_), np.zeros(self._rows, np.bool_)
        for one in self._sides(tree.left):
            for other in self._sides(tree.right):
                if one.kind == other.kind:
                    known = np.ones(self._rows, np.bool_)
                    for side in (one, other):
                        known &= True if side.known is None else side.known
                    holds = _holds(tree.sign, one, other)
                    yes |= holds & known
                    no |= ~holds & known
        return Truth(yes, no)

    def _like(self, tree: Like) -> Truth:
        yes, no = np.zeros(self._rows, np.bool_), np.zeros(self._rows, np.bool_)
        for one in self._sides(tree.column):
            if one.kind == TEXT and one.known is not None:
                words = pc.utf8_lower(one.items) if tree.ignores_case else one.items
                holds = bits(pc.match_substring_regex(words, _expression(tree)))
                yes |= holds & one.known
                no |= ~holds & one.known
        return Truth(yes, no)


def _holds(sign: str, one: Operand, other: Operand) -> Mask:
    if one.known is None and other.known is None:  # as in 1 = 1
        return np.array([_SIGNS[sign](one.items, other.items)])
    if sign in {"=", "!="}:
        return equal(one, other) if sign == "=" else ~equal(one, other)
    if sign in {"<", ">="}:
        return less(one, other) if sign == "<" else ~less(one, other)
    return less(other, one) if sign == ">" else ~less(other, one)


def _expression(tree: Like) -> str:
    """The pattern as a regular expression: of whole texts, in which a dot is any character."""
    return rf"(?s)\A{''.join(_piece(piece, lower=tree.ignores_case) for piece in tree.pattern)}\z"


def _piece(piece: str | None, *, lower: bool) -> str:
    if not piece:
        return ".*" if piece is None else "."
    if lower:  # by the same rules as the text
        piece = pc.utf8_lower(text_of([piece.encode()]))[0].as_py()
    return rf"\x{{{ord(piece):x}}}"
