"""Rows of a delimited file as Arrow columns, and the faults in them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.formats.bounds import too_large
from cyborg_ingest.formats.cells import (
    FITS,
    NUMBERS,
    SAID_FITS,
    WORDS,
    Kind,
    all_fit,
    kind_of_type,
    numbers,
    to_arrow,
    value_of,
    with_point,
)
from cyborg_ingest.formats.fields import mixed_array
from cyborg_ingest.formats.numbers import number_parser
from cyborg_ingest.model import Chunk, Fault, Part, Reason, free_name
from cyborg_ingest.rows.arrays import list_array, text_array
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.formats.cellrows import Row
    from cyborg_ingest.formats.scan import Form
    from cyborg_ingest.model import ColumnMap, Json

_KEPT_TEXT = 10_000
_SHOWN = 40


class CellColumns:
    """The columns of some rows, each with its cells and the line it begins on; and the faults in them."""

    def __init__(
        self, schema: pa.Schema, names: ColumnMap, form: Form, sidecars: Sidecars, rows: Sequence[Row]
    ) -> None:
        self._names = names
        self._form = form
        self._rows = rows
        self._faults: dict[int, Fault] = {}
        self._parse = number_parser()
        self._said = {name for name, _ in sidecars.dialect.types}
        self._limit = sidecars.max_row_bytes
        types = {name: Kind(kind) for name, kind in names.types}
        kinds = {name: types.get(name) or kind_of_type(schema.field(name).type) for name in names.read}
        self._seen = {**kinds, **{name: Kind(kind) for name, kind in names.seen}}
        self._kinds = {
            **kinds,
            **dict.fromkeys(names.vector_columns, Kind.FLOAT),
            **{name: Kind.TEXT for name in (names.id, names.metadata, names.contents) if name},
            **({names.vector: Kind.TEXT} if names.encoding else {}),  # decoded with those of all formats
        }

    def chunk(self, part: Part, row: int) -> Chunk:
        """These rows as a chunk; `row` is the first one's place in the Part."""
        self._find_no_rows()
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
            arrays[tested[-1][1]] = self._as_seen(name, self._texts(name, unusable))
        lines = np.array([line for _, line, _ in self._rows], np.int64)
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        names = replace(self._names, id_parts=tuple(parts), tested=tuple(tested))
        return Chunk(part, row, row, batch, names, tuple(self._faults.values()), lines)

    def _as_seen(self, name: str, texts: list[str | None]) -> pa.Array:
        """A column as a condition sees it: of its kind, whatever role it has; what is none of it is text."""
        kind = self._seen[name]
        texts = self._with_points(texts, kind)
        if kind is Kind.TEXT or (kind is not Kind.VECTOR and all_fit(kind, [one for one in texts if one is not None])):
            return to_arrow(texts, kind)
        return mixed_array([None if text is None else value_of(text, kind) for text in texts])

    def _find_no_rows(self) -> None:
        """Note what has another number of cells, and what repeats the header."""
        width, first = len(self._form.names), (self._form.header or self._form.names)[0]
        for place, (cells, _, is_cut) in enumerate(self._rows):
            if is_cut:
                self._refuse_row(place, too_large(None, self._limit), Reason.TOO_LARGE)
            elif len(cells) != width:
                has = f"{len(cells)}" if len(cells) <= width else f"{len(cells)} or more"
                self._refuse_row(place, f"it has {has} cells, the header has {width}")
            elif cells[0] == first and self._form.is_header(cells):
                self._refuse_row(
                    place, "it repeats the header, as where files were put together: load them by themselves, or "
                    "remove the line"
                )  # fmt: skip

    def _refuse_row(self, place: int, detail: str, reason: Reason = Reason.UNPARSABLE) -> None:
        text = _as_text(self._rows[place].cells, self._form.delimiter)
        self._faults[place] = Fault(place, reason, detail, {"_line": text})

    def _texts(self, name: str, unusable: set[int]) -> list[str | None]:
        """The cells of a column; None where there is nothing."""
        at, nulls = self._form.places[name], self._form.nulls
        if not unusable and not nulls:
            return [cells[at] or None for cells, _, _ in self._rows]
        return [
            None if place in unusable or cells[at] in nulls else cells[at] or None
            for place, (cells, _, _) in enumerate(self._rows)
        ]

    def _array(self, name: str, texts: list[str | None]) -> pa.Array:
        kind = self._kinds[name]
        if kind is Kind.TEXT:
            return text_array(texts)
        if kind is Kind.VECTOR:
            vectors = [None if text is None else numbers(text, self._parse) for text in texts]
            self._refuse(name, texts, [vector is not None for vector in vectors])
            return list_array(vectors)
        pointed = self._with_points(texts, kind)
        if all_fit(kind, [text for text in pointed if text is not None]):
            return to_arrow(pointed, kind)
        fits = self._fits(name)
        fitting = [text is None or fits(text) for text in pointed]
        self._refuse(name, texts, fitting)
        return to_arrow([text if fit else None for text, fit in zip(pointed, fitting, strict=True)], kind)

    def _with_points(self, texts: list[str | None], kind: Kind) -> list[str | None]:
        """Numbers as they are written with a decimal point."""
        decimal = self._form.decimal
        if decimal == "." or kind not in NUMBERS:
            return texts
        return [None if text is None else with_point(text, decimal) for text in texts]

    def _fits(self, name: str) -> Callable[[str], bool]:
        """A component may be any number; what the user has said is taken freely."""
        if name in self._names.vector_columns:
            return SAID_FITS[Kind.FLOAT]
        return (SAID_FITS if name in self._said else FITS)[self._kinds[name]]

    def _refuse(self, name: str, texts: list[str | None], fitting: list[bool]) -> None:
        """Note the rows whose cell is none of its column's kind."""
        if all(fit or text is None for text, fit in zip(texts, fitting, strict=True)):
            return
        is_vector = name == self._names.vector or name in self._names.vector_columns
        reason = Reason.VECTOR_INVALID if is_vector else Reason.METADATA_INVALID
        source = "--column-types says" if name in self._said else "the rest of the column is"
        wanted = WORDS[self._kinds[name]] + ("" if is_vector else f", as {source}")
        for place, (text, fits) in enumerate(zip(texts, fitting, strict=True)):
            if text is not None and not fits and place not in self._faults:
                detail = f"column {name!r} holds {text[:_SHOWN]!r}, not {wanted}"
                self._faults[place] = Fault(place, reason, detail, self._record(self._rows[place][0]))

    def _record(self, row: list[str]) -> Json:
        """The row in the form that JSONL has: a number is one, also where it is not what its column is."""
        names = self._names
        cells = {
            name: "" if text in self._form.nulls else text for name, text in zip(self._form.names, row, strict=True)
        }
        value = {name: self._value(name, cells[name]) if cells[name] else None for name in names.read}
        metadata = _parsed(cells[names.metadata]) if names.metadata else None
        if names.metadata_columns:
            more = {name: value[name] for name in names.metadata_columns if value[name] is not None}
            own = metadata if isinstance(metadata, dict) else {}
            metadata = {**more, **own} if names.own_first else {**own, **more}
        found = {
            "id": value[names.id] if names.id else None,
            "vector": value[names.vector] if names.vector else [value[name] for name in names.vector_columns],
            "metadata": metadata,
            "contents": value[names.contents] if names.contents else None,
        }
        return {name: one for name, one in found.items() if one is not None}

    def _value(self, name: str, text: str) -> Any:
        kind = self._kinds[name]
        pointed = with_point(text, self._form.decimal) if kind in NUMBERS else text
        found = value_of(pointed, kind)
        return text if found is pointed else found


def _parsed(text: str) -> Any:
    try:
        return load_json(text.encode()) if text else None
    except ValueError:
        return text


def _as_text(cells: list[str], delimiter: str) -> str:
    found = io.StringIO()
    csv.writer(found, delimiter=delimiter, lineterminator="").writerow(cells)
    return found.getvalue()[:_KEPT_TEXT]
