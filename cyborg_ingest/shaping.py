"""Chunks as the mapping asks for them: fields of structs, folders' columns, ids made of columns, chosen rows."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from cyborg_ingest import columns, typed
from cyborg_ingest.errors import UsageError
from cyborg_ingest.readers.arrays import text_array
from cyborg_ingest.readers.bare import stem
from cyborg_ingest.values import NotFiniteError, dump_object, load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.filters import Filter
    from cyborg_ingest.model import Chunk
    from cyborg_ingest.sources import Found

_MADE = "__id__"
FILE, ROW = "file", "row"
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")


@dataclass(frozen=True, slots=True)
class Template:
    """An id as text with the names of columns in it: `pieces` are (text before, name or None)."""

    text: str
    pieces: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that it names; `file` and `row` are its own where a source has none of that name."""
        return tuple(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def ids(self, chunk: Chunk) -> pa.Array:
        """The ids of a chunk; null where a part of it is missing."""
        count, ignored = len(chunk.batch), columns.Faults()
        texts: list[list[str]] = []
        for before, name in self.pieces:
            texts.append([before] * count)
            if name is None:
                continue
            if name in chunk.batch.schema.names:
                texts.append(columns.ids(chunk.batch.column(name), ignored))
            elif name == FILE:
                texts.append([stem(chunk.part.uri)] * count)
            else:
                texts.append([str(row) for row in range(chunk.first_row, chunk.first_row + count)])
        return text_array(
            [None if place in ignored else "".join(row) for place, row in enumerate(zip(*texts, strict=True))]
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


def parse_constants(texts: Iterable[str]) -> tuple[tuple[str, Any], ...]:
    """The fields of `--set KEY=VALUE`: JSON where it is any, else text. Raises UsageError."""
    found = {}
    for text in texts:
        key, value = _pair("--set", "KEY=VALUE", text)
        try:
            found[key] = load_json(value.encode())
            dump_object({key: found[key]})
        except NotFiniteError as error:
            raise UsageError(f"--set {text!r}: {error}.") from None
        except ValueError:
            found[key] = value
    return tuple(found.items())


def parse_renames(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The pairs of `--rename OLD=NEW`. Raises UsageError."""
    found = dict(_pair("--rename", "OLD=NEW", text) for text in texts)
    if len(set(found.values())) < len(found):
        raise UsageError("--rename gives two fields the same name.")
    return tuple(found.items())


def _pair(option: str, form: str, text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"{option} {text!r} has not the form {form}.")
    return key, value


def folder_columns(found: Iterable[Found]) -> dict[str, dict[str, Any]]:
    """The values of Hive's folders for each file, whole numbers where all of a column's are."""
    files = list(found)
    names = {name for one in files for name, _ in one.partition}
    whole = {
        name
        for name in names
        if all(value is None or _WHOLE.fullmatch(value) for one in files for key, value in one.partition if key == name)
    }
    return {
        one.uri: {name: int(value) if name in whole and value is not None else value for name, value in one.partition}
        for one in files
    }


@dataclass(frozen=True, slots=True)
class Shape:
    """What is done to a source's chunks before they are cut into batches."""

    folders: Mapping[str, Any] = field(default_factory=dict)
    """Hive's columns of this file, by name."""
    template: Template | None = None
    filter: Filter | None = None

    def apply(self, chunk: Chunk) -> Chunk:
        """The chunk with every column that its mapping names, its ids, and which of its rows are chosen."""
        batch = chunk.batch
        looked_at = {*(self.filter.fields if self.filter else ()), *(self.template.fields if self.template else ())}
        for name in (*chunk.columns.read, *(looked_at & self.folders.keys())):
            if name not in batch.schema.names:
                batch = batch.append_column(name, self._column(batch, name))
        shaped = replace(chunk, batch=batch)
        if self.template is not None:
            batch = batch.append_column(_MADE, self.template.ids(shaped))
            shaped = replace(shaped, batch=batch, columns=replace(chunk.columns, id=_MADE))
        return shaped if self.filter is None else replace(shaped, chosen=self._taken(shaped))

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        if name in self.folders:
            return constant_array(self.folders[name], len(batch))
        head, *steps = name.split(".")
        found = typed.plain(batch.column(head))
        for step in steps:  # not `field`, which forgets where the struct itself is null
            found = typed.plain(pc.struct_field(found, [found.type.get_field_index(step)]))
        return found

    def _taken(self, chunk: Chunk) -> npt.NDArray[np.bool_]:
        """The rows that the filter takes, and those that could not be read: nobody knows what they hold."""
        mask = self.filter.mask(chunk.batch) if self.filter is not None else None
        assert mask is not None  # noqa: S101 - for the types; asked for with a filter only
        mask[[fault.offset for fault in chunk.faults]] = True
        return mask


def constant_array(value: str | int | None, rows: int) -> pa.Array:
    """A folder's value as a column."""
    kind = pa.int64() if isinstance(value, int) else pa.string()
    return pa.repeat(pa.scalar(value, kind), rows)
