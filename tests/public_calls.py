"""A process of its own for odd arguments: `python public_calls.py TARGET CALL`, a line for each value of the table.

Native code ends the process where it is handed what it does not expect, and a test must see that.
"""

from __future__ import annotations

import functools
import math
import secrets
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

import cyborg_ingest
from cyborg_ingest.errors import IngestError
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE, TYPE = "ArgumentError", "ArgumentTypeError"
KEY = bytes(range(32))
V = np.array([1, 2, 3, 4], np.float32)
HUGE = 10**5000


class Odd:
    """No number, no text, no list."""

    def __repr__(self) -> str:
        return "<odd>"


NO_TEXT: list[tuple[Any, str]] = [
    (None, TYPE), (5, TYPE), (2.5, TYPE), (b"x", TYPE), (Odd(), TYPE), (["x"], TYPE), ("\ud800", VALUE), (True, TYPE),
]  # fmt: skip
NO_WHOLE: list[tuple[Any, str]] = [
    ("4", TYPE), (2.5, TYPE), (4.0, TYPE), (math.nan, TYPE), (math.inf, TYPE), (True, TYPE), (np.bool_(True), TYPE),
    (b"4", TYPE), ([4], TYPE), (Odd(), TYPE), (-1, VALUE), (2**31, VALUE), (2**63, VALUE), (2**64, VALUE),
    (-(2**63), VALUE), (HUGE, VALUE), (np.int64(2**62), VALUE), (1j, TYPE), (np.float32(4), TYPE),
]  # fmt: skip
NO_NUMBER: list[tuple[Any, str]] = [
    ("x", TYPE), ("1.0", TYPE), (True, TYPE), (b"1", TYPE), ([1.0], TYPE), (Odd(), TYPE), (1j, TYPE),
    (math.nan, VALUE), (math.inf, VALUE), (-math.inf, VALUE), (-0.5, VALUE), (HUGE, VALUE), (-HUGE, VALUE),
]  # fmt: skip
IDS: list[tuple[Any, str]] = [
    (None, TYPE), ("a", TYPE), (5, TYPE), (b"a", TYPE), ([1], TYPE), ([None], TYPE), ([b"a"], TYPE), ({}, TYPE),
    ({"a"}, TYPE), (np.array(["a"]), TYPE), (["\ud800"], VALUE), (["a", "\udfff"], VALUE), ([["a"]], TYPE),
    ([math.nan], TYPE), (iter(["a"]), TYPE), ([Odd()], TYPE),
]  # fmt: skip
VECTORS: list[tuple[Any, str]] = [
    (None, TYPE), ([1.0, "2", 3, 4], TYPE), ([1.0, [2]], VALUE), ([10**50], TYPE), ([], VALUE),
    ("abcd", TYPE), (5, TYPE), (np.float32(1), TYPE), (np.array(1.0), VALUE),
    (V[:0], VALUE), (V[None], VALUE), (np.stack([V, V]), VALUE), (V * np.nan, VALUE), (V * np.inf, VALUE),
    (V.astype("f8") * 1e300, VALUE), (V + 1j, TYPE), (V.astype(str), TYPE), (V.astype(object), TYPE),
    (V.astype("M8[s]"), TYPE), (np.zeros(65_536, np.float32), VALUE), (Odd(), TYPE), (memoryview(b"abcd"), TYPE),
]  # fmt: skip
ROWS: list[tuple[Any, str]] = [
    (None, TYPE), ([[1.0, 2, 3, 4]], TYPE), (V, VALUE), (V[None, None], VALUE), (V[None][:, :0], VALUE),
    (np.zeros((1, 65_536), np.float32), VALUE), (V[None].astype(str), TYPE), (V[None] + 1j, TYPE), (Odd(), TYPE),
]  # fmt: skip
KEYS: list[tuple[Any, str]] = [
    (b"", VALUE), (b"a" * 31, VALUE), (b"a" * 33, VALUE), (bytes(32), VALUE), ("a" * 32, VALUE), ("61" * 31, VALUE),
    ("00" * 32, VALUE), ("key.bin", VALUE),
    (bytearray(b"a" * 32), TYPE), (memoryview(b"a" * 32), TYPE), (list(b"a" * 32), TYPE), (5, TYPE), (Odd(), TYPE),
    (np.frombuffer(b"a" * 32, np.uint8), TYPE),
]  # fmt: skip
OPTIONS: dict[str, list[tuple[Any, str]]] = {
    "dimension": [*NO_WHOLE, (65_536, VALUE)],
    "metric": [(5, TYPE), ("", VALUE), ("COSINE", VALUE), (b"cosine", TYPE), (Odd(), TYPE), (["cosine"], TYPE)],
    "storage_precision": [(5, TYPE), ("float8", VALUE), (np.float32, TYPE), (Odd(), TYPE), ({}, TYPE)],
    "kms_name": [(5, TYPE), (b"x", TYPE), (Odd(), TYPE), ([], TYPE)],
    "bm25_k1": NO_NUMBER,
    "bm25_b": [*NO_NUMBER, (1.5, VALUE)],
    "text_fields": [("abc", TYPE), ((1,), TYPE), (("",), VALUE), (("\ud800",), VALUE), ({"a"}, TYPE), (5, TYPE)],
    "metadata_schema": [
        ([], TYPE), ("{}", TYPE), ({1: {}}, TYPE), ({"": {}}, VALUE), ({"\ud800": {}}, VALUE), ({"a": 1}, TYPE),
        ({"a": None}, TYPE), ({"a": {"x": True}}, VALUE), ({"a": {"filterable": "x"}}, TYPE),
        ({"a": {"filterable": 1}}, TYPE), ({"a": {1: True}}, VALUE), ({"a": [True]}, TYPE),
    ],
}  # fmt: skip


def _create(client: Any, **options: Any) -> Any:
    return client.create(secrets.token_hex(4), KEY, CreateOptions(**{"dimension": 4, **options}))


def cases(client: Any, index: Any, call: str) -> list[tuple[str, Callable[[], Any], str]]:
    """What is called with each odd value, and which error it has to be."""

    def each(name: str, values: list[tuple[Any, str]], act: Callable[[Any], Any]) -> list[Any]:
        return [(f"{name} {_short(value)}", lambda value=value: act(value), kind) for value, kind in values]

    def named(act: Callable[..., Any], name: str) -> Callable[[Any], Any]:
        return lambda value: act(**{name: value})

    four, connect = CreateOptions(dimension=4), cyborg_ingest.connect
    tables: dict[str, list[Any]] = {
        "query": each("vector", VECTORS, lambda value: index.query(value, 1))
        + each("top_k", [*NO_WHOLE, (0, VALUE), (None, TYPE)], lambda value: index.query(V, value)),
        "get": each("ids", IDS, index.get),
        "upsert": each("ids", IDS, lambda value: index.upsert_binary(value, V[None]))
        + each("vectors", ROWS, lambda value: index.upsert_binary(["a"], value)),
        "create": [
            one
            for name, values in OPTIONS.items()
            for one in each(name, values, named(functools.partial(_create, client), name))
        ]
        + each("name", [*NO_TEXT, ("", VALUE), ("default", VALUE), ("x" * 300, VALUE)],
               lambda value: client.create(value, KEY, four))
        + each("key", KEYS, lambda value: client.create(secrets.token_hex(4), value, four)),
        "index": each("name", NO_TEXT, lambda value: client.index(value, KEY).describe())
        + each("key", KEYS, lambda value: client.index(index.name, value).count())
        + each("key", KEYS, lambda value: client.index(index.name, value).train())
        + each("key", KEYS, lambda value: client.index(index.name, value).delete()),
        "connect": each("target", [one for one in NO_TEXT if one[1] == TYPE], connect)
        + each("api_key", [(5, TYPE), (["x"], TYPE), (Odd(), TYPE)], lambda value: connect(client.target, value))
        + [
            one
            for name in ("timeout", "connect_timeout")
            for one in each(name, [*NO_NUMBER, (None, TYPE), (0, VALUE), (1e20, VALUE)],
                            named(functools.partial(connect, client.target), name))
        ]
        + each("ca_cert", [(5, TYPE), (b"x", TYPE)], lambda value: connect(client.target, ca_cert=value))
        + each("insecure", [("yes", TYPE), (1, TYPE)], lambda value: connect(client.target, insecure=value)),
    }  # fmt: skip
    return tables[call]


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"of shape {value.shape}"
    return "a huge number" if isinstance(value, int) and value.bit_length() > 100 else ascii(value)[:40]


def _outcome(act: Callable[[], Any], expected: str) -> str:
    """The name of the error, if it is the right one."""
    try:
        act()
    except IngestError as error:
        kind = type(error).__name__
        is_typed = isinstance(error, TypeError) == (kind == TYPE)
        return (
            kind
            if kind == expected and is_typed and isinstance(error, ValueError)
            else f"{kind}: {error}, not {expected}"
        )
    return f"no error, not {expected}"


def main(target: str, call: str) -> None:
    """A line for each value: what it was, and what came of it."""
    tell = sys.stdout.write
    with cyborg_ingest.connect(target) as client:
        index: Any = _create(client)
        index.upsert_binary(["a", "b"], np.stack([V, V + 1]))
        for name, act, expected in cases(client, index, call):
            tell(f"{name} -> ")
            sys.stdout.flush()
            tell(f"{_outcome(act, expected)}\n")
        if index.count() == 2 and [one.id for one in index.query(V, np.int64(1))] == ["a"]:  # nothing was changed
            tell("end\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
