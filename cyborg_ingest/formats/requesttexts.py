"""The texts that a batch's requests sent, for the rows that its output holds: joined by id, in bounded memory."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceNotFoundError
from cyborg_ingest.formats.fields import checked_text
from cyborg_ingest.formats.lines import ENDLESS, check_encoding, lines_between
from cyborg_ingest.formats.records import parse_object
from cyborg_ingest.formats.spool import Spool
from cyborg_ingest.model import Fault, Reason, shown_id
from cyborg_ingest.rows.arrays import text_array
from cyborg_ingest.rows.paths import value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cyborg_ingest.model import Chunk
    from cyborg_ingest.sources import Seen

OPTION = "--contents-from"
COLUMN = "contents"
"""What the texts are called where the rows have none of their own."""
_INSERT = "INSERT OR IGNORE INTO requests VALUES (?, ?)"


class Requests:
    """The requests of one file. Raises FormatError where a line is none, or two have one id."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._spool = Spool(f"{OPTION} {path}", "CREATE TABLE requests (id TEXT PRIMARY KEY, text)")
        place: tuple[int, tuple[str, str | None]] = 0, ("", None)

        def requests() -> Iterator[tuple[str, str | None]]:
            nonlocal place
            for place in _requests(path, limit):
                yield place[1]

        for added in self._spool.fill(_INSERT, requests()):
            if not added:
                line, (identity, _) = place
                raise FormatError(
                    f"{OPTION} {path}, line {line}: two requests have the custom_id {shown_id(identity)}. Which of "
                    "them counts, nothing says: leave one of each."
                )

    def texts(self, ids: Sequence[str | None]) -> dict[str, str | None]:
        """The text of each request that is there; None where it is not one text."""
        return dict(self._spool.find("id, text", "requests", "id", ids))


def _requests(path: Path, limit: int) -> Iterator[tuple[int, tuple[str, str | None]]]:
    uri = str(path)
    with sources.reading(uri), sources.streamed(uri) as file:
        check_encoding(f"{OPTION} {path}", file.peek(4))
        for number, (line, _) in enumerate(lines_between(file, 0, ENDLESS, limit), 1):
            if not line.strip():
                continue
            row = parse_object(line)
            identity = row.get("custom_id") if isinstance(row, dict) else None
            if not isinstance(row, dict) or not isinstance(identity, str) or not _is_text(identity):
                why = row if isinstance(row, str) else "it has no custom_id that is text"
                raise FormatError(f"{OPTION} {path}, line {number}: {why}. It takes the file of a batch's requests.")
            yield number, (identity, _text(value_at(row, "body.input")))


def _text(value: Any) -> str | None:
    """The one text that was sent to be embedded; tokens and several texts are none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and _is_text(value) else None


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8."""
    try:
        checked_text(value)
    except ValueError:
        return False
    return True


def with_texts(chunk: Chunk, path: Path | None, limit: int) -> Chunk:
    """The chunk with the texts of its rows' requests as contents; a row that has none is at fault."""
    names = chunk.columns
    if path is None or names.contents is None or names.id is None:
        return chunk
    requests = _stored(path, sources.look(str(path)), limit)
    ids = chunk.batch.column(names.id).to_pylist()
    found = requests.texts(ids)
    known = {fault.offset for fault in chunk.faults}
    faults = [
        Fault(place, Reason.CONTENTS_INVALID, _missing(requests.path, is_there=one in found))
        for place, one in enumerate(ids)
        if one and found.get(one) is None and place not in known
    ]
    texts = text_array([found.get(one) if one else None for one in ids])
    place = chunk.batch.schema.get_field_index(names.contents)
    return replace(chunk, batch=chunk.batch.set_column(place, names.contents, texts), faults=(*chunk.faults, *faults))


def _missing(path: Path, *, is_there: bool) -> str:
    return f"its request in {path.name} has not one text" if is_there else f"no request in {path.name} has its id"


@functools.lru_cache(maxsize=2)
def _stored(path: Path, _seen: Seen, limit: int) -> Requests:
    """Copied once, for as long as the file is the same."""
    return Requests(path, limit)


def check_requests(path: Path, limit: int) -> None:
    """Read them before a row is loaded. Raises FormatError, SourceNotFoundError."""
    if not path.is_file():
        raise SourceNotFoundError(f"{OPTION} {path}: no such file.")
    _stored(path, sources.look(str(path)), limit)
