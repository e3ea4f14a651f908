"""Lines of Elasticsearch's `_bulk`: one that says what is done, and behind it, where there is any, the document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cyborg_ingest.formats.records import TooLarge
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.model import Json

Numbered = tuple[bytes, int, int, int]
"""The text of a row, the place behind it, its line, and the last line that was read for it."""

_ACTIONS = {"index": True, "create": True, "update": True, "delete": False}
"""What may be done, and whether a line with a document follows."""


def is_bulk(rows: list[Json]) -> bool:
    """Whether the first of these is an action, and what follows it is none."""
    second = rows[1] if len(rows) > 1 else {}
    return bool(rows) and _action_of(rows[0]) is not None and (not _ACTIONS[next(iter(rows[0]))] or "_id" not in second)


def numbered(lines: Iterable[tuple[bytes, int]], before: int) -> Iterator[Numbered]:
    """Each line with its number; so many are before them."""
    for number, (text, end) in enumerate(lines, before + 1):
        yield text, end, number, number


def paired(lines: Iterator[Numbered]) -> Iterator[Numbered]:
    """Each action and its document as one row: {"_action": ..., "_id": ..., "_source": {...}}.

    What stands where an action should is a row by itself, and no document is taken for one.
    """
    for text, end, number, last in lines:
        action = None if isinstance(text, TooLarge) or not text.strip() else _action(text)
        if action is None:
            yield text, end, number, last
            continue
        name, identity = action
        head = b'{"_action":%b,"_id":%b' % (json.dumps(name).encode(), json.dumps(identity).encode())
        document = next((one for one in lines if one[0].strip()), None) if _ACTIONS[name] else None
        if document is None:
            yield head + b"}", end, number, last
        elif isinstance(document[0], TooLarge):
            yield document[0], document[1], number, document[3]
        else:
            yield head + b',"_source":' + document[0] + b"}", document[1], number, document[3]


def _action(text: bytes) -> tuple[str, Any] | None:
    try:
        return _action_of(load_json(text))
    except ValueError:
        return None


def _action_of(row: Any) -> tuple[str, Any] | None:
    """What a line says is done, and to which id; None where it says no such thing."""
    name = next(iter(row)) if isinstance(row, dict) and len(row) == 1 else ""
    inner = row[name] if name in _ACTIONS else None
    return (name, inner.get("_id")) if isinstance(inner, dict) else None
