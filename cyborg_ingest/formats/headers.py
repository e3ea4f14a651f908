"""The first line of a delimited file: whether it names the columns, and what it says when it does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.cells import Kind, is_number, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_OTHERS = {";": "';'", "\t": "tab", "|": "'|'", ",": "','"}
"""Delimiters, as `--delimiter` takes them."""
_EXCEL = re.compile(r"(\"?)sep=([^\w\s\"]|\t)\1")
"""The first line that Excel takes for its own, and not for the table's; quoted where a writer of CSV has put it."""
INDEX = "__index_level_0__"
_QUOTED = re.compile(r'"[^"]*"')


class Sign(NamedTuple):
    """A delimiter; how it is known where it is not that of the format; and whether it has a line of its own."""

    delimiter: str
    words: str = ""
    has_line: bool = False


def delimiter_of(head: bytes, usual: str) -> Sign:
    """The delimiter of a file that begins so, with a header.

    That is the usual one, unless the first line names another for Excel, or holds one other in place of it.
    """
    line = re.split(r"[\r\n]", head.decode("utf-8-sig", "replace").lstrip("\r\n"), maxsplit=1)[0]
    said = _EXCEL.fullmatch(line)
    if said is not None:
        return Sign(said[2], f"as its first line, {line!r}, says", has_line=True)
    bare = _QUOTED.sub('""', line)
    others = [sign for sign in _OTHERS if sign != usual and sign in bare]
    if usual in bare or len(others) != 1 or not all(one.strip(' "') for one in line.split(others[0])):
        return Sign(usual)
    return Sign(others[0], "as in its header")


def words_on_sign(uri: str, sign: Sign) -> tuple[str, ...]:
    """What is said of a delimiter that is not the usual one."""
    return (f"{uri}: its cells are set apart by {_OTHERS.get(sign.delimiter, repr(sign.delimiter))}, {sign.words}.",)


def made_names(count: int) -> list[str]:
    """Names by place for columns that have none, as duckdb makes them: column0, or column00 where there are 11."""
    width = len(str(max(0, count - 1)))
    return [f"column{place:0{width}}" for place in range(count)]


def with_index(cells: Sequence[str]) -> tuple[str, ...]:
    """The names; of the first column, where it alone has none, the one that pandas gives its index in Parquet."""
    is_index = len(cells) > 1 and not cells[0].strip() and INDEX not in cells and all(one.strip() for one in cells[1:])
    return (INDEX, *cells[1:]) if is_index else tuple(cells)


def check_header(uri: str, cells: Sequence[str], delimiter: str, *, is_said: bool, is_sure: bool) -> None:
    """Refuse a first line that does not name the columns. Raises FormatError.

    `is_said`: the user says that it does; `is_sure`: says what the delimiter is.
    """
    other = None if is_sure and len(cells) > 1 else _other_delimiter(cells, delimiter)
    if other is not None:
        count = "one column" if len(cells) == 1 else f"{len(cells)} columns"
        raise FormatError(
            f"{uri}: its header is {count}, {delimiter.join(cells)[:80]!r}. Perhaps its cells are set apart by "
            f"{_OTHERS[other]}: say so with --delimiter {_OTHERS[other]}."
        )
    if not is_said and _is_row(cells):
        raise FormatError(
            f"{uri}: its first line holds {_shown(cells)}, which is a row and not the names of columns. If it has no "
            "header, say --no-header, and its columns are column0, column1 and so on; if these are names, say --header."
        )
    for place, name in enumerate(with_index(cells), 1):
        if not name.strip():
            raise FormatError(f"{uri}: column {place} has no name; the first line names all of them.")
        if "\0" in name:
            raise FormatError(f"{uri}: the name of column {place} holds a NUL. Is it a text file?")


def _other_delimiter(cells: Sequence[str], delimiter: str) -> str | None:
    """What a header has more of than of its delimiter, where no text has so many: commas are in names, too."""
    signs = [sign for sign in _OTHERS if sign != delimiter and (sign != "," or len(cells) == 1)]
    counts = {sign: sum(one.count(sign) for one in cells) for sign in signs}
    most = max(counts, key=lambda sign: counts[sign])
    return most if counts[most] >= len(cells) else None


def _is_row(cells: Sequence[str]) -> bool:
    """Whether these are numbers and nothing else, or an array of them is among them: no column is named so."""
    texts = [text.strip() for text in cells if text.strip()]
    return bool(texts) and (all(map(is_number, texts)) or any(kind_of([text]) is Kind.VECTOR for text in texts))


def _shown(cells: Sequence[str]) -> str:
    return ", ".join(repr(text[:20]) for text in cells[:3]) + (", ..." if len(cells) > 3 else "")  # noqa: PLR2004 - as above
