"""Formats that hold vectors and nothing else: rows of one size behind a header; the rest stands in sidecars."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.base import ORIGIN, Layout, ReadsOn, checked_dimension, row_parts
from cyborg_ingest.formats.bounds import bounded
from cyborg_ingest.formats.sidecarids import as_keys, check_first, check_next, open_ids_beside, settled
from cyborg_ingest.formats.sidecars import check_rows, open_sidecars, row_numbers
from cyborg_ingest.formats.sidecarstore import StoredSidecar
from cyborg_ingest.model import Chunk, Part
from cyborg_ingest.rows.arrays import vector_array

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator
    from typing import IO

    import numpy.typing as npt

    from cyborg_ingest.formats.base import Kept, Sidecars
    from cyborg_ingest.formats.sidecarids import IdsBeside
    from cyborg_ingest.formats.sidecars import Sidecar
    from cyborg_ingest.model import ColumnMap, Fault


_KEYS = 4096


@dataclass(frozen=True, slots=True)
class Matrix:
    """The vectors of a file, as its header describes them: a matrix of shape (rows, dimension).

    `rows` is None where only the end of the file tells; `kind` is the type of a number in native byte order;
    `row_bytes` are what one row takes. `read` gives rows [start, stop) as an array of shape (n, dimension): it is
    handed the open file and whether it may seek in it; otherwise the rows follow on each other.
    """

    rows: int | None
    dimension: int
    kind: np.dtype[Any]
    row_bytes: int
    read: Callable[[io.BufferedReader, int, int, bool], npt.NDArray[Any]]


class BareReader(ReadsOn):
    """What these formats share; each says how its own header is read."""

    name: str
    suffixes: tuple[str, ...]
    is_bare = True

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        raise NotImplementedError

    def matrix(self, uri: str, file: io.BufferedReader, size: int | None) -> Matrix:
        """Read the header; `size` is the file's, None if nobody knows. Raises FormatError."""
        raise NotImplementedError

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`."""
        is_seekable = sources.is_seekable(uri)
        size = sources.size(uri)
        with sources.reading(uri), sources.streamed(uri) as file:
            matrix = self.matrix(uri, file, size if is_seekable else None)
        checked_dimension(uri, matrix.dimension)
        with open_sidecars(sidecars) as opened, open_ids_beside(sidecars) as own_ids:
            for sidecar in opened if matrix.rows is not None else ():
                check_rows(sidecar, uri, matrix.rows or 0)
            rows = _rows_of(matrix, opened)
            check_first(own_ids, _ids_in(opened), rows or 0)
            notes = () if rows is None else tuple(_on_keys(uri, sidecars, opened, rows))
            fields = {one.role: pa.field(one.role, one.type, metadata={ORIGIN: one.path.name}) for one in opened}
        is_numbered = "id" not in fields
        if is_numbered:
            fields["id"] = pa.field("id", pa.string(), metadata={ORIGIN: f"{id_prefix(uri, sidecars)}row number"})
        fields["vector"] = pa.field("vector", pa.list_(pa.from_numpy_dtype(matrix.kind), matrix.dimension))
        if matrix.rows is None:
            parts: tuple[Part, ...] = (Part(uri, self.name, 0, 0, 0, None, 0, size),)
        else:
            parts = row_parts(uri, self.name, matrix.rows, matrix.row_bytes, is_seekable=is_seekable)
        estimate = size // matrix.row_bytes if rows is None else rows
        return Layout(
            uri,
            self.name,
            pa.schema(list(fields.values())),
            parts,
            matrix.rows,
            estimate,
            size,
            is_seekable,
            is_numbered,
            notes=notes,
        )

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `base.Keeping`: the files beside it stay open, too."""
        with sources.reading(part.uri):
            found = kept.get((part.uri, part.fingerprint, sidecars), lambda: self._opened(part.uri, sidecars))
            try:
                yield from _chunks(found, part, columns, sidecars, rows, start)
            finally:
                if not found.is_seekable:  # it cannot be read from its begin once more
                    kept.close()

    @contextlib.contextmanager
    def _opened(self, uri: str, sidecars: Sidecars) -> Iterator[_Opened]:
        is_seekable = sources.is_seekable(uri)
        size = sources.size(uri) if is_seekable else None
        with (
            sources.streamed(uri) as file,
            open_sidecars(sidecars) as beside,
            open_ids_beside(sidecars) as own_ids,
        ):
            matrix = self.matrix(uri, file, size)
            compared = settled(own_ids, _ids_in(beside), _rows_of(matrix, beside))
            yield _Opened(file, matrix, is_seekable, beside, compared)


def _rows_of(matrix: Matrix, beside: list[Sidecar]) -> int | None:
    """How many rows there are; what goes with them row by row tells it, too: or the load ends with an error."""
    if matrix.rows is not None:
        return matrix.rows
    return next((one.rows for one in beside if one.key is None), None)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file whose header was read, and those beside it; `own_ids` are to be those of `--ids`."""

    file: io.BufferedReader
    matrix: Matrix
    is_seekable: bool
    beside: list[Sidecar]
    own_ids: list[IdsBeside]


def _chunks(
    found: _Opened, part: Part, columns: ColumnMap, sidecars: Sidecars, rows: int, start: int
) -> Iterator[Chunk]:
    matrix = found.matrix
    first, stop = part.start + start, part.start
    for row, numbers in _rows(found.file, matrix, part, rows, start, is_seekable=found.is_seekable):
        stop = row + len(numbers)
        if stop <= first:
            continue
        numbers, row = numbers[max(0, first - row) :], max(first, row)  # noqa: PLW2901 - what is left of it
        pieces = _with_beside(part, columns, sidecars, found, row, numbers)
        yield from bounded(pieces, sidecars.max_row_bytes, sidecars.at_once)
    if matrix.rows is None:  # only now its rows are known
        for sidecar in found.beside:
            _check_end(sidecar, part.uri, stop)


def _check_end(sidecar: Sidecar, uri: str, rows: int) -> None:
    try:
        check_rows(sidecar, uri, rows)
    except FormatError as error:
        raise SourceError(str(error)) from None


def _rows(
    file: io.BufferedReader, matrix: Matrix, part: Part, rows: int, start: int, *, is_seekable: bool
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Pieces of the Part, from row `start` of it on where the file can be read from there, else from its first."""
    row = part.start + (start if is_seekable else 0)
    while matrix.rows is None or row < part.stop:
        stop = row + rows if matrix.rows is None else min(part.stop, row + rows)
        numbers = matrix.read(file, row, stop, is_seekable)
        if row + len(numbers) == part.stop and not is_seekable and file.read(1):  # before the last are acknowledged
            raise SourceError(f"{part.uri}: {behind_rows(part.stop)}")
        if len(numbers):
            yield row, numbers
        row += len(numbers)
        if row < stop:
            if matrix.rows is None:
                return
            raise SourceError(f"{part.uri}: it breaks off at row {row:,}. It was cut short; copy it again.")


def rows_behind(
    uri: str, data: int, row_bytes: int, decode: Callable[[npt.NDArray[np.uint8], int], npt.NDArray[Any]]
) -> Callable[[io.BufferedReader, int, int, bool], npt.NDArray[Any]]:
    """`Matrix.read` for rows that follow on each other from byte `data` on.

    `decode` makes an array of shape (n, dimension) of one of shape (n, row_bytes), given the number of its first row.
    """

    def read(file: io.BufferedReader, start: int, stop: int, is_seekable: bool) -> npt.NDArray[Any]:
        if is_seekable:
            file.seek(data + start * row_bytes)
        found = np.empty((stop - start) * row_bytes, np.uint8)  # a bytearray would be filled with zeros first
        size = fill(file, found)
        if size % row_bytes:
            raise SourceError(
                f"{uri}: it breaks off in row {start + size // row_bytes:,}. It was cut short; copy it again."
            )
        return decode(found[:size].reshape(-1, row_bytes), start)

    return read


def fill(file: IO[bytes], room: npt.NDArray[np.uint8]) -> int:
    """Read until the room is full or the file ends; how many bytes that were."""
    read = 0
    while read < len(room):
        count = file.readinto(room[read:].data)  # type: ignore[attr-defined]  # every file in bytes has it
        if not count:
            break
        read += count
    return read


def _with_beside(
    part: Part,
    columns: ColumnMap,
    sidecars: Sidecars,
    opened: _Opened,
    row: int,
    numbers: npt.NDArray[Any],
) -> Iterator[Chunk]:
    """Vectors, of which the first is that of a row, with what goes with them: so many at once as all files allow."""
    begin, end = row, row + len(numbers)
    while begin < end:
        stop = end
        for sidecar in (*opened.beside, *(one.sidecar for one in opened.own_ids)):
            stop = sidecar.reach(begin, stop)
        found, faults = _beside(part, sidecars, opened.beside, begin, stop)
        check_next(opened.own_ids, found["id"], begin)
        arrays = {"vector": vector_array(numbers[begin - row : stop - row]), **found}
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        yield Chunk(part, begin - part.start, begin, batch, columns, faults)
        begin = stop


def _beside(
    part: Part, sidecars: Sidecars, opened: list[Sidecar], start: int, stop: int
) -> tuple[dict[str, pa.Array], tuple[Fault, ...]]:
    """The columns that are not in the file, and which of their values cannot be read."""
    found: dict[str, pa.Array] = {}
    faults: list[Fault] = []
    if not any(one.role == "id" for one in opened):
        found["id"] = row_numbers(id_prefix(part.uri, sidecars), start, stop)
    for sidecar in opened:  # the ids first
        if isinstance(sidecar, StoredSidecar) and sidecar.key is not None:
            found[sidecar.role], more = sidecar.read_named(as_keys(found["id"]))
        else:
            found[sidecar.role], more = sidecar.read(start, stop)
        faults += (replace(one, column=sidecar.role) for one in more)
    return found, tuple(faults)


def _ids_in(opened: list[Sidecar]) -> Sidecar | None:
    return next((one for one in opened if one.role == "id"), None)


def _on_keys(uri: str, sidecars: Sidecars, opened: list[Sidecar], rows: int) -> Iterator[str]:
    """What to say of rows that are found by a key. Raises FormatError where none is."""
    ids = _ids_in(opened)

    def keys() -> Iterator[list[str | None]]:
        start = 0
        while start < rows:
            stop = min(rows, start + _KEYS)
            stop = stop if ids is None else ids.reach(start, stop)
            numbers = row_numbers(id_prefix(uri, sidecars), start, stop) if ids is None else ids.read(start, stop)[0]
            yield as_keys(numbers)
            start = stop

    for one in opened:
        if isinstance(one, StoredSidecar) and one.key is not None:
            missing, first, others = one.unknown(keys())
            if missing == rows and rows:
                raise FormatError(
                    f"--{one.role}-key {one.key}: no id of {uri} is in {one.path}, the first one is {first!r}."
                )
            if missing:
                yield f"{uri}: {missing:,} of {rows:,} rows have no {one.role} in {one.path}, the first is {first!r}."
            if others:
                yield f"{one.path}: {others:,} of {one.rows:,} rows are of no vector in {uri}."


def id_prefix(uri: str, sidecars: Sidecars) -> str:
    """What stands before a row number in an id."""
    return sidecars.id_prefix.replace("{file}", sources.stem(uri))


def behind_rows(rows: int) -> str:
    """The words on a file that has more behind the rows that its header names."""
    return (
        f"more follows behind its {rows:,} rows, which belongs to none. If several files were put together, load each "
        "by itself; else the file is damaged, or no such file."
    )


def cut_short(uri: str, expected: int, size: int) -> FormatError:
    """The error of a file that is smaller than its header says."""
    return FormatError(f"{uri}: it should have {expected:,} bytes and has {size:,}: it was cut short. Copy it again.")
