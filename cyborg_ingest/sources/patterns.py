"""Patterns over paths, and which names are hidden: one rule for disks and object stores."""

from __future__ import annotations

import enum
import fnmatch
import re
from dataclasses import dataclass, field

_WILD = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"


def is_pattern(text: str) -> bool:
    """Whether this has wildcards."""
    return _WILD.search(text) is not None


def is_hidden(name: str) -> bool:
    """Whether a name is one that jobs leave beside the data: `_SUCCESS`, `.crc`; `_lang=en` is a column."""
    return name.startswith((".", "_")) and "=" not in name


class Fit(enum.Enum):
    """How a path stands to a pattern."""

    NO = 0
    ON_THE_WAY = 1
    """A folder below which something may match."""
    WHOLE = 2
    BELOW = 3
    """In a folder that matches: it stands for all that is in it."""


@dataclass(frozen=True)
class Pattern:
    """A pattern's parts: `*`, `?` and `[ab]` stay within a name, `**` is any number of folders.

    A wildcard takes no hidden name, unless its own part of the pattern begins like one. `of_folders`: it ends with a
    slash, so no file matches it.
    """

    parts: tuple[str, ...]
    of_folders: bool = False
    _steps: tuple[re.Pattern[str] | None, ...] = field(init=False, compare=False)
    # Names are matched by the standard library's `fnmatch`. Its `glob.translate` (3.13) matches whole paths only: it
    # tells no folder on the way from one to leave out, none that stands for all in it, and hides other names.

    def __post_init__(self) -> None:
        steps = tuple(None if part == _ANY_DEPTH else re.compile(fnmatch.translate(part)) for part in self.parts)
        object.__setattr__(self, "_steps", steps)

    @property
    def is_plain(self) -> bool:
        """Whether it names files at one depth, as a shell would."""
        return _ANY_DEPTH not in self.parts

    def match(self, names: tuple[str, ...], *, hidden: bool = False) -> Fit:
        """How a path below the pattern's beginning matches; `hidden`: its hidden names are names as any other."""
        places = self._closed({0})
        for depth, name in enumerate(names):
            if depth and len(self.parts) in places:
                is_shown = hidden or not any(map(is_hidden, names[depth:]))
                return Fit.BELOW if is_shown else Fit.NO
            places = self._closed(self._after(places, name, hidden=hidden))
            if not places:
                return Fit.NO
        return Fit.WHOLE if len(self.parts) in places else Fit.ON_THE_WAY

    def _closed(self, places: set[int]) -> set[int]:
        """With the places behind each `**`, which may not be a folder at all."""
        for place in sorted(places):
            while place < len(self._steps) and self._steps[place] is None:
                place += 1  # noqa: PLW2901 - the next one
                places.add(place)
        return places

    def _after(self, places: set[int], name: str, *, hidden: bool) -> set[int]:
        found = set()
        for place in places:
            if place == len(self._steps) or (is_hidden(name) and not hidden and not is_hidden(self.parts[place])):
                continue
            step = self._steps[place]
            if step is None:
                found.add(place)
            elif step.match(name):
                found.add(place + 1)
        return found
