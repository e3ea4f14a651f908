"""Arrays of numbers in JSON text, read without a Python object for each: nine tenths of a line of JSONL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Buffer = Any
"""float64 numbers, as the buffer protocol gives them."""


def number_parser() -> Callable[[bytes], Buffer | None]:
    """A function that reads a JSON array of numbers; None where it is anything else. For one thread.

    simdjson is as strict as the JSON reader that takes what it refuses, and reads a number as the same float64:
    it is only faster. Where it has no package everything is left to that reader.
    """
    try:
        import simdjson  # noqa: PLC0415 - only for JSON, and not for every Python
    except ImportError:
        return lambda _text: None
    parser = simdjson.Parser()

    def parse(text: bytes) -> Buffer | None:
        try:
            return parser.parse(text).as_buffer(of_type="d")
        except (ValueError, TypeError, RuntimeError):
            return None

    return parse


def list_array(rows: Sequence[Buffer]) -> pa.Array:
    """Lists of float64, one a row. Not by `pa.array`, which imports pandas where it is installed."""
    numbers = [np.frombuffer(row) for row in rows]
    ends = np.cumsum([0, *map(len, numbers)], dtype=np.int64)
    flat = np.concatenate(numbers) if numbers else np.empty(0)
    items = pa.Array.from_buffers(pa.float64(), len(flat), [None, pa.py_buffer(flat)])
    return pa.Array.from_buffers(pa.large_list(pa.float64()), len(rows), [None, pa.py_buffer(ends)], children=[items])
