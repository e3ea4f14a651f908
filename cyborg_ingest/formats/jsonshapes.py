"""Rows as other programs write them in JSON: by which fields they are known, and the row that is in each.

The first rows of a file tell its shape; a later one that has another is itself at fault, where it then lacks something.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pybase64

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.base import ORIGIN, shape_noted
from cyborg_ingest.formats.jsonvectors import holds_vectors
from cyborg_ingest.formats.requesttexts import COLUMN, check_requests
from cyborg_ingest.rows.paths import head, value_at
from cyborg_ingest.rows.roles import VECTOR
from cyborg_ingest.rows.typed import plain_decimal
from cyborg_ingest.rows.values import epoch_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from cyborg_ingest.formats.base import Layout, Sidecars
    from cyborg_ingest.model import Json

_OK = 200
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Failed:
    """A row in whose place another program says what went wrong, with its id."""

    row: Json
    detail: str


@dataclass(frozen=True, slots=True)
class JsonShape:
    """One shape.

    `fits` looks at a row as it is written; `unwrap` makes of it the row that is loaded. `roles` are columns of that
    one, by the names of `ColumnChoice`, where the user has named none. Not taken where an option names a field of the
    `envelope`. An object with the fields of its `marks` is one such row, whatever is in it and around it.
    """

    name: str
    fits: Callable[[Json], bool]
    unwrap: Callable[[Json], Json | Failed]
    roles: tuple[tuple[str, Any], ...] = ()
    envelope: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()

    def is_left(self, named: Iterable[str]) -> bool:
        """Whether options that name these columns let it be."""
        return {head(name) for name in named}.isdisjoint(self.envelope)


def shape_of(rows: Sequence[Json], named: Sequence[str]) -> JsonShape | None:
    """The shape that most of the first rows have, if there is one and no option names what it takes away."""
    for shape in SHAPES.values():
        fitting = sum(map(shape.fits, rows))
        if 2 * fitting > len(rows) and shape.is_left(named):
            return shape
    return None


def has_marks(names: AbstractSet[str]) -> bool:
    """Whether an object with these fields is one row of a shape."""
    return any(shape.marks and shape.marks <= names for shape in SHAPES.values())


def unwrapped(rows: Iterable[Json], shape: JsonShape | None) -> list[Json]:
    """The rows that are in some, those that failed left out: where all have, later ones may hold vectors."""
    if shape is None:
        return list(rows)
    found = [shape.unwrap(row) for row in rows]
    there = [row for row in found if not isinstance(row, Failed)]
    failed = [one.row for one in found if isinstance(one, Failed)]
    return there or [row | {name: [] for role, name in shape.roles if role == "vector"} for row in failed]


def shaped(uri: str, shape: JsonShape | None, where: str = "") -> dict[str, Any]:
    """What a layout says of the shape of its rows, and of where they are, in words."""
    words = ", ".join(one for one in (shape.name if shape else "", where) if one)
    return {"shape": words, "roles": shape.roles if shape else (), "notes": shape_noted(uri, words)}


def with_requests(layout: Layout, shape: JsonShape | None, sidecars: Sidecars) -> Layout:
    """The layout with the texts of the requests as contents. Raises FormatError where its rows are not answers."""
    path = sidecars.contents_from
    if path is None:
        return layout
    if shape is not BATCH:
        raise FormatError(f"{layout.uri}: its rows are not OpenAI batch output, so --contents-from is not for it.")
    check_requests(path, sidecars.max_row_bytes)
    texts = pa.field(COLUMN, pa.string(), metadata={ORIGIN: f"{path.name}: body.input"})
    fields = [one for one in layout.schema if one.name != COLUMN]
    return replace(layout, schema=pa.schema([*fields, texts]), roles=(*layout.roles, ("contents", COLUMN)))


def check_vectors(uri: str, rows: Sequence[Json], shape: JsonShape | None, named: Sequence[str]) -> None:
    """Raise FormatError where a server has left the vectors out of the documents that it gave."""
    names = {name.lower() for row in rows for name in row}
    if shape in {HITS, BULK} and not named and not any(map(holds_vectors, rows)) and names.isdisjoint(VECTOR.names):
        raise FormatError(
            f"{uri}: its documents hold no vectors. Elasticsearch leaves them out of _source since version 9.2: export "
            'them again with "_source": {"exclude_vectors": false} in the search.'
        )


def _is_batch_output(row: Json) -> bool:
    return "custom_id" in row and ("response" in row or "error" in row) and "embedding" not in row


def _batch_output(row: Json) -> Json | Failed:
    """OpenAI's, Azure's and vLLM's: one request a row, whose answer holds one embedding."""
    identity = {"custom_id": row.get("custom_id")}
    response = row.get("response")
    status = response.get("status_code") if isinstance(response, dict) else None
    inner = value_at(row, "response.body.error")
    problem = row.get("error") or inner or (None if status is None or status == _OK else f"status {status}")
    if problem:
        return Failed(identity, f"the request failed: {shortened(str(told(problem)))}")
    several = value_at(row, "response.body.data")
    if isinstance(several, list) and len(several) > 1:
        return Failed(identity, f"the answer has {len(several)} embeddings for one id; ask for one in each request")
    return {**identity, "embedding": value_at(row, "response.body.data[0].embedding")}


def told(problem: Any) -> Any:
    """What an error of another program says, with its code; the error itself where it has no message."""
    if not isinstance(problem, dict):
        return problem
    message, code = problem.get("message"), problem.get("code")
    return (f"{message} ({code})" if code else message) if message else problem


def shortened(text: str) -> str:
    """As much of a text of another program as a message holds."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is_bedrock(row: Json) -> bool:
    return "recordId" in row and ("modelOutput" in row or "error" in row)


def _bedrock(row: Json) -> Json | Failed:
    identity = {"recordId": row.get("recordId")}
    if row.get("error"):
        return Failed(identity, f"the request failed: {shortened(str(told(row['error'])))}")
    found = {**identity, "embedding": value_at(row, "modelOutput.embedding")}
    text = value_at(row, "modelInput.inputText")
    return found if text is None else {**found, "inputText": text}


def _is_hit(row: Json) -> bool:
    return "_id" in row and isinstance(row.get("_source"), dict)


def _hit(row: Json) -> Json | Failed:
    """A document of Elasticsearch or OpenSearch, as elasticdump and an answer to a search have it."""
    source = row.get("_source")
    return {**source, "_id": row.get("_id")} if isinstance(source, dict) else row


def _is_done(row: Json) -> bool:
    return "_action" in row and "_id" in row


def _done(row: Json) -> Json | Failed:
    """What an action of `_bulk` does: see `jsonbulk`, which puts it together with its document."""
    identity, source = {"_id": row.get("_id")}, row.get("_source")
    action = row.get("_action")
    if action == "update" or action == "delete":  # noqa: PLR1714 - it may be of any type
        return Failed(identity, f"the line says {action}, and of _bulk only index and create are carried out")
    return {**source, **identity} if isinstance(source, dict) else Failed(identity, "no document follows its line")


_EXTENDED = {
    "$oid", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$date", "$binary", "$uuid",
}  # fmt: skip


def _is_extended(row: Json) -> bool:
    """Whether MongoDB wrote it: a value is an object that only names its type."""
    return any(_holds_extended(value) for value in row.values())


def _holds_extended(value: Any) -> bool:
    if isinstance(value, dict):
        return (len(value) == 1 and not _EXTENDED.isdisjoint(value)) or any(map(_holds_extended, value.values()))
    return isinstance(value, list) and bool(value) and _holds_extended(value[0])


def _extended(row: Json) -> Json | Failed:
    try:
        return {name: _plain(value) for name, value in row.items()}
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        with contextlib.suppress(ValueError, TypeError, LookupError, ArithmeticError):
            return Failed({"_id": _plain(row.get("_id"))}, f"it is not extended JSON as MongoDB writes it: {error}")
        return Failed({}, f"it is not extended JSON as MongoDB writes it: {error}")


def _plain(value: Any) -> Any:
    """A value of MongoDB's extended JSON, canonical or relaxed. Raises ValueError, TypeError."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    name = next(iter(value), "")
    if len(value) == 1 and name in _TYPES:
        return _TYPES[name](value[name])
    return {key: _plain(one) for key, one in value.items()}


def _date(value: Any) -> Any:
    """Epoch milliseconds; of a text in ISO 8601 those that it stands for."""
    if isinstance(value, str):
        return epoch_milliseconds(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")))
    return _plain(value)


_VECTOR, _UUID = 9, 4
_PACKED: dict[int, np.dtype[Any]] = {0x03: np.dtype("<i1"), 0x27: np.dtype("<f4")}
"""What a vector's first byte says of its numbers: BSON's subtype 9."""


def _binary(value: Any) -> Any:
    """A vector as its numbers, a UUID as text, all else as the base64 that it is."""
    text, kind = value["base64"], int(value["subType"], 16)
    if kind == _UUID:
        return str(uuid.UUID(bytes=pybase64.b64decode(text, validate=True)))
    if kind != _VECTOR:
        return text
    data = pybase64.b64decode(text, validate=True)
    if data[0] not in _PACKED or data[1]:
        raise ValueError(f"a vector of type {data[0]:#04x}, which has packed bits and no numbers")
    return np.frombuffer(data[2:], _PACKED[data[0]]).tolist()


def _decimal(value: Any) -> Any:
    """The number as decimals are stored of any format. Raises ValueError, ArithmeticError."""
    return plain_decimal(decimal.Decimal(value))


_TYPES: dict[str, Callable[[Any], Any]] = {
    "$oid": str, "$numberLong": int, "$numberInt": int, "$numberDouble": float, "$numberDecimal": _decimal,
    "$date": _date, "$binary": _binary, "$uuid": str,
}  # fmt: skip


_NOTHING: tuple[Any, ...] = (None, [], {})


def _around(title: str, needed: Iterable[str], own: tuple[str, ...]) -> JsonShape:
    """Rows that are plain, but for fields of a program's `own` around them, which are there if nobody uses them, too.

    They are left out where nothing is in them, and data where there is.
    """
    names = frozenset(needed)

    def fits(row: Json) -> bool:
        return names <= row.keys() and not row.keys().isdisjoint(own)

    def unwrap(row: Json) -> Json:
        return {name: value for name, value in row.items() if value not in _NOTHING or name not in own}

    return JsonShape(f"{title} (left out where empty: {', '.join(own)})", fits, unwrap, envelope=own)


HITS = JsonShape(
    "Elasticsearch documents", _is_hit, _hit, (("id", "_id"),), ("_source", "_index"), frozenset({"_id", "_source"})
)
BULK = JsonShape("Elasticsearch _bulk lines", _is_done, _done, HITS.roles, ("index", "create", "update", "delete"))
BATCH = JsonShape(
    "OpenAI batch output",
    _is_batch_output,
    _batch_output,
    (("id", "custom_id"), ("vector", "embedding")),
    ("response", "error"),
    frozenset({"custom_id", "response"}),
)
_NAMED = (
    BATCH,
    BULK,
    JsonShape(
        "Bedrock batch output", _is_bedrock, _bedrock,
        (("id", "recordId"), ("vector", "embedding"), ("contents", "inputText")),
        ("modelOutput", "modelInput", "error"), frozenset({"recordId", "modelOutput"}),
    ),
    HITS,
    JsonShape("MongoDB extended JSON", _is_extended, _extended, (("id", "_id"),)),
    _around("Qdrant points", ("id", "payload", "vector"), ("shard_key", "order_value")),
    _around(
        "Haystack documents", ("id", "content", "embedding", "blob"),
        ("blob", "dataframe", "score", "sparse_embedding"),
    ),
    _around(
        "LlamaIndex nodes", ("id_", "metadata", "embedding", "class_name"),
        (
            "excluded_embed_metadata_keys", "excluded_llm_metadata_keys", "relationships", "start_char_idx",
            "end_char_idx", "text_resource", "image_resource", "audio_resource", "video_resource",
        ),
    ),
    _around(
        "Weaviate client objects", ("uuid", "metadata", "properties", "vector", "collection"), ("references",),
    ),
)  # fmt: skip
SHAPES = {shape.name: shape for shape in _NAMED}
