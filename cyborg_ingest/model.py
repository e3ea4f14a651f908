"""The values that travel through a run: frozen, slotted, picklable."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

Json = dict[str, Any]
"""A JSON object."""

LARGEST_DIMENSION = 65_535
"""Of vectors: the engine's limit. Nothing that claims more is believed, and no room is made for it."""


class Reason(str, enum.Enum):
    """Why a row was rejected; the words stay once released."""

    UNPARSABLE = "unparsable"
    ID_MISSING = "id_missing"
    ID_INVALID = "id_invalid"
    VECTOR_MISSING = "vector_missing"
    VECTOR_INVALID = "vector_invalid"
    VECTOR_DIMENSION = "vector_dimension"
    VECTOR_NOT_FINITE = "vector_not_finite"
    VECTOR_OVERFLOW = "vector_overflow"
    VECTOR_ZERO = "vector_zero"
    METADATA_INVALID = "metadata_invalid"
    METADATA_NOT_FINITE = "metadata_not_finite"
    CONTENTS_INVALID = "contents_invalid"
    TOO_LARGE = "too_large"
    FAILED = "failed"
    REFUSED = "refused"


_IN_GENERAL = {
    Reason.UNPARSABLE: "the row cannot be parsed",
    Reason.ID_MISSING: "there is no id",
    Reason.ID_INVALID: "the id cannot be used",
    Reason.VECTOR_MISSING: "there is no vector",
    Reason.VECTOR_INVALID: "the vector is not a list of numbers",
    Reason.VECTOR_DIMENSION: "the vector has another dimension",
    Reason.VECTOR_NOT_FINITE: "the vector holds null, NaN or an infinite number",
    Reason.VECTOR_OVERFLOW: "the vector holds a number beyond float32",
    Reason.VECTOR_ZERO: "the vector is zero",
    Reason.METADATA_INVALID: "the metadata cannot be stored",
    Reason.METADATA_NOT_FINITE: "the metadata holds NaN or an infinite number",
    Reason.CONTENTS_INVALID: "the contents are neither text nor bytes",
    Reason.TOO_LARGE: "the row is too large for a request",
    Reason.FAILED: "another program wrote what went wrong in place of the row",
    Reason.REFUSED: "the target refuses the row",
}


@dataclass(frozen=True, slots=True)
class Within:
    """Where in a JSON document its rows are.

    `kind`: "array", the elements of one; "keyed", the members of an object, by their name; "one", an object that is the
    only row; "pages", what a path through lists leads to, each time; "columns", arrays (or objects) of which each is a
    column; "split", arrays, and beside them the names of what is in each. `path` leads there, name by name, and
    `places` are the bytes where it begins: of one value, or of each column by its name. `is_sure`: there are no others,
    or the user has decided.
    """

    kind: str
    path: tuple[str, ...]
    places: tuple[tuple[str, int], ...]
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a source that is read, and later resumed, by itself.

    `start` and `stop` locate it in the unit of its format: a row group's number (Parquet), a record batch's
    (Arrow), rows (.npy) or bytes (JSONL). `rows` is exact or None; `first_row` is the row of the file that it
    begins with, where that is known before reading. `size` is its share of the file in bytes.
    """

    uri: str
    format: str
    number: int
    start: int
    stop: int
    rows: int | None
    first_row: int | None
    size: int
    fingerprint: str = ""
    choice: str = ""
    """What chose the rows of it that are asked for, where their places did: `--skip`, `--sample`."""
    lines_before: int | None = None
    """The lines of the file before it, where the format has lines and they are known before reading."""
    within: Within | None = None
    shape: str = ""
    """Of JSON, the known way in which another program has written its rows: see `formats.jsonshapes`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The first `size` bytes of a stream, by their digest."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column is what; a name may be a path to a field of a struct. `left_out` will not be loaded.

    `takes_all`: `metadata_columns` are all that have no other role, and so is one that is first seen later.
    `id_parts` are those that ids are made of, `tested` those that a condition looks at: each by its own name and by
    that of the column that holds it, which is another one in a chunk whose format has several views of a field.
    `believed` were named by the user, and not yet seen. Every row's metadata gets the `constants`, and fields of it by
    another name through `renames` (old, new). `vector_columns` are numbers that make up the vectors in this order; then
    `vector` is "". `refused` are columns that would be loaded, by their name or by `*`, if their type could be: (name,
    why). `types` says what the cells of a delimited file's columns are, by name, and `seen` what a condition takes them
    for. `reasons`: why a column is what it is, or is left out, where that does not go without saying, by name. What is
    at the paths of `cut` has a role of its own, and does not become metadata with the struct that it is in.
    `own_first`: fields of the metadata's own column win over columns.
    """

    vector: str
    id: str | None = None
    metadata: str | None = None
    metadata_columns: tuple[str, ...] = ()
    contents: str | None = None
    left_out: tuple[str, ...] = ()
    takes_all: bool = False
    id_parts: tuple[tuple[str, str], ...] = ()
    tested: tuple[tuple[str, str], ...] = ()
    believed: tuple[str, ...] = ()
    constants: tuple[tuple[str, Any], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    vector_columns: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    encoding: str = ""
    """How the vectors are encoded, where they are text, bytes, or a list of one list: see `rows.encodings`."""
    encoded: str = ""
    """In a chunk whose vectors have been decoded: the column that they were in."""
    reasons: tuple[tuple[str, str], ...] = ()
    cut: tuple[str, ...] = ()
    own_first: bool = False

    def cut_of(self, name: str) -> list[list[str]]:
        """The steps from a column to each field of it that has a role of its own."""
        return [path[len(name) + 1 :].split(".") for path in self.cut if path.startswith(f"{name}.")]

    @property
    def loaded(self) -> tuple[str, ...]:
        """The columns that have a role of their own, each once; one of metadata may have no name at all."""
        before = (self.id, self.vector, *self.vector_columns, self.metadata)
        contents = (self.contents,) if self.contents else ()
        return tuple(dict.fromkeys((*filter(None, before), *self.metadata_columns, *contents)))

    @property
    def extra(self) -> tuple[str, ...]:
        """The columns that are looked at, or are part of something, and not loaded as they are."""
        used = (*self.vector_columns, *(name for name, _ in (*self.id_parts, *self.tested)))
        return tuple(dict.fromkeys(used))

    @property
    def read(self) -> tuple[str, ...]:
        """The columns that have to be read, each once."""
        return tuple(dict.fromkeys((*self.loaded, *self.extra)))


_SHOWN_ID = 200


def shown_id(identity: str) -> str:
    """An id in a message: of one that is very long how it begins, and its length."""
    if len(identity) <= _SHOWN_ID:
        return repr(identity)
    return f"{identity[:_SHOWN_ID]!r}... of {len(identity):,} characters"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not loaded, and why. `row` counts from 0 in its file, `line` from 1."""

    uri: str
    row: int
    reason: Reason
    detail: str
    id: str | None = None
    line: int | None = None
    record: Json | None = None
    """The row in the JSONL form that `upsert` reads, as far as it could be read."""

    def without_content(self) -> Rejection:
        """What may be said of it where nothing that is in the row may be seen, but its id."""
        return replace(self, detail=_IN_GENERAL[self.reason], record=None)

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else f"row {self.row}"
        name = "" if self.id is None else f" (id {shown_id(self.id)})"
        return f"{self.uri}, {place}{name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a reader could not turn into columns; `offset` is the row's place in its chunk.

    `column` is the one that is null in its place, where a condition would take that null for a value's absence.
    """

    offset: int
    reason: Reason
    detail: str
    record: Json | None = None
    column: str | None = None

    @property
    def hides_all(self) -> bool:
        """Whether nothing of the row could be read."""
        return self.reason in {Reason.UNPARSABLE, Reason.TOO_LARGE, Reason.FAILED}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of a Part, as Arrow columns.

    `start` is the first row's place in its Part, `first_row` its place in the file, `lines` the line of each
    row (from 1) where the format has lines. A row with a fault has nulls in `batch`. `unplanned` names fields that the
    plan did not know of, and that are left out; `seen` those that it took the user's word for.
    """

    part: Part
    start: int
    first_row: int
    batch: pa.RecordBatch
    columns: ColumnMap
    faults: tuple[Fault, ...] = ()
    lines: npt.NDArray[np.int64] | None = None
    unplanned: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    metadata: list[Json | None] | None = None
    """The metadata, where the format has parsed it already."""
    chosen: npt.NDArray[np.bool_] | None = None
    """Which rows were asked for; None for all. The others are read past: neither loaded nor rejected."""
    again: bool = False
    """An earlier run has loaded these rows; those of an id in doubt are to be sent again."""
    mark: Mark | None = None
    """Of a stream: bytes in which all of its rows up to here lie."""

    @property
    def is_passed(self) -> bool:
        """Whether no row of it was asked for."""
        return self.chosen is not None and not self.chosen.any()

    @property
    def taken_rows(self) -> int:
        """How many of its rows were asked for; none of those that are read again."""
        if self.again:
            return 0
        return len(self.batch) if self.chosen is None else int(self.chosen.sum())

    def emptied(self) -> Chunk:
        """The same rows, where none of them was asked for, in no memory."""
        import numpy as np  # noqa: PLC0415 - here alone the values that travel are made
        import pyarrow as pa  # noqa: PLC0415 - the same

        rows = len(self.batch)
        nothing = pa.RecordBatch.from_arrays([pa.nulls(rows)], [self.columns.vector])
        passed = np.broadcast_to(np.False_, rows)
        return replace(self, batch=nothing, faults=(), lines=None, metadata=None, chosen=passed)

    def rows(self, start: int, stop: int) -> Chunk:
        """Rows [start, stop) of it, counted from its own first."""
        if start <= 0 and stop >= len(self.batch):
            return self
        start = max(0, start)
        return replace(
            self,
            start=self.start + start,
            first_row=self.first_row + start,
            batch=self.batch.slice(start, stop - start),
            faults=tuple(
                replace(fault, offset=fault.offset - start) for fault in self.faults if start <= fault.offset < stop
            ),
            lines=None if self.lines is None else self.lines[start:stop],
            metadata=None if self.metadata is None else self.metadata[start:stop],
            chosen=None if self.chosen is None else self.chosen[start:stop],
        )


def total(counts: Iterable[int | None]) -> int | None:
    """The sum of counts; None where one of them is not known."""
    known = list(counts)
    return None if None in known else sum(one or 0 for one in known)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or where it is taken one like it that is not."""
    return next(one for number in itertools.count() if (one := name + "_" * number) not in taken)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to send in one call: rows [start, stop) of a Part, less those that were rejected or not asked for.

    `vectors` is little-endian float32 of shape (n, dim), `rows` (n,) the place of each in its Part, `lines`
    (n,) its line where the format has lines, `size` its bytes: those of the request's JSON, or of the raw rows where
    there is no request. `passed` is how many rows were not asked for, `again` as in Chunk.
    """

    part: Part
    start: int
    stop: int
    first_row: int
    ids: list[str]
    vectors: npt.NDArray[np.float32]
    metadata: list[Json | None] | None
    contents: list[str | bytes | None] | None
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64] | None
    size: int
    rejections: tuple[Rejection, ...] = ()
    passed: int = 0
    again: bool = False
    as_text: frozenset[str] = frozenset()
    """Fields of the metadata of which a decimal is stored as text."""
    mark: Mark | None = None
    """That of its chunk."""

    def __len__(self) -> int:
        return len(self.ids)

    def without_content(self) -> Batch:
        """The same, with nothing of its rejected rows but their ids."""
        return replace(self, rejections=tuple(one.without_content() for one in self.rejections))

    def halves(self) -> tuple[Batch, Batch]:
        """It as two, each with half of its rows; together they cover the same rows of the Part."""
        middle = len(self) // 2
        border = int(self.rows[middle])
        return self.piece(0, middle, self.start, border), self.piece(middle, len(self), border, self.stop)

    def runs(self, flags: list[bool]) -> Iterator[tuple[Batch, bool]]:
        """It as pieces of rows with the same flag; `flags` has one a row."""
        begin = 0
        for place in range(1, len(flags) + 1):
            if place == len(flags) or flags[place] != flags[begin]:
                start = self.start if begin == 0 else int(self.rows[begin])
                stop = self.stop if place == len(flags) else int(self.rows[place])
                yield self.piece(begin, place, start, stop), flags[begin]
                begin = place

    def piece(self, begin: int, end: int, start: int, stop: int) -> Batch:
        """Its own rows [begin, end), which stand for rows [start, stop) of the Part."""
        offset = self.start - self.first_row
        rejections = tuple(one for one in self.rejections if start <= one.row + offset < stop)
        return replace(
            self,
            start=start,
            stop=stop,
            first_row=start - offset,
            ids=self.ids[begin:end],
            vectors=self.vectors[begin:end],
            metadata=None if self.metadata is None else self.metadata[begin:end],
            contents=None if self.contents is None else self.contents[begin:end],
            rows=self.rows[begin:end],
            lines=None if self.lines is None else self.lines[begin:end],
            size=self.size * (end - begin) // max(1, len(self)),
            rejections=rejections,
            passed=stop - start - (end - begin) - len(rejections),
        )

    def picked(self, places: list[int]) -> Batch:
        """The same range of the Part, with some of its rows and without its rejections."""
        return replace(
            self,
            ids=[self.ids[place] for place in places],
            vectors=self.vectors[places],
            metadata=None if self.metadata is None else [self.metadata[place] for place in places],
            contents=None if self.contents is None else [self.contents[place] for place in places],
            rows=self.rows[places],
            lines=None if self.lines is None else self.lines[places],
            size=self.size * len(places) // max(1, len(self)),
            rejections=(),
        )

    def without_rows(self) -> Batch:
        """The same range of the Part, with nothing to send."""
        return replace(
            self, ids=[], vectors=self.vectors[:0], metadata=None, contents=None, rows=self.rows[:0],
            lines=None, size=0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index says of itself; `dimension` 0 means: not fixed before the first upsert."""

    name: str
    dimension: int
    metric: str
    is_trained: bool
    n_lists: int = 1
    metadata_schema: Mapping[str, Any] = field(default_factory=dict)
    bm25: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredRow:
    """A row as the index holds it. Contents are text or bytes as the engine gave them; None if absent.

    Two are equal if all of it is, vectors bit by bit.
    """

    id: str
    vector: npt.NDArray[np.float32] | None
    metadata: Json | None
    contents: str | bytes | None

    def _beside_vector(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "vector"}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, StoredRow):
            return NotImplemented
        mine, theirs = (None if one.vector is None else one.vector.tobytes() for one in (self, other))
        return mine == theirs and self._beside_vector() == other._beside_vector()

    __hash__ = None  # type: ignore[assignment]  # its metadata is a dict

    def __repr__(self) -> str:
        vector = None if self.vector is None else f"<{len(self.vector)} x {self.vector.dtype}>"
        shown = {**self._beside_vector(), "vector": vector}
        told = (
            f"{one.name}={shown[one.name] if one.name == 'vector' else repr(shown[one.name])}" for one in fields(self)
        )
        return f"{type(self).__name__}({', '.join(told)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Match(StoredRow):
    """A row that a query finds. The smaller the distance, by the metric of the index, the nearer it is."""

    distance: float


DEFAULT_METRIC, DEFAULT_PRECISION = "euclidean", "float32"
"""The engine's, of an index for which nothing is said."""


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """How an index is to be made; None leaves it to the engine."""

    dimension: int | None = None
    """Of its vectors; None or 0: that of the first row."""
    metric: str | None = None
    """`cosine`, `euclidean` (the engine's default) or `squared_euclidean`."""
    storage_precision: str | None = None
    """`float32` (exact, the default), `float16`, `tq12`, `tq8`, `tq6` or `tq4`."""
    kms_name: str | None = None
    """The entry of a service's KMS registry that keeps the key; then no key is given."""
    metadata_schema: Mapping[str, Mapping[str, bool]] | None = None
    """Field of the metadata -> its policies: `filterable`, `pattern`, `full_text`."""
    text_fields: tuple[str, ...] | None = None
    """Fields of the metadata for full-text search."""
    bm25_k1: float | None = None
    """BM25's term-frequency saturation (1.2)."""
    bm25_b: float | None = None
    """BM25's length normalisation, 0 to 1 (0.75)."""
