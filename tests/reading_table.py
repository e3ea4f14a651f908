"""Every type of id, vector, metadata and contents that a format can hold: one line each, for every format.

Beside it the rules of docs/formats.md, "Values": what a value that another library has read is stored as. Nothing in
here knows of cyborg_ingest.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 6
DIMENSION = 4


@dataclass(frozen=True)
class Type:
    """A type by the name that each library has for it; None where a library has none.

    `values` are those of the rows, over and over, or a function of a row's number. `json`: JSON has it. `csv`: it is
    a cell's text. `unread`: libraries that cannot read it, so that what was written is what is expected.
    """

    name: str
    values: list[Any] | Callable[[int], Any]
    arrow: pa.DataType | None = None
    polars: Any = None
    pandas: Any = None
    duckdb: str | None = None
    numpy: Any = None
    json: bool = False
    csv: bool = False
    unread: frozenset[str] = frozenset()

    def rows(self, first: int = 0) -> list[Any]:
        """The values of `ROWS` rows."""
        numbers = range(first, first + ROWS)
        if callable(self.values):
            return [self.values(number) for number in numbers]
        return [self.values[number % len(self.values)] for number in numbers]


D, M = datetime.date, datetime.datetime
UTC = datetime.timezone.utc
NAN = math.nan
FAR = [M(1, 1, 1), None, M(9999, 12, 31, 23, 59, 59), M(1969, 12, 31, 23, 59, 59), M(2300, 1, 1)]
NEAR = [M(2024, 2, 29, 12, 30, 15, 123_999), None, M(1677, 9, 22), M(2262, 4, 11), M(1969, 12, 31, 23, 59, 59, 999_500)]
FAR_DAYS = [D(1, 1, 1), None, D(9999, 12, 31), D(1969, 12, 31), D(2024, 2, 29)]
ZONED = [None if one is None else one.replace(tzinfo=UTC) for one in NEAR]
DECIMALS = [decimal.Decimal(one) if one else None for one in ("1.50", "", "0.10", "-7.00", "0.01")]
EXACT = [
    decimal.Decimal(one) if one else None
    for one in ("9007199254740993.000000000", "12345678901234567.890000000", "", "0.100000001", "-0.000000001")
]


def _integers(kind: Any, name: str) -> Type:
    low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    values = [low, None, high, 0, 7]
    is_exact = low >= -(2**53) and high <= 2**53
    arrow = pa.from_numpy_dtype(np.dtype(kind))
    return Type(name.lower(), values, arrow, getattr(pl, name), name, "", kind, json=True, csv=is_exact)


_UUIDS = frozenset({"polars"} if int(pa.__version__.partition(".")[0]) >= 21 else {"polars", "duckdb"})
"""Who does not know UUIDs: polars, and before pyarrow 21 its Parquet says nothing of them to others."""

METADATA: list[Type] = [
    Type("bool", [True, False, None], pa.bool_(), pl.Boolean, "boolean", "", np.bool_, json=True, csv=True),
    _integers(np.int8, "Int8"),
    _integers(np.uint8, "UInt8"),
    _integers(np.int16, "Int16"),
    _integers(np.uint16, "UInt16"),
    _integers(np.int32, "Int32"),
    _integers(np.uint32, "UInt32"),
    _integers(np.int64, "Int64"),
    _integers(np.uint64, "UInt64"),
    Type("float16", [0.5, NAN, None, 0.0999755859375], pa.float16(), numpy=np.float16, unread=frozenset({"polars"})),
    Type("float32", [0.5, NAN, None, 16777216.0], pa.float32(), pl.Float32, "Float32", "", np.float32),
    Type("float64", [0.1, NAN, None, 5e-324, 1.7976931348623157e308, -0.0], pa.float64(), pl.Float64, "float64", "",
         np.float64),
    Type("numbers", [0.1, None, 1e300, -2.5e-7, 3.0], json=True, csv=True),
    Type("mixed", [1, 2.5, None, "three", [4], {"five": 5}], json=True),
    Type("large_integers", [2**63, -(2**70), 10**30], json=True),
    Type("decimals", DECIMALS, pa.decimal128(9, 2), pl.Decimal(9, 2), object, ""),
    Type("exact_decimals", EXACT, pa.decimal128(38, 9), pl.Decimal(38, 9), object, ""),
    Type("whole_decimals", [decimal.Decimal(10) ** 30, None], pa.decimal128(38, 0), pl.Decimal(38, 0), object, ""),
    Type("wide_decimals", [decimal.Decimal(10) ** 50 + decimal.Decimal("0.25"), decimal.Decimal(10) ** 50, None],
         pa.decimal256(60, 2), unread=frozenset({"polars", "duckdb"})),
    Type("text", ["a", None, "", 'é\n\t"q"', "💧"], pa.string(), pl.String, "string", "", "U8", json=True, csv=True),
    Type("large_text", ["a", None, "é"], pa.large_string()),
    Type("text_views", ["a", None, "a text of more than twelve bytes"], pa.string_view()),
    Type("categories", ["a", "b", None, "a"], pa.dictionary(pa.int32(), pa.string()), pl.Categorical, "category", ""),
    Type("enum", ["a", "b", None, "a"], None, pl.Enum(["b", "a"]), duckdb="ENUM('b', 'a')"),
    Type("number_categories", [10, 20, None], pa.dictionary(pa.int8(), pa.int64())),
    Type("bytes", [b"\x00\xff", None, b"", b"text"], pa.binary(), pl.Binary, object, ""),
    Type("large_bytes", [b"\x00\xff", None], pa.large_binary()),
    Type("byte_views", [b"\x00\xff", None, b"more than twelve bytes"], pa.binary_view()),
    Type("seconds", FAR, pa.timestamp("s"), None, "datetime64[s]", "TIMESTAMP_S"),
    Type("milliseconds", FAR, pa.timestamp("ms"), pl.Datetime("ms"), "datetime64[ms]", "TIMESTAMP_MS"),
    Type("microseconds", FAR, pa.timestamp("us"), pl.Datetime("us"), "datetime64[us]", ""),
    Type("fractions", NEAR, pa.timestamp("us"), pl.Datetime("us"), "datetime64[us]", ""),
    Type("nanoseconds", NEAR, pa.timestamp("ns"), pl.Datetime("ns"), "datetime64[ns]", "TIMESTAMP_NS"),
    Type("zoned", ZONED, pa.timestamp("us", "Europe/Paris"), pl.Datetime("us", "Europe/Paris"),
         "datetime64[us, Europe/Paris]", ""),
    Type("offset", ZONED, pa.timestamp("ns", "+02:00"), None, "datetime64[ns, UTC]", ""),
    Type("days", FAR_DAYS, pa.date32(), pl.Date, object, ""),
    Type("days64", FAR_DAYS, pa.date64()),
    Type("uuids", [uuid.UUID(int=2**100 + 7), None], pa.uuid(), duckdb="UUID", unread=_UUIDS),
    Type("nothing", [None], pa.null(), pl.Null, json=True),
    Type("lists", [[1, None, 3], None, []], pa.list_(pa.int16()), pl.List(pl.Int16), object, "", json=True),
    Type("floats_in_lists", [[0.5, NAN, None], None, [], [NAN]], pa.large_list(pa.float32()), pl.List(pl.Float32),
         object, ""),
    Type("arrays", [[1, 2], None, [3, None]], pa.list_(pa.int32(), 2), pl.Array(pl.Int32, 2), None, "INTEGER[2]"),
    Type("list_views", [[1, 2], None, [None], []], pa.list_view(pa.int32()), unread=frozenset({"polars"})),
    Type("lists_of_lists", [[[1, None], None, []], None], pa.list_(pa.list_(pa.int32())), pl.List(pl.List(pl.Int32)),
         object, "", json=True),
    Type("lists_of_structs", [[{"a": 1, "b": None}, None], None, []],
         pa.list_(pa.struct([("a", pa.int8()), ("b", pa.string())])),
         pl.List(pl.Struct({"a": pl.Int8, "b": pl.String})), None, "", json=True),
    Type("lists_of_text", [["a", None, ""], []], pa.list_(pa.string()), pl.List(pl.String), object, "", json=True),
    Type("lists_of_bytes", [[b"\xff", None]], pa.list_(pa.binary()), pl.List(pl.Binary), object, ""),
    Type("lists_of_truth", [[True, None, False]], pa.list_(pa.bool_()), pl.List(pl.Boolean), object, "", json=True),
    Type("lists_of_moments", [[NEAR[0], None], FAR[2:3]], pa.list_(pa.timestamp("us")), pl.List(pl.Datetime("us")),
         object, ""),
    Type("lists_of_days", [FAR_DAYS], pa.list_(pa.date32()), pl.List(pl.Date), object, ""),
    Type("lists_of_decimals", [EXACT, None], pa.list_(pa.decimal128(38, 9)), pl.List(pl.Decimal(38, 9)), object, ""),
    Type("lists_of_categories", [["a", None], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string())),
         pl.List(pl.Categorical), unread=frozenset({"polars"})),
    Type("lists_of_uuids", [[uuid.UUID(int=2**100), None]], pa.list_(pa.uuid()), duckdb="UUID[]",
         unread=_UUIDS),
    Type("structs", [{"x": 1.5, "y": {"z": None, "w": [None, b"\xff"]}}, None, {"x": NAN, "y": None}],
         pa.struct([("x", pa.float64()), ("y", pa.struct([("z", pa.int8()), ("w", pa.list_(pa.binary()))]))]),
         pl.Struct({"x": pl.Float64, "y": pl.Struct({"z": pl.Int8, "w": pl.List(pl.Binary)})}), None, ""),
    Type("objects", [{"x": 1, "y": {"z": [None, {}]}}, {"x": None}, {}], json=True),
    Type("maps", [{"k": 1, "l": None}, None, {}], pa.map_(pa.string(), pa.int32()), duckdb=""),
    Type("maps_of_numbers", [{1: "a", -2: None}], pa.map_(pa.int32(), pa.string()), duckdb=""),
    Type("maps_of_lists", [{"k": [1, None]}, {"k": None}], pa.map_(pa.string(), pa.list_(pa.int32())), duckdb=""),
    Type("runs", ["a", "a", None], pa.run_end_encoded(pa.int32(), pa.string()), unread=frozenset({"polars", "duckdb"})),
]  # fmt: skip

_TEXT = "id-{} é".format

IDS: list[Type] = [
    Type("text", _TEXT, pa.string(), pl.String, "string", "", "U12", json=True, csv=True),
    Type("bytes_of_numpy", lambda number: f"s{number}", numpy="S8"),
    Type("large_text", lambda number: f"large {number}", pa.large_string()),
    Type("text_views", lambda number: f"a view of text {number}", pa.string_view()),
    Type("categories", lambda number: f"c{number}", pa.dictionary(pa.int32(), pa.string()), pl.Categorical, "category"),
    Type("enum", lambda number: f"e{number}", polars=pl.Enum([f"e{number}" for number in range(1000)])),
    Type("bytes", lambda number: f"b{number} é".encode(), pa.binary(), pl.Binary, object, ""),
    Type("bytes_of_one_size", lambda number: f"user-{number:011d}".encode(), pa.binary(16)),
    Type("byte_views", lambda number: f"bytes {number}".encode(), pa.binary_view()),
    Type("uuids", lambda number: uuid.UUID(int=2**127 + number), pa.uuid(), duckdb="UUID", unread=_UUIDS),
    Type("int8", lambda number: -1 - number % 128, pa.int8(), pl.Int8, "int8", "", np.int8),
    Type("int32", lambda number: -1000 - number, pa.int32(), pl.Int32, "int32", "", np.int32, json=True, csv=True),
    Type("int64", lambda number: -(2**63) + number, pa.int64(), pl.Int64, "int64", "", np.int64, json=True),
    Type("uint64", lambda number: 2**64 - 1 - number, pa.uint64(), pl.UInt64, "uint64", "", np.uint64, json=True),
    Type("large_integers", lambda number: 2**80 + number, json=True),
    Type("decimals", lambda number: decimal.Decimal(10**20 + number), pa.decimal128(38, 0), pl.Decimal(38, 0), object),
]  # fmt: skip


def _vector(number: int) -> list[float]:
    return [number + 1.0, -0.5, 0.25 * (number % 3), 100.0]


def _whole(number: int) -> list[int]:
    return [number % 100 + 1, 2, 0, 100]


def _exact(number: int) -> list[float]:
    return [number + 0.1, -1 / 3, 1e-30, 3e38]


VECTORS: list[Type] = [
    Type("float32", _vector, pa.list_(pa.float32()), pl.List(pl.Float32), np.float32, "FLOAT[4]", np.float32),
    Type("float64", _exact, pa.list_(pa.float64()), pl.List(pl.Float64), np.float64, "DOUBLE[]", np.float64, json=True,
         csv=True),
    Type("float16", _vector, pa.list_(pa.float16()), numpy=np.float16, unread=frozenset({"polars"})),
    Type("large", _exact, pa.large_list(pa.float64())),
    Type("fixed", _vector, pa.list_(pa.float32(), DIMENSION), pl.Array(pl.Float32, DIMENSION), None, "FLOAT[4]"),
    Type("fixed_int8", _whole, pa.list_(pa.int8(), DIMENSION), pl.Array(pl.Int8, DIMENSION), np.int8, "TINYINT[]",
         np.int8, json=True, csv=True),
    Type("uint8", _whole, pa.list_(pa.uint8()), pl.List(pl.UInt8), None, "", np.uint8),
    Type("int32", _whole, pa.list_(pa.int32()), numpy=np.int32),
    Type("int64", _whole, pa.list_(pa.int64()), pl.List(pl.Int64), object, "BIGINT[]", np.int64),
    Type("big_endian", _vector, numpy=">f4"),
    Type("views", _vector, pa.list_view(pa.float32()), unread=frozenset({"polars"})),
    Type("large_views", _vector, pa.large_list_view(pa.float64()), unread=frozenset({"polars"})),
    Type("tensors", _vector, pa.fixed_shape_tensor(pa.float32(), (DIMENSION,)), unread=frozenset({"polars", "duckdb"})),
    Type("decimals", lambda number: [decimal.Decimal(number + 1), *map(decimal.Decimal, ("-0.50", "0.25", "3.00"))],
         pa.list_(pa.decimal128(9, 2)), pl.List(pl.Decimal(9, 2)), None, ""),
]  # fmt: skip

CONTENTS: list[Type] = [
    Type("text", ["plain", None, "", "é\n💧"], pa.string(), pl.String, "string", "", "U8", json=True, csv=True),
    Type("large_text", ["plain", None], pa.large_string()),
    Type("text_views", ["plain", "a text of more than twelve bytes", None], pa.string_view()),
    Type("categories", ["a", None, "b"], pa.dictionary(pa.int8(), pa.string()), pl.Categorical, "category"),
    Type("bytes", [b"\x00\xff", None, b"", b"text"], pa.binary(), pl.Binary, object, ""),
    Type("large_bytes", [b"\x00\xff", None], pa.large_binary()),
    Type("byte_views", [b"\x00\xff", None], pa.binary_view()),
    Type("base64", [{"base64": "AP8="}, "text", None], json=True),
]


# The rules of docs/formats.md


def stored_id(value: Any) -> str:
    """Whole numbers in decimal, bytes as the text they are, UUIDs in their canonical form."""
    return value.decode() if isinstance(value, bytes) else str(value)


def stored_vector(value: Any) -> bytes:
    """The nearest float32."""
    return np.array([float(one) for one in value], np.float64).astype("<f4").tobytes()


def stored_contents(value: Any) -> str | None:
    """Text as it is, bytes as base64, empty ones as none."""
    if isinstance(value, dict):
        return str(value["base64"])
    return (base64.b64encode(value).decode() if isinstance(value, bytes) else value) or None


def stored_metadata(fields: dict[str, Any], *, is_json: bool) -> dict[str, Any]:
    """In JSON every value as it is; in typed columns what is null, or NaN, is left out of objects and null in lists."""
    if is_json:
        return fields
    found = {name: stored(value) for name, value in fields.items()}
    return {name: value for name, value in found.items() if value is not None}


def stored(value: Any) -> Any:
    """A value of a typed column as JSON has it; None for null and NaN."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        items = {key if isinstance(key, str) else json.dumps(key): stored(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None}
    if isinstance(value, list | tuple):
        return [stored(item) for item in value]
    for kind, convert in _RULES:
        if isinstance(value, kind):
            return convert(value)
    assert value is None or isinstance(value, bool | int | str), repr(value)
    return value


def _milliseconds(moment: datetime.datetime) -> int:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - M(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(milliseconds=1)


def _number(value: decimal.Decimal) -> int | float | str:
    if value == value.to_integral_value():
        return int(value)
    return float(value) if decimal.Decimal(repr(float(value))) == value else f"{value:f}"


_RULES: list[tuple[Any, Callable[[Any], Any]]] = [
    (datetime.datetime, _milliseconds),
    (datetime.date, lambda day: (day - D(1970, 1, 1)).days * 86_400_000),
    (float, lambda number: None if math.isnan(number) else number),
    (decimal.Decimal, _number),
    (bytes, lambda data: base64.b64encode(data).decode()),
    (uuid.UUID, str),
]
