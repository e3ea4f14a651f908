"""Rows of an index as lines of JSON, which `upsert` reads again: bit by bit, and whatever is in them."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from cyborg_ingest.errors import UNSEEN
from cyborg_ingest.model import Match
from cyborg_ingest.rows.leftover import QUERY_KEY
from cyborg_ingest.rows.values import contents_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.model import StoredRow

_BEYOND_ASCII = re.compile(r"[^ -~]")
_SHOWN = 3
"""Numbers of a vector that is shortened."""


def line_of(row: StoredRow, *, short: bool = False) -> str:
    """A row in one line, without its end. What a row does not have is not in it.

    `short`: its vector is a text with the first numbers, which nothing takes for a vector.
    """
    parts = [f'"id": {_text(row.id)}']
    if row.vector is not None:
        parts.append(f'"vector": {_text(_shortened(row.vector)) if short else _numbers(row.vector)}')
    if row.metadata is not None:
        parts.append(f'"metadata": {_text(row.metadata)}')
    if row.contents is not None:
        parts.append(f'"contents": {_text(contents_text(row.contents))}')
    if isinstance(row, Match):
        parts.append(f'"{QUERY_KEY}": {_text({"distance": row.distance})}')
    return f"{{{', '.join(parts)}}}"


def _numbers(vector: npt.NDArray[np.float32]) -> str:
    """As few digits as lead back to the same float32, whoever reads them, be it by way of a float64."""
    if np.isfinite(vector).all():
        text = orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY)
        if np.array(orjson.loads(text)).astype(np.float32).tobytes() == vector.tobytes():
            return text.decode()
    return json.dumps(vector.astype(float).tolist())


def _shortened(vector: npt.NDArray[np.float32]) -> str:
    return ", ".join([*(f"{one:g}" for one in vector[:_SHOWN].tolist()), f"... ({len(vector)} numbers)"])


def _text(value: Any) -> str:
    """A value as JSON that people can read; what a terminal would obey, or not show, is escaped."""
    return _BEYOND_ASCII.sub(_escaped, json.dumps(value, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    one = found[0]
    return json.dumps(one)[1:-1] if unicodedata.category(one) in UNSEEN else one
