"""JSONL: one object a line. Parts are ranges of bytes; a Part has the lines that begin in its range."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.mapping import CONTENTS_NAMES, METADATA_NAMES, REJECTED_KEY, fitting
from cyborg_ingest.model import Chunk, ColumnMap, Fault, Part, Reason
from cyborg_ingest.readers.arrays import list_array, number_array, text_array
from cyborg_ingest.readers.base import ORIGIN, Layout
from cyborg_ingest.readers.fields import contents, contents_array, identity, kind_of
from cyborg_ingest.readers.lines import stripped
from cyborg_ingest.readers.numbers import number_parser
from cyborg_ingest.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from cyborg_ingest.model import Json
    from cyborg_ingest.readers.base import Sidecars
    from cyborg_ingest.readers.numbers import Buffer

PART_BYTES = 64_000_000
_CHUNK_BYTES = 16_000_000
_BLOCK_BYTES = 1 << 20
_LONGEST_LINE = 256_000_000
_SAMPLED_LINES = 100
_KEPT_TEXT = 10_000
_MARK = secrets.token_hex(16)
"""Stands for a vector while the rest of its line is parsed; no line holds it by itself."""
_MARKED = json.dumps(_MARK).encode()


@dataclass(frozen=True, slots=True)
class _Base:
    """Rows and lines of a file before some place in it."""

    rows: int
    lines: int


class JsonlReader:
    """JSON objects, one a line; blank lines are no rows."""

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")

    def __init__(self) -> None:
        # where a Part begins -> what stands before it, kept as Parts are read one after another
        self._bases: dict[tuple[str, str, int], _Base] = {}

    def layout(self, path: Path, sidecars: Sidecars) -> Layout:  # noqa: ARG002 - the protocol's
        """See `base.Reader`. The columns are the fields of the first 100 lines."""
        uri, size = str(path), path.stat().st_size
        objects, read, lines = _sample(path)
        if not lines:
            raise FormatError(f"{uri}: the file is empty." if not size else f"{uri}: it has blank lines only.")
        starts = range(0, size, PART_BYTES)
        parts = tuple(
            Part(uri, self.name, number, start, min(size, start + PART_BYTES), None, None if start else 0,
                 min(size, start + PART_BYTES) - start)
            for number, start in enumerate(starts)
        )  # fmt: skip
        return Layout(uri, self.name, _schema(objects), parts, None, max(1, round(size * lines / read)), size)

    def read(
        self,
        part: Part,
        columns: ColumnMap,
        sidecars: Sidecars,  # noqa: ARG002 - only what has no names needs them
        *,
        rows: int,
        start: int = 0,
    ) -> Iterator[Chunk]:
        """See `base.Reader`."""
        try:
            with open(part.uri, "rb") as file:  # noqa: PTH123 - a uri, not always a path
                base = self._base(file, part)
                row, line = 0, base.lines
                for group in _groups(file, part, base.lines, rows):
                    if row + len(group.texts) > start:
                        yield _chunk(part, columns, group, row, base.rows).rows(start - row, len(group.texts))
                    row += len(group.texts)
                    line = group.last_line
                self._bases[part.uri, part.fingerprint, part.stop] = _Base(base.rows + row, line)
        except OSError as error:
            raise SourceError(f"{part.uri} cannot be read: {error.strerror}.") from None

    def _base(self, file: BinaryIO, part: Part) -> _Base:
        key = part.uri, part.fingerprint, part.start
        if key not in self._bases:
            self._bases[key] = _count_before(file, part.start)
        return self._bases[key]


@dataclass(frozen=True, slots=True)
class _Group:
    """Some rows as text, the line of each, the last line read, and how many bytes of the Part that were."""

    texts: list[bytes]
    lines: list[int]
    last_line: int
    size: int


def _lines(file: BinaryIO, uri: str, start: int, stop: int) -> Iterator[tuple[bytes, int]]:
    """The lines that begin in [start, stop), each with the place behind it."""
    file.seek(max(0, start - 1))
    position = start - 1 + len(file.readline()) if start else 0
    rest, is_first, size = b"", start == 0, _BLOCK_BYTES
    while position < stop:
        block = file.read(size)
        lines = (rest + block).split(b"\n")
        rest = lines.pop() if block else b""
        for line in lines:
            if position >= stop or (not block and not line):
                return
            position += len(line) + bool(block)
            yield stripped(line, is_first=is_first), position
            is_first = False
        if not block:
            return
        if len(rest) > _LONGEST_LINE:
            raise SourceError(
                f"{uri}: the line at byte {position:,} is longer than {_LONGEST_LINE:,} bytes. Is it JSONL, one object "
                "a line?"
            )
        size = max(_BLOCK_BYTES, len(rest))  # or a long line would be copied once for each block


def _groups(file: BinaryIO, part: Part, lines_before: int, rows: int) -> Iterator[_Group]:
    texts: list[bytes] = []
    numbers: list[int] = []
    size, number, position = 0, lines_before, part.start
    for text, position in _lines(file, part.uri, part.start, part.stop):
        number += 1
        if text.strip():
            texts.append(text)
            numbers.append(number)
            size += len(text)
        if len(texts) >= rows or size >= _CHUNK_BYTES:
            yield _Group(texts, numbers, number, position - part.start)
            texts, numbers, size = [], [], 0
    yield _Group(texts, numbers, number, max(0, position - part.start))


def _count_before(file: BinaryIO, start: int) -> _Base:
    rows = lines = 0
    for text, _ in _lines(file, file.name, 0, start):
        lines += 1
        rows += bool(text.strip())
    return _Base(rows, lines)


def _sample(path: Path) -> tuple[list[Json], int, int]:
    """The objects among the first lines, the bytes read, and the lines that are not blank.

    Raises FormatError where none of them is an object.
    """
    objects: list[Json] = []
    problem, read, lines = "", 0, 0
    with path.open("rb") as file:
        for number, (text, position) in enumerate(_lines(file, str(path), 0, path.stat().st_size), 1):
            read = position
            if text.strip():
                lines += 1
                found = _object(text)
                if isinstance(found, dict):
                    objects.append(found)
                problem = problem or ((found if isinstance(found, str) else "") and f"line {number}, {found}")
            if lines >= _SAMPLED_LINES or read >= _CHUNK_BYTES:
                break
    if lines and not objects:
        raise FormatError(f"{path}: {problem}. It is no JSONL, which has one object a line. {_guess(path)}".rstrip())
    return objects, read, lines


def _guess(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8).lstrip()
    for magic, what in (
        (b"PAR1", "Parquet"),
        (b"\x93NUMPY", ".npy"),
        (b"\x1f\x8b", "gzip"),
        (b"[", "a JSON array"),
    ):
        if head.startswith(magic):
            return f"It looks like {what}."
    return ""


def _object(text: bytes) -> Json | str:
    """The object on a line, or why there is none."""
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


def _schema(objects: list[Json]) -> pa.Schema:
    """The fields of the first rows. A row may differ from them: then that row is at fault, not the file."""
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for one in objects:
        for name, value in one.items():
            if name != REJECTED_KEY:
                kinds.setdefault(name, {})[_type(value)] = None
    found = [pa.field(name, fitting(name, several) or _widest(several)) for name, several in kinds.items()]
    # JSONL's own names, though they may come later in the file
    for name, names in (("metadata", METADATA_NAMES), ("contents", CONTENTS_NAMES)):
        likely = [one for one in found if one.name.lower() in names]
        if not likely:
            found.append(pa.field(name, pa.null(), metadata={ORIGIN: f"{name} (none so far)"}))
        elif all(fitting(one.name, [one.type]) is None for one in likely) and name in kinds:
            found = [pa.field(name, pa.null()) if one.name == name else one for one in found]
    return pa.schema(found)


def _type(value: Any) -> pa.DataType:
    if isinstance(value, list):
        return pa.list_(pa.float64())
    if isinstance(value, dict):
        # bytes as contents; a struct otherwise
        return pa.binary() if set(value) == {"base64"} else pa.struct([])
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    return kinds.get(type(value), pa.null())


def _widest(kinds: Iterable[pa.DataType]) -> pa.DataType:
    several = [kind for kind in kinds if not pa.types.is_null(kind)]
    if set(several) == {pa.int64(), pa.float64()}:
        return pa.float64()
    nested = [kind for kind in several if pa.types.is_nested(kind)]
    return (nested or [pa.string()])[0] if len(several) > 1 else (several or [pa.null()])[0]


def _numbers_apart(line: bytes, key: bytes) -> tuple[bytes, bytes] | None:
    """The line with `_MARK` for its vector, and the vector's text; None where it is not plain to see."""
    at = line.find(key) + len(key)
    begin = line.find(b"[", at, at + 8)
    if at < len(key) or begin < 0 or line[at:begin].strip() != b":":
        return None
    end = line.find(b"]", begin) + 1
    return (line[:begin] + _MARKED + line[end:], line[begin:end]) if end else None


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
        self._roles = {names.id, names.vector, names.metadata, names.contents, REJECTED_KEY}
        self._key = json.dumps(names.vector, ensure_ascii=False).encode()
        self._parse = number_parser()
        self._only_objects = names.metadata is not None and not names.metadata_columns and not names.takes_all
        self._planned = self._roles | {*names.metadata_columns, *names.left_out}

    def add(self, text: bytes) -> None:
        """Take a row apart. What cannot be used is a fault, and null in the columns."""
        place, row, numbers = len(self.ids), *self._row(text)
        self.texts.append(text)
        if isinstance(row, str):
            line = text.decode(errors="replace")[:_KEPT_TEXT]
            self.faults.append(Fault(place, Reason.UNPARSABLE, row, {"_line": line}))
            row = {}
        names = self.names
        if not names.takes_all and not row.keys() <= self._planned:
            self.unplanned |= row.keys() - self._planned
        self.ids.append(self._text(place, Reason.ID_INVALID, identity, row, names.id))
        self.vectors.append(self._vector(place, row) if numbers is None else numbers)
        if names.metadata or names.metadata_columns or names.takes_all:
            found = row.get(names.metadata or "") if self._only_objects else None
            if not isinstance(found, dict):  # the most common is, and nothing to look at
                found = self._tried(place, Reason.METADATA_INVALID, self._metadata, row, None)
            self.metadata.append(found)
        if names.contents:
            self.contents.append(self._text(place, Reason.CONTENTS_INVALID, contents, row, names.contents))

    def _text(self, place: int, reason: Reason, convert: Any, row: Json, name: str | None) -> Any:
        value = row.get(name or "")
        if isinstance(value, str) and value.isascii():  # the most common, and nothing to look at
            return value
        return self._tried(place, reason, convert, row, name)

    def _row(self, text: bytes) -> tuple[Json | str, Buffer | None]:
        """The object on a line, or why there is none; its vector as float64, where it is plain numbers.

        Then the object has a mark in its place: most of a line are numbers, and nothing reads those faster.
        """
        found = _numbers_apart(text, self._key)
        numbers = None if found is None else self._parse(found[1])
        if found is not None and numbers is not None:
            row = _object(found[0])
            # elsewhere: it was not the vector, but a field of that name inside of another, or it is named twice
            if isinstance(row, dict) and row.get(self.names.vector) == _MARK:
                return row, numbers
        return _object(text), None

    def _tried(self, place: int, reason: Reason, convert: Any, row: Json, name: str | None) -> Any:
        try:
            return convert(row if name is None else row.get(name))
        except ValueError as error:
            self.faults.append(Fault(place, reason, str(error), self._record(place)))
            return None

    def _record(self, place: int) -> Json | None:
        """The row as it stands on its line."""
        row = _object(self.texts[place])
        return {name: value for name, value in row.items() if name != REJECTED_KEY} if isinstance(row, dict) else None

    def _vector(self, place: int, row: Json) -> list[float] | None:
        value = row.get(self.names.vector)
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
        found: Any = row.get(names.metadata) if names.metadata else None
        if isinstance(found, str):
            found = load_json(found.encode()) if found.strip() else None
        if found is not None and not isinstance(found, dict):
            raise ValueError(f"the metadata is {kind_of(found)}, not an object")
        if names.takes_all:
            return {**(found or {}), **{name: row[name] for name in row if name not in self._roles}}
        if names.metadata_columns:
            return {**(found or {}), **{name: row[name] for name in names.metadata_columns if name in row}}
        return found

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
        self.faults.append(Fault(place, reason, detail))
        return None


def _chunk(part: Part, names: ColumnMap, group: _Group, row: int, rows_before: int) -> Chunk:
    columns = _Columns(names)
    for text in group.texts:
        columns.add(text)
    arrays = {"id": text_array(columns.ids), "vector": columns.vector_array()}
    if columns.contents:
        arrays["contents"] = contents_array(columns.contents)
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    canonical = ColumnMap("vector", "id", None, (), "contents" if columns.contents else None)
    return Chunk(
        part,
        row,
        rows_before + row,
        batch,
        canonical,
        tuple(columns.faults),
        np.array(group.lines, np.int64),
        group.size,
        tuple(sorted(columns.unplanned)),
        columns.metadata or None,
    )
