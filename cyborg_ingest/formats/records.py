"""JSON objects become columns: the same for lines, for arrays, and whatever else holds one object a row."""

from __future__ import annotations

import json
import secrets
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.formats.base import EXAMPLE, ORIGIN
from cyborg_ingest.formats.bounds import JSON_ARRAY_BYTES, JSON_OBJECT_BYTES, too_large
from cyborg_ingest.formats.fields import contents, contents_array, filled_array, identity, kind_of, mixed_array, part
from cyborg_ingest.formats.numbers import number_parser
from cyborg_ingest.model import Chunk, ColumnMap, Fault, Part, Reason, free_name
from cyborg_ingest.rows.arrays import list_array, number_array, text_array
from cyborg_ingest.rows.mapping import MIXED, REJECTED_KEY
from cyborg_ingest.rows.roles import CONTENTS_NAMES, METADATA_NAMES, fitting
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.formats.numbers import Buffer
    from cyborg_ingest.model import Json

CHUNK_BYTES = 16_000_000
"""The text of a chunk, at most."""
_CHUNK_MEMORY = 64_000_000
"""And what it takes once it is parsed."""
SAMPLED_ROWS = 100
"""So many rows tell which fields there are."""
_MOST_GROWTH = 1 + JSON_OBJECT_BYTES
_KEPT_TEXT = 10_000
_SHOWN = 40
_SAMPLED_TEXT = 1 << 20
_SAMPLED_KEYS = 500_000
"""Fewer rows are sampled where they have more fields together: each may be another, and a type of its own."""
_MARK = secrets.token_hex(16)
"""Stands for a vector while the rest of its row is parsed; no row holds it by itself."""
_MARKED = json.dumps(_MARK).encode()


@dataclass(frozen=True, slots=True)
class Records:
    """Some rows as text, the line of each where there are lines, and how many bytes of the Part were read for them."""

    texts: list[bytes]
    lines: list[int] | None
    size: int
    last_line: int = 0


class Gathered:
    """Rows that become one chunk: until so many, or so much of them, are there."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.texts: list[bytes] = []
        self.lines: list[int] = []
        self._size = self._memory = 0

    def add(self, text: bytes, line: int = 0) -> None:
        """One more."""
        self.texts.append(text)
        self.lines.append(line)
        self._size += len(text)
        self._memory += in_memory(text)

    def is_full_before(self, text: bytes) -> bool:
        """Whether one more would be too much: a row of the largest size is parsed alone."""
        return bool(self.texts) and self._size + len(text) > CHUNK_BYTES

    @property
    def is_full(self) -> bool:
        """Whether they are enough for a chunk."""
        return len(self.texts) >= self._rows or self._size >= CHUNK_BYTES or self._memory >= _CHUNK_MEMORY


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a file.

    Which are objects; the place and the fault of the first that is none; how many rows that were, not blank, and the
    bytes read for them; some of the text; whether that were all of the rows.
    """

    objects: list[Json]
    problem: tuple[int, str]
    rows: int
    read: int
    text: bytes
    is_whole: bool

    def estimate(self, size: int, *, is_packed: bool) -> int:
        """About how many rows a file of so many bytes has, compressed or not."""
        packing = len(self.text) / len(zlib.compress(self.text, 1)) if is_packed else 1.0
        return round(size * packing * self.rows / self.read) if self.read else 0


class TooLarge(bytes):
    """How a row begins that is larger than allowed; the rest of it was read past, and is kept nowhere."""

    limit = 0

    @classmethod
    def of(cls, text: bytes, limit: int) -> TooLarge:
        """The text, cut."""
        found = cls(text[:_KEPT_TEXT])
        found.limit = limit
        return found


def in_memory(text: bytes) -> int:
    """About what a row of JSON takes once it is parsed; of the many objects and arrays it may be, the most."""
    return len(text) + JSON_OBJECT_BYTES * text.count(b"{") + JSON_ARRAY_BYTES * text.count(b"[")


def kept(text: bytes, limit: int) -> bytes:
    """A row's text, or where it is larger than allowed only how it begins."""
    is_large = len(text) * _MOST_GROWTH > limit and in_memory(text) > limit
    return TooLarge.of(text, limit) if is_large else text


def sampled(texts: Iterable[tuple[bytes, int]]) -> Sample:
    """The first 100 rows, or some MB of them, from texts each with the place behind it."""
    objects: list[Json] = []
    problem, rows, read, kept, is_whole, size, keys = (0, ""), 0, 0, b"", True, 0, 0
    for place, (text, read) in enumerate(texts):  # noqa: B007 - the last one's is used below
        kept = kept or text[:_SAMPLED_TEXT]
        size += in_memory(text)
        keys += text.count(b":")
        if text.strip():
            rows += 1
            found = parse_object(text)
            if isinstance(found, dict):
                objects.append(found)
            elif not problem[1]:
                problem = place, found
        if rows >= SAMPLED_ROWS or size >= CHUNK_BYTES or keys >= _SAMPLED_KEYS:
            is_whole = False
            break
    return Sample(objects, problem, rows, read, kept, is_whole)


def parse_object(text: bytes) -> Json | str:
    """The object on a line, or why there is none."""
    if isinstance(text, TooLarge):
        return too_large(None, text.limit)
    try:
        value = load_json(text)
    except ValueError as error:
        return _complaint(text, error)
    return value if isinstance(value, dict) else "column 1: it is no object"


def _complaint(text: bytes, error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"column {error.start + 1}: it is not UTF-8"
    column = getattr(error, "colno", 1)
    words = getattr(error, "msg", str(error))
    ended = " (the line breaks off)" if column > len(text.decode(errors="replace")) else ""
    return f"column {column}: {words[:1].lower()}{words[1:]}{ended}"


def schema_of(objects: list[Json]) -> pa.Schema:
    """The fields of the first rows. A row may differ from them: then that row is at fault, not the file."""
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for one in objects:
        for name, value in one.items():
            if name != REJECTED_KEY:
                kinds.setdefault(name, {})[_type(value)] = None
    found = [_field(name, fitting(name, several) or _widest(several), several) for name, several in kinds.items()]
    found = [_with_example(one, objects) for one in found]
    # JSONL's own names, though they may come later in the file
    for name, names in (("metadata", METADATA_NAMES), ("contents", CONTENTS_NAMES)):
        likely = [one for one in found if one.name.lower() in names]
        if not likely:
            found.append(pa.field(name, pa.null(), metadata={ORIGIN: f"{name} (none so far)"}))
        elif all(fitting(one.name, [one.type]) is None for one in likely) and name in kinds:
            found = [pa.field(name, pa.null()) if one.name == name else one for one in found]
    return pa.schema(found)


def _with_example(field: pa.Field, objects: list[Json]) -> pa.Field:
    """A field of text with how the first of it begins, for messages."""
    text = next((one[field.name] for one in objects if one.get(field.name)), None)
    if not pa.types.is_string(field.type) or not isinstance(text, str):
        return field
    shown = text[:_SHOWN].encode(errors="replace")
    return field.with_metadata({**(field.metadata or {}), EXAMPLE: shown})


def _type(value: Any) -> pa.DataType:
    if isinstance(value, list):
        return pa.list_(pa.string() if value and isinstance(value[0], list | dict) else pa.float64())
    if isinstance(value, dict):
        # bytes as contents; a struct otherwise
        if set(value) == {"base64"}:
            return pa.binary()
        return pa.struct([pa.field(name, _type(item)) for name, item in value.items()])
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    return kinds.get(type(value), pa.null())


def _field(name: str, kind: pa.DataType, kinds: Iterable[pa.DataType]) -> pa.Field:
    """A field of this type, marked where its values are of several."""
    several = {one.id for one in kinds if not pa.types.is_null(one)}
    is_mixed = len(several) > 1 and several != {pa.int64().id, pa.float64().id}
    return pa.field(name, kind, metadata={MIXED: b""} if is_mixed else None)


def _widest(kinds: Iterable[pa.DataType]) -> pa.DataType:
    several = [kind for kind in kinds if not pa.types.is_null(kind)]
    if set(several) == {pa.int64(), pa.float64()}:
        return pa.float64()
    structs = [kind for kind in several if pa.types.is_struct(kind)]
    if structs:
        return _merged(structs)
    nested = [kind for kind in several if pa.types.is_nested(kind)]
    return (nested or [pa.string()])[0] if len(several) > 1 else (several or [pa.null()])[0]


def _merged(structs: list[pa.StructType]) -> pa.StructType:
    """An object with the fields that any of them has."""
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for one in structs:
        for number in range(one.num_fields):
            kinds.setdefault(one.field(number).name, {})[one.field(number).type] = None
    return pa.struct([_field(name, _widest(several), several) for name, several in kinds.items()])


def _numbers_apart(line: bytes, key: bytes) -> tuple[bytes, bytes] | None:
    """The line with `_MARK` for its vector, and the vector's text; None where it is not plain to see."""
    at = line.find(key) + len(key)
    begin = line.find(b"[", at, at + 8)
    if at < len(key) or begin < 0 or line[at:begin].strip() != b":":
        return None
    end = line.find(b"]", begin) + 1
    return (line[:begin] + _MARKED + line[end:], line[begin:end]) if end else None


def value_at(row: Json, name: str) -> Any:
    """A field by its name or, where none has it, by its path: data.embedding is `embedding` in `data`."""
    if name in row or "." not in name:
        return row.get(name)
    value: Any = row
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def has_value(row: Json, name: str) -> bool:
    """Whether the field is there, be it null."""
    folder, _, last = name.rpartition(".")
    inside = value_at(row, folder) if folder and name not in row else row
    return isinstance(inside, dict) and (last if inside is not row else name) in inside


def heads(name: str) -> tuple[str, str]:
    """A name, and if it is a path the field that it begins with."""
    return name, name.partition(".")[0]


class _Columns:
    """The columns of a chunk while they are gathered from objects."""

    def __init__(self, names: ColumnMap) -> None:
        self.names = names
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
        self._key = json.dumps(names.vector.rpartition(".")[2], ensure_ascii=False).encode()
        self._parse = number_parser()
        self._only_objects = names.metadata is not None and not names.metadata_columns and not names.takes_all
        used = (names.id, names.vector, names.metadata, names.contents, *names.metadata_columns, *names.extra)
        self._planned = self._roles | {*names.left_out} | {part for name in used if name for part in heads(name)}

    def add(self, text: bytes) -> None:
        """Take a row apart. What cannot be used is a fault, and null in the columns."""
        place, row, numbers = len(self.ids), *self._row(text)
        self.texts.append(text)
        if isinstance(row, str):
            line = text.decode(errors="replace")[:_KEPT_TEXT]
            reason = Reason.TOO_LARGE if isinstance(text, TooLarge) else Reason.UNPARSABLE
            self.faults.append(Fault(place, reason, row, {"_line": line}))
            row = {}
        names = self.names
        if not names.takes_all and not row.keys() <= self._planned:
            self.unplanned |= row.keys() - self._planned
        self.ids.append(self._text(place, Reason.ID_INVALID, identity, row, names.id) if names.id else None)
        self.vectors.append(self._vector(place, row) if numbers is None else numbers)
        if names.metadata or names.metadata_columns or names.takes_all:
            found = row.get(names.metadata or "") if self._only_objects else None
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
            contents=added("contents", contents_array(self.contents)) if self.contents else None,
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

    def _row(self, text: bytes) -> tuple[Json | str, Buffer | None]:
        """The object on a line, or why there is none; its vector as float64, where it is plain numbers.

        Then the object has a mark in its place: most of a line are numbers, and nothing reads those faster.
        """
        found = None if isinstance(text, TooLarge) else _numbers_apart(text, self._key)
        numbers = None if found is None else self._parse(found[1])
        if found is not None and numbers is not None:
            row = parse_object(found[0])
            # elsewhere: it was not the vector, but a field of that name inside of another, or it is named twice
            if isinstance(row, dict) and value_at(row, self.names.vector) == _MARK:
                return row, numbers
        return parse_object(text), None

    def _tried(self, place: int, reason: Reason, convert: Any, row: Json, name: str | None) -> Any:
        try:
            return convert(row if name is None else value_at(row, name))
        except ValueError as error:
            self.faults.append(Fault(place, reason, str(error), self._record(place)))
            return None

    def _record(self, place: int) -> Json | None:
        """The row by JSONL's own names, with what it holds as it stands on its line."""
        row, names = parse_object(self.texts[place]), self.names
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
        return {name: value for name, value in found.items() if value is not None}

    def _readable_metadata(self, row: Json) -> Any:
        """The metadata; where it is no object, what it is, beside the fields that would be put into it."""
        try:
            return self._metadata(row)
        except ValueError:
            own, more = value_at(row, self.names.metadata or ""), self._fields(row)
            return [own, more] if more else own

    def _vector(self, place: int, row: Json) -> list[float] | None:
        value = value_at(row, self.names.vector)
        if value is None:
            return None
        if not isinstance(value, list):
            detail = f"the vector is {type(value).__name__}, not a list of numbers"
        elif any(isinstance(one, bool) for one in value):
            detail = "the vector holds true or false"
        else:
            return value
        self.faults.append(Fault(place, Reason.VECTOR_INVALID, detail, self._record(place)))
        return None

    def _metadata(self, row: Json) -> Json | None:
        names = self.names
        found: Any = value_at(row, names.metadata) if names.metadata else None
        if isinstance(found, str):
            found = load_json(found.encode()) if found.strip() else None
        if found is not None and not isinstance(found, dict):
            raise ValueError(f"the metadata is {kind_of(found)}, not an object")
        if names.takes_all or names.metadata_columns:
            return {**(found or {}), **self._fields(row)}
        return found

    def _fields(self, row: Json) -> Json:
        """The fields that become some of the metadata."""
        if self.names.takes_all:
            return {name: row[name] for name in row if name not in self._roles}
        return {name: value_at(row, name) for name in self.names.metadata_columns if has_value(row, name)}

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
        """Vectors from lists at once; where one holds what is no number, row by row to find it."""
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
    columns = _Columns(names)
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
        records.size,
        tuple(sorted(columns.unplanned)),
        tuple(sorted(set(names.believed) - columns.unseen)),
        columns.metadata or None,
    )
