"""`upsert_binary` refuses or converts each argument alike on both engines: the contract's table."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cyborg_ingest.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Engine

    from cyborg_ingest.targets.base import Index

ROW = np.array([[1, 2, 3, 4]], np.float32)
UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 2, 29, 12, tzinfo=UTC)


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Shape(enum.Enum):
    ROUND = "round"


class Text(str):
    __slots__ = ()


class Pair(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Point:
    x: float


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.fixture(scope="module")
def index(engine: Engine) -> Iterator[tuple[Engine, Index]]:
    with engine.connect() as client, engine.make(client) as one:
        one.upsert_binary(["good"], ROW)
        yield engine, one


VECTORS: dict[str, tuple[Any, type[Exception]]] = {
    "a list": ([[1.0, 2, 3, 4]], ArgumentTypeError),
    "None": (None, ArgumentTypeError),
    "a frame": (pd.DataFrame(ROW), ArgumentTypeError),
    "one dimension": (ROW[0], ArgumentError),
    "three dimensions": (ROW[None], ArgumentError),
    "complex numbers": (ROW + 1j, ArgumentTypeError),
    "dates": (np.array([["2024-01-01"] * 4], "datetime64[D]"), ArgumentTypeError),
    "durations": (np.array([[1, 2, 3, 4]], "timedelta64[s]"), ArgumentTypeError),
    "text": (np.array([["1", "2", "3", "4"]]), ArgumentTypeError),
    "bytes": (np.array([[b"1", b"2", b"3", b"4"]]), ArgumentTypeError),
    "objects with None": (np.array([[1.0, None, 3, 4]], object), ArgumentTypeError),
    "objects": (np.array([[1.0, 2, 3, 4]], object), ArgumentTypeError),
    "records": (np.zeros((1, 4), [("x", "f4")]), ArgumentTypeError),
    "masked numbers": (np.ma.masked_array(ROW, [[False, True, False, False]]), ArgumentError),
    "numbers beyond float32": (ROW.astype(np.float64) * 1e300, ArgumentError),
    "more rows than ids": (np.repeat(ROW, 2, axis=0), ArgumentError),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_that_a_cast_would_change_are_refused(index: tuple[Engine, Index], name: str) -> None:
    vectors, kind = VECTORS[name]
    with pytest.raises(ArgumentError) as caught:
        index[1].upsert_binary(["a"], vectors)
    assert type(caught.value) is kind
    assert isinstance(caught.value, TypeError) is (kind is ArgumentTypeError)
    assert index[1].count() == 1


IDS: dict[str, tuple[Any, type[Exception]]] = {
    "a tuple": (("a",), ArgumentTypeError),
    "an array": (np.array(["a"]), ArgumentTypeError),
    "text": ("a", ArgumentTypeError),
    "a series": (pd.Series(["a"]), ArgumentTypeError),
    "None": (None, ArgumentTypeError),
    "of a number": ([1], ArgumentTypeError),
    "of None": ([None], ArgumentTypeError),
    "of bytes": ([b"a"], ArgumentTypeError),
    "of a UUID": ([uuid.UUID(int=1)], ArgumentTypeError),
    "of NaN": ([math.nan], ArgumentTypeError),
    "of a lone surrogate": (["\ud800"], ArgumentError),
    "one too many": (["a", "b"], ArgumentError),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_that_are_no_list_of_text_are_refused(index: tuple[Engine, Index], name: str) -> None:
    ids, kind = IDS[name]
    with pytest.raises(ArgumentError) as caught:
        index[1].upsert_binary(ids, ROW)
    assert type(caught.value) is kind
    assert index[1].count() == 1


CONTENTS: dict[str, tuple[Any, type[Exception]]] = {
    "a tuple": (("a",), ArgumentTypeError),
    "text": ("a", ArgumentTypeError),
    "of a number": ([7], ArgumentTypeError),
    "of a bytearray": ([bytearray(b"a")], ArgumentTypeError),
    "of a dict": ([{}], ArgumentTypeError),
    "of a lone surrogate": (["\udfff"], ArgumentError),
    "one too many": (["a", "b"], ArgumentError),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_that_are_neither_text_nor_bytes_are_refused(index: tuple[Engine, Index], name: str) -> None:
    contents, kind = CONTENTS[name]
    with pytest.raises(ArgumentError) as caught:
        index[1].upsert_binary(["a"], ROW, None, contents)
    assert type(caught.value) is kind
    assert index[1].count() == 1


METADATA: dict[str, tuple[Any, type[Exception]]] = {
    "no object": ([1], ArgumentTypeError),
    "text": ("text", ArgumentTypeError),
    "a tuple": ((None,), ArgumentTypeError),
    "a number as a key": ({1: "a"}, ArgumentTypeError),
    "a key inside": ({"a": {None: 1}}, ArgumentTypeError),
    "NaN": ({"a": math.nan}, ArgumentError),
    "infinity inside": ({"a": [{"b": (math.inf,)}]}, ArgumentError),
    "NaN of numpy": ({"a": np.float64("nan")}, ArgumentError),
    "no date": ({"a": pd.NaT}, ArgumentError),
    "no date inside": ({"a": [pd.NaT]}, ArgumentError),
    "pandas' NA": ({"a": pd.NA}, ArgumentTypeError),
    "a dataclass": ({"a": Point(1.0)}, ArgumentTypeError),
    "a dataclass with NaN": ({"a": Point(math.nan)}, ArgumentTypeError),
    "a UUID": ({"a": uuid.UUID(int=1)}, ArgumentTypeError),
    "an enum": ({"a": Shape.ROUND}, ArgumentTypeError),
    "a decimal": ({"a": decimal.Decimal("1.5")}, ArgumentTypeError),
    "bytes": ({"a": b"x"}, ArgumentTypeError),
    "a set": ({"a": {1}}, ArgumentTypeError),
    "an array": ({"a": np.ones(2)}, ArgumentTypeError),
    "a number of numpy": ({"a": np.int64(1)}, ArgumentTypeError),
    "a time": ({"a": datetime.time(1)}, ArgumentTypeError),
    "a duration": ({"a": datetime.timedelta(1)}, ArgumentTypeError),
    "a lone surrogate": ({"a": "\ud800"}, ArgumentError),
    "a lone surrogate as a key": ({"\ud800": 1}, ArgumentError),
    "lists without an end": ({"a": ENDLESS}, ArgumentError),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_json_does_not_have_are_refused(index: tuple[Engine, Index], name: str) -> None:
    metadata, kind = METADATA[name]
    with pytest.raises(ArgumentError) as caught:
        index[1].upsert_binary(["a"], ROW, metadata if name in {"text", "a tuple", "no object"} else [metadata])
    assert type(caught.value) is kind
    assert index[1].count() == 1


CONVERTED: dict[str, tuple[Any, Any]] = {
    "a datetime": (MOMENT, 1_709_208_000_000),
    "one without a zone": (MOMENT.replace(tzinfo=None), 1_709_208_000_000),
    "a date": (MOMENT.date(), 1_709_164_800_000),
    "the last date": (datetime.date.max, 253_402_214_400_000),
    "a timestamp of pandas": (pd.Timestamp(MOMENT), 1_709_208_000_000),
    "a tuple": ((1, (2,)), [1, [2]]),
    "a named tuple": (Pair(1, 2), [1, 2]),
    "a text of another class": (Text("x"), "x"),
    "a text of numpy": (np.str_("x"), "x"),
    "a float of numpy": (np.float64(0.1), 0.1),
    "an enum of text": (Colour.RED, "red"),
    "an enum of integers": (Level.HIGH, 3),
    "an ordered dict": (collections.OrderedDict(b=1, a=[None]), {"b": 1, "a": [None]}),
    "a counter": (collections.Counter("aa"), {"a": 2}),
    "a large integer": (2**100, 2**100),
    "truth": ([True, False, None], [True, False, None]),
    "floats": ([1.0, -0.0, 5e-324, 1.7976931348623157e308], [1.0, -0.0, 5e-324, 1.7976931348623157e308]),
}


def test_what_is_converted_is_the_same_on_both_engines(engine: Engine) -> None:
    ids = list(CONVERTED)
    with engine.connect() as client, engine.make(client) as one:
        name = one.name
        vectors = np.repeat(ROW, len(ids), axis=0)
        one.upsert_binary([Text(identity) for identity in ids], vectors, [{"x": CONVERTED[row][0]} for row in ids])
    found = engine.read(name, ids)
    assert {identity: (found[identity].metadata or {})["x"] for identity in ids} == {
        identity: wanted for identity, (_, wanted) in CONVERTED.items()
    }
    assert [repr((found[row].metadata or {})["x"]) for row in ids] == [repr(wanted) for _, wanted in CONVERTED.values()]


CAST: dict[str, Any] = {
    "float64": ROW.astype(np.float64),
    "float16": ROW.astype(np.float16),
    "big-endian": ROW.astype(">f8"),
    "integers": ROW.astype(np.int64),
    "masked, and nothing is": np.ma.masked_array(ROW, False),
    "read only": np.frombuffer(ROW.tobytes(), np.float32).reshape(1, 4),
}


def test_numbers_of_another_type_are_cast(engine: Engine) -> None:
    with engine.connect() as client, engine.make(client) as one:
        name = one.name
        for identity, vectors in CAST.items():
            one.upsert_binary([identity], vectors)
    assert {identity: row.vector for identity, row in engine.read(name, list(CAST)).items()} == dict.fromkeys(
        CAST, ROW.tobytes()
    )
