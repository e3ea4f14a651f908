"""The rows of a file beside vectors, whatever its format: each with its key, and its value or what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.types as pt

from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats.bounds import USUAL, too_large
from cyborg_ingest.formats.delimited import DelimitedReader
from cyborg_ingest.formats.fields import contents, contents_array, identity
from cyborg_ingest.formats.jsonrows import elements
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.formats.lines import LineReader, check_encoding, index_lines
from cyborg_ingest.formats.parquet import ParquetReader
from cyborg_ingest.formats.records import TooLarge, kept, parse_object
from cyborg_ingest.model import ColumnMap, Fault, Reason
from cyborg_ingest.rows import columns, kinds, roles
from cyborg_ingest.rows.arrays import text_array
from cyborg_ingest.rows.batches import own_metadata
from cyborg_ingest.rows.faults import Converted, first_reasons
from cyborg_ingest.rows.leftover import is_unnamed_index
from cyborg_ingest.rows.tiers import named_columns
from cyborg_ingest.rows.typed import Notes
from cyborg_ingest.rows.values import NotFiniteError, dump_object, load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.model import Chunk
    from cyborg_ingest.rows.faults import Faults

TEXT, LINES, JSON, PARQUET = {".txt"}, {".jsonl", ".ndjson"}, {".json"}, {".parquet", ".pq"}
DELIMITED = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
OPTIONS = {"id": "--ids", "metadata": "--metadata", "contents": "--contents"}
ROLES = {"id": roles.ID, "metadata": roles.METADATA, "contents": roles.CONTENTS}
_REASONS = {
    "id": Reason.ID_INVALID, "metadata": Reason.METADATA_INVALID, "contents": Reason.CONTENTS_INVALID,
}  # fmt: skip
_STEP = 4096
Value = str | bytes | None
"""An id, contents, or metadata as JSON text."""


class Beside(NamedTuple):
    """A row's key, where there is one, and its value; or why it has none."""

    key: str | None
    value: Value
    reason: Reason | None = None
    detail: str = ""


def rows_beside(role: str, path: Path, key: str | None, sidecars: Sidecars) -> Iterator[Beside]:
    """The rows of a file in their order. Raises FormatError, SourceError."""
    suffix = path.suffix.lower()
    if suffix in DELIMITED or suffix in PARQUET:
        return _of_table(role, path, key, sidecars)
    limit = sidecars.max_row_bytes
    return (
        row_of_json(role, path, text, key, limit) for text in (_elements if suffix in JSON else _lines)(path, limit)
    )


def columns_for(role: str, path: Path, schema: pa.Schema, key: str | None = None) -> list[str]:
    """The columns of a table that are ids, contents or metadata. Raises FormatError."""
    if key is not None and key not in schema.names:
        raise FormatError(
            f"{OPTIONS[role]}-key {key}: {path} has no such column, but {', '.join(map(repr, schema.names[:20]))}."
        )
    names = [name for name in schema.names if name != key and not is_unnamed_index(name)]
    found = [name for name in named_columns(schema, ROLES[role]) if name in names]
    if role == "metadata":
        objects = [name for name in found if is_object(schema.field(name).type)]
        return objects if len(objects) == 1 else names
    chosen = names if len(names) == 1 else found[:1] if ROLES[role].first_wins else found
    if len(chosen) != 1:
        raise FormatError(f"{OPTIONS[role]} {path}: which of {', '.join(names)} is it? Leave one column in it.")
    return chosen


def id_column(path: Path, sidecars: Sidecars) -> str | None:
    """The column, or the field of the first row, that has a name of ids, where one has. Raises FormatError."""
    suffix = path.suffix.lower()
    if suffix in DELIMITED or suffix in PARQUET:
        found = named_columns(_reader(suffix).layout(str(path), sidecars).schema, roles.ID)
        return found[0] if len(found) == 1 else None
    first = next((_elements if suffix in JSON else _lines)(path, sidecars.max_row_bytes), b"")
    row = None if len(first) > sidecars.max_row_bytes else parse_object(first)
    return (
        next((name for tier in roles.ID.tiers for name in tier if name in row), None) if isinstance(row, dict) else None
    )


def is_object(kind: pa.DataType) -> bool:
    """Whether a column can be all of the metadata."""
    kind = kinds.storage_type(kind)
    return bool(pt.is_struct(kind) or pt.is_map(kind) or kinds.is_text(kind))


def _of_table(role: str, path: Path, key: str | None, sidecars: Sidecars) -> Iterator[Beside]:
    reader = _reader(path.suffix.lower())
    layout: Layout = reader.layout(str(path), sidecars)
    names = columns_for(role, path, layout.schema, key)
    mapped = _mapped(role, names, layout.schema, key)
    if isinstance(reader, DelimitedReader):
        layout, mapped = reader.typed(layout, mapped, sidecars)
    for part in layout.parts:
        for chunk in reader.read(part, mapped, sidecars, rows=_STEP):
            yield from _of_chunk(role, path, chunk)


def _reader(suffix: str) -> Any:
    return DelimitedReader(suffix[1:], (suffix,), DELIMITED[suffix]) if suffix in DELIMITED else ParquetReader()


def _mapped(role: str, names: list[str], schema: pa.Schema, key: str | None) -> ColumnMap:
    if role == "id":
        return ColumnMap("", id=names[0])
    if role == "contents":
        return ColumnMap("", id=key, contents=names[0])
    is_whole = len(names) == 1 and names[0].lower() in ROLES[role].names and is_object(schema.field(names[0]).type)
    return ColumnMap(
        "", id=key, metadata=names[0] if is_whole else None, metadata_columns=() if is_whole else (*names,)
    )


def _of_chunk(role: str, path: Path, chunk: Chunk) -> Iterator[Beside]:
    faults: Faults = {fault.offset: (fault.reason, fault.detail) for fault in chunk.faults}
    names = chunk.columns
    ids = columns.ids(chunk.batch.column(names.id)) if names.id else Converted([""] * len(chunk.batch))
    keys = [one or None for one in ids.values]
    values: Iterable[Value] = keys
    if role == "id":
        faults = first_reasons(faults, ids.faults)
    elif role == "contents":
        texts = columns.contents(chunk.batch.column(names.contents))
        values, faults = texts.values, first_reasons(faults, texts.faults)
    elif role == "metadata":
        objects = own_metadata(chunk, Notes())
        found = objects.values or [None] * len(chunk.batch)
        faults = first_reasons(faults, objects.faults, columns.beyond_json(found))
        values = [None if one is None or place in faults else dumped(one) for place, one in enumerate(found)]
    for place, (one, value) in enumerate(zip(keys, values, strict=True)):
        fault = faults.get(place)
        if fault is None or fault[0] is Reason.ID_MISSING:
            yield Beside(one, value)
        else:
            yield Beside(one, None, fault[0], f"{path.name}: {fault[1]}")


def arrays_of(role: str, found: Sequence[tuple[Value, str | None, str]]) -> tuple[pa.Array, list[Fault]]:
    """Values as a column, each with the reason and the words on what is wrong with it; and the faults of these."""
    values = [value for value, _, _ in found]
    faults = [
        Fault(place, Reason(reason), detail) for place, (_, reason, detail) in enumerate(found) if reason is not None
    ]
    return (contents_array(values) if role == "contents" else text_array(values)), faults


def dumped(value: Any) -> str:
    """Metadata as JSON text."""
    return dump_object(value).decode()


def _lines(path: Path, limit: int) -> Iterator[bytes]:
    index = index_lines(path)
    with path.open("rb") as file:
        check_encoding(str(path), file.read(4))
        lines = LineReader(index, file, limit, USUAL.text)
        row = 0
        while row < index.lines:
            stop = lines.reach(row, min(index.lines, row + _STEP))
            yield from lines.read(row, stop)
            row = stop


def _elements(path: Path, limit: int) -> Iterator[bytes]:
    with sources.reading(str(path)), sources.streamed(str(path)) as file:
        check_encoding(str(path), file.peek(4))
        document = JsonText(file, str(path), limit, error=FormatError)
        try:
            document.begin()
        except EmptySourceError as error:  # the vectors are not: there is a row in them, and it would be left out
            raise FormatError(str(error)) from None
        if document.sign() != b"[":
            raise FormatError(
                f"{path}: it is not an array. What goes with vectors row by row is an array, or a line a row."
            )
        yield from (text for text, _ in elements(document))
        if not document.is_at_end():
            raise document.broken("more follows behind its array")


def row_of_json(role: str, path: Path, text: bytes, key: str | None, limit: int) -> Beside:
    """The row that a text of JSON is; nothing where it is blank."""
    if not text.strip():
        return Beside(None, None)
    if isinstance(text, TooLarge) or isinstance(kept(text, limit), TooLarge):
        return Beside(None, None, Reason.TOO_LARGE, f"{path.name}: {too_large(None, limit)}")
    name = None
    try:
        value = load_json(text)
        if key is not None:
            name = identity(value.pop(key, None)) if isinstance(value, dict) else None
        return Beside(name, _value(role, value))
    except ValueError as error:
        is_infinite = role == "metadata" and isinstance(error, NotFiniteError)
        reason = Reason.METADATA_NOT_FINITE if is_infinite else _REASONS[role]
        return Beside(name, None, reason, f"{path.name}: {error}")


def _value(role: str, value: Any) -> Value:
    """What a JSON value is in a role; of an object with one of its names the field. Raises ValueError."""
    if role == "metadata":
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"the metadata are {type(value).__name__}, not an object")
        return None if value is None else dumped(value)
    if isinstance(value, dict):
        value = next((value[name] for tier in ROLES[role].tiers for name in tier if name in value), value)
    return identity(value) if role == "id" else contents(value)
