"""What a format has to offer: a layout from its header alone, and its rows as Arrow columns."""

from __future__ import annotations

import contextlib
import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.bounds import USUAL, AtOnce
from cyborg_ingest.model import LARGEST_DIMENSION, Part
from cyborg_ingest.rows.kinds import depth, storage_type
from cyborg_ingest.rows.roles import EXAMPLE, ORIGIN
from cyborg_ingest.rows.values import MAX_DEPTH
from cyborg_ingest.settings.options import MAX_ROW_BYTES
from cyborg_ingest.sources import stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa
    from typing_extensions import Self

    from cyborg_ingest.model import Chunk, ColumnMap
    from cyborg_ingest.rows.pruning import Bounds

    BoundsOf = Callable[[str], Bounds | None]


__all__ = ["EXAMPLE", "ORIGIN"]

_T = TypeVar("_T")

PART_BYTES = 64_000_000
"""About the bytes of a Part, in formats that can be read from anywhere in the middle."""

_MOST_PARTS = 10_000
"""A header may claim any number of rows."""

_ROWS_A_UNIT = 32

"""Of the largest size: half a gigabyte, by itself."""


def raised_for(size: int) -> str:
    """The words on the option that lets so many bytes be decoded at once."""
    return f"raise --max-row-bytes to {-(-size // _ROWS_A_UNIT)}, and --max-memory if it is given"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the user says of delimited files, whose bytes do not tell it.

    `has_header` None: the first line names the columns, unless it looks like a row. `types`: the kind of a column by
    its name, see `cells.Kind`. `nulls`: cells that stand for nothing, beside the empty one. `decimal`:
    the sign before the fractions of numbers.
    """

    delimiter: str | None = None
    has_header: bool | None = None
    types: tuple[tuple[str, str], ...] = ()
    nulls: tuple[str, ...] = ()
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What the user gives beside a source.

    Of bare vectors the files that hold what is not with them: ids, metadata, contents, row by row, or where a key is
    named by the id that each row has in that column. `id_prefix` goes before the row number where there is no file of
    ids; `{file}` in it stands for the source's name without its suffix. Of delimited files their `dialect`, of JSON
    documents where the `records` are. `named` are the columns that options name. `contents_from` is the file with the
    requests of a batch whose output is the source. A row of more than `max_row_bytes` is not decoded, and no more than
    `at_once` says at once.
    """

    ids: Path | None = None
    id_prefix: str = ""
    metadata: Path | None = None
    contents: Path | None = None
    metadata_key: str | None = None
    contents_key: str | None = None
    dialect: Dialect = Dialect()
    records: str | None = None
    named: tuple[str, ...] = ()
    contents_from: Path | None = None
    max_row_bytes: int = MAX_ROW_BYTES
    at_once: AtOnce = USUAL

    @property
    def unit_bytes(self) -> int:
        """The most that is decoded at once where a format does not let less be: a page, a record batch, a chunk."""
        return min(_ROWS_A_UNIT * self.max_row_bytes, self.at_once.unit)

    @property
    def decoding(self) -> AtOnce:
        """How much is decoded at once, by all that bounds it."""
        return replace(self.at_once, unit=self.unit_bytes)

    @property
    def files(self) -> list[Path]:
        """Those that are given."""
        return [path for path in (self.ids, self.metadata, self.contents, self.contents_from) if path is not None]


@dataclass(frozen=True, slots=True)
class Arrays:
    """What a file of named arrays says besides its schema; see `named`.

    `columns`: rows, and bytes of a row, of each column. `vector` is the one with the vectors unless another is chosen,
    None if that has to be. `unreadable`: why other arrays are not columns.
    """

    columns: Mapping[str, tuple[int, int]]
    vector: str | None
    unreadable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a source's header says.

    `rows` is exact or None; `rows_estimate` is for display, 0 where nobody knows. `size` is in bytes. `is_seekable`:
    a resumed load begins at a Part; otherwise it reads all that is before, and skips it. `is_numbered`: its ids
    are row numbers. A column that is not in the file itself says in its field's metadata, under `ORIGIN`, where it
    comes from; a column of text may show there, under `EXAMPLE`, how it begins. `arrays`: the columns may have
    different numbers of rows, and rows and parts are given once `named.map_layout` has decided which are loaded.
    `has_schema`: a field that is not in the schema is in no row; of JSON only the first rows were looked at, and
    `is_open` says that there are more. `shape`: in which known way rows are in it, if it is not the usual one.
    `roles` are the columns that its shape has for them, by the names of `ColumnChoice`. `notes`: what the user should
    know of it. `files` are those that it is made of, where `uri` is but their folder. `metric`: the distance that it
    says its vectors are for, in its own words.
    """

    uri: str
    format: str
    schema: pa.Schema
    parts: tuple[Part, ...]
    rows: int | None
    rows_estimate: int
    size: int
    is_seekable: bool = True
    is_numbered: bool = False
    arrays: Arrays | None = None
    has_schema: bool = True
    is_open: bool = False
    shape: str = ""
    roles: tuple[tuple[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    metric: str | None = None

    @property
    def stem(self) -> str:
        """What `{file}` stands for: a file's name without its suffixes; a folder's as it is, since it has none."""
        return posixpath.basename(self.uri) if self.files else stem(self.uri)


def shape_noted(uri: str, shape: str) -> tuple[str, ...]:
    """The note on a file whose rows are not in the usual way in it."""
    return (f"{uri}: it is read as {shape}.",) if shape else ()


class Kept:
    """What a reader leaves open from one Part to the next, since to open a file again costs more than to read a Part.

    One thing at a time, by its key. It belongs to whoever reads Parts one after another, in any order, and who closes
    it at the end; two threads have two.
    """

    def __init__(self) -> None:
        self._key: object = None
        self._found: Any = None
        self._open = contextlib.ExitStack()

    def get(self, key: object, opened: Callable[[], AbstractContextManager[_T]]) -> _T:
        """What is open under this key, else what is opened now, in place of what was kept so far."""
        if self._found is None or self._key != key:
            self.close()
            self._found, self._key = self._open.enter_context(opened()), key
        found: _T = self._found
        return found

    def close(self) -> None:
        """Let go of it."""
        self._found = self._key = None
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reader(Protocol):
    """One file format. `is_bare`: it holds vectors alone, so that sidecars go with it."""

    name: str
    suffixes: tuple[str, ...]
    is_bare: bool

    def claims(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (64 or more, decompressed) is sure to be of this format."""
        ...

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """Read the header. Raises FormatError, SourceError."""
        ...

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """Yield the Part's rows from row `start` of it on, at most `rows` a chunk, in bounded memory.

        Raises SourceError where the file breaks off.
        """
        ...


@runtime_checkable
class Keeping(Protocol):
    """A format of many Parts a file, whose file is opened once for all of them."""

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `Reader.read`; what stays open is in `kept`.

        Where the format has lines and the Parts of a file follow on each other, it is a generator that returns how many
        lines of the file lie before the next Part.
        """
        ...


class ReadsOn:
    """`Reader.read` of such a format: a Part by itself."""

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `Keeping`."""
        raise NotImplementedError

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """See `Reader`."""
        with Kept() as kept:
            yield from self.read_on(part, columns, sidecars, kept, rows=rows, start=start)


@runtime_checkable
class Pruning(Protocol):
    """A format that keeps statistics of its Parts."""

    def relevant(self, layout: Layout, may_match: Callable[[BoundsOf], bool]) -> frozenset[int] | None:
        """The numbers of the layout's Parts that may hold a row that is asked for; None: nobody knows.

        `may_match` says so of a Part, given its columns' bounds by name.
        """
        ...


@runtime_checkable
class Typing(Protocol):
    """A format whose columns have the type that all of their cells fit, so that the first rows do not tell it."""

    def typed(self, layout: Layout, columns: ColumnMap, sidecars: Sidecars) -> tuple[Layout, ColumnMap]:
        """The layout and its mapping with the exact type of every column whose type matters.

        Raises FormatError, SourceError.
        """
        ...


def row_parts(uri: str, name: str, rows: int, row_bytes: int, *, is_seekable: bool = True) -> tuple[Part, ...]:
    """Parts of rows that all have one size; one Part where nothing can be read before what precedes it."""
    step = max(1, PART_BYTES // max(1, row_bytes), rows // _MOST_PARTS) if is_seekable else max(1, rows)
    spans = [(start, min(rows, start + step)) for start in range(0, rows, step)]
    return tuple(
        Part(uri, name, number, start, stop, stop - start, start, (stop - start) * row_bytes)
        for number, (start, stop) in enumerate(spans)
    )


def checked_dimension(uri: str, dimension: int) -> int:
    """A dimension that the engine can have. Raises FormatError."""
    if not 0 < dimension <= LARGEST_DIMENSION:
        raise FormatError(f"{uri}: its vectors have {dimension:,} dimensions; they have 1 to {LARGEST_DIMENSION:,}.")
    return dimension


def check_names(uri: str, schema: pa.Schema) -> None:
    """Refuse a file without columns, with two of one name, or with a name at any depth that is not text.

    Raises FormatError.
    """
    if not len(schema):
        raise FormatError(f"{uri}: it has no columns.")
    deep = next((place for place, kind in enumerate(schema.types) if kind.num_fields and depth(kind) > MAX_DEPTH), None)
    if deep is not None:
        raise FormatError(
            f"{uri}: column {deep} is nested deeper than {MAX_DEPTH} levels. Write it without that column."
        )
    try:
        names = [_read_names(field) for field in schema]
    except UnicodeDecodeError:
        raise FormatError(f"{uri}: the name of a column is not UTF-8. The file is damaged; write it again.") from None
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormatError(f"{uri}: two columns are named {name!r}, so neither can be chosen. Rename one.")
        seen.add(name)


def _read_names(field: pa.Field) -> str:
    """The field's name, once all below it have been read. Raises UnicodeDecodeError."""
    kind = storage_type(field.type)
    for number in range(kind.num_fields):
        _read_names(kind.field(number))
    return str(field.name)
