"""`--where`: a condition in SQL becomes an Arrow expression; sqlglot reads it."""

from __future__ import annotations

import datetime
import functools
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cyborg_ingest.errors import MappingError, UsageError
from cyborg_ingest.typed import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

_ROW = "__row__"
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "neq": operator.ne, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge
}  # fmt: skip
_KNOWN = (
    "It knows =, !=, <, <=, >, >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, numbers, 'text', true, false and "
    "DATE '2024-12-31'; a name with blanks stands in double quotes."
)


@dataclass(frozen=True)
class Filter:
    """A condition on a row's columns, with SQL's rules for null: what is not true is not taken."""

    text: str
    fields: tuple[str, ...]
    """The columns it looks at; a path names a field of a struct."""

    def mask(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows are taken. The batch has a column for every field. Raises MappingError."""
        columns = {name: plain(batch.column(name)) for name in self.fields}
        numbers = pa.Array.from_buffers(pa.int64(), len(batch), [None, pa.py_buffer(np.arange(len(batch)))])
        try:
            taken = pa.table({**columns, _ROW: numbers}).filter(self.expression(nested=False))[_ROW]
        except (pa.ArrowException, TypeError) as error:
            kinds = ", ".join(f"{name} is {column.type}" for name, column in columns.items())
            words = str(error).partition("\n")[0]
            raise MappingError(f"--where {self.text!r} does not fit the columns ({kinds}): {words}.") from None
        found = np.zeros(len(batch), np.bool_)
        found[taken.to_numpy()] = True
        return found

    def expression(self, *, nested: bool) -> pc.Expression:
        """The condition; `nested` names a field of a struct as Arrow does, otherwise by its path as one name."""
        return _expression(_parsed(self.text), self.text, nested=nested)


def parse_filter(text: str) -> Filter:
    """A filter from a condition in SQL. Raises UsageError."""
    from sqlglot import exp  # noqa: PLC0415 - only for --where

    tree = _parsed(text)
    found = Filter(text, tuple(dict.fromkeys(_path(one) for one in tree.find_all(exp.Column))))
    if not found.fields:
        raise UsageError(f"--where {text!r} looks at no column.")
    found.expression(nested=False)
    return found


@functools.lru_cache(maxsize=4)
def _parsed(text: str) -> Any:
    import logging  # noqa: PLC0415 - as below

    import sqlglot  # noqa: PLC0415 - only for --where

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it does not know is said by our error
    try:
        return sqlglot.parse_one(text)
    except sqlglot.errors.SqlglotError as error:
        words = re.sub(r" for <class '[^']*'>", "", str(error).partition("\n")[0]).partition(" Line ")[0].rstrip(".")
        raise UsageError(f"--where {text!r} is no condition: {words}. {_KNOWN}") from None


def _path(column: Any) -> str:
    return ".".join(part.name for part in column.parts)


def _expression(node: Any, text: str, *, nested: bool) -> Any:  # noqa: C901, PLR0911 - a table of a language
    from sqlglot import exp  # noqa: PLC0415 - only for --where

    def of(one: Any) -> Any:
        return _expression(one, text, nested=nested)

    kind = node.key
    if kind in _COMPARISONS:
        return _COMPARISONS[kind](of(node.this), of(node.expression))
    if kind == "and":
        return of(node.this) & of(node.expression)
    if kind == "or":
        return of(node.this) | of(node.expression)
    if kind == "not":
        return ~of(node.this)
    if kind == "paren":
        return of(node.this)
    if kind == "between":
        return (of(node.this) >= of(node.args["low"])) & (of(node.this) <= of(node.args["high"]))
    if kind == "in" and node.expressions:  # not `isin`, for which null is in no set, instead of unknown
        return functools.reduce(operator.or_, (of(node.this) == of(one) for one in node.expressions))
    if kind == "is" and isinstance(node.expression, exp.Null):
        return of(node.this).is_null()
    if kind in {"like", "ilike"} and isinstance(node.expression, exp.Literal):
        return pc.match_like(of(node.this), node.expression.this, ignore_case=kind == "ilike")
    if isinstance(node, exp.Column):
        path = _path(node)
        return pc.field(*path.split(".")) if nested and "." in path else pc.field(path)
    return pc.scalar(_value(node, text))


def _value(node: Any, text: str) -> Any:
    from sqlglot import exp  # noqa: PLC0415 - only for --where

    if isinstance(node, exp.Literal):
        return node.this if node.is_string else _number(node.this)
    if isinstance(node, exp.Boolean):
        return node.this
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return -_number(node.this.this)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal):
        try:
            moment = datetime.datetime.fromisoformat(node.this.this)
        except ValueError as error:
            raise UsageError(f"--where {text!r}: {error}.") from None
        return moment.date() if node.to.this == exp.DataType.Type.DATE else moment
    raise UsageError(f"--where {text!r}: {node.sql()!r} is not understood. {_KNOWN}")


def _number(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return float(digits)
