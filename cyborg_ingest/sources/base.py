"""What a place has to offer, whatever is stored in it; and what was found there, read or not."""

from __future__ import annotations

import enum
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import io
    from collections.abc import Hashable, Iterable

    from cyborg_ingest.sources.catalogues import CatalogueFolder
    from cyborg_ingest.sources.versions import Version

Partition = tuple[tuple[str, str | None], ...]
"""Hive's columns of a file: the names and values in the folders above it."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_FIRST = 5


class Why(str, enum.Enum):
    """Why something that was found is not read; the words stay once released."""

    UNKNOWN_SUFFIX = "unknown_suffix"
    ARCHIVE = "archive"
    OTHER_FORMAT = "other_format"
    NOT_CHOSEN = "not_chosen"
    HIDDEN = "hidden"
    ABOUT_DATA = "about_data"
    NOT_LISTED = "not_listed"
    NO_ROWS = "no_rows"
    SAME_FILE = "same_file"
    SAME_FOLDER = "same_folder"
    DANGLING_LINK = "dangling_link"
    NOT_REGULAR = "not_regular"
    UNADDRESSABLE = "unaddressable"


_WORDS = {
    Why.UNKNOWN_SUFFIX: ("without a known suffix", "read them with --format, or by their own names"),
    Why.ARCHIVE: ("that are archives", "unpack them first"),
    Why.OTHER_FORMAT: ("of a format that is not read here", "inspect FILE says what to do"),
    Why.NOT_CHOSEN: ("whose suffix says another format than --format", ""),
    Why.HIDDEN: ("beginning with . or _", ""),
    Why.ABOUT_DATA: ("of JSON about the data, without rows", ""),
    Why.NOT_LISTED: ("not in the list that their folder keeps of its files", ""),
    Why.NO_ROWS: ("without rows", ""),
    Why.SAME_FILE: ("read by another name already", ""),
    Why.SAME_FOLDER: ("read by another name already, with all that is in them", ""),
    Why.DANGLING_LINK: ("that are links to nowhere", ""),
    Why.NOT_REGULAR: ("that are pipes, sockets or devices", ""),
    Why.UNADDRESSABLE: ("with an empty folder name, . or .. in their keys, which no reader can ask for", ""),
}
"""What they are, and what can be done."""


class BeginningEndedError(Exception):
    """A source that can be read only once has more than what can be looked at in advance."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file. `is_discovered`: it was found in a directory, or by a pattern that looks into all of them.

    Nobody has named it then. `identity` is the same for two names of one file; `is_link`: this name is not the file's
    own.
    """

    uri: str
    is_discovered: bool = False
    partition: Partition = ()
    identity: Hashable = None
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was found, and is not read."""

    uri: str
    why: Why


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a source as typed stands for.

    `links` are those to folders that were followed; `above` are folders that may list these files and were not looked
    through; `name` is that of the one file that was named.
    """

    found: tuple[Found, ...]
    left_out: tuple[LeftOut, ...] = ()
    links: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class NotRead:
    """What was found and is not read for one reason: how many, and the first of them by name."""

    reason: Why
    count: int
    first: tuple[str, ...]

    @property
    def text(self) -> str:
        """What a person is told."""
        what, advice = _WORDS[self.reason]
        thing = "folder" if self.reason is Why.SAME_FOLDER else "name" if self.reason is Why.HIDDEN else "file"
        several = thing if self.count == 1 else f"{thing}s"
        more = ", ..." if self.count > len(self.first) else ""
        return f"{self.count:,} {several} {what} ({', '.join(self.first)}{more}){advice and ': '}{advice}"

    def to_dict(self) -> dict[str, Any]:
        """As the report has it."""
        return {"reason": self.reason.value, "count": self.count, "first": list(self.first), "text": self.text}


def summarised(left_out: Iterable[LeftOut]) -> tuple[NotRead, ...]:
    """By reason; each name counts once."""
    names: dict[Why, dict[str, None]] = {}
    for one in left_out:
        names.setdefault(one.why, {})[one.uri] = None
    return tuple(NotRead(why, len(names[why]), tuple(sorted(names[why])[:_FIRST])) for why in Why if why in names)


class Store(Protocol):
    """One kind of place."""

    def find(self, source: str) -> Listing:
        """What a source as typed stands for. Raises SourceNotFoundError, UsageError."""
        ...

    def open(self, uri: str) -> io.BufferedReader:
        """A file from its first byte on. Raises SourceError."""
        ...

    def size(self, uri: str) -> int:
        """Its bytes; 0 where nobody knows."""
        ...

    def version(self, uri: str) -> Version:
        """What it is like now, without reading it; `versions.ABSENT` where it is not. Raises SourceError."""
        ...

    def knows(self, uri: str, version: Version) -> bool:
        """Whether what is read of it now is of this version, or is sure to be found out by `has_read`."""
        ...

    def has_read(self, uri: str) -> bool:
        """Whether anything may have been read of it since its version was asked for."""
        ...

    def fingerprint(self, uri: str, version: Version) -> str:
        """What a later run knows it by, if this is its version. Raises SourceError."""
        ...


@runtime_checkable
class Folders(Protocol):
    """A place with folders that can be looked into."""

    def folder(self, path: str) -> CatalogueFolder:
        """What of `catalogues.MARKS` is in a folder. Raises SourceNotFoundError."""
        ...


def partition_of(folders: Iterable[str]) -> Partition:
    """Hive's columns in the names of folders, as in year=2024/lang=en."""
    found = []
    for folder in folders:
        name, sign, value = folder.partition("=")
        if sign and name:
            value = urllib.parse.unquote(value)
            found.append((urllib.parse.unquote(name), None if value == _NO_VALUE else value))
    return tuple(found)
