"""Chunks of Arrow columns become batches: checked rows, cut by rows and by bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pybase64

from cyborg_ingest import columns
from cyborg_ingest.model import Batch, Rejection
from cyborg_ingest.values import load_json, with_plain_dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import Chunk, Json

# {"id", ...}: quotes, comma and the like around a row's values in the body
_ROW_OVERHEAD = 8


@dataclass(frozen=True, slots=True)
class Cutting:
    """How large a batch may become: whichever of `rows` and `size` (bytes) closes first.

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
    sizes: npt.NDArray[np.int64]
    faults: columns.Faults


def cut(chunks: Iterable[Chunk], dimension: int | None, cutting: Cutting) -> Iterator[Batch]:
    """Yield every chunk as batches that together cover each of its rows once.

    `dimension` None takes that of the first vector; a row of another one is rejected.
    """
    for chunk in chunks:
        if dimension is None:
            dimension = columns.first_dimension(chunk.batch.column(chunk.columns.vector))
        rows = _convert(chunk, dimension, encoded=cutting.encoded)
        for start, stop in spans(rows.sizes, cutting):
            yield _batch(chunk, rows, start, stop)


def spans(sizes: npt.NDArray[np.int64], cutting: Cutting) -> Iterator[tuple[int, int]]:
    """Cut rows of these sizes into consecutive spans within the limits; a larger row goes alone."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        fitting = int(np.searchsorted(ends, before + cutting.size, side="right"))
        stop = max(start + 1, min(fitting, start + cutting.rows))
        yield start, stop
        start = stop


def _convert(chunk: Chunk, dimension: int | None, *, encoded: bool) -> _Rows:
    faults: columns.Faults = {fault.offset: (fault.reason, fault.detail) for fault in chunk.faults}
    batch, names = chunk.batch, chunk.columns
    identities = columns.ids(batch.column(names.id), faults) if names.id else [""] * len(batch)
    vectors = columns.vectors(batch.column(names.vector), dimension, faults)
    metadata = _metadata(chunk, faults)
    sizes = np.full(len(batch), _vector_size(vectors.shape[1], encoded=encoded), np.int64)
    sizes += _text_sizes(identities, encoded=encoded)
    if metadata is not None:
        sizes += np.array(columns.check_metadata(metadata, faults), np.int64)
    contents = columns.contents(batch.column(names.contents), faults) if names.contents else None
    if contents is not None:
        sizes += _text_sizes(contents, encoded=encoded)
    return _Rows(identities, vectors, metadata, contents, sizes, faults)


def _metadata(chunk: Chunk, faults: columns.Faults) -> list[Json | None] | None:
    batch, names = chunk.batch, chunk.columns
    found = columns.metadata(batch.column(names.metadata), faults) if names.metadata else None
    if not names.metadata_columns:
        return found
    more = columns.metadata_of_columns(batch, names.metadata_columns, faults)
    if found is None:
        return more
    return [{**(one or {}), **(other or {})} for one, other in zip(found, more, strict=True)]


def _vector_size(dimension: int, *, encoded: bool) -> int:
    raw = 4 * dimension
    return (raw * 4 + 2) // 3 + _ROW_OVERHEAD if encoded else raw


def _text_sizes(texts: Sequence[str | bytes | None], *, encoded: bool) -> npt.NDArray[np.int64]:
    measure = _encoded_size if encoded else _raw_size
    return np.fromiter((measure(text) for text in texts), np.int64, len(texts))


def _encoded_size(text: str | bytes | None) -> int:
    if isinstance(text, bytes):
        return (len(text) + 2) // 3 * 4 + 2
    return len(orjson.dumps(text))


def _raw_size(text: str | bytes | None) -> int:
    return len(text) if text else 0


def _batch(chunk: Chunk, rows: _Rows, start: int, stop: int) -> Batch:
    bad = [place for place in range(start, stop) if place in rows.faults]
    places = np.arange(start, stop)
    if bad:
        places = np.delete(places, np.array(bad) - start)
    kept: Any = places.tolist() if bad else slice(start, stop)
    return Batch(
        part=chunk.part,
        start=chunk.start + start,
        stop=chunk.start + stop,
        first_row=chunk.first_row + start,
        ids=_picked(rows.ids, kept),
        vectors=rows.vectors[kept],
        metadata=None if rows.metadata is None else _picked(rows.metadata, kept),
        contents=None if rows.contents is None else _picked(rows.contents, kept),
        rows=places + chunk.start,
        lines=None if chunk.lines is None else chunk.lines[kept],
        size=int(rows.sizes[kept].sum()),
        rejections=tuple(_rejection(chunk, rows, place) for place in bad),
    )


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
            return fault.record
    row, names, ignored = chunk.batch.slice(place, 1), chunk.columns, columns.Faults()
    found: Json = {}
    if names.id:
        found["id"] = columns.ids(row.column(names.id), ignored)[0] or None
    found["vector"] = columns.plain(row.column(names.vector)).to_pylist()[0]
    if names.metadata or names.metadata_columns:
        found["metadata"] = _readable_metadata(chunk, place)
    if names.contents:
        found["contents"] = _json_contents(columns.contents(row.column(names.contents), ignored)[0])
    return {name: value for name, value in found.items() if value is not None}


def _readable_metadata(chunk: Chunk, place: int) -> Any:
    names = chunk.columns
    try:
        row = chunk.batch.slice(place, 1)
        text = row.column(names.metadata).to_pylist()[0] if names.metadata else None
        if isinstance(text, str):
            return load_json(text.encode())
        found = _metadata(replace(chunk, batch=row, faults=()), {})
        return with_plain_dates(found[0]) if found else None
    except ValueError:
        return text if isinstance(text, str) else None


def _json_contents(value: str | bytes | None) -> Any:
    return {"base64": pybase64.b64encode_as_string(value)} if isinstance(value, bytes) else value
