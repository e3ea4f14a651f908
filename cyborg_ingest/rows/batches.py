"""Chunks of Arrow columns become batches: checked rows, cut by rows and by bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pybase64

from cyborg_ingest.model import Batch, Reason, Rejection
from cyborg_ingest.rows import columns, encodings, typed
from cyborg_ingest.rows.faults import Converted, first_reasons
from cyborg_ingest.rows.kinds import is_text, storage_type
from cyborg_ingest.rows.values import JsonList, dump_contents, dump_ids, dump_objects, load_json, with_plain_dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    import pyarrow as pa

    from cyborg_ingest.model import Chunk, ColumnMap, Json
    from cyborg_ingest.rows.faults import Faults


_ENVELOPE = 400
"""The index's name and key, and the names of the fields, in a request."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How large a batch may become: whichever of `rows` and `size` (bytes) closes first; a larger row goes alone.

    `encoded` counts the bytes of the JSON body, otherwise those of the raw row.
    """

    rows: int
    size: int
    encoded: bool


@dataclass(frozen=True, slots=True)
class _Rows:
    """A chunk, converted and checked: one entry a row in each."""

    ids: list[str]
    vectors: npt.NDArray[np.float32]
    metadata: list[Json | None] | None
    contents: list[str | bytes | None] | None
    faults: Faults
    notes: typed.Notes


def cut(chunks: Iterable[Chunk], dimension: int | None, cutting: Cutting) -> Iterator[Batch]:
    """Yield every chunk as batches that together cover each of its rows once.

    `dimension` None takes that of most vectors of the first chunk; a row of another one is rejected.
    """
    step = cutting.rows
    for chunk in chunks:
        if dimension is None:
            dimension = columns.usual_dimension(chunk)
        if chunk.is_passed:
            yield _passed(chunk, dimension or 0)
            continue
        rows = _convert(chunk, dimension)
        start = 0
        while start < len(rows.ids):
            stop = min(len(rows.ids), start + step)
            batch = _batch(chunk, rows, start, stop, encoded=cutting.encoded)
            if batch.size > cutting.size and stop - start > 1:
                # rows are much alike: so many fit, and of the next ones too
                step = max(1, int(0.95 * (stop - start) * cutting.size / batch.size))
                continue
            yield batch
            start = stop
            if batch.size < cutting.size / 2:
                step = min(cutting.rows, 2 * step)


def _passed(chunk: Chunk, dimension: int) -> Batch:
    """A chunk of which nothing was asked for: nothing of it is looked at."""
    rows = len(chunk.batch)
    return Batch(
        chunk.part, chunk.start, chunk.start + rows, chunk.first_row, [], np.empty((0, dimension), "<f4"), None, None,
        np.empty(0, np.int64), None, 0, passed=rows, again=chunk.again,
    )  # fmt: skip


def _convert(chunk: Chunk, dimension: int | None) -> _Rows:
    """All columns of a chunk. The reason that counts of a row's is its reader's, then that of its id, and so on."""
    batch, names, notes = chunk.batch, chunk.columns, typed.Notes()
    nothing: Converted[None] = Converted(None)
    identities = columns.ids(batch.column(names.id)) if names.id else Converted([""] * len(batch))
    vectors = columns.vectors(batch.column(names.vector), dimension, names.encoded or names.vector)
    metadata = _metadata(chunk, notes)
    contents = columns.contents(batch.column(names.contents)) if names.contents else nothing
    unread: Faults = {fault.offset: (fault.reason, fault.detail) for fault in chunk.faults}
    faults = first_reasons(unread, identities.faults, vectors.faults, metadata.faults, contents.faults)
    if chunk.chosen is not None:  # what nobody asked for is nobody's fault
        faults = {place: why for place, why in faults.items() if chunk.chosen[place]}
    return _Rows(identities.values, vectors.values, metadata.values, contents.values, faults, notes)


def _metadata(chunk: Chunk, notes: typed.Notes) -> Converted[list[Json | None] | None]:
    """A row's own metadata, its fields by their new names, with the constants of all rows."""
    found, names = own_metadata(chunk, notes), chunk.columns
    if not names.constants and (found.values is None or not names.renames):
        return found
    renames, constants = dict(names.renames), dict(names.constants)
    dressed: list[Json | None] = []
    faults: Faults = {}
    for place, one in enumerate(found.values if found.values is not None else [None] * len(chunk.batch)):
        renamed = {renames.get(name, name): value for name, value in (one or {}).items()}
        if len(renamed) < len(one or {}):
            faults[place] = Reason.METADATA_INVALID, "two fields of the metadata have one name by --rename"
        dressed.append({**renamed, **constants} if one is not None or constants else None)
    return Converted(dressed, first_reasons(found.faults, faults))


def own_metadata(chunk: Chunk, notes: typed.Notes) -> Converted[list[Json | None] | None]:
    """The metadata of each row by its own names; None where the chunk has none."""
    if chunk.metadata is not None:
        return Converted(chunk.metadata)
    batch, names = chunk.batch, chunk.columns
    own = names.metadata
    found = None
    if own:
        objects = columns.without(batch.column(own), names.cut_of(own))
        found = columns.metadata(objects, notes, name=own)
    if not names.metadata_columns:
        return found or Converted(None)
    more = columns.metadata_of_columns(batch, names.metadata_columns, notes, names.cut_of)
    if found is None:
        return more
    before, after = (more, found) if names.own_first else (found, more)
    merged: list[Json | None] = [
        {**(one or {}), **(other or {})} for one, other in zip(before.values, after.values, strict=True)
    ]
    return Converted(merged, first_reasons(found.faults, more.faults))


def _batch(chunk: Chunk, rows: _Rows, start: int, stop: int, *, encoded: bool) -> Batch:
    try:
        return _checked_batch(chunk, rows, start, stop, encoded=encoded)
    except ValueError:  # a row of it cannot be JSON: find out which; of those that are asked for
        for place, why in columns.beyond_json(rows.metadata or []).items():
            if chunk.chosen is None or chunk.chosen[place]:
                rows.faults.setdefault(place, why)
        return _checked_batch(chunk, rows, start, stop, encoded=encoded)


def _checked_batch(chunk: Chunk, rows: _Rows, start: int, stop: int, *, encoded: bool) -> Batch:
    bad = [place for place in range(start, stop) if place in rows.faults] if rows.faults else []
    wanted = np.ones(stop - start, np.bool_) if chunk.chosen is None else chunk.chosen[start:stop].copy()
    passed = len(wanted) - int(np.count_nonzero(wanted))
    wanted[np.array(bad, np.int64) - start] = False
    places = np.flatnonzero(wanted) + start
    kept: Any = slice(start, stop) if len(places) == stop - start else places.tolist()
    vectors = rows.vectors[kept]
    texts = _Texts(
        _picked(rows.ids, kept),
        None if rows.metadata is None else _picked(rows.metadata, kept),
        None if rows.contents is None else _picked(rows.contents, kept),
        encoded=encoded,
    )
    return Batch(
        part=chunk.part,
        start=chunk.start + start,
        stop=chunk.start + stop,
        first_row=chunk.first_row + start,
        ids=texts.ids,
        vectors=vectors,
        metadata=texts.metadata,
        contents=texts.contents,
        rows=places + chunk.start,
        lines=None if chunk.lines is None else chunk.lines[kept],
        size=texts.size + ((vectors.nbytes + 2) // 3 * 4 + _ENVELOPE if encoded else vectors.nbytes),
        rejections=tuple(_rejection(chunk, rows, place) for place in bad),
        passed=passed,
        again=chunk.again,
        as_text=frozenset(rows.notes.as_text),
        mark=chunk.mark,
    )


class _Texts:
    """What goes with the vectors, and its bytes; over REST as the JSON that the request will hold."""

    def __init__(
        self,
        ids: list[str],
        metadata: list[Json | None] | None,
        contents: list[str | bytes | None] | None,
        *,
        encoded: bool,
    ) -> None:
        self.ids, self.metadata, self.contents = ids, metadata, contents
        self.size = 0
        if metadata is not None:
            self.metadata = JsonList(metadata, dump_objects(metadata))
            self.size += len(self.metadata.json)
        if encoded:
            self.ids = JsonList(ids, dump_ids(ids))
            self.size += len(self.ids.json)
            if contents is not None:
                self.contents = JsonList(contents, dump_contents(contents))
                self.size += len(self.contents.json)
        else:
            self.size += sum(map(len, ids)) + sum(len(one) for one in contents or () if one)


def _picked(values: list[Any], kept: slice | list[int]) -> list[Any]:
    return values[kept] if isinstance(kept, slice) else [values[place] for place in kept]


def _rejection(chunk: Chunk, rows: _Rows, place: int) -> Rejection:
    reason, detail = rows.faults[place]
    return Rejection(
        uri=chunk.part.uri,
        row=chunk.first_row + place,
        reason=reason,
        detail=detail,
        id=rows.ids[place] or None,
        line=None if chunk.lines is None else int(chunk.lines[place]),
        record=_record(chunk, place),
    )


def _record(chunk: Chunk, place: int) -> Json:
    """The row in the JSONL form that `upsert` reads, as far as it can be read."""
    for fault in chunk.faults:
        if fault.offset == place and fault.record is not None:
            return _dressed(fault.record, chunk.columns)
    row, names = chunk.batch.slice(place, 1), chunk.columns
    found: Json = {}
    if names.id:
        found["id"] = columns.ids(row.column(names.id)).values[0] or None
    found["vector"] = typed.plain(row.column(names.vector)).to_pylist()[0]
    if found["vector"] is None and names.encoded:  # what cannot be decoded, as it stands there
        found["vector"] = encodings.written(row.column(names.encoded))
    if names.metadata or names.metadata_columns or names.constants or chunk.metadata is not None:
        found["metadata"] = _readable_metadata(chunk, place)
    if names.contents:
        found["contents"] = _json_contents(columns.contents(row.column(names.contents)).values[0])
    return {name: value for name, value in found.items() if value is not None}


def _dressed(record: Json, names: ColumnMap) -> Json:
    """A row as its reader gives it, with the metadata as it would be loaded."""
    metadata = _dressed_metadata(record.get("metadata"), names)
    return record if metadata is None else {**record, "metadata": metadata}


def _dressed_metadata(own: Any, names: ColumnMap) -> Any:
    """With the constants, and its fields by their new names: but as they are, where two would have the same."""
    constants, renames = dict(names.constants), dict(names.renames)
    if own is not None and not isinstance(own, dict):
        return [own, constants] if constants else own
    renamed = {renames.get(name, name): value for name, value in (own or {}).items()}
    found = {**(renamed if len(renamed) == len(own or {}) else own or {}), **constants}
    return found if own is not None or constants else None


def _readable_metadata(chunk: Chunk, place: int) -> Any:
    names, row = chunk.columns, replace(chunk.rows(place, place + 1), faults=())
    text = _text_of(row.batch.column(names.metadata)) if names.metadata else None
    try:
        found = own_metadata(row, typed.Notes())
    except ValueError:
        found = Converted(None)
    own = with_plain_dates(found.values[0]) if found.values else None
    if isinstance(text, str) and (found.faults or found.values is None):
        own = _with_unusable(text, own, is_first=names.own_first)
    return _dressed_metadata(own, names)


def _text_of(column: pa.Array) -> str | None:
    """The text of a row's metadata; none where it is of another type, or no UTF-8."""
    if not is_text(storage_type(column.type)):
        return None
    try:
        text: str | None = typed.plain(column).to_pylist()[0]
    except UnicodeDecodeError:
        return None
    return text


def _with_unusable(text: str, more: Json | None, *, is_first: bool) -> Any:
    """Metadata that is text as far as it is JSON; where that is not an object, beside the fields that would go in."""
    try:
        own = load_json(text.encode())
    except ValueError:
        own = text
    if isinstance(own, dict):
        return {**(more or {}), **own} if is_first else {**own, **(more or {})}
    return [own, more] if more else own


def _json_contents(value: str | bytes | None) -> Any:
    return {"base64": pybase64.b64encode_as_string(value)} if isinstance(value, bytes) else value
