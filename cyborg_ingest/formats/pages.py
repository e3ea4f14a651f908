"""How many rows of a Parquet row group may be decoded at once, by what its footer and the heads of its pages say.

A page is decoded whole, and a value of its dictionary once for each row that has it: a file of 50 kB may hold 160 GB.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cyborg_ingest import sources
from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats.base import raised_for
from cyborg_ingest.formats.bounds import OBJECT_BYTES, array_sizes
from cyborg_ingest.formats.ends import NOT_READ
from cyborg_ingest.formats.thrift import Page, page_head
from cyborg_ingest.model import LARGEST_DIMENSION

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.formats.bounds import AtOnce

PAGE_BUFFER = 1 << 20
"""With it, and without `pre_buffer`, a row group of any size is read page by page in flat memory (measured)."""

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_HEAD_BYTES = 256
_LONGEST_HEAD = 1 << 20
_OFFSET_BYTES = 8
_ENOUGH = 0.75
"""Of the rows that are read at once: if fewer fit, texts stay in their dictionary until rows are cut by bytes."""
_DELTAS = {"DELTA_BYTE_ARRAY"}
"""A text is stored as what it does not share with the one before it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `rows` of a group at once; columns that stay `dictionaries` until their rows are cut by bytes."""

    rows: int
    dictionaries: list[str] = field(default_factory=list)


def limit_of(uri: str, file: pq.ParquetFile, group: int, names: Sequence[str], rows: int, at_once: AtOnce) -> Limit:
    """How a row group is read, `rows` at once if that may be. Raises SourceError where a page is too much."""
    footer = file.metadata.row_group(group)
    leaves, wanted = [], set(names)
    for place in range(footer.num_columns):
        path = footer.column(place).path_in_schema
        if not wanted.isdisjoint(itertools.accumulate(path.split("."), "{}.{}".format)):
            leaves.append((path, _Leaf(uri, file, group, place, at_once)))
    total = sum(leaf.mean() for _, leaf in leaves)
    most, dictionaries = max(1, min(rows, at_once.rows // max(1, total), *(leaf.most_rows() for _, leaf in leaves))), []
    for path, leaf in leaves:
        fitting = leaf.fitting(most)
        if fitting < _ENOUGH * most:
            dictionaries.append(path)
        else:
            most = fitting
    return Limit(most, dictionaries)


class _Leaf:
    """A column of a row group: one that holds values itself."""

    def __init__(self, uri: str, file: pq.ParquetFile, group: int, place: int, at_once: AtOnce) -> None:
        self._uri, self._file, self._group = uri, file, group
        self._unit, self._most = at_once.unit, at_once.rows
        self._rows: int = max(1, file.metadata.row_group(group).num_rows)
        self._chunk = file.metadata.row_group(group).column(place)
        self._schema = file.schema.column(place)
        self._values: int = max(0, self._chunk.num_values)
        self._is_list = self._schema.max_repetition_level > 0
        self._is_text = self._chunk.physical_type == "BYTE_ARRAY"
        self._size: int = max(0, self._chunk.total_uncompressed_size)

    @property
    def _width(self) -> int:
        """Bytes of a value that has a fixed size; of one in a list that Python may need an object for."""
        kind = self._chunk.physical_type
        return max(1, int(self._schema.length)) if kind == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS.get(kind, 0)

    def mean(self) -> int:
        """About the bytes of a row once it is decoded, dictionaries left out."""
        if self._is_text:
            return self._size // self._rows + OBJECT_BYTES * self._values // self._rows
        return self._width * self._values // self._rows

    def most_rows(self) -> int:
        """So many rows may be decoded at once. Raises SourceError where one row, or one page, is too much."""
        if self.mean() > self._unit:
            raise self._beyond("its rows have", self.mean())
        if not self._is_text and (not self._is_list or self._is_even()):
            return self._most // max(1, self.mean()) or 1
        decoded = self._size + self._offsets(self._values) if self._is_text else self._width * self._values
        if decoded <= self._unit and not (self._is_text and self._is_delta()):
            return self._rows
        pages = list(self._pages())
        largest = max(map(self._decoded, pages), default=0)
        if largest > self._unit:
            raise self._beyond("one page of it has", largest)
        number = self._unit // max(1, largest)
        return max(1, number, self._rows_of(pages, number))

    def _rows_of(self, pages: Sequence[Page], number: int) -> int:
        """So many rows are in no more than this number of pages, wherever they begin, if each value is a row's."""
        if self._is_list or self._is_delta():
            return 1
        whole = pages[int(self._chunk.has_dictionary_page) : -1]  # the last may have any number
        return (number - 3) * min((page.values for page in whole), default=0)

    def _is_delta(self) -> bool:
        return not _DELTAS.isdisjoint(self._chunk.encodings)

    def _decoded(self, page: Page) -> int:
        return page.size + self._offsets(page.values) if self._is_text else page.values * self._width

    def _offsets(self, values: int) -> int:
        """What texts in lists take however short they are: a run of a million empty ones is a few bytes of a page."""
        return _OFFSET_BYTES * values if self._is_list else 0

    def _is_even(self) -> bool:
        """Whether all lists are of one length, as vectors are."""
        length, rest = divmod(self._values, self._rows)
        return not rest and length <= LARGEST_DIMENSION

    def fitting(self, rows: int) -> int:
        """So many of the rows may be decoded at once, however often a value of its dictionary is one of theirs."""
        if not self._is_text or not self._chunk.has_dictionary_page:
            return rows
        values = min(self._values, -(-self._values * rows // self._rows))
        if self._size * values <= self._most:  # whatever is in it
            return rows
        decoded = self._longest() * values
        return rows if decoded <= self._most else max(1, rows * self._most // decoded)

    def _longest(self) -> int:
        """The bytes of the longest value in its dictionary, which comes whole with the first row."""
        page = next(self._pages(), None)
        if page is not None and page.size > self._unit:
            raise self._beyond("its dictionary has", page.size)
        path = self._chunk.path_in_schema
        with pq.ParquetFile(
            sources.native(self._uri),
            metadata=self._file.metadata,
            read_dictionary=[path],
            buffer_size=PAGE_BUFFER,
            pre_buffer=False,
        ) as file:
            batches = file.iter_batches(1, row_groups=[self._group], columns=[path], use_threads=False)
            first = next(batches, None)
            return max((_longest_in(column) for column in first.columns), default=0) if first is not None else 0

    def _pages(self) -> Iterator[Page]:
        """The heads of its pages; none where they cannot be read by us."""
        chunk = self._chunk
        at = chunk.data_page_offset
        if chunk.has_dictionary_page and chunk.dictionary_page_offset:
            at = min(at, chunk.dictionary_page_offset)
        end = at + chunk.total_compressed_size
        with sources.opened(self._uri) as file:
            while at < end:
                page = _head(file, at)
                if page is None:
                    return
                yield page
                at += page.bytes

    def _beyond(self, what: str, size: int) -> SourceError:
        return SourceError(
            f"{self._uri}: row group {self._group}, column {self._chunk.path_in_schema!r}: {what} {size:,} bytes to be "
            f"decoded at once, and {self._unit:,} are possible. Write it with smaller pages and rows, or "
            f"{raised_for(size)}."
        )


def _head(file: io.BufferedReader, at: int) -> Page | None:
    """The head of the page that begins at a byte; statistics in it may make it long."""
    size = _HEAD_BYTES
    while size <= _LONGEST_HEAD:
        file.seek(at)
        data = file.read(size)
        try:
            page = page_head(data)
        except IndexError:
            if len(data) < size:
                return None
            size *= 8
        except NOT_READ:
            return None
        else:
            return page if page.bytes > 0 else None
    return None


def _longest_in(array: pa.Array) -> int:
    """The longest text in an array, at any depth, in dictionaries what stands in them."""
    kind: Any = array.type
    if isinstance(array, pa.DictionaryArray):
        return int(np.max(array_sizes(array.dictionary, 0), initial=0))
    if pa.types.is_struct(kind):
        return max((_longest_in(array.field(number)) for number in range(kind.num_fields)), default=0)
    if pa.types.is_map(kind):
        return max(_longest_in(array.keys), _longest_in(array.items))
    if pa.types.is_nested(kind):
        return _longest_in(array.values)
    return int(np.max(array_sizes(array, 0), initial=0)) if len(array) else 0
