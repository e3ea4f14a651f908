"""Rows and record batches that a program gives, one after another: a list again and again, a generator once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from cyborg_ingest.errors import IngestError, SourceError
from cyborg_ingest.sources.columnar import columns_of, has_columns, rows_in
from cyborg_ingest.sources.lossless import is_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class Closable(Protocol):
    """What a load ends when it is over."""

    def close(self) -> None:
        """End it."""


class Rows:
    """Dicts, a row each. What can be iterated once only (`is_read_once`) is; its first rows are looked at before."""

    def __init__(self, items: Iterable[Any], *, is_read_once: bool, count: int | None = None) -> None:
        self._items = items
        self._head: list[Mapping[str, Any]] = []
        self._rest: Iterator[Mapping[str, Any]] | None = None
        self.is_read_once = is_read_once
        self.num_rows = count
        """How many there are, where somebody knows."""

    def first(self, most: int) -> list[Mapping[str, Any]]:
        """The first rows; they come again. Raises SourceError."""
        if not self.is_read_once:
            return list(itertools.islice(_rows(self._items), most))
        self._rest = self._rest if self._rest is not None else _rows(self._items)
        self._head += itertools.islice(self._rest, max(0, most - len(self._head)))
        return self._head[:most]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """All rows; of what is read once, those that have not been. Raises SourceError."""
        if not self.is_read_once:
            return _rows(self._items)
        head, self._head = self._head, []
        self._rest = self._rest if self._rest is not None else _rows(self._items)
        return itertools.chain(head, self._rest)

    def close(self) -> None:
        """End a generator."""
        if self.is_read_once:
            close(self._items)


class Batches:
    """Record batches of one schema; `made` gives them, once or each time anew."""

    def __init__(
        self,
        schema: pa.Schema,
        made: Callable[[], Iterator[pa.RecordBatch]],
        *,
        generator: Any = None,
        count: int | None = None,
    ) -> None:
        self.schema = schema
        self._made = made
        self._generator = generator
        self.is_read_once = generator is not None
        self.num_rows = count

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Arrow's own way to pass on a stream."""
        return pa.RecordBatchReader.from_batches(self.schema, self._made()).__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """End a generator."""
        close(self._generator)


class Again:
    """A generator whose first item was taken out: it comes again."""

    def __init__(self, first: Any, rest: Iterator[Any]) -> None:
        self._all, self._rest = itertools.chain([first], rest), rest

    def __iter__(self) -> Iterator[Any]:
        return self._all

    def close(self) -> None:
        """End it."""
        close(self._rest)


def close(items: Any) -> None:
    """End a generator; there is nothing to end of other things."""
    if hasattr(items, "close"):
        items.close()


def batches(items: Iterable[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """All of them with the first one's schema: no column of a later one may be lost. Raises SourceError."""
    number = 0
    try:
        for number, item in enumerate(items):
            table = table_of(item, number)
            _refuse_others(table.schema.names, schema.names, number)
            yield from _as_first(table.select(schema.names), schema, number).to_batches()
    except (IngestError, GeneratorExit):
        raise
    except pa.ArrowException as error:
        raise SourceError(f"Batch {number:,} does not have the types of the first one: {error}.") from error
    except Exception as error:
        raise SourceError(f"The batches ended at batch {number:,} with {type(error).__name__}: {error}.") from error


def _refuse_others(names: Sequence[str], wanted: Sequence[str], number: int) -> None:
    others = sorted({*names} ^ {*wanted})
    if others:
        where = "has" if others[0] in names else "does not have"
        raise SourceError(f"Batch {number:,} {where} the column {others[0]!r}, unlike the first one.")


def _as_first(table: pa.Table, schema: pa.Schema, number: int) -> pa.Table:
    for field, kind in zip(schema, table.schema.types, strict=True):
        if not is_kept(kind, field.type):
            raise SourceError(
                f"Batch {number:,} has {kind} in the column {field.name!r}, and the first one {field.type}, which "
                "cannot hold all of that. Give all batches one schema."
            )
    return table.cast(schema)


def table_of(item: Any, number: int) -> pa.Table:
    """A batch, whichever library it is of. Raises SourceError."""
    if isinstance(item, pa.Table):
        return item
    if isinstance(item, pa.RecordBatch):
        return pa.Table.from_batches([item])
    if hasattr(item, "__arrow_c_stream__") or hasattr(item, "__arrow_c_array__"):
        return pa.table(item)
    raise SourceError(f"Batch {number:,} is {type(item).__name__}, not a record batch.")


def _rows(items: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """A row each, also of dicts of columns: the first item says which they are.

    Raises SourceError, also for what a generator raises.
    """
    row, is_columnar = 0, False
    try:
        for place, item in enumerate(items):
            if not place:
                is_columnar = has_columns(item)
            for one in _rows_of(item, row, is_columnar=is_columnar):
                yield one
                row += 1
    except (IngestError, GeneratorExit):
        raise
    except Exception as error:
        raise raised(error, row) from error


def _rows_of(item: Any, row: int, *, is_columnar: bool) -> Iterable[Mapping[str, Any]]:
    if not isinstance(item, Mapping):
        raise SourceError(f"Row {row:,} is {type(item).__name__}, not a dict.")
    if not is_columnar:
        return [item]
    columns = columns_of(item)
    if columns is None:
        raise SourceError(f"Row {row:,} stands by itself, and the first dict was one of columns: give either.")
    found: Iterable[Mapping[str, Any]] = rows_in(columns)
    return found


def raised(error: Exception, row: int) -> SourceError:
    """What is said of an error of a generator."""
    return SourceError(f"The rows ended at row {row:,} with {type(error).__name__}: {error}.")
