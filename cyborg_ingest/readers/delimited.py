"""CSV and TSV: a header with names, and text from which the first rows tell what each column is.

What a later cell holds beside its column's type is that row's fault. Ids are text whatever they look like.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.model import Chunk, Fault, Part, Reason, free_name
from cyborg_ingest.readers.arrays import list_array, text_array
from cyborg_ingest.readers.base import Layout, check_names
from cyborg_ingest.readers.fields import mixed_array
from cyborg_ingest.readers.numbers import number_parser
from cyborg_ingest.readers.records import CHUNK_BYTES, SAMPLED_ROWS
from cyborg_ingest.values import load_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.model import ColumnMap, Json
    from cyborg_ingest.readers.base import Sidecars
    from cyborg_ingest.readers.numbers import Buffer

_LARGEST_FIELD = 16_000_000
_LONGEST_LINE = 64_000_000
_KEPT_TEXT = 10_000
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_EXACT = 1 << 53
"""A whole number beyond it may not be a float64; an account's number of 20 digits stays text."""


class DelimitedReader:
    """Cells between delimiters, quoted as RFC 4180 has it."""

    is_bare = False

    def __init__(self, name: str, suffixes: tuple[str, ...], delimiter: str) -> None:
        self.name = name
        self.suffixes = suffixes
        self._delimiter = delimiter

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - no bytes are sure to be CSV
        """See `base.Reader`."""
        return False

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:  # noqa: ARG002 - the protocol's
        """See `base.Reader`. The types are those of the first 100 rows."""
        size = sources.size(uri)
        with sources.reading(uri), sources.streamed(uri) as file:
            table = _Table(uri, file, self._delimiter)
            rows = None if table.sampled or table.take(1) else 0  # a header alone
        estimate = round(size * table.sampled / table.position) if sources.is_seekable(uri) else 0
        part = Part(uri, self.name, 0, 0, 0, None, 0, size)
        return Layout(uri, self.name, table.schema, (part,), rows, estimate, size, is_seekable=False)

    def read(
        self,
        part: Part,
        columns: ColumnMap,
        sidecars: Sidecars,  # noqa: ARG002 - only what has no names needs them
        *,
        rows: int,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """See `base.Reader`."""
        with sources.reading(part.uri), sources.streamed(part.uri) as file:
            table = _Table(part.uri, file, self._delimiter)
            row = 0
            while found := table.take(rows):
                if row + len(found) > start:
                    chunk = _Columns(table.schema, columns, found).chunk(part, row, table.position)
                    yield chunk.rows(start - row, len(found))
                row += len(found)


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of a row, and the line it begins on."""

    cells: list[str]
    line: int


class _Table:
    """A file's rows, and what the first of them tell. Raises FormatError, SourceError."""

    def __init__(self, uri: str, file: io.BufferedReader, delimiter: str) -> None:
        self._uri = uri
        self._lines = _Lines(uri, file)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        header = next(iter(self._read(1)), None)
        if header is None:
            raise FormatError(f"{uri}: " + ("nothing came in." if uri == sources.STDIN else "the file is empty."))
        self._ahead = self._read(SAMPLED_ROWS)
        self.sampled = len(self._ahead)
        self.schema = _schema(uri, header.cells, [row.cells for row in self._ahead])

    @property
    def position(self) -> int:
        """The bytes that were read so far."""
        return self._lines.position

    def take(self, count: int) -> list[_Row]:
        """The next rows, `count` or `CHUNK_BYTES` of them at most; none at the end."""
        if not self._ahead:
            return self._read(count)
        found, self._ahead = self._ahead[:count], self._ahead[count:]
        return found

    def _read(self, count: int) -> list[_Row]:
        found: list[_Row] = []
        end = self.position + CHUNK_BYTES
        with _large_fields():
            while len(found) < count and self.position < end:
                row = self._next()
                if row is None:
                    break
                if row.cells:  # a blank line is no row
                    found.append(row)
        return found

    def _next(self) -> _Row | None:
        line = self._reader.line_num + 1
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            raise SourceError(
                f"{self._uri}, line {line}: the row that begins there cannot be read: {error}. A quote may not be "
                'closed, or a quote in a text not doubled (""); mend it, or write the file again.'
            ) from None
        return None if cells is None else _Row(cells, line)


class _Lines:
    """The lines of a file as text, ends and all. Raises SourceError."""

    def __init__(self, uri: str, file: io.BufferedReader) -> None:
        self._uri = uri
        self._file = file
        self._number = 0
        self.position = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line:
            raise StopIteration
        self._number += 1
        self.position += len(line)
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise SourceError(
                f"{self._uri}, line {self._number}: it is longer than {_LONGEST_LINE:,} bytes. Is it CSV, a row a line?"
            )
        try:
            return line.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self._uri}, line {self._number}: its byte {error.start + 1} is not UTF-8. Write the file as UTF-8."
            ) from None


@contextlib.contextmanager
def _large_fields() -> Iterator[None]:
    """A vector of 1,536 numbers does not fit what the module takes by itself; its limit is one for the process."""
    before = csv.field_size_limit(_LARGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


# What the columns are


def _schema(uri: str, names: list[str], rows: list[list[str]]) -> pa.Schema:
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise FormatError(
                f"{uri}: column {place} has no name; the first line names all of them. (pandas writes its index so: "
                "use to_csv(index=False).)"
            )
    whole = [cells for cells in rows if len(cells) == len(names)]
    columns = zip(*whole, strict=True) if whole else itertools.repeat((), len(names))
    kinds = [_kind([text for text in column if text]) for column in columns]
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    check_names(uri, schema)
    return schema


def _kind(texts: list[str]) -> pa.DataType:
    if texts and _are_vectors(texts):
        return pa.list_(pa.float64())
    return next((kind for kind, fits in _FITS.items() if texts and all(map(fits, texts))), pa.string())


def _are_vectors(texts: list[str]) -> bool:
    """Whether all begin as arrays, and at least half are of numbers: what is broken among them is its row's fault."""
    if not all(text.lstrip().startswith("[") for text in texts):
        return False
    parse = number_parser()
    return sum(_numbers(text, parse) is not None for text in texts) * 2 >= len(texts)


def _numbers(text: str, parse: Callable[[bytes], Buffer | None]) -> Buffer | None:
    """An array of numbers as float64; None where it is anything else."""
    found = parse(text.encode()) if text.count("[") == 1 else None  # nested ones would be flattened
    if found is not None:
        return found
    try:
        value = load_json(text.encode())
    except ValueError:
        return None
    if not isinstance(value, list) or not all(type(one) in {int, float} for one in value):
        return None
    return np.array([_float(one) for one in value], np.float64)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # beyond float64, and so beyond float32, which is what the row is rejected for
        return sys.float_info.max if number > 0 else -sys.float_info.max


def _is_whole(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None and len(text) <= 20 and -(2**63) <= int(text) < 2**63  # noqa: PLR2004 - int64


def _is_number(text: str) -> bool:
    """A finite number, as JSON spells one."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _is_exact(text: str) -> bool:
    is_whole = text.lstrip("-").isdigit()
    return _is_number(text) and (not is_whole or (_is_whole(text) and abs(int(text)) <= _EXACT))


def _is_truth(text: str) -> bool:
    return text.lower() in {"true", "false"}


_FITS: dict[pa.DataType, Callable[[str], bool]] = {
    pa.int64(): _is_whole,
    pa.float64(): _is_exact,
    pa.bool_(): _is_truth,
}


# Their values


class _Columns:
    """The columns of some rows, and the faults in them."""

    def __init__(self, schema: pa.Schema, names: ColumnMap, rows: list[_Row]) -> None:
        self._schema = schema
        self._names = names
        self._rows = rows
        self._faults: dict[int, Fault] = {}
        self._parse = number_parser()

    def chunk(self, part: Part, row: int, size: int) -> Chunk:
        """These rows as a chunk; `row` is the first one's place in the Part."""
        for place, one in enumerate(self._rows):
            if len(one.cells) != len(self._schema):
                detail = f"it has {len(one.cells)} cells, the header has {len(self._schema)}"
                self._faults[place] = Fault(place, Reason.UNPARSABLE, detail, {"_line": _as_text(one.cells)})
        unusable = set(self._faults)
        arrays = {}
        for name in self._names.loaded:
            arrays[name] = self._array(name, self._texts(name, unusable))
        parts, tested = [], []
        for name, _ in self._names.id_parts:  # the text that stands there, as of an id
            parts.append((name, free_name(name, arrays)))
            arrays[parts[-1][1]] = text_array(self._texts(name, unusable))
        for name, _ in self._names.tested:
            tested.append((name, free_name(name, arrays)))
            arrays[tested[-1][1]] = mixed_array([self._seen(name, text) for text in self._texts(name, unusable)])
        lines = np.array([one.line for one in self._rows], np.int64)
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        names = replace(self._names, id_parts=tuple(parts), tested=tuple(tested))
        return Chunk(part, row, row, batch, names, tuple(self._faults.values()), lines, size)

    def _texts(self, name: str, unusable: set[int]) -> list[str | None]:
        at = self._schema.get_field_index(name)
        return [None if place in unusable else one.cells[at] or None for place, one in enumerate(self._rows)]

    def _seen(self, name: str, text: str | None) -> Any:
        """A cell as a condition sees it: of its column's kind, or else text, whatever role the column has."""
        kind = self._schema.field(name).type
        if text is not None and (pt.is_integer(kind) or pt.is_floating(kind)) and _is_number(text):
            return int(text) if _WHOLE.fullmatch(text) else float(text)
        return text.lower() == "true" if text is not None and pt.is_boolean(kind) and _is_truth(text) else text

    def _array(self, name: str, texts: list[str | None]) -> pa.Array:
        kind, fits = self._type(name), self._fits(name)
        if pt.is_string(kind):
            return text_array(texts)
        if pt.is_list(kind):
            vectors = [None if text is None else _numbers(text, self._parse) for text in texts]
            self._refuse(name, texts, [vector is not None for vector in vectors])
            return list_array(vectors)
        fitting = [text is None or fits(text) for text in texts]
        self._refuse(name, texts, fitting)
        kept = [text if fit else None for text, fit in zip(texts, fitting, strict=True)]
        return text_array(kept).cast(kind)

    def _type(self, name: str) -> pa.DataType:
        if name == self._names.id:
            return pa.string()
        return pa.float64() if name in self._names.vector_columns else self._schema.field(name).type

    def _fits(self, name: str) -> Callable[[str], bool]:
        """A component may be any number: 0 in the first rows, and 0.5 later."""
        kind = self._type(name)
        return _is_number if name in self._names.vector_columns else _FITS.get(kind, bool)

    def _refuse(self, name: str, texts: list[str | None], fitting: list[bool]) -> None:
        """Note the rows whose cell is none of its column's type."""
        is_vector = name == self._names.vector or name in self._names.vector_columns
        reason = Reason.VECTOR_INVALID if is_vector else Reason.METADATA_INVALID
        wanted = "an array of numbers" if pt.is_list(self._type(name)) else f"{self._type(name)} as in the first rows"
        for place, (text, fits) in enumerate(zip(texts, fitting, strict=True)):
            if text is not None and not fits and place not in self._faults:
                detail = f"column {name!r} holds {text[:40]!r}, not {wanted}"
                self._faults[place] = Fault(place, reason, detail, self._record(self._rows[place]))

    def _record(self, row: _Row) -> Json:
        """The row in the form that JSONL has, what does not fit as text."""
        names = self._names
        cells = dict(zip(self._schema.names, row.cells, strict=True))
        value = {name: self._value(name, cells[name]) for name in names.read}
        metadata = _parsed(cells[names.metadata]) if names.metadata else None
        if names.metadata_columns:
            more = {name: value[name] for name in names.metadata_columns if value[name] is not None}
            metadata = {**(metadata if isinstance(metadata, dict) else {}), **more}
        found = {
            "id": value[names.id] if names.id else None,
            "vector": value[names.vector] if names.vector else [value[name] for name in names.vector_columns],
            "metadata": metadata,
            "contents": value[names.contents] if names.contents else None,
        }
        return {name: one for name, one in found.items() if one is not None}

    def _value(self, name: str, text: str) -> Any:
        kind, fits = self._type(name), self._fits(name)
        if pt.is_string(kind) or not text:
            return text or None
        return _parsed(text.lower() if pt.is_boolean(kind) else text) if pt.is_list(kind) or fits(text) else text


def _parsed(text: str) -> Any:
    try:
        return load_json(text.encode()) if text else None
    except ValueError:
        return text


def _as_text(cells: list[str]) -> str:
    found = io.StringIO()
    csv.writer(found, lineterminator="").writerow(cells)
    return found.getvalue()[:_KEPT_TEXT]
