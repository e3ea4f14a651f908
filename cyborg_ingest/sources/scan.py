"""What lies below a folder of this machine: each folder once, by its inode, whatever links lead to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.sources.base import Why
from cyborg_ingest.sources.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.sources.tree import Parts


def scan(root: str, enters: Callable[[Parts], bool]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """All names in the folders that are entered, and the links to folders that were followed. Raises OSError."""
    found = _Scan(root, enters)
    found.run()
    return tuple(found.entries), tuple(found.links)


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """What two names of one file share: device and inode."""
    return status.st_dev, status.st_ino


class _Scan:
    """Real folders first, then links: what has a name of its own is read by that one."""

    def __init__(self, root: str, enters: Callable[[Parts], bool]) -> None:
        self.entries: list[Entry] = []
        self.links: list[str] = []
        self._root = root
        self._enters = enters
        self._seen = {identity_of(folder.stat()) for folder in Path(root).resolve().parents}
        self._folders: list[Parts] = [()]
        self._linked: list[Parts] = []

    def run(self) -> None:
        """Fill `entries` and `links`."""
        while self._folders or self._linked:
            is_link = not self._folders
            if is_link:
                self._linked.sort()
            parts = self._linked.pop(0) if is_link else self._folders.pop()
            path = self._path(parts)
            identity = identity_of(os.stat(path))  # noqa: PTH116 - as text, for speed
            if identity in self._seen:
                self.entries.append(Entry(parts, path, why=Why.SAME_FOLDER))
                continue
            self._seen.add(identity)
            if is_link:
                self.links.append(path)
            with os.scandir(path) as names:
                for one in sorted(names, key=lambda one: one.name, reverse=True):
                    self._take((*parts, one.name), one)

    def _path(self, parts: Parts) -> str:
        path = str(Path(self._root, *parts))
        return f"./{path}" if path == "-" else path

    def _take(self, parts: Parts, one: os.DirEntry[str]) -> None:
        path = self._path(parts)
        try:
            status = one.stat()
        except OSError:
            if not one.is_symlink():
                raise
            self.entries.append(Entry(parts, path, why=Why.DANGLING_LINK, is_link=True))
            return
        if stat.S_ISDIR(status.st_mode):
            if self._enters(parts):
                (self._linked if one.is_symlink() else self._folders).append(parts)
            self.entries.append(Entry(parts, path, is_folder=True))
            return
        why = None if stat.S_ISREG(status.st_mode) else Why.NOT_REGULAR
        self.entries.append(Entry(parts, path, False, why, identity_of(status), one.is_symlink()))
