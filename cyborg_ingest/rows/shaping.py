"""Chunks as the mapping asks for them: fields of structs, folders' columns, ids made of columns, chosen rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cyborg_ingest.errors import UsageError
from cyborg_ingest.model import Fault, Reason
from cyborg_ingest.rows import typed
from cyborg_ingest.rows.paths import steps
from cyborg_ingest.rows.values import NotFiniteError, dump_object, load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from cyborg_ingest.model import Chunk
    from cyborg_ingest.rows.filters import Filter
    from cyborg_ingest.rows.templates import Template
    from cyborg_ingest.sources import Found

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")


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
class Shaping:
    """What is done to a source's chunks before they are cut into batches."""

    folders: Mapping[str, Any] = field(default_factory=dict)
    """Hive's columns of this file, by name."""
    template: Template | None = None
    filter: Filter | None = None
    file: str = ""
    """What `{file}` stands for in an id: the file's name without its suffixes."""

    def apply(self, chunk: Chunk) -> Chunk:
        """The chunk with every column that its mapping names, its ids, and which of its rows are chosen."""
        batch = chunk.batch
        there = set(batch.schema.names)
        for name in chunk.columns.read:
            if name not in there:
                batch = batch.append_column(name, self._column(batch, name))
        shaped = replace(chunk, batch=batch)
        if self.template is not None:
            shaped = self.template.applied(shaped, self._looked_at(shaped, shaped.columns.id_parts), self.file)
        return shaped if self.filter is None else self._chosen(shaped, self.filter)

    def _looked_at(self, chunk: Chunk, names: Iterable[tuple[str, str]]) -> dict[str, pa.Array]:
        """Columns by the names that the user has for them, the folders' among them."""
        folders = {name: constant_array(value, len(chunk.batch)) for name, value in self.folders.items()}
        return {**{name: chunk.batch.column(column) for name, column in names}, **folders}

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        first, *path = steps(name)
        found = typed.plain(batch.column(str(first)))
        for step in path:
            if isinstance(step, int):
                found = typed.plain(typed.items_at(found, step))
            else:  # not `field`, which forgets where the struct itself is null
                found = typed.plain(pc.struct_field(found, [found.type.get_field_index(step)]))
        return found

    def _chosen(self, chunk: Chunk, condition: Filter) -> Chunk:
        """The rows that the condition takes; and, as rejected ones, those of which nobody can tell."""
        tested = dict(chunk.columns.tested)
        unread: dict[str, npt.NDArray[np.bool_]] = {}
        for fault in chunk.faults:
            for name in tested if fault.hides_all else ():
                unread.setdefault(name, np.zeros(len(chunk.batch), np.bool_))[fault.offset] = True
            for name in tested if fault.column is not None else ():
                if tested[name] == fault.column:
                    unread.setdefault(name, np.zeros(len(chunk.batch), np.bool_))[fault.offset] = True
        taken, doubtful = condition.judged(self._looked_at(chunk, chunk.columns.tested), unread)
        known = {fault.offset: fault for fault in chunk.faults}
        faults = [fault for fault in chunk.faults if not doubtful[fault.offset]]
        for place in np.flatnonzero(doubtful).tolist():
            fault = known.get(place, Fault(place, Reason.UNPARSABLE, "what --where looks at is not UTF-8"))
            faults.append(replace(fault, detail=f"{fault.detail}; so --where cannot tell whether to load it"))
        return replace(chunk, chosen=taken | doubtful, faults=tuple(faults))


def constant_array(value: str | int | None, rows: int) -> pa.Array:
    """A folder's value as a column; of no type where the folder stands for null."""
    if value is None:
        return pa.nulls(rows)
    kind = pa.int64() if isinstance(value, int) else pa.string()
    return pa.repeat(pa.scalar(value, kind), rows)
