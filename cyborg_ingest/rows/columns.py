"""Arrow columns become what a batch holds: ids, float32 vectors, metadata objects, contents.

Whole columns are converted at once. Only where that fails, as for one string that is not UTF-8, is the
column taken row by row, so that each bad row is found and the others are kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from cyborg_ingest.model import Reason, free_name
from cyborg_ingest.rows.arrays import number_array, numbers_of
from cyborg_ingest.rows.encodings import with_numbers
from cyborg_ingest.rows.faults import Converted, first_reasons
from cyborg_ingest.rows.kinds import is_bytes, is_text, is_uuid, storage_type
from cyborg_ingest.rows.paths import null_vector
from cyborg_ingest.rows.suggestions import one_of_several
from cyborg_ingest.rows.typed import Notes, null_places, objects, plain, plain_structs, uuids
from cyborg_ingest.rows.values import NotFiniteError, UnfitError, dump_object, load_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import Chunk, Json
    from cyborg_ingest.rows.faults import Faults, Why

_T = TypeVar("_T")
_SHOWN = 40


def ids(array: pa.Array) -> Converted[list[str]]:
    """Ids as text: integers in decimal, UUIDs canonical, bytes that are text; "" where there is none."""
    found = _ids(array)
    if all(found.values):
        return cast("Converted[list[str]]", found)
    missing = {
        place: (Reason.ID_MISSING, "the id is " + ("null" if identity is None else "empty"))
        for place, identity in enumerate(found.values)
        if not identity
    }
    return Converted([identity or "" for identity in found.values], first_reasons(found.faults, missing))


def _ids(array: pa.Array) -> Converted[list[str | None]]:
    kind = storage_type(array.type)
    if is_uuid(array.type):
        return Converted(uuids(array))
    if is_bytes(kind):
        return _by_row(plain(array), _texts, Reason.ID_INVALID)
    if is_text(kind):
        return _by_row(plain(array), lambda rows: rows.to_pylist(), Reason.ID_INVALID)
    return Converted([None if item is None else str(int(item)) for item in plain(array).to_pylist()])


def _texts(array: pa.Array) -> list[str | None]:
    """Bytes as the text they are. Of one size, they are none with a NUL in them: numbers have those, and pointers."""
    found = [None if item is None else item.decode() for item in array.to_pylist()]
    if pt.is_fixed_size_binary(array.type):
        for item in found:
            if item is not None and "\0" in item:
                raise UnicodeDecodeError("utf-8", item.encode(), item.index("\0"), item.index("\0") + 1, "a NUL")
    return found


def are_text(array: pa.Array) -> bool:
    """Whether ids can be used, as far as these rows show: of bytes without a logical type, most have to be text."""
    if is_uuid(array.type) or not is_bytes(storage_type(array.type)):
        return True
    return 2 * sum(reason is Reason.ID_INVALID for reason, _ in ids(array).faults.values()) <= len(array)


def _by_row(
    array: pa.Array, convert: Callable[[pa.Array], list[_T | None]], reason: Reason
) -> Converted[list[_T | None]]:
    """Convert the column at once, or, where that fails, each row by itself."""
    try:
        return Converted(list(convert(array)))
    except (UnicodeDecodeError, NotFiniteError, pa.ArrowException, OverflowError):
        rows = [_one_row(array.slice(place, 1), convert, reason) for place in range(len(array))]
    faults = {place: why for place, (_, why) in enumerate(rows) if why is not None}
    return Converted([value for value, _ in rows], faults)


def _one_row(
    row: pa.Array, convert: Callable[[pa.Array], list[_T | None]], reason: Reason
) -> tuple[_T | None, Why | None]:
    """The value of a row, or why there is none."""
    try:
        return convert(row)[0], None
    except UnicodeDecodeError:
        return None, (reason, f"{reason.value.split('_')[0]}: the text is not UTF-8")
    except (NotFiniteError, pa.ArrowException, OverflowError) as error:
        return None, (reason, f"{reason.value.split('_')[0]}: {error}")


def vectors(array: pa.Array, dimension: int | None, name: str = "") -> Converted[npt.NDArray[np.float32]]:
    """Vectors as little-endian float32 of shape (n, dimension), checked; rows with a fault are zero.

    `dimension` None takes that of most vectors. `name` is the column's, for messages.
    """
    array = plain(array)
    if pt.is_fixed_size_list(array.type) and not array.null_count and array.type.list_size:
        flat = _items(array)
        if dimension in {None, array.type.list_size} and not flat.null_count:  # the usual: nothing to look for
            return _checked(numbers_of(flat).reshape(-1, array.type.list_size))
    faults: Faults = dict.fromkeys(null_places(array), (Reason.VECTOR_MISSING, null_vector(name)))
    lengths = _lengths(array)
    dimension = dimension or _usual_dimension(array)
    wrong = lengths != dimension
    for place in np.flatnonzero(wrong).tolist():
        detail = f"the vector has {lengths[place]} dimensions, not {dimension}" if dimension else "the vector is empty"
        faults.setdefault(place, (Reason.VECTOR_DIMENSION, detail))
    if dimension is None:
        return Converted(np.zeros((len(array), 0), "<f4"), faults)
    flat = _flat(array, wrong)
    if flat.null_count:
        holes = np.unique(np.array(null_places(flat)) // dimension)
        for place in np.flatnonzero(~wrong)[holes].tolist():
            faults.setdefault(place, (Reason.VECTOR_INVALID, "the vector holds a null"))
        flat = pc.fill_null(flat, 0)
    values = numbers_of(flat).reshape(-1, dimension)
    if wrong.any():
        spread = np.zeros((len(array), dimension), values.dtype)
        spread[~wrong] = values
        values = spread
    checked = _checked(values)
    return Converted(checked.values, first_reasons(faults, checked.faults))


def with_one_vector(chunk: Chunk) -> Chunk:
    """The chunk with one column of vectors as numbers: of several, null in one is the row's fault; or decoded."""
    names = chunk.columns.vector_columns
    if not names:
        return with_numbers(chunk)
    vector = _vector_of_columns(chunk.batch, names)
    used = {*names, chunk.columns.vector}
    kept = [name for name in chunk.batch.schema.names if name not in used]
    arrays = [*map(chunk.batch.column, kept), vector]
    free = free_name("vector", kept)
    return replace(
        chunk,
        batch=pa.RecordBatch.from_arrays(arrays, [*kept, free]),
        columns=replace(chunk.columns, vector=free, id_parts=(), tested=(), vector_columns=()),
    )


def _vector_of_columns(batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.FixedSizeListArray:
    """One vector of float64 a row, from columns of numbers; null where there is none."""
    values = np.zeros((len(batch), len(names)))
    missing = np.zeros(values.shape, np.bool_)
    for place, name in enumerate(names):
        array = plain(batch.column(name)).cast(pa.float64(), safe=False)
        missing[null_places(array), place] = True
        values[:, place] = numbers_of(array)  # whatever stands under a null is hidden by the new one
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    items = pa.Array.from_buffers(pa.float64(), values.size, [validity, pa.py_buffer(values)])
    return pa.FixedSizeListArray.from_arrays(items, len(names))


def usual_dimension(chunk: Chunk) -> int | None:
    """The length of most vectors that are asked for, null and empty ones left out; None if there is none.

    Not that of the first: it may be the one that is bad, and an index cannot get another dimension.
    """
    array = chunk.batch.column(chunk.columns.vector)
    return None if chunk.is_passed else _usual_dimension(array, chunk.chosen)


def only_dimension(chunk: Chunk) -> int | None:
    """The length of all vectors that are asked for, null and empty ones left out; None if they differ."""
    some = _lengths_asked_for(chunk.batch.column(chunk.columns.vector), chunk.chosen)
    return int(some[0]) if len(some) and (some == some[0]).all() else None


def _usual_dimension(array: pa.Array, chosen: npt.NDArray[np.bool_] | None = None) -> int | None:
    kind = storage_type(array.type)
    if pt.is_fixed_size_list(kind):
        return int(kind.list_size) or None
    some = _lengths_asked_for(array, chosen)
    if not len(some):
        return None
    lengths, firsts, counts = np.unique(some, return_index=True, return_counts=True)
    often = counts == counts.max()
    return int(lengths[often][np.argmin(firsts[often])])  # of those that are as frequent the one that comes first


def _lengths_asked_for(array: pa.Array, chosen: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.int64]:
    """Those of the vectors that are asked for, neither null nor empty."""
    lengths = _lengths(plain(array))
    return lengths[lengths > 0 if chosen is None else (lengths > 0) & chosen]


def _lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """How many items each list holds; -1 for null."""
    if pt.is_fixed_size_list(array.type):
        lengths = np.full(len(array), array.type.list_size, np.int64)
    else:
        lengths = numbers_of(pc.list_value_length(array)).astype(np.int64)
    lengths[null_places(array)] = -1
    return lengths


def _flat(array: pa.Array, wrong: npt.NDArray[np.bool_]) -> pa.Array:
    """The items of the rows that are right, one after another. `flatten` honours a slice's offset."""
    if wrong.any():
        array = array.filter(number_array(~wrong))
    return _items(array)


def _items(array: pa.Array) -> pa.Array:
    """The items of lists; decimals as the numbers nearest to them."""
    flat = plain(array.flatten())
    return flat.cast(pa.float64(), safe=False) if pt.is_decimal(flat.type) else flat


def _checked(values: npt.NDArray[Any]) -> Converted[npt.NDArray[np.float32]]:
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(values, dtype="<f4")
        # one pass finds NaN, infinity and zero alike; what overflows or underflows in it is looked at again
        norms = np.einsum("ij,ij->i", narrow, narrow)
    suspects = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    problems = ((place, _vector_problem(values[place], narrow[place])) for place in suspects.tolist())
    return Converted(narrow, {place: problem for place, problem in problems if problem is not None})


def _vector_problem(row: npt.NDArray[Any], narrow: npt.NDArray[np.float32]) -> Why | None:
    if not np.isfinite(row).all():
        place = int(np.flatnonzero(~np.isfinite(row))[0])
        return Reason.VECTOR_NOT_FINITE, f"the vector holds {row[place]} at position {place}"
    if not np.isfinite(narrow).all():
        place = int(np.flatnonzero(~np.isfinite(narrow))[0])
        return Reason.VECTOR_OVERFLOW, f"the vector holds {row[place]} at position {place}, beyond float32"
    if not narrow.any():
        return Reason.VECTOR_ZERO, "the vector is all zeros, which the engine loads and never gives back"
    return None


def contents(array: pa.Array) -> Converted[list[str | bytes | None]]:
    """Contents as text or bytes; None where there are none."""
    array = plain(array)
    return _by_row(array, lambda rows: rows.to_pylist(), Reason.CONTENTS_INVALID)


def metadata(array: pa.Array, notes: Notes | None = None, *, name: str = "") -> Converted[list[Json | None]]:
    """Metadata objects from structs, maps or JSON text; None where there is none. `name` is the column's."""
    if is_text(storage_type(array.type)):
        texts = _by_row(plain(array), lambda rows: rows.to_pylist(), Reason.METADATA_INVALID)
        parsed = _parsed(texts.values, name)
        return Converted(parsed.values, first_reasons(texts.faults, parsed.faults))
    found = notes or Notes()
    return _by_row(array, lambda rows: objects(rows, found), Reason.METADATA_INVALID)


def without(array: pa.Array, several: Iterable[Sequence[str]]) -> pa.Array:
    """Structs without some of their fields, each by the steps to it; of no type where nothing is left."""
    for steps in several:
        array = _without(plain(array), *steps)
    return array


def _without(array: pa.Array, first: str, *steps: str) -> pa.Array:
    if not pt.is_struct(array.type) or array.type.get_field_index(first) < 0:
        return array
    names = [array.type.field(place).name for place in range(array.type.num_fields)]
    fields = dict(zip(names, array.flatten(), strict=True))
    if steps:
        fields[first] = _without(plain(fields[first]), *steps)
    else:
        del fields[first]
    if not fields:
        return pa.nulls(len(array))
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields), mask=array.is_null())


def metadata_of_columns(
    batch: pa.RecordBatch,
    names: tuple[str, ...],
    notes: Notes | None = None,
    cut: Callable[[str], Iterable[Sequence[str]]] = lambda _name: (),
) -> Converted[list[Json | None]]:
    """One object a row from separate columns, nulls left out; and what is `cut` out of a column, see `without`."""
    arrays = [without(plain_structs(batch.column(name)), cut(name)) for name in names]
    return metadata(pa.StructArray.from_arrays(arrays, names=list(names)), notes)


def _parsed(texts: list[str | None], name: str) -> Converted[list[Json | None]]:
    """Texts as the objects that they are."""
    found: list[Json | None] = [None] * len(texts)
    faults: Faults = {}
    for place, text in enumerate(texts):
        if text is None or not text.strip() or text.strip() == "null":
            continue
        try:
            found[place] = load_object(text.encode())
        except NotFiniteError as error:
            faults[place] = Reason.METADATA_NOT_FINITE, f"the metadata holds {error}"
        except ValueError as error:
            faults[place] = Reason.METADATA_INVALID, f"the metadata {no_object(text, error, name)}"
    return Converted(found, faults)


def no_object(text: str, error: ValueError, name: str) -> str:
    """What is wrong with a text that should be an object, and what it may be instead; it follows "the metadata"."""
    if isinstance(error, UnfitError):
        words = str(error)
    elif text.lstrip().startswith("{"):
        words = f"is not JSON: {getattr(error, 'msg', error)}, in column {getattr(error, 'colno', 1)} of {_begin(text)}"
    else:
        words = f"is text, and no object of JSON: {_begin(text)}"
    if text.lstrip().startswith("{'"):
        return f"{words}. It looks like Python's own form of a dict: write it with json.dumps"
    return words if text.lstrip().startswith("{") else f"{words}{as_a_field(name)}"


def _begin(text: str) -> str:
    return repr(text[:_SHOWN]) + ("..." if len(text) > _SHOWN else "")


def as_a_field(name: str) -> str:
    """What to do with metadata that is not an object, where an option can."""
    one = one_of_several(name)
    return f". --metadata-columns {one} stores it as a field of its own" if one else ""


def beyond_json(found: list[Json | None]) -> Faults:
    """The rows whose metadata JSON cannot hold."""
    faults: Faults = {}
    for place, value in enumerate(found):
        try:
            dump_object(value or {})
        except NotFiniteError as error:
            faults[place] = Reason.METADATA_NOT_FINITE, f"the metadata holds {error}"
        except ValueError as error:
            faults[place] = Reason.METADATA_INVALID, f"the metadata holds {error}"
    return faults
