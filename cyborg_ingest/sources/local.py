"""Files of this machine."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote, urlsplit

from cyborg_ingest.errors import FormatError, SourceError, SourceNotFoundError, UsageError
from cyborg_ingest.sources.base import Found, Listing, partition_of
from cyborg_ingest.sources.catalogues import LARGEST_LIST, MARKS, CatalogueFolder, above
from cyborg_ingest.sources.patterns import Fit, Pattern, is_pattern
from cyborg_ingest.sources.scan import identity_of, scan
from cyborg_ingest.sources.tree import EVERYTHING, Tree, select
from cyborg_ingest.sources.versions import ABSENT, Version

if TYPE_CHECKING:
    import io

_EDGE_BYTES = 65_536


class LocalStore:
    """Paths, patterns and directories."""

    def find(self, source: str) -> Listing:
        """See `base.Store`. A name that is there is that one, whatever signs are in it; else it may be a pattern."""
        path = local_path(source)
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path forgets the slash at the end
        except (FileNotFoundError, NotADirectoryError):
            return self._unknown(source, path)
        except (OSError, ValueError) as error:
            raise SourceNotFoundError(f"{source}: {_words(error)}.") from None
        if stat.S_ISDIR(status.st_mode):
            return _listing(source, path) or _nothing(source, "there is no file in it")
        if not stat.S_ISREG(status.st_mode):
            raise FormatError(
                f"{source} is not a regular file. A pipe is read as standard input: name it -, with < {source}."
            )
        return self._file(source, path, status)

    def _file(self, source: str, path: str, status: os.stat_result) -> Listing:
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise SourceNotFoundError(f"{source}: {_words(error)}.") from None
        folder = Path(path).absolute().parent
        found = Found(_uri(path), False, partition_of(folder.parts), identity_of(status), Path(path).is_symlink())
        return Listing((found,), above=(str(folder), *above(str(folder))), name=Path(path).name)

    def _unknown(self, source: str, path: str) -> Listing:
        if os.path.lexists(path.rstrip("/")):
            _nothing(source, "it is a file, not a folder" if Path(path).exists() else "it is a link that leads nowhere")
        if not is_pattern(path):
            _nothing(source, "no such file")
        parts = Path(path).parts
        fixed = next((number for number, part in enumerate(parts) if is_pattern(part)), len(parts))
        base, pattern = str(Path(*parts[:fixed])), Pattern(parts[fixed:], path.endswith("/"))
        if not Path(base).is_dir():
            _nothing(source, "no file matches")
        return _listing(source, base, pattern) or _nothing(source, "no file matches")

    def folder(self, path: str) -> CatalogueFolder:
        """See `base.Store`."""
        present = [name for name in MARKS if os.path.lexists(os.path.join(path, name))]  # noqa: PTH118 - many, fast
        return CatalogueFolder(
            path, present, lambda name: _names(Path(path, name)), lambda name: _read(Path(path, name)), False
        )

    def open(self, uri: str) -> io.BufferedReader:
        """See `base.Store`."""
        try:
            return Path(uri).open("rb")
        except OSError as error:
            raise SourceError(f"{uri} cannot be read: {error.strerror}.") from None

    def size(self, uri: str) -> int:
        """See `base.Store`."""
        return Path(uri).stat().st_size

    def version(self, uri: str) -> Version:
        """See `base.Store`. Whoever sets a time of modification back cannot set that of the change back."""
        try:
            status = os.stat(uri)  # noqa: PTH116 - asked with each chunk, and a Path takes twice the time
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        except OSError as error:
            raise SourceError(f"{uri} cannot be read: {error.strerror}.") from None
        return Version(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def knows(self, uri: str, version: Version) -> bool:  # noqa: ARG002 - whatever is read is compared
        """See `base.Store`."""
        return True

    def has_read(self, uri: str) -> bool:  # noqa: ARG002 - to look costs no more than to know
        """See `base.Store`."""
        return True

    def fingerprint(self, uri: str, version: Version) -> str:
        """See `base.Store`: size, times, and a digest of head and tail (with the footer)."""
        digest = hashlib.blake2b(f"{version.size} {version.modified} {version.changed};".encode(), digest_size=16)
        with self.open(uri) as file:
            digest.update(file.read(_EDGE_BYTES))
            file.seek(max(0, version.size - _EDGE_BYTES))
            digest.update(file.read(_EDGE_BYTES))
        return digest.hexdigest()


def local_path(source: str) -> str:
    """The path that a source as typed names: `~` as a shell has it, a file:// uri decoded. Raises UsageError."""
    if source.startswith("file://"):
        parts = urlsplit(source.replace("?", "%3F").replace("#", "%23"))
        if parts.netloc not in {"", "localhost"}:
            raise UsageError(f"{source} is on {parts.netloc}; file:// names files of this machine, as file:///path.")
        return unquote(parts.path, errors="surrogateescape")
    return source if os.path.lexists(source) else os.path.expanduser(source)  # noqa: PTH111 - a Path raises for ~nobody


def _uri(path: str) -> str:
    """A path as the name of a source; a file called - is not standard input."""
    found = str(Path(path))
    return f"./{found}" if found == "-" else found


def _listing(source: str, root: str, pattern: Pattern = EVERYTHING) -> Listing | None:
    """What is below a folder; None where there is nothing at all. Raises SourceNotFoundError."""

    def enters(parts: tuple[str, ...]) -> bool:
        return pattern.match(parts) is not Fit.NO

    try:
        entries, links = scan(root, enters)
    except OSError as error:
        raise SourceNotFoundError(f"{source}: {_words(error)}.") from None

    def at(parts: tuple[str, ...]) -> Path:
        return Path(root, *parts)

    folder = Path(root).absolute()
    tree = Tree(
        folder.parts,
        entries,
        lambda parts: _read(at(parts)),
        lambda parts: _names(at(parts)),
        lambda parts: _uri(str(at(parts))),
        links,
    )
    found = select(tree, pattern)
    return (
        Listing(found.found, found.left_out, links, tuple(above(str(folder))))
        if found.found or found.left_out
        else None
    )


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - the names alone


def _read(path: Path) -> bytes:
    """A list that a folder keeps; nothing where it is not a regular file. Raises FormatError, SourceNotFoundError."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            found = file.read(LARGEST_LIST + 1)
    except OSError as error:
        raise SourceNotFoundError(f"{path}: {_words(error)}.") from None
    if len(found) > LARGEST_LIST:
        raise FormatError(f"{path}: it has more than {LARGEST_LIST:,} bytes, too many for a list.")
    return found


def _nothing(source: str, why: str) -> NoReturn:
    raise SourceNotFoundError(f"{source}: {why}.")


def _words(error: OSError | ValueError) -> str:
    words = getattr(error, "strerror", None) or str(error)
    name = getattr(error, "filename", None)
    return f"{name}: {words}" if name else words
