"""Single values of JSON that become ids and contents; the same rules for JSONL and for sidecars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pybase64

from cyborg_ingest.readers.arrays import number_array, text_array


def identity(value: Any) -> str | None:
    """An id: text as it is, an integer in decimal, null as none. Raises ValueError."""
    if value is None or isinstance(value, str):
        checked_text(value)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"the id is {kind_of(value)}; ids are text or whole numbers")


def contents(value: Any) -> str | bytes | None:
    """Contents: text, null, or bytes as {"base64": "..."}. Raises ValueError."""
    if value is None or isinstance(value, str):
        checked_text(value)
        return value
    if isinstance(value, dict) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return pybase64.b64decode(value["base64"], validate=True)
        except ValueError as error:
            raise ValueError(f"the contents are no base64: {error}") from None
    raise ValueError(f'the contents are {kind_of(value)}; they are text, or bytes as {{"base64": "..."}}')


def checked_text(value: str | None) -> None:
    """Refuse a lone surrogate, which is no Unicode text. Raises ValueError."""
    if value is not None:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("the text holds a lone surrogate, which is no valid Unicode") from None


def contents_array(values: list[str | bytes | None]) -> pa.Array:
    """Text, or where bytes are among it a union of both, so that each row stays what it is."""
    if not any(isinstance(value, bytes) for value in values):
        return text_array(values)
    texts = [value for value in values if not isinstance(value, bytes)]
    data = [value for value in values if isinstance(value, bytes)]
    kinds = np.array([isinstance(value, bytes) for value in values], np.int8)
    offsets = np.where(kinds, np.cumsum(kinds), np.cumsum(1 - kinds)).astype(np.int32) - 1
    children = [text_array(texts), text_array(data).view(pa.large_binary())]
    return pa.UnionArray.from_dense(number_array(kinds), number_array(offsets), children)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
        str: "text",
    }
    return kinds.get(type(value), type(value).__name__)
