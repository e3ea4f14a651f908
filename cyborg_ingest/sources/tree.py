"""Which files a folder or a pattern stands for, by what lies there: one rule for disks and object stores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.sources.base import Found, LeftOut, Listing, Why, partition_of
from cyborg_ingest.sources.catalogues import (
    ABOUT_DATA,
    CatalogueFolder,
    check_summary,
    check_table,
    counted,
)
from cyborg_ingest.sources.patterns import Fit, Pattern, is_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator

Parts = tuple[str, ...]

EVERYTHING = Pattern(("**",))
"""What a folder stands for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a place has below a folder: `parts` lead there. `why` it cannot be read as a file, whatever is asked for."""

    parts: Parts
    uri: str
    is_folder: bool = False
    why: Why | None = None
    identity: Hashable = None
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies below the folder `root`, whose path is `above`.

    By the parts that lead to it, `read` gives the bytes of a small file, `look` the names in a folder that no entry
    tells of, `uri_of` its name. `links` are those to folders that were followed.
    """

    above: Parts
    entries: tuple[Entry, ...]
    read: Callable[[Parts], bytes]
    look: Callable[[Parts], Collection[str]]
    uri_of: Callable[[Parts], str]
    links: tuple[str, ...] = ()

    def names(self) -> dict[Parts, set[str]]:
        """What is directly in each folder."""
        found: dict[Parts, set[str]] = defaultdict(set)
        for entry in self.entries:
            for depth, name in enumerate(entry.parts):
                found[entry.parts[:depth]].add(name)
        return found


def select(tree: Tree, pattern: Pattern = EVERYTHING) -> Listing:
    """The files that a pattern matches, or that are in a folder that it matches, in the order of their names.

    Raises FormatError where they are those of a table whose own list decides which count.
    """
    found: list[tuple[Parts, Found]] = []
    left_out: list[LeftOut] = []
    for entry in tree.entries:
        match = pattern.match(entry.parts)
        if entry.why is Why.SAME_FOLDER and match is not Fit.NO:
            left_out.append(LeftOut(entry.uri, entry.why))
        elif match in {Fit.NO, Fit.ON_THE_WAY}:
            left_out += _hidden(tree, entry, pattern)
        elif not entry.is_folder and not (pattern.of_folders and match is Fit.WHOLE):
            is_discovered = match is Fit.BELOW or not pattern.is_plain
            why = entry.why or (Why.ABOUT_DATA if is_discovered and entry.parts[-1] in ABOUT_DATA else None)
            if why is not None:
                left_out.append(LeftOut(entry.uri, why))
                continue
            partition = partition_of((*tree.above, *entry.parts[:-1]))
            found.append((entry.parts, Found(entry.uri, is_discovered, partition, entry.identity, entry.is_link)))
    kept, unlisted = _Lists(tree).split(sorted(found, key=lambda one: one[0]), is_whole=pattern is EVERYTHING)
    return Listing(tuple(kept), (*left_out, *unlisted), tree.links)


def _hidden(tree: Tree, entry: Entry, pattern: Pattern) -> Iterator[LeftOut]:
    """What would match if it were not hidden, by the first hidden name that leads to it."""
    place = next((depth for depth, name in enumerate(entry.parts, 1) if is_hidden(name)), None)
    seen = pattern.match(entry.parts, hidden=True)
    if place is not None and (seen in {Fit.WHOLE, Fit.BELOW} or (entry.is_folder and seen is not Fit.NO)):
        yield LeftOut(tree.uri_of(entry.parts[:place]), Why.HIDDEN)


class _Lists:
    """The folders of a tree, and what their own lists say of files."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._names = tree.names()
        self._counted: dict[Parts, Callable[[str], bool] | None] = {}
        self._checked: set[Parts] = set()

    def split(self, found: list[tuple[Parts, Found]], *, is_whole: bool) -> tuple[list[Found], list[LeftOut]]:
        """The files that count, and those that no list of their folders names. Raises FormatError."""
        kept: list[Found] = []
        left_out: list[LeftOut] = []
        for parts, one in found:
            for depth in range(len(parts)):
                self._check(parts[:depth], found, is_whole=is_whole)
            if all(self._counts(parts[:depth]) for depth in range(1, len(parts) + 1)):
                kept.append(one)
            else:
                left_out.append(LeftOut(one.uri, Why.NOT_LISTED))
        return kept, left_out

    def _folder(self, parts: Parts) -> CatalogueFolder:
        return CatalogueFolder(
            self._tree.uri_of(parts),
            self._names[parts],
            lambda name: self._names.get((*parts, name)) or self._tree.look((*parts, name)),
            lambda name: self._tree.read((*parts, name)),
        )

    def _check(self, parts: Parts, found: list[tuple[Parts, Found]], *, is_whole: bool) -> None:
        if parts in self._checked:
            return
        self._checked.add(parts)
        check_table(self._folder(parts))
        if is_whole and "_metadata" in self._names[parts]:
            below = {"/".join(one[len(parts) :]): file.uri for one, file in found if one[: len(parts)] == parts}
            check_summary(self._folder(parts), {path: uri for path, uri in below.items() if path.endswith(".parquet")})

    def _counts(self, parts: Parts) -> bool:
        """Whether the list of the folder that a file, or a folder, is in counts it."""
        folder = parts[:-1]
        if folder not in self._counted:
            self._counted[folder] = counted(self._folder(folder))
        counts = self._counted[folder]
        return counts is None or counts(parts[-1])
