"""What formats of named arrays share (.npz, HDF5): an array is a column, if it has as many rows as the vectors."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from cyborg_ingest.errors import FormatError, MappingError
from cyborg_ingest.formats.bare import id_prefix
from cyborg_ingest.formats.base import ORIGIN, Arrays, Layout, row_parts
from cyborg_ingest.formats.bounds import bounded
from cyborg_ingest.formats.sidecars import row_numbers
from cyborg_ingest.model import LARGEST_DIMENSION, Chunk
from cyborg_ingest.rows import mapping, roles
from cyborg_ingest.rows.arrays import number_array, text_array, vector_array
from cyborg_ingest.rows.kinds import is_list, is_text
from cyborg_ingest.rows.looks import is_packed
from cyborg_ingest.rows.tiers import THE_ONLY_VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.model import ColumnMap, Part

_LARGEST_NUMBER = 8
_MATRIX = 2
_LISTED = 10
_ONE_A_ROW = {*roles.ID.names, *roles.METADATA.names, *roles.CONTENTS.names}
_LAST_CHARACTER = 0x10FFFF
_NO_CHARACTER = 0xD800


@dataclass(frozen=True, slots=True)
class Array:
    """An array of a file, by its header.

    `type` is that of a row, None where it is not a column; then `why` says why. `is_matrix`: numbers in two dimensions.
    """

    name: str
    shape: tuple[int, ...]
    type: pa.DataType | None
    row_bytes: int
    is_matrix: bool = False
    why: str = ""


def row_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an array as it is loaded: ids, metadata and contents in one column, (n, 1), are one a row."""
    return shape[:1] if shape[1:] == (1,) and name.lower() in _ONE_A_ROW else shape


def described(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int, words: str = "") -> Array:
    """An array by its shape and type; nothing of it is read. Its rows have at most `limit` bytes.

    `words` name the type where `dtype` is but its size.
    """
    shape = row_shape(name, shape)
    row_bytes = dtype.itemsize * (shape[1] if len(shape) == _MATRIX else 1)
    kind, why = _row_type(shape, dtype, words or str(dtype))
    if kind is not None and row_bytes > limit:
        kind, why = None, f"has rows of {row_bytes:,} bytes, more than the {limit:,} that --max-row-bytes allows"
    return Array(name, shape, kind, row_bytes, len(shape) == _MATRIX and _is_number(dtype), why)


def _row_type(shape: tuple[int, ...], dtype: np.dtype[Any], words: str) -> tuple[pa.DataType | None, str]:
    if dtype.hasobject:
        return None, "holds Python objects, which are never loaded: they could run code. Save it as numbers or text"
    if len(shape) == 1 and dtype.kind in "US":
        return pa.large_string(), ""
    if len(shape) == 1 and (_is_number(dtype) or dtype.kind == "b"):
        return pa.from_numpy_dtype(_plain(dtype)), ""
    if len(shape) != _MATRIX or not _is_number(dtype):
        return None, f"has the shape {shape} of {words}, which is not a column of vectors, numbers or text"
    if not 0 < shape[1] <= LARGEST_DIMENSION:
        return None, f"has {shape[1]:,} dimensions; vectors have 1 to {LARGEST_DIMENSION:,}"
    return pa.list_(pa.from_numpy_dtype(dtype.newbyteorder("=")), shape[1]), ""


def _is_number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fiu" and dtype.itemsize <= _LARGEST_NUMBER


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of single numbers: Arrow does little with a float16."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype.newbyteorder("=")


def to_arrow(name: str, values: npt.NDArray[Any]) -> pa.Array:
    """Rows of an array that is a column."""
    values = values.reshape((len(values), *row_shape(name, values.shape)[1:]))
    dtype = values.dtype
    if values.ndim == _MATRIX:
        return vector_array(values.astype(dtype.newbyteorder("="), copy=False))
    if dtype.kind == "U":
        return text_array(_encoded(values))
    if dtype.kind in "SO":
        return text_array(values.tolist())
    return number_array(values.astype(_plain(dtype), copy=False))


def _encoded(texts: npt.NDArray[np.str_]) -> list[bytes]:
    """Text as UTF-8. What is not a character stays so, for the check of its row to find: as a surrogate."""
    if not texts.dtype.itemsize:
        return [b""] * len(texts)
    characters = np.array(texts.astype(texts.dtype.newbyteorder("="), copy=False)).view(np.uint32)
    characters[characters > _LAST_CHARACTER] = _NO_CHARACTER
    return [text.encode("utf-8", "surrogatepass") for text in characters.view(texts.dtype.newbyteorder("=")).tolist()]


def layout_of(
    uri: str, name: str, arrays: list[Array], sidecars: Sidecars, size: int, *, is_seekable: bool, vector: str = ""
) -> Layout:
    """The layout of a file that holds these arrays; `vector` names the one that is preferred. Raises FormatError.

    Where no array holds ids, a field of row numbers is offered.
    """
    columns = {one.name: one for one in arrays if one.type is not None}
    fields = [pa.field(one.name, one.type) for one in columns.values()]
    is_numbered = not any(one.name.lower() in roles.ID.names for one in arrays)
    free = next((one for one in roles.ID.tiers[0] if one not in columns), None)
    if is_numbered and free is not None:
        fields.append(pa.field(free, pa.string(), metadata={ORIGIN: f"{id_prefix(uri, sidecars)}row number"}))
    unreadable = {one.name: one.why for one in arrays if one.type is None}
    if not any(one.is_matrix or _may_hold_text(one, sidecars) for one in columns.values()):
        others = {one.name: f"has the shape {one.shape}" for one in columns.values()}
        some = list(_quoted({**unreadable, **others}))[:_LISTED]
        listed = "; ".join(f"{quoted} {why}" for quoted, why in some) or "there is none at all"
        raise FormatError(f"{uri}: none of its arrays holds vectors, of the shape (rows, dimension): {listed}.")
    preferred = vector if any(one.name == vector and one.is_matrix for one in arrays) else _likely_vector(arrays)
    found = Arrays({one.name: (one.shape[0], one.row_bytes) for one in columns.values()}, preferred, unreadable)
    return Layout(uri, name, pa.schema(fields), (), None, 0, size, is_seekable, is_numbered, found)


def _may_hold_text(array: Array, sidecars: Sidecars) -> bool:
    """Whether an array may hold vectors as text: it is named as vectors are, or an option names it."""
    is_meant = array.name.lower() in roles.VECTOR.names or array.name in sidecars.named
    return is_meant and array.type is not None and is_text(array.type) and array.row_bytes > 0


def _quoted(unreadable: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((repr(name), why) for name, why in unreadable.items())


def _likely_vector(arrays: list[Array]) -> str | None:
    """The one array that has the name of vectors, or where none has, the one that has their shape.

    None where that is not sure: a name of a later tier is not, beside others of their shape.
    """
    matrices = [one.name for one in arrays if one.is_matrix and not _is_packed(one)]
    likely = [name for name in matrices if name.lower() in roles.VECTOR.tiers[0]] or matrices
    return likely[0] if len(likely) == 1 else None


def _is_packed(array: Array) -> bool:
    return array.type is not None and is_packed(pa.field(array.name, array.type))


def map_layout(layout: Layout, choice: mapping.ColumnChoice) -> tuple[Layout, ColumnMap]:
    """Decide which array is what, and so which rows there are. Raises MappingError, FormatError."""
    arrays = layout.arrays
    if arrays is None:
        return layout, mapping.map_columns(layout.uri, layout.schema, choice)
    vector = choice.vector or arrays.vector
    _refuse_unreadable(layout.uri, arrays, vector, choice)
    _refuse_other_vector(layout, vector, choice)
    rows = arrays.columns.get(vector or "", (None, 0))[0]
    offered = _offered(layout, rows, choice)
    names = mapping.map_columns(layout.uri, offered, replace(choice, vector=vector))
    vector = names.vector or names.vector_columns[0]
    rows, _ = arrays.columns[vector]
    other = next((one for one in names.read if arrays.columns.get(one, (rows, 0))[0] != rows), None)
    if other is not None:
        raise MappingError(
            f"{layout.uri}: {vector!r} has {rows:,} rows and {other!r} has {arrays.columns[other][0]:,}: row by "
            f"row they do not belong together. {_instead(other, names)}"
        )
    read = set(names.read)
    left_out = (*(one for one in layout.schema.names if one not in read), *arrays.unreadable)
    reasons = {**_why_left_out(arrays, offered, rows), **dict(names.reasons)}
    if choice.vector is None and vector.lower() not in roles.VECTOR.names:
        reasons[vector] = THE_ONLY_VECTOR
    row_bytes = sum(arrays.columns.get(one, (rows, 0))[1] for one in names.read)
    parts = row_parts(layout.uri, layout.format, rows, row_bytes, is_seekable=layout.is_seekable)
    return replace(layout, parts=parts, rows=rows, rows_estimate=rows), replace(
        names, left_out=left_out, reasons=tuple(reasons.items())
    )


def _why_left_out(arrays: Arrays, offered: pa.Schema, rows: int) -> dict[str, str]:
    """Why arrays are not columns of these rows."""
    others = {name: count for name, (count, _) in arrays.columns.items() if name not in offered.names}
    lengths = {name: f"{count:,} rows, where the vectors have {rows:,}" for name, count in others.items()}
    return {**lengths, **arrays.unreadable}


def _instead(name: str, names: ColumnMap) -> str:
    """What to do about a column that has another number of rows than the vectors."""
    if name == names.id:
        return "Name other ids with --id-column, or make them with --id-template '{row}'."
    if name in {names.metadata, names.contents}:
        role = "metadata" if name == names.metadata else "contents"
        return f"Name another with --{role}-column, or load none with --{role}-column ''."
    return "Leave it out."


def _offered(layout: Layout, rows: int | None, choice: mapping.ColumnChoice) -> pa.Schema:
    """The fields that go with vectors of so many rows, and those whose other length is not passed over in silence."""
    columns = layout.arrays.columns if layout.arrays else {}
    named = {choice.id, choice.metadata, choice.contents, *choice.metadata_columns, *choice.id_parts, *choice.tested}
    finds_ids = choice.id is None and not choice.makes_ids
    wanted = {role for role, given in (("metadata", choice.metadata), ("contents", choice.contents)) if given is None}

    def is_offered(field: pa.Field) -> bool:
        fits = rows is None or columns.get(field.name, (rows, 0))[0] == rows
        is_role = field.name.lower() in wanted or (finds_ids and field.name.lower() in roles.ID.names)
        return fits or field.name in named or is_role

    return pa.schema([field for field in layout.schema if is_offered(field)])


def _refuse_unreadable(uri: str, arrays: Arrays, vector: str | None, choice: mapping.ColumnChoice) -> None:
    """Refuse what is named, or has the name of ids or vectors, and cannot be read. Raises FormatError."""
    named = {vector, choice.id, choice.metadata, choice.contents, *choice.metadata_columns}
    for name, why in arrays.unreadable.items():
        if name in named:
            raise FormatError(f"{uri}: {name!r} {why}.")
        if choice.id is None and not choice.makes_ids and name.lower() in roles.ID.names:
            raise FormatError(f"{uri}: {name!r} {why}; or name other ids with --id-column.")
        is_other = (vector or "").lower() not in roles.VECTOR.tiers[0]
        if choice.vector is None and is_other and name.lower() in roles.VECTOR.tiers[0]:
            raise FormatError(f"{uri}: {name!r} {why}; or name other vectors with --vector-column.")
        if name.lower() in {"metadata", "contents"} and getattr(choice, name.lower()) is None:
            raise FormatError(f"{uri}: {name!r} {why}; or load none with --{name.lower()}-column ''.")


def _refuse_other_vector(layout: Layout, vector: str | None, choice: mapping.ColumnChoice) -> None:
    """Refuse to take another array where the one that has the name of vectors holds none. Raises MappingError."""
    if vector is None or choice.vector is not None or vector.lower() in roles.VECTOR.tiers[0]:
        return
    for field in layout.schema:
        if field.name.lower() in roles.VECTOR.tiers[0] and not is_list(field.type):
            raise MappingError(
                f"{layout.uri}: {field.name!r} holds one {field.type} a row and no vectors. Decide with "
                f"--vector-column {shlex.quote(vector)}."
            )


class Rows(Protocol):
    """A column that is open for reading."""

    def read(self, start: int, stop: int) -> pa.Array:
        """Rows [start, stop), which begin where the last ones ended or behind it."""
        ...

    def reach(self, start: int, stop: int) -> int:
        """How far, at most to `stop`, rows can be read at once from `start` on, if they may be of any size."""
        ...


def chunks(
    part: Part, columns: ColumnMap, opened: Mapping[str, Rows], sidecars: Sidecars, *, rows: int, start: int
) -> Iterator[Chunk]:
    """The Part's rows from row `start` of it on, from columns that are open; ids that are none of these are numbers."""
    total = part.stop - part.start
    step = max(1, min(rows, sidecars.at_once.text * total // max(1, part.size)))
    row = start
    while row < total:
        first, stop = part.start + row, part.start + min(total, row + step)
        for one in opened.values():
            stop = one.reach(first, stop)
        arrays = {name: one.read(first, stop) for name, one in opened.items()}
        if columns.id is not None and columns.id not in opened:
            arrays[columns.id] = row_numbers(id_prefix(part.uri, sidecars), first, stop)
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        yield from bounded([Chunk(part, row, first, batch, columns)], sidecars.max_row_bytes, sidecars.at_once)
        row += stop - first
