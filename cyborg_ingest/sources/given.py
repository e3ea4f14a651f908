"""Sources as a program holds them: dicts of columns, lists of dicts, generators, data sets, what Arrow reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UsageError
from cyborg_ingest.sources.columnar import TEXTS, as_table, columns_of, has_columns, is_column
from cyborg_ingest.sources.pulled import Again, Batches, Rows, batches, raised, table_of

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_A_BATCH = 1_000
_TAKEN = (
    "A source is a path, a dict of columns, a list or generator of dicts or of record batches, a Dataset of Hugging "
    "Face, a pyarrow Table, Dataset or RecordBatchReader, or has __arrow_c_stream__ (pandas, polars, duckdb)"
)


def one_by_one(found: Any) -> list[Any]:
    """The sources that `load` is given: one, or a list of them. A list of dicts is one, its rows."""
    if not isinstance(found, list | tuple):
        return [found]
    is_rows = found and isinstance(found[0], Mapping) and not any(map(_is_source, found))
    return [found] if is_rows else list(found)


def _is_source(found: Any) -> bool:
    """Whether it is one for itself, and no row among others."""
    return isinstance(found, str) or hasattr(found, "__fspath__") or _is_arrow(found)


def as_rows(found: Any) -> Any:
    """What Arrow does not read by itself, as `Rows` or `Batches`; all else as it is. Raises UsageError, SourceError."""
    if type(found).__module__.partition(".")[0] == "datasets":
        return _of_hugging_face(found)
    if _is_arrow(found):
        return found
    if isinstance(found, Mapping):
        return _of_columns(found)
    if isinstance(found, TEXTS) or hasattr(found, "__array__"):
        raise UsageError(_refusal(found))
    if isinstance(found, Sequence):
        return Rows(found, is_read_once=False, count=None if _has_columns(found) else len(found))
    if isinstance(found, Iterable):
        return _of_generator(iter(found))
    raise UsageError(_refusal(found))


def _has_columns(found: Sequence[Any]) -> bool:
    return bool(found) and has_columns(found[0])


def _refusal(found: Any) -> str:
    hint = ". Vectors need ids: {'id': ids, 'vector': vectors}" if hasattr(found, "__array__") else ""
    return f"{_TAKEN}; this is {type(found).__name__}{hint}."


def _is_arrow(found: Any) -> bool:
    """Whether Arrow can read this: a Dataset, or whatever gives a stream of batches."""
    return hasattr(found, "__arrow_c_stream__") or (hasattr(found, "to_batches") and hasattr(found, "schema"))


def _of_columns(found: Mapping[Any, Any]) -> Rows | pa.Table:
    columns = columns_of(found)
    if columns is None:
        name = next((name for name, value in found.items() if value is not None and not is_column(value)), None)
        kind = "" if name is None else type(found[name]).__name__
        why = "it has none" if name is None else f"{name!r} is {kind}; one row is a list of one dict"
        raise UsageError(f"A dict is one of columns, each a list or an array of one length: {why}.")
    table = as_table(columns)
    count = len(next(iter(columns.values())))
    return Rows([columns], is_read_once=False, count=count) if table is None else table


def _of_generator(found: Iterator[Any]) -> Rows | Batches:
    try:
        first = next(found, None)
    except Exception as error:
        raise raised(error, 0) from error
    if first is None:
        return Rows((), is_read_once=True, count=0)
    if isinstance(first, Mapping):
        return Rows(Again(first, found), is_read_once=True)
    if _is_arrow(first) or hasattr(first, "__arrow_c_array__"):
        table, all_of_them = table_of(first, 0), Again(first, found)
        return Batches(table.schema, lambda: batches(all_of_them, table.schema), generator=all_of_them)
    kind = type(first).__name__
    hint = " Several paths are a list of them." if isinstance(first, str) or hasattr(first, "__fspath__") else ""
    raise UsageError(f"A generator gives dicts, dicts of columns or record batches; this one gives {kind}.{hint}")


def _of_hugging_face(found: Any) -> Rows | Batches:
    """`datasets.Dataset` and `IterableDataset`, as batches of Arrow."""
    if isinstance(found, Mapping):
        splits = ", ".join(map(repr, found))
        raise UsageError(f"This is a {type(found).__name__}, of the splits {splits}: pass one of them.")
    if not hasattr(found, "with_format"):
        raise UsageError(_refusal(found))
    arrow = found.with_format("arrow")
    if not hasattr(found, "__len__"):  # it may be shuffled, or come from afar: nobody can tell if it is the same twice
        return _of_generator(arrow.iter(batch_size=_ROWS_A_BATCH))
    first = next(arrow.iter(batch_size=_ROWS_A_BATCH), None)
    if first is None:
        return Rows((), is_read_once=False, count=0)
    schema = first.schema
    return Batches(schema, lambda: batches(arrow.iter(batch_size=_ROWS_A_BATCH), schema), count=len(found))
