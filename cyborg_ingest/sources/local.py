"""Files of this machine."""

from __future__ import annotations

import glob
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, SourceError, SourceNotFoundError
from cyborg_ingest.sources.base import Found, is_hidden, is_pattern, partition_of

if TYPE_CHECKING:
    import io

_EDGE_BYTES = 65_536


class LocalStore:
    """Paths, patterns and directories."""

    def find(self, source: str) -> list[Found]:
        """See `base.Store`. A directory's files by name, folder by folder, but for hidden ones."""
        path = Path(source.removeprefix("file://")).expanduser()
        try:
            if path.is_dir():
                return _in_directory(path) or _nothing(source, "there is no file in it")
            if path.exists():
                if not path.is_file():
                    raise FormatError(f"{source} is no regular file.")
                with path.open("rb"):
                    return [Found(str(path))]
        except OSError as error:
            raise SourceNotFoundError(f"{source}: {error.strerror}.") from None
        if is_pattern(str(path)):
            return _matching(path) or _nothing(source, "no file matches")
        return _nothing(source, "no such file")

    def open(self, uri: str) -> io.BufferedReader:
        """See `base.Store`."""
        try:
            return Path(uri).open("rb")
        except OSError as error:
            raise SourceError(f"{uri} cannot be read: {error.strerror}.") from None

    def size(self, uri: str) -> int:
        """See `base.Store`."""
        return Path(uri).stat().st_size

    def fingerprint(self, uri: str) -> str:
        """See `base.Store`: size, times, and a digest of head and tail (with the footer)."""
        digest = hashlib.blake2b(digest_size=16)
        with self.open(uri) as file:
            status = os.fstat(file.fileno())
            digest.update(f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns};".encode())
            digest.update(file.read(_EDGE_BYTES))
            file.seek(max(0, status.st_size - _EDGE_BYTES))
            digest.update(file.read(_EDGE_BYTES))
        return digest.hexdigest()


def _nothing(source: str, why: str) -> list[Found]:
    raise SourceNotFoundError(f"{source}: {why}.")


def _in_directory(root: Path) -> list[Found]:
    found: list[Found] = []
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not is_hidden((name,)))
        below = Path(folder).relative_to(root).parts
        found += [Found(str(Path(folder, name)), True, partition_of(below)) for name in names if not is_hidden((name,))]
    return sorted(found, key=lambda one: Path(one.uri).parts)


def _unreadable(error: OSError) -> None:
    raise error


def _matching(pattern: Path) -> list[Found]:
    fixed = next(number for number, part in enumerate(pattern.parts) if is_pattern(part))
    found: list[Found] = []
    for name in sorted(glob.glob(str(pattern), recursive=True)):  # noqa: PTH207 - Path's own has no `**` like it
        path = Path(name)
        if is_hidden(path.parts[fixed:]) and not is_hidden(pattern.parts[fixed:]):
            continue
        if path.is_file():
            found.append(Found(name, True, partition_of(path.parts[fixed:-1])))
        elif path.is_dir() and "**" not in pattern.parts:
            below = partition_of(path.parts[fixed:])
            found += [Found(one.uri, True, below + one.partition) for one in _in_directory(path)]
    return found
