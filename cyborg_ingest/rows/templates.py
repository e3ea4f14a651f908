"""`--id-template`: ids made of columns, each value by the text that is exactly it."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.types as pt

from cyborg_ingest.errors import UsageError
from cyborg_ingest.model import Fault, Reason, free_name
from cyborg_ingest.rows import columns
from cyborg_ingest.rows.arrays import text_array
from cyborg_ingest.rows.faults import Converted, first_reasons
from cyborg_ingest.rows.kinds import numpy_dtype, storage_type
from cyborg_ingest.rows.typed import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from cyborg_ingest.model import Chunk
    from cyborg_ingest.rows.faults import Faults

FILE, ROW = "file", "row"
OWN = frozenset({FILE, ROW})
"""Names that stand for the file's name and the row's number, in a source that has no columns of these names."""

_DAY = 86_400_000
_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Template:
    """An id as text with the names of columns in it: `pieces` are (text before, name or None)."""

    text: str
    pieces: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that it names, and `file` and `row`."""
        return tuple(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def applied(self, chunk: Chunk, parts: Mapping[str, pa.Array], file: str) -> Chunk:
        """The chunk with ids; a row that lacks a part of its id has a fault.

        `parts` are columns by their names, and `file` is what `{file}` stands for.
        """
        count = len(chunk.batch)
        faults: Faults = {}
        texts: list[list[str]] = []
        for before, name in self.pieces:
            texts.append([before] * count)
            if name is None:
                continue
            if name in parts:
                found = _texts(parts[name], name)
                texts.append(found.values)
                faults = first_reasons(faults, found.faults)
            elif name == FILE:
                texts.append([file] * count)
            else:
                texts.append([str(row) for row in range(chunk.first_row, chunk.first_row + count)])
        made = [None if place in faults else "".join(row) for place, row in enumerate(zip(*texts, strict=True))]
        known = {fault.offset for fault in chunk.faults}
        more = [Fault(place, *why) for place, why in faults.items() if place not in known]
        column = free_name("id", chunk.batch.schema.names)
        return replace(
            chunk,
            batch=chunk.batch.append_column(column, text_array(made)),
            columns=replace(chunk.columns, id=column),
            faults=(*chunk.faults, *more),
        )


def parse_template(text: str) -> Template:
    """A template from text like `{doc_id}-{chunk}`. Raises UsageError."""
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"--id-template {text!r}: {error}.") from None
    for _, name, style, conversion in parsed:
        if name is not None and (not name or style or conversion):
            raise UsageError(f"--id-template {text!r}: between braces stands the name of a column, and nothing else.")
    if all(name is None for _, name, _, _ in parsed):
        raise UsageError(f"--id-template {text!r} names no column, so all ids would be the same.")
    return Template(text, tuple((before, name) for before, name, _, _ in parsed))


def _texts(array: pa.Array, name: str) -> Converted[list[str]]:
    """A part of each id. Where there is none, or none that is text, the row has a fault."""
    exact = _exact(array)
    found: Converted[Sequence[str | None]] = Converted(exact) if exact else columns.ids(array)
    faults: Faults = {}
    missing = "null" if not pt.is_floating(storage_type(array.type)) else "null or no finite number"
    for place, text in enumerate(found.values):
        reason, detail = found.faults.get(place, (Reason.ID_MISSING, f"the id is {missing}"))
        if text is None or place in found.faults:
            faults[place] = reason, detail.replace("the id", f"{name!r}, a part of the id,", 1)
    return Converted([text or "" for text in found.values], faults)


def _exact(array: pa.Array) -> list[str | None] | None:
    """Values as text that no other value has; None in place of all where they are text as ids are."""
    kind = storage_type(array.type)
    array = plain(array)
    if pt.is_boolean(kind):
        return [_known(item, lambda one: str(one).lower()) for item in array.to_pylist()]
    if pt.is_decimal(kind):
        return [_known(item, lambda one: format(one, "f")) for item in array.to_pylist()]
    if pt.is_floating(kind):
        return _floats(array)
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return _moments(array)
    return None


def _known(item: Any, text: Any) -> str | None:
    return None if item is None else text(item)


def _floats(array: pa.Array) -> list[str | None]:
    """The shortest text that is read as the same number of the same width; NaN and infinities are none."""
    kind = numpy_dtype(array.type)
    items = array.to_pylist()
    return [None if one is None or not math.isfinite(one) else str(kind.type(one)) for one in items]


def _moments(array: pa.Array) -> list[str | None]:
    """Dates and times as ISO 8601 has them, as far as they have any digits; one with a zone in UTC."""
    is_date = pt.is_date(array.type)
    ticks = array.view("int32" if pt.is_date32(array.type) else "int64").to_pylist()
    if is_date:
        per_day = 1 if pt.is_date32(array.type) else _DAY
        return [_known(one, lambda tick: str(np.datetime64(tick // per_day, "D"))) for one in ticks]
    zone = "+00:00" if array.type.tz else ""
    return [_known(one, lambda tick: _moment(tick, _PER_SECOND[array.type.unit]) + zone) for one in ticks]


def _moment(tick: int, per_second: int) -> str:
    seconds, rest = divmod(tick, per_second)
    digits = f"{rest * (_PER_SECOND['ns'] // per_second):09}" if rest else ""
    return str(np.datetime64(seconds, "s")) + ("." + digits.removesuffix("000") if digits else "")
