"""Arrays of numbers in JSON text, read without a Python object for each: nine tenths of a line of JSONL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

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
    parser: Any = simdjson.Parser()  # its types say nothing of what a text holds

    def parse(text: bytes) -> Buffer | None:
        try:
            return parser.parse(text).as_buffer(of_type="d")
        except (ValueError, TypeError, RuntimeError, MemoryError, OverflowError):
            return None

    return parse
