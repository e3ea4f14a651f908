"""What a place has to offer, whatever is stored in it."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import io

Partition = tuple[tuple[str, str | None], ...]
"""Hive's columns of a file: the names and values in the folders above it."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_ABOUT_DATA = {"dataset_dict.json", "dataset_info.json", "state.json"}
"""Hugging Face's files about a data set, which hold none of its rows."""
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file. `listed`: nobody named it, it was found in a directory or by a pattern."""

    uri: str
    listed: bool = False
    partition: Partition = ()


class Store(Protocol):
    """One kind of place."""

    def find(self, source: str) -> list[Found]:
        """The files that a source as typed stands for. Raises SourceNotFoundError, UsageError."""
        ...

    def open(self, uri: str) -> io.BufferedReader:
        """A file from its first byte on. Raises SourceError."""
        ...

    def size(self, uri: str) -> int:
        """Its bytes; 0 where nobody knows."""
        ...

    def fingerprint(self, uri: str) -> str:
        """What changes when it does."""
        ...


def is_pattern(text: str) -> bool:
    """Whether this has wildcards."""
    return _PATTERN.search(text) is not None


def is_hidden(parts: tuple[str, ...]) -> bool:
    """Whether a path below a directory is one that jobs leave beside the data: `_SUCCESS`, `.crc`, `_metadata`."""
    return any((part.startswith((".", "_")) and "=" not in part) or part in _ABOUT_DATA for part in parts)


def partition_of(folders: tuple[str, ...]) -> Partition:
    """Hive's columns in the names of folders, as in year=2024/lang=en."""
    found = []
    for folder in folders:
        name, sign, value = folder.partition("=")
        if sign and name:
            value = urllib.parse.unquote(value)
            found.append((urllib.parse.unquote(name), None if value == _NO_VALUE else value))
    return tuple(found)
