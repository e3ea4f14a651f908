"""Settings as the words of a command that does the same from any directory, in any environment.

What a message prints to be run again is made of what counts, not of what was typed: an option that came from a variable
stands in it too, and paths begin at the root. A key never does, since it is not an option: its file or variable stays.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import masked
from cyborg_ingest.settings.declaring import declarations, given
from cyborg_ingest.settings.scrubbing import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.settings.declaring import Declaration, Settings

_DISK = "disk:"
_MOST = 100
"""Values of one option that are shown."""


def words(*groups: Settings) -> list[str]:
    """The options of these settings that are not their defaults, each once."""
    found: dict[str, tuple[Declaration, Any]] = {}
    for group in groups:
        declared = declarations(type(group))
        found |= {declared[name].flag: (declared[name], value) for name, value in given(group).items()}
    return list(words_of_all(found.values()))


def values(settings: Settings) -> dict[str, Any]:
    """The options that are not their defaults, by the names of their flags: as JSON has them, and none of a secret.

    Of one with many values the first.
    """
    declared = declarations(type(settings))
    return {declared[name].name: _first(shown_value(declared[name], value)) for name, value in given(settings).items()}


def _first(value: Any) -> Any:
    is_long = isinstance(value, list) and len(value) > _MOST
    return [*value[:_MOST], f"and {len(value) - _MOST:,} more"] if is_long else value


def shown_value(declared: Declaration | None, value: Any) -> Any:
    """The value of an option as it may be shown: without what is secret in an address."""
    if declared is not None and declared.is_secret and value:
        return MASK
    if isinstance(value, list | tuple):
        return [shown_value(None, one) for one in value]
    if isinstance(value, str | os.PathLike):
        text = str(value)
        return masked(text) if "://" in text else text
    return value


def words_of_all(options: Iterable[tuple[Declaration, Any]]) -> Iterator[str]:
    """Options and their values as words; the one behind whose words there are no options comes last."""
    for declared, value in sorted(options, key=lambda one: one[0].takes_rest):
        yield from words_of(declared, value)


def source(text: str, folder: Path | None = None) -> str:
    """A source as it is named from any directory; a pattern stays one. Its path begins at `folder`, or where we are."""
    if text == "-" or "://" in text:
        return text
    mark = "@" if text.startswith("@") else ""
    return mark + _absolute(text.removeprefix("@"), folder)


def target(text: str, folder: Path | None = None) -> str:
    """A target as it is named from any directory."""
    if not text.lower().startswith(_DISK):
        return text
    place = text[len(_DISK) :]
    return _DISK + _absolute(place.removeprefix("//") if place.startswith("//") else place, folder)


def words_of(declared: Declaration, value: Any) -> Iterator[str]:
    """An option and its value, or values, as words; none of a secret."""
    flag, _, off = declared.flag.partition("/")
    if declared.is_secret:
        return
    if declared.takes_rest:
        yield from (flag, "--", *value)
        return
    if isinstance(value, bool):
        yield flag if value else off
    elif isinstance(value, tuple) and declared.repeats:
        for one in value:
            yield from (flag, one)
    elif isinstance(value, tuple):
        yield from (flag, ",".join(value))
    else:
        yield from (flag, _text(declared, value))


def _text(declared: Declaration, value: Any) -> str:
    if isinstance(value, Path):
        return _absolute(str(value))
    return target(str(value)) if declared.flag == "--target" else str(value)


def _absolute(path: str, folder: Path | None = None) -> str:
    home = Path(os.path.expanduser(path))  # noqa: PTH111 - a Path raises another error for ~nobody
    return str((folder / home if folder else home).absolute())
