"""The rows of a JSON document, each as the text of an object, wherever they are; then the rest is looked at, too."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats.jsonforms import EACH, check_names, places_of_rows
from cyborg_ingest.formats.jsonnodes import Node, is_columns, looks_like_id
from cyborg_ingest.formats.jsonsurvey import Survey
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.formats.records import Named, NoRow, TooLarge
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from cyborg_ingest.model import Within

_BLOCK_BYTES = 1 << 20


def rows_of(uri: str, within: Within, limit: int) -> Iterator[tuple[bytes, int]]:
    """The text of each row and the place behind it; of one that is too large its begin.

    Raises SourceError where the document is damaged, ends early, or holds more rows than these.
    """
    with sources.reading(uri):
        if within.kind in {"columns", "split"}:
            yield from (_of_columns if within.kind == "columns" else _of_split)(uri, within, limit)
            return
        with _at(uri, within.places[0][1], limit) as text:
            yield from rows_in(text, within)


def rows_in(text: JsonText, within: Within) -> Iterator[tuple[bytes, int]]:
    """The same, of a document that stands where its rows begin."""
    if within.kind == "one":
        yield text.element()
    elif within.kind == "pages":
        yield from _in_pages(text, within.places[0][0], _steps(within.places[0][0]))
    else:
        yield from elements(text) if within.kind == "array" else _members(text)
    _finish(text, within)


@contextlib.contextmanager
def _at(uri: str, place: int, limit: int) -> Iterator[JsonText]:
    """The document from a byte on."""
    with sources.streamed(uri) as file:
        _reach(uri, file, place)
        yield JsonText(file, uri, limit, place)


def _reach(uri: str, file: BinaryIO, place: int) -> None:
    if place and sources.is_seekable(uri):
        file.seek(place)
        return
    while place and (block := file.read(min(place, _BLOCK_BYTES))):
        place -= len(block)


def elements(text: JsonText) -> Iterator[tuple[bytes, int]]:
    """The text of each element of the array that comes next, and the place behind it."""
    text.passes(b"[")
    is_open = not text.passes(b"]")
    while is_open:
        yield text.element()
        is_open = text.passes(b",")
        if not is_open and not text.passes(b"]"):
            raise text.broken(f"row {text.row - 1:,} is followed by neither a comma nor the closing bracket")


def _members(text: JsonText) -> Iterator[tuple[bytes, int]]:
    """The value of each member of the object that comes next, with its name, and the place behind it."""
    text.container = "object"
    text.passes(b"{")
    is_open = not text.passes(b"}")
    while is_open:
        name, _ = text.key()
        found, end = text.element()
        yield found if isinstance(found, TooLarge) else Named.of(found, name), end
        is_open = text.passes(b",")
        if not is_open and not text.passes(b"}"):
            raise text.broken(f"row {text.row - 1:,} is followed by neither a comma nor the closing brace")


def _steps(records: str) -> tuple[str, ...]:
    """What a path leads through: names, and `EACH` for all items of a list."""
    pieces = records.replace(EACH, f".{EACH}").split(".")
    return tuple(piece for piece in pieces if piece)


def _in_pages(text: JsonText, records: str, steps: tuple[str, ...]) -> Iterator[tuple[bytes, int]]:
    """The rows at the end of a path in the value that comes next: a list of them, or an object that is one."""
    sign = text.sign()
    if not steps and sign == b"[":
        yield from elements(text)
    elif not steps and sign == b"{":
        yield text.element()
    elif not steps or sign != (b"[" if steps[0] == EACH else b"{"):
        rest = ".".join(steps) or "rows"
        raise text.refused(
            f"--records names {records!r}, and behind row {text.row:,} what should hold {rest} begins with "
            f"{sign.decode(errors='replace')!r}. Take such pages out, or load the others by themselves."
        )
    elif steps[0] == EACH:
        yield from _in_each(text, records, steps[1:])
    else:
        yield from _in_member(text, records, steps)


def _in_each(text: JsonText, records: str, steps: tuple[str, ...]) -> Iterator[tuple[bytes, int]]:
    text.passes(b"[")
    is_open = not text.passes(b"]")
    while is_open:
        yield from _in_pages(text, records, steps)
        is_open = text.passes(b",")
        if not is_open and not text.passes(b"]"):
            raise text.broken(f"a page behind row {text.row:,} is followed by neither a comma nor the closing bracket")


def _in_member(text: JsonText, records: str, steps: tuple[str, ...]) -> Iterator[tuple[bytes, int]]:
    text.passes(b"{")
    is_open, found = not text.passes(b"}"), 0
    while is_open:
        name, _ = text.key()
        if name == steps[0]:
            found += 1
            yield from _in_pages(text, records, steps[1:])
        else:
            text.value()
        is_open = text.passes(b",")
        if not is_open and not text.passes(b"}"):
            raise text.broken(f"member {name!r} is followed by neither a comma nor the closing brace")
    if found != 1:
        raise text.refused(
            f"--records names {records!r}, and an object behind row {text.row:,} has {found} members named "
            f"{steps[0]!r}. Take such pages out, or load the others by themselves."
        )


def _finish(text: JsonText, within: Within) -> None:
    """Look at what follows the rows up to the document's end: nothing of it is theirs, and nothing is lost."""
    rows = text.row
    for depth in reversed(range(len(within.path))):
        sign = b"[" if within.kind == "array" and depth == len(within.path) - 1 else b"{"
        around = Node(within.path[:depth], b"{", 0, [Node(within.path[: depth + 1], sign, 0, count=rows)])
        while text.passes(b","):
            name, _ = text.key()
            if name == within.path[depth]:
                raise text.broken(f"a second member named {name!r} follows the rows")
            if within.is_sure:
                text.value()
            else:
                around.members.append(_looked_at(text, Node((*around.path, name), b"", 0)))
        _refuse_more(text.uri, around)
        if not text.passes(b"}"):
            raise text.broken("the object that holds the rows is followed by neither a comma nor the closing brace")
    if not text.is_at_end():
        what = "document" if within.path else text.container
        raise text.broken(f"the {what} is closed behind {text.row:,} rows, and something follows")


def _looked_at(text: JsonText, node: Node) -> Node:
    row = text.row
    Survey(text, None, to_end=True).value(node, len(node.path))
    text.row = row
    return node


def _refuse_more(uri: str, around: Node) -> None:
    """Raise SourceError where rows follow that nobody knew of when the file was planned, by themselves or as columns.

    `around` has the rows that were read as its first member.
    """
    more = [one for member in around.members[1:] for one in places_of_rows(member)]
    if is_columns(around) or more:
        where = more[0].name if more else f"{around.name} as columns"
        raise SourceError(
            f"{uri}: more rows are in {where}, far behind the first ones. Say with --records which are meant, and load "
            "each by itself."
        )


def _of_columns(uri: str, within: Within, limit: int) -> Iterator[tuple[bytes, int]]:
    """Each row put together from the values that columns have in its place; each column is read where it stands."""
    names = [json.dumps(name).encode() for name, _ in within.places]
    has_id = any(looks_like_id(name) for name, _ in within.places)
    with contextlib.ExitStack() as stack:
        texts = [stack.enter_context(_at(uri, place, limit)) for _, place in within.places]
        by_name = texts[0].sign() == b"{"
        columns = [_members(text) if by_name else elements(text) for text in texts]
        for row, values in enumerate(_together(texts, columns)):
            found = [one for one, _ in values]
            end = max(end for _, end in values)
            large = next((one for one in found if isinstance(one, TooLarge)), None)
            if large is not None:
                yield large, end
                continue
            text = b"{" + b",".join(map(b"%b:%b".__mod__, zip(names, found, strict=True))) + b"}"
            keys = {one.name for one in found if isinstance(one, Named)}
            if len(keys) > 1:
                raise SourceError(f"{uri}: value {row:,} of its columns has several names: {', '.join(sorted(keys))}.")
            yield (Named.of(text, keys.pop()) if keys and not has_id else text), end


def _together(
    texts: Sequence[JsonText], columns: Sequence[Iterator[tuple[bytes, int]]]
) -> Iterator[tuple[tuple[bytes, int], ...]]:
    """The values of the columns row by row. Raises SourceError where one is shorter."""
    while True:
        values = [next(column, None) for column in columns]
        there = [one for one in values if one is not None]
        if len(there) < len(values):
            if there:
                raise texts[0].broken("its columns are not of one length any more")
            return
        yield tuple(there)


def _of_split(uri: str, within: Within, limit: int) -> Iterator[tuple[bytes, int]]:
    """Each array as an object, by the names that stand beside them."""
    places = dict(within.places)
    with _at(uri, places["columns"], limit) as text:
        found = [str(load_json(one)) for one, _ in elements(text)]
    check_names(uri, found)
    names = [json.dumps(name).encode() for name in found]
    with _at(uri, places["data"], limit) as text:
        for row, end in elements(text):
            yield row if isinstance(row, TooLarge) else _with_names(uri, row, names, limit), end


def _with_names(uri: str, text: bytes, names: Sequence[bytes], limit: int) -> bytes:
    """An array as an object. What is not an array, or one of another length or damaged, is that row's fault alone."""
    if text[:1] != b"[":
        return NoRow.of(text, f"it is not an array of {len(names)} values")
    try:
        values = [one for one, _ in elements(JsonText(io.BytesIO(text), uri, limit))]
    except SourceError:
        return NoRow.of(text, "the array is damaged")
    if len(values) != len(names):
        return NoRow.of(text, f"it has {len(values)} values for {len(names)} names")
    return b"{" + b",".join(map(b"%b:%b".__mod__, zip(names, values, strict=True))) + b"}"
