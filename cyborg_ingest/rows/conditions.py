"""A condition in SQL as a tree of our own. sqlglot parses it; whatever its tree has that is not known here is refused.

So a newer parser that says the same in another way (as NOT LIKE became a flag on the node) is an error, and never a
condition with another meaning.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER, TEXT, BOOLEAN, TIME = "a number", "text", "true or false", "a date or a time"
"""The kinds of values. Those of different kinds are neither equal nor unequal: SQL's unknown."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name, or the path of a field."""

    name: str


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written: a Decimal, a str, a bool, or for a time the nanoseconds since 1970 in UTC."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compare:
    """`sign` is one of `SIGNS`."""

    sign: str
    left: Column | Value
    right: Column | Value


@dataclass(frozen=True, slots=True)
class Like:
    """`pattern`: pieces of text, and None and "" for what `%` and `_` stand for."""

    column: Column
    pattern: tuple[str | None, ...]
    ignores_case: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether there is no value."""

    column: Column


@dataclass(frozen=True, slots=True)
class Flag:
    """A column of booleans, or a boolean, as a condition by itself."""

    column: Column | Value


@dataclass(frozen=True, slots=True)
class Not:
    """True where the other is false; unknown stays unknown."""

    part: Condition


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts, or more."""

    parts: tuple[Condition, ...]


Condition = Compare | Like | IsNull | Flag | Not | And | Or

SIGNS = {"eq": "=", "neq": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_KNOWN = (
    "It knows =, !=, <, <=, >, >=, AND, OR, NOT, IN, BETWEEN, LIKE and ILIKE with ESCAPE, IS NULL, numbers, 'text', "
    "true, false, DATE '2024-12-31' and TIMESTAMP '2024-12-31 23:59:59'; a name with blanks stands in double quotes."
)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d|[+-]\d\d))?)?", re.ASCII
)
_DATES, _TIMES = {"DATE"}, {"TIMESTAMP", "TIMESTAMPTZ", "DATETIME"}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SECOND = 1_000_000_000
_SHOWN = 80


def parse_condition(text: str) -> Condition:
    """The tree of a condition. Raises UsageError."""
    try:
        text.encode()
        return _Translation(text).condition(_parsed(text))
    except UnicodeEncodeError:
        raise UsageError(f"--where {text!r} holds what is not a character.") from None
    except RecursionError:
        raise UsageError(f"--where {text[:_SHOWN]!r}... is nested too deeply.") from None


def columns_of(tree: Condition | Column | Value) -> Iterator[str]:
    """The columns that a condition looks at, in its order."""
    if isinstance(tree, Column):
        yield tree.name
    elif isinstance(tree, Compare):
        yield from (*columns_of(tree.left), *columns_of(tree.right))
    elif isinstance(tree, Like | IsNull | Flag):
        yield from columns_of(tree.column)
    elif isinstance(tree, Not):
        yield from columns_of(tree.part)
    elif isinstance(tree, And | Or):
        for part in tree.parts:
            yield from columns_of(part)


def _parsed(text: str) -> Any:
    import logging  # noqa: PLC0415 - as below

    import sqlglot  # noqa: PLC0415 - only for --where

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it does not know is said by our error
    try:
        found = [one for one in sqlglot.parse(text) if one is not None]
    except sqlglot.errors.SqlglotError as error:
        words = re.sub(r" for <class '[^']*'>", "", str(error).partition("\n")[0]).partition(" Line ")[0].rstrip(".")
        raise UsageError(f"--where {text!r} is not a condition: {words}. {_KNOWN}") from None
    if len(found) != 1:
        raise UsageError(f"--where {text!r} is {len(found)} conditions; write one. {_KNOWN}")
    return found[0]


class _Translation:
    """From sqlglot's tree to ours. Each node is asked for what it is known to hold, and may hold nothing else."""

    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: Any) -> Condition:
        """A node that is true or false. Raises UsageError."""
        kind = node.key
        if kind in SIGNS:
            self._only(node, "this", "expression")
            return Compare(SIGNS[kind], self._operand(node.this), self._operand(node.expression))
        found = getattr(self, f"_{kind}", None) if kind in _CONDITIONS else None
        if found is not None:
            one: Condition = found(node)
            return one
        return Flag(self._operand(node))

    def _and(self, node: Any) -> Condition:
        return And(tuple(map(self.condition, self._chain(node))))

    def _or(self, node: Any) -> Condition:
        return Or(tuple(map(self.condition, self._chain(node))))

    def _chain(self, node: Any) -> list[Any]:
        """The parts of a AND b AND c, which are nested to the left as deeply as there are parts."""
        parts, kind = [], node.key
        while node.key == kind:
            self._only(node, "this", "expression")
            parts.append(node.expression)
            node = node.this
        return [node, *reversed(parts)]

    def _not(self, node: Any) -> Condition:
        self._only(node, "this")
        return Not(self.condition(node.this))

    def _paren(self, node: Any) -> Condition:
        self._only(node, "this")
        return self.condition(node.this)

    def _between(self, node: Any) -> Condition:
        self._only(node, "this", "low", "high")
        one, low, high = map(self._operand, (node.this, node.args["low"], node.args["high"]))
        return And((Compare(">=", one, low), Compare("<=", one, high)))

    def _in(self, node: Any) -> Condition:
        self._only(node, "this", "expressions")
        if not node.expressions:
            raise self._unknown(node)
        one = self._operand(node.this)
        return Or(tuple(Compare("=", one, self._operand(other)) for other in node.expressions))

    def _is(self, node: Any) -> Condition:
        self._only(node, "this", "expression")
        if node.expression.key != "null":
            raise self._unknown(node)
        self._only(node.expression)
        return IsNull(self._column_operand(node.this))

    def _like(self, node: Any) -> Condition:
        return self._matched(node, "")

    _ilike = _like

    def _escape(self, node: Any) -> Condition:
        self._only(node, "this", "expression")
        sign = self._operand(node.expression)
        if node.this.key not in {"like", "ilike"} or not isinstance(sign, Value) or sign.kind != TEXT:
            raise self._unknown(node)
        if len(sign.value) != 1:
            raise UsageError(f"--where {self._text!r}: behind ESCAPE stands one character, not {sign.value!r}.")
        return self._matched(node.this, sign.value)

    def _matched(self, node: Any, escape: str) -> Condition:
        self._only(node, "this", "expression", "negate")
        pattern = self._operand(node.expression)
        if not isinstance(pattern, Value) or pattern.kind != TEXT:
            raise self._unknown(node)
        pieces = tuple(self._pieces(pattern.value, escape))
        found = Like(self._column_operand(node.this), pieces, node.key == "ilike")
        return Not(found) if node.args.get("negate") else found

    def _pieces(self, pattern: str, escape: str) -> Iterator[str | None]:
        signs = iter(pattern)
        for sign in signs:
            if sign == escape:
                escaped = next(signs, None)
                if escaped is None:
                    raise UsageError(f"--where {self._text!r}: nothing follows the escape at the end of {pattern!r}.")
                yield escaped
            else:
                yield {"%": None, "_": ""}.get(sign, sign)

    def _column_operand(self, node: Any) -> Column:
        found = self._operand(node)
        if not isinstance(found, Column):
            raise self._unknown(node)
        return found

    def _operand(self, node: Any) -> Column | Value:
        """A column, or a value as it is written."""
        kind = node.key
        if kind == "paren":
            self._only(node, "this")
            return self._operand(node.this)
        if kind in {"column", "dot"}:
            return Column(".".join(self._path(node)))
        if kind == "literal":
            self._only(node, "this", "is_string")
            return Value(TEXT, node.this) if node.args["is_string"] else Value(NUMBER, self._number(node))
        if kind == "boolean":
            self._only(node, "this")
            return Value(BOOLEAN, bool(node.this))
        if kind == "neg":
            self._only(node, "this")
            found = self._operand(node.this)
            if isinstance(found, Value) and found.kind == NUMBER:
                return Value(NUMBER, found.value.copy_negate())
        if kind == "cast":
            return Value(TIME, self._moment(node))
        raise self._unknown(node)

    def _path(self, node: Any) -> Iterator[str]:
        """The names of a column and of the fields below it."""
        if node.key == "dot":
            self._only(node, "this", "expression")
            yield from self._path(node.this)
            yield self._name(node.expression)
        elif node.key == "column":
            self._only(node, "catalog", "db", "table", "this")
            parts = (node.args.get(part) for part in ("catalog", "db", "table", "this"))
            yield from (self._name(part) for part in parts if part)
        else:
            raise self._unknown(node)

    def _name(self, node: Any) -> str:
        if node.key != "identifier":
            raise self._unknown(node)
        self._only(node, "this", "quoted")
        if not node.args.get("quoted") and node.this.lower() == "symmetric":
            raise self._unknown(node)  # of BETWEEN SYMMETRIC, which older parsers take for a column
        return str(node.this)

    def _number(self, node: Any) -> Decimal:
        if not _NUMBER.fullmatch(node.this):
            raise self._unknown(node)
        return Decimal(node.this)

    def _moment(self, node: Any) -> int:
        """DATE '...' and TIMESTAMP '...', without a zone in UTC."""
        self._only(node, "this", "to")
        self._only(node.args["to"], "this")
        name = getattr(node.args["to"].this, "name", "")
        if name not in _DATES | _TIMES or node.this.key != "literal" or not node.this.args["is_string"]:
            raise self._unknown(node)
        self._only(node.this, "this", "is_string")
        found = _MOMENT.fullmatch(node.this.this)
        if found is None or (found[2] and name in _DATES):
            form = "2024-12-31" if name in _DATES else "2024-12-31 23:59:59"
            raise UsageError(f"--where {self._text!r}: {node.this.this!r} has not the form {form}.")
        try:
            return _nanoseconds(*found.groups())
        except ValueError as error:
            raise UsageError(f"--where {self._text!r}: {node.this.this!r}: {error}.") from None

    def _only(self, node: Any, *known: str) -> None:
        """Refuse a node that says more than we ask it for."""
        more = [name for name, value in node.args.items() if name not in known and value is not None and value != []]
        if any(node.args[name] is not False for name in more):
            raise self._unknown(node)

    def _unknown(self, node: Any) -> UsageError:
        words = node.sql()
        shown = words if len(words) <= _SHOWN else words[:_SHOWN] + "..."
        return UsageError(f"--where {self._text!r}: {shown!r} is not understood. {_KNOWN}")


_CONDITIONS = {"and", "or", "not", "paren", "between", "in", "is", "like", "ilike", "escape"}
"""The nodes that have a method of their own above."""


def _nanoseconds(day: str, clock: str | None, fraction: str | None, zone: str | None) -> int:
    """Since 1970. Raises ValueError where there is no such day or time."""
    clock = clock or "00:00"
    clock = clock if clock.count(":") > 1 else f"{clock}:00"
    moment = datetime.datetime.fromisoformat(f"{day}T{clock}{_offset(zone)}")
    seconds = (moment - _EPOCH) // datetime.timedelta(seconds=1)
    return seconds * _SECOND + int((fraction or "").ljust(9, "0"))


def _offset(zone: str | None) -> str:
    """A zone as +02:00, whichever of its usual forms it has."""
    if zone is None or zone == "Z":
        return "+00:00"
    digits = zone.replace(":", "")
    return f"{digits[:3]}:{digits[3:] or '00'}"
