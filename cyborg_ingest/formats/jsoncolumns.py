"""JSON objects become columns: the same for lines, for arrays, and whatever else holds one object a row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.formats.fields import (
    contents,
    contents_array,
    filled_array,
    identity,
    kind_of,
    mixed_array,
    part,
    value_decoder,
)
from cyborg_ingest.formats.jsonapart import MARK, numbers_apart, vector_key
from cyborg_ingest.formats.jsonshapes import SHAPES, Failed, JsonShape
from cyborg_ingest.formats.numbers import number_parser
from cyborg_ingest.formats.records import KEPT_TEXT, Named, NoRow, Records, TooLarge, parse_object
from cyborg_ingest.model import Chunk, ColumnMap, Fault, Part, Reason, free_name
from cyborg_ingest.rows.arrays import list_array, number_array, text_array
from cyborg_ingest.rows.columns import as_a_field, no_object
from cyborg_ingest.rows.leftover import REJECTED_KEY, SPARSE
from cyborg_ingest.rows.paths import above_lists, has_value, head, is_path, null_vector, value_at, without
from cyborg_ingest.rows.roles import CONTENTS, METADATA
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.formats.numbers import Buffer
    from cyborg_ingest.model import Json


def _later_roles(names: Iterable[str]) -> set[str]:
    """Those of fields that would have had a role, had they come in the first rows."""
    return {name for name in names if name.lower() in METADATA.names or name.lower() in CONTENTS.names}


def _is_vector(value: Any) -> bool:
    """Whether a value is a list of numbers, or the two of a sparse vector."""
    if isinstance(value, dict):
        return value.keys() == SPARSE
    return isinstance(value, list) and bool(value) and all(type(one) in {int, float} for one in value)


def _object_in(text: str, name: str) -> Any:
    """What a text of metadata holds; None where it is blank. Raises ValueError where it is not JSON."""
    try:
        return load_json(text.encode()) if text.strip() else None
    except ValueError as error:
        raise ValueError(f"the metadata {no_object(text, error, name)}") from None


class RowColumns:
    """The columns of a chunk while they are gathered from objects."""

    def __init__(self, names: ColumnMap, shape: JsonShape | None = None) -> None:
        self.names = names
        self._shape = shape
        self.faults: list[Fault] = []
        self.texts: list[bytes] = []
        self.ids: list[str | None] = []
        self.vectors: list[Any] = []
        self.metadata: list[Json | None] = []
        self.contents: list[str | bytes | None] = []
        self.unplanned: set[str] = set()
        self._roles = {names.id, names.vector, names.metadata, names.contents, REJECTED_KEY, *names.vector_columns}
        self.components: dict[str, list[float | None]] = {name: [] for name in names.vector_columns}
        self.parts: dict[str, list[str | None]] = {name: [] for name, _ in names.id_parts}
        self.tested: dict[str, list[Any]] = {name: [] for name, _ in names.tested}
        self.unseen = set(names.believed)
        self._looks_further = bool(names.extra or names.believed)
        self._key = vector_key(names)
        self._parse = number_parser()
        self._decode = value_decoder(names.encoding)
        self._excluded = self._roles | {*names.left_out}
        self._named_vectors = {name for name in names.cut if not is_path(name) and names.cut_of(name)}
        is_own = names.metadata is not None and not names.cut
        self._only_objects = is_own and not names.metadata_columns and not names.takes_all
        self._may_be_only_objects = is_own and names.takes_all
        used = (names.id, names.vector, names.metadata, names.contents, *names.metadata_columns, *names.extra)
        self._planned = self._roles | {*names.left_out} | {part for name in used if name for part in (name, head(name))}

    def add(self, text: bytes) -> None:
        """Take a row apart. What cannot be used is a fault, and null in the columns."""
        place, row, numbers = len(self.ids), *self._row(text)
        self.texts.append(text)
        if isinstance(row, str):
            line = text.decode(errors="replace")[:KEPT_TEXT]
            reason = Reason.TOO_LARGE if isinstance(text, TooLarge) else Reason.UNPARSABLE
            self.faults.append(Fault(place, reason, row, {"_line": line}))
            row = {}
        elif isinstance(row, Failed):
            self.faults.append(Fault(place, Reason.FAILED, row.detail, self._record(place)))
            row = row.row
        names = self.names
        if not row.keys() <= self._planned:
            others = row.keys() - self._planned
            self.unplanned |= _later_roles(others) if names.takes_all else others
        self.ids.append(self._text(place, Reason.ID_INVALID, identity, row, names.id) if names.id else None)
        self.vectors.append(self._vector(place, row) if numbers is None else numbers)
        if names.metadata or names.metadata_columns or names.takes_all:
            is_only = self._only_objects or (self._may_be_only_objects and row.keys() <= self._excluded)
            found = row.get(names.metadata or "") if is_only else None
            if not isinstance(found, dict):  # the most common is, and nothing to look at
                found = self._tried(place, Reason.METADATA_INVALID, self._metadata, row, None)
            self.metadata.append(found)
        if names.contents:
            self.contents.append(self._text(place, Reason.CONTENTS_INVALID, contents, row, names.contents))
        if self._looks_further:
            self._look(place, row)

    def _look(self, place: int, row: Json) -> None:
        """At the fields that have no role by themselves."""
        self.unseen -= {name for name in self.unseen if has_value(row, name)}
        for name, numbers in self.components.items():
            numbers.append(self._component(place, name, value_at(row, name)))
        for name, texts in self.parts.items():
            texts.append(self._part(place, name, value_at(row, name)))
        for name, values in self.tested.items():
            values.append(value_at(row, name))

    def _component(self, place: int, name: str, value: Any) -> float | None:
        """One number of a vector that several fields make up."""
        try:
            if value is None or type(value) in {int, float}:
                return None if value is None else float(value)
            reason, detail = Reason.VECTOR_INVALID, f"field {name!r} of the vector is {kind_of(value)}"
        except OverflowError:
            reason, detail = Reason.VECTOR_OVERFLOW, f"field {name!r} of the vector is beyond float32"
        self.faults.append(Fault(place, reason, detail, self._record(place)))
        return None

    def batch(self) -> tuple[pa.RecordBatch, ColumnMap]:
        """The columns, and which is what: a role has a name that none of the fields has which are looked at."""
        names = self.names
        found = {name: filled_array(values, np.float64) for name, values in self.components.items()}

        def added(name: str, array: pa.Array) -> str:
            free = free_name(name, found)
            found[free] = array
            return free

        mapped = replace(
            names,
            id=added("id", text_array(self.ids)) if names.id else None,
            vector=added("vector", self.vector_array()) if names.vector else "",
            metadata=None,
            metadata_columns=(),
            contents=added("contents", contents_array(self.contents)) if names.contents else None,
            id_parts=tuple((name, added(name, text_array(texts))) for name, texts in self.parts.items()),
            tested=tuple((name, added(name, mixed_array(values))) for name, values in self.tested.items()),
        )
        return pa.RecordBatch.from_arrays(list(found.values()), list(found)), mapped

    def _part(self, place: int, name: str, value: Any) -> str | None:
        try:
            return part(value)
        except ValueError as error:
            words = str(error).removeprefix("the id ")
            self.faults.append(
                Fault(place, Reason.ID_INVALID, f"{name!r}, a part of the id, {words}", self._record(place))
            )
            return None

    def _text(self, place: int, reason: Reason, convert: Any, row: Json, name: str | None) -> Any:
        value = value_at(row, name) if name else None
        if isinstance(value, str) and value.isascii():  # the most common, and nothing to look at
            return value
        return self._tried(place, reason, convert, row, name)

    def _object(self, text: bytes) -> Json | Failed | str:
        """The row in the object on a line, or why there is none."""
        row = parse_object(text)
        return row if self._shape is None or isinstance(row, str) else self._shape.unwrap(row)

    def _row(self, text: bytes) -> tuple[Json | Failed | str, Buffer | None]:
        """The object on a line, or why there is none; its vector as float64, where it is plain numbers.

        Then the object has a mark in its place: most of a line are numbers, and nothing reads those faster.
        """
        found = None if isinstance(text, TooLarge | NoRow) or self._key is None else numbers_apart(text, self._key)
        numbers = None if found is None else self._parse(found[1])
        if found is not None and numbers is not None:
            row = self._object(Named.of(found[0], text.name) if isinstance(text, Named) else found[0])
            # elsewhere: it was not the vector, but a field of that name inside of another, or it is named twice
            if isinstance(row, dict) and value_at(row, self.names.vector) == MARK:
                return row, numbers
        return self._object(text), None

    def _tried(self, place: int, reason: Reason, convert: Any, row: Json, name: str | None) -> Any:
        try:
            return convert(row if name is None else value_at(row, name))
        except ValueError as error:
            self.faults.append(Fault(place, reason, str(error), self._record(place)))
            return None

    def _record(self, place: int) -> Json | None:
        """The row by JSONL's own names, with what it holds as it stands on its line."""
        row, names = self._object(self.texts[place]), self.names
        row = row.row if isinstance(row, Failed) else row
        if not isinstance(row, dict):
            return None
        found = {
            "id": value_at(row, names.id) if names.id else None,
            "vector": value_at(row, names.vector)
            if names.vector
            else [value_at(row, name) for name in names.vector_columns],
            "metadata": self._readable_metadata(row),
            "contents": value_at(row, names.contents) if names.contents else None,
        }
        return {name: value for name, value in found.items() if value is not None and value != {}}

    def _readable_metadata(self, row: Json) -> Any:
        """The metadata; where it is not an object, what it is, beside the fields that would be put into it."""
        try:
            return self._metadata(row)
        except ValueError:
            own, more = value_at(row, self.names.metadata or ""), self._fields(row)
            return [own, more] if more else own

    def _vector(self, place: int, row: Json) -> list[float] | Buffer | None:
        value = value_at(row, self.names.vector)
        if value is None:
            self._null_vector(place, row)
            return None
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]
        if not isinstance(value, list):
            try:
                return self._decode(value)
            except ValueError as error:
                detail = f"the vector {error}"
        elif value and isinstance(value[0], list):
            detail = f"the vector is a list of {len(value):,} lists, not of one"
        elif any(isinstance(one, bool) for one in value):
            detail = "the vector holds true or false"
        else:
            return value
        self.faults.append(Fault(place, Reason.VECTOR_INVALID, detail, self._record(place)))
        return None

    def _null_vector(self, place: int, row: Json) -> None:
        """Say of a vector in a list that it is not there; of others that is seen in the column."""
        name = self.names.vector
        if above_lists(name) != name and row and not any(one.offset == place for one in self.faults[-1:]):
            self.faults.append(Fault(place, Reason.VECTOR_MISSING, null_vector(name), self._record(place)))

    def _metadata(self, row: Json) -> Json | None:
        names = self.names
        found: Any = value_at(row, names.metadata) if names.metadata else None
        if isinstance(found, str):
            found = _object_in(found, names.metadata or "")
        if found is not None and not isinstance(found, dict):
            raise ValueError(f"the metadata is {kind_of(found)}, not an object{as_a_field(names.metadata or '')}")
        own: Json | None = found
        for path in names.cut_of(names.metadata) if names.metadata and names.cut else ():
            own = without(own, *path)
        if names.takes_all or names.metadata_columns:
            fields = self._fields(row)
            return ({**fields, **(own or {})} if names.own_first else {**(own or {}), **fields}) or own
        return own

    def _fields(self, row: Json) -> Json:
        """The fields that become some of the metadata."""
        if self.names.takes_all:
            found: Any = {name: row[name] for name in row if name not in self._excluded}
            for path in self.names.cut:
                if path in self._named_vectors:
                    found = self._without_vectors(found, path)
                elif not is_path(path) or path not in row:
                    found = without(found, *path.split("."))
            return dict(found)
        return {name: value_at(row, name) for name in self.names.metadata_columns if has_value(row, name)}

    def _without_vectors(self, row: Json, name: str) -> Json:
        """A row without vectors beside the loaded one, by names that the first rows do not have in this field."""
        inside = row.get(name)
        if not isinstance(inside, dict):
            return row
        kept = {key: value for key, value in inside.items() if not _is_vector(value)}
        others = {f"{name}.{key}" for key in inside if key not in kept}
        self.unplanned |= others - {self.names.vector}
        return {**row, name: kept} if kept else {key: value for key, value in row.items() if key != name}

    def vector_array(self) -> pa.Array:
        """All vectors: those that are numbers in memory at once, the others from lists."""
        buffers = [place for place, one in enumerate(self.vectors) if not isinstance(one, list | None.__class__)]
        read = list_array([self.vectors[place] for place in buffers])
        if len(buffers) == len(self.vectors):
            return read
        others = [place for place, one in enumerate(self.vectors) if isinstance(one, list | None.__class__)]
        order = np.argsort(np.array(buffers + others))
        return pa.concat_arrays([read, self._lists(others)]).take(number_array(order))

    def _lists(self, places: list[int]) -> pa.Array:
        """Vectors from lists at once; where one holds what is not a number, row by row to find it."""
        kind = pa.large_list(pa.float64())
        try:
            return pa.array([self.vectors[place] for place in places], kind)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            return pa.array([self._numbers(place, self.vectors[place]) for place in places], kind)

    def _numbers(self, place: int, value: list[Any] | None) -> list[float | None] | None:
        if value is None:
            return None
        wrong = next((one for one in value if not isinstance(one, int | float | None.__class__)), None)
        try:
            if wrong is None:
                return [None if one is None else float(one) for one in value]
            reason, detail = Reason.VECTOR_INVALID, f"the vector holds {str(wrong)[:40]!r}"
        except OverflowError:
            reason, detail = Reason.VECTOR_OVERFLOW, "the vector holds a number beyond float32"
        self.faults.append(Fault(place, reason, detail, self._record(place)))
        return None


def chunk_of(source: Part, names: ColumnMap, records: Records, row: int, rows_before: int) -> Chunk:
    """Objects as a chunk: `row` is the first one's place in the Part, `rows_before` those of the file before it."""
    columns = RowColumns(names, SHAPES.get(source.shape))
    for text in records.texts:
        columns.add(text)
    batch, mapped = columns.batch()
    return Chunk(
        source,
        row,
        rows_before + row,
        batch,
        mapped,
        tuple(columns.faults),
        None if records.lines is None else np.array(records.lines, np.int64),
        tuple(sorted(columns.unplanned)),
        tuple(sorted(set(names.believed) - columns.unseen)),
        columns.metadata or None,
    )
