"""Where rows come from: files, directories, patterns, lists, standard input and object stores; a table by scheme.

What the bytes mean is the readers' part: any format is read from anywhere that it can be read from.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cyborg_ingest.errors import SourceError, UsageError
from cyborg_ingest.sources import compression
from cyborg_ingest.sources.base import Folders, Found, LeftOut, Listing, NotRead, Why, summarised
from cyborg_ingest.sources.catalogues import check_named
from cyborg_ingest.sources.lists import listed
from cyborg_ingest.sources.local import LocalStore, local_path
from cyborg_ingest.sources.memory import SCHEME, MemoryStore, is_arrow
from cyborg_ingest.sources.stdin import StandardInput

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.sources.base import Store
    from cyborg_ingest.sources.catalogues import Folder

__all__ = [
    "COMPRESSED",
    "STDIN",
    "Found",
    "LeftOut",
    "Listing",
    "NotRead",
    "Why",
    "compression_of",
    "find",
    "fingerprint",
    "held",
    "holding",
    "is_arrow",
    "is_object",
    "is_read_once",
    "is_seekable",
    "local_path",
    "native",
    "opened",
    "size",
    "streamed",
    "summarised",
    "typed",
]

STDIN = "-"
_LIST = "@"
COMPRESSED = compression.SUFFIXES
_OBJECT_STORES = {"s3", "gs", "gcs", "abfs", "abfss"}
_memory = MemoryStore()
_stores: dict[str, Store] = {SCHEME: _memory}


def find(sources: Sequence[str]) -> list[Listing]:
    """What each of the sources as typed stands for, in their order. Raises UsageError and its kinds."""
    listings: list[Listing] = []
    seen: dict[str, Folder] = {}
    for name in typed(sources):
        store = _store(name)
        listings.append(store.find(name))
        if isinstance(store, Folders):
            _check_above(store, listings[-1], seen)
    return listings


def typed(sources: Sequence[str]) -> Iterator[str]:
    """The sources one by one, a list as what it names. Raises SourceNotFoundError."""
    for source in sources:
        if source.startswith(_LIST):
            yield from listed(source)
        else:
            yield source


def _check_above(store: Folders, found: Listing, seen: dict[str, Folder]) -> None:
    """Look into each folder that may list what was found in it, or below; once for all files. Raises FormatError."""
    for number, path in enumerate(found.above):
        if path not in seen:
            folder = store.folder(path)
            seen[path] = replace(folder, read=functools.cache(folder.read))
        check_named(seen[path], None if number else found.name)


@contextlib.contextmanager
def holding(given: Sequence[Any]) -> Iterator[list[str]]:
    """Sources as text: paths as they are, Arrow's objects by a name that is good inside of the `with`.

    Raises UsageError for what is neither.
    """
    names = [str(one) if isinstance(one, str | Path) else _memory.put(one) for one in given]
    try:
        yield names
    finally:
        for name in names:
            _memory.take_out(name)


def held(uri: str) -> Any:
    """The object that a name of `holding` stands for. Raises SourceError."""
    return _memory.get(uri)


def is_object(uri: str) -> bool:
    """Whether this names an object of this process, and no file."""
    return uri.startswith(f"{SCHEME}://")


def is_read_once(uri: str) -> bool:
    """Whether its rows are gone when they have been read: standard input, and a stream of batches."""
    return uri == STDIN or (is_object(uri) and hasattr(held(uri), "read_next_batch"))


def opened(uri: str) -> io.BufferedReader:
    """A file from its first byte on; it can seek, unless it is standard input. Raises SourceError."""
    return _store(uri).open(uri)


def streamed(uri: str) -> io.BufferedReader:
    """The same, decompressed: to be read forward only. Raises SourceError."""
    return compression.decompressed(opened(uri), uri)


def native(uri: str) -> str | io.BufferedReader:
    """What Arrow opens by itself where it can, which is faster; else the file. It takes no name that is not UTF-8."""
    return uri if isinstance(_store(uri), LocalStore) and uri.isprintable() else opened(uri)


def compression_of(uri: str) -> str | None:
    """How a file is compressed as a whole, by its first bytes: gzip, zstd, bz2, xz, lz4 or None."""
    with reading(uri), opened(uri) as file:
        return compression.kind_of(file)


def is_seekable(uri: str) -> bool:
    """Whether a Part in the middle can be read without all that is before it."""
    return uri != STDIN and not is_object(uri) and compression_of(uri) is None


def size(uri: str) -> int:
    """The bytes of a file as it is stored; 0 where nobody knows."""
    return _store(uri).size(uri)


def fingerprint(uri: str) -> str:
    """What changes when a file does. Raises SourceError."""
    return _store(uri).fingerprint(uri)


@contextlib.contextmanager
def reading(uri: str) -> Iterator[None]:
    """Whatever the system says while a source is read is an error of that source."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{uri} cannot be read: {error.strerror or error}.") from None


def _store(uri: str) -> Store:
    scheme = urlsplit(uri).scheme if "://" in uri else (STDIN if uri == STDIN else "")
    if scheme not in _stores:
        _stores[scheme] = _new_store(scheme, uri)
    return _stores[scheme]


def _new_store(scheme: str, uri: str) -> Store:
    if scheme == STDIN:
        return StandardInput()
    if scheme in {"", "file"}:
        return LocalStore()
    if scheme in _OBJECT_STORES:
        from cyborg_ingest.sources.objects import ObjectStore  # noqa: PLC0415 - pyarrow's filesystems are large

        return ObjectStore(scheme)
    raise UsageError(
        f"{uri}: the scheme {scheme!r} is not known. Sources are paths, - for standard input, "
        f"and {', '.join(f'{one}://' for one in sorted(_OBJECT_STORES))}."
    )
