"""Lists of sources: a file with one a line."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import SourceNotFoundError
from cyborg_ingest.smallfiles import read_small
from cyborg_ingest.sources.local import local_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = "@"
_LARGEST = 64_000_000
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sources_in(source: str, within: tuple[Path, ...] = ()) -> Iterator[str]:
    """The sources in `@list`, and in lists that it names; what is blank or begins with # is skipped.

    Blanks at the ends of a line do not count. A name need not be UTF-8. Raises SourceNotFoundError.
    """
    path = Path(local_path(source.removeprefix(_MARK)))
    if path.absolute() in within:
        raise SourceNotFoundError(f"{source}: the list names itself.")
    names = [line.strip(" \t\r") for line in _text(source, path).split("\n")]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise SourceNotFoundError(f"{source}: the list names no source. It has one a line.")
    for name in names:
        if name.startswith(_MARK):
            yield from sources_in(name, (*within, path.absolute()))
        else:
            yield name


def _text(source: str, path: Path) -> str:
    try:
        data = read_small(path, _LARGEST)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise SourceNotFoundError(f"{source}: the list cannot be read ({words}).") from None
    if data.startswith(_WIDE):
        return data.decode("utf-16", "replace")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
