"""Where rows come from: files, directories, patterns, lists, standard input and object stores.

Start with `base`, which says what a place has to offer; `stores` is the table of them, by scheme, and `proof` sees to
it that a source stays the same. Nothing here knows what the bytes mean: any format is read from anywhere that it can be
read from.
"""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import SourceError
from cyborg_ingest.sources import compression, stores
from cyborg_ingest.sources.base import (
    BeginningEndedError,
    Folders,
    Found,
    LeftOut,
    Listing,
    NotRead,
    Why,
    summarised,
)
from cyborg_ingest.sources.catalogues import check_named
from cyborg_ingest.sources.given import one_by_one
from cyborg_ingest.sources.lists import sources_in
from cyborg_ingest.sources.local import LocalStore, local_path
from cyborg_ingest.sources.memory import SCHEME
from cyborg_ingest.sources.names import COMMAND, STDIN, is_stream, stem
from cyborg_ingest.sources.proof import check, fingerprint, is_gone, look, look_all, unchanged
from cyborg_ingest.sources.pulled import Batches, Rows
from cyborg_ingest.sources.scan import identity_of
from cyborg_ingest.sources.stores import store_of
from cyborg_ingest.sources.streams import Stream
from cyborg_ingest.sources.versions import Seen

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cyborg_ingest.model import Mark
    from cyborg_ingest.sources.catalogues import CatalogueFolder
    from cyborg_ingest.stop import Stop

__all__ = [
    "COMPRESSED",
    "STDIN",
    "BeginningEndedError",
    "Found",
    "LeftOut",
    "Listing",
    "NotRead",
    "Seen",
    "Why",
    "agrees",
    "beginning",
    "check",
    "compression_of",
    "expect",
    "find",
    "fingerprint",
    "finish",
    "held",
    "holding",
    "is_generator",
    "is_gone",
    "is_object",
    "is_read_once",
    "is_rows",
    "is_seekable",
    "is_stream",
    "local_path",
    "look",
    "look_all",
    "mark",
    "native",
    "one_by_one",
    "opened",
    "printed_by",
    "prove",
    "size",
    "stem",
    "streamed",
    "summarised",
    "typed",
    "unchanged",
]

_LIST = "@"
COMPRESSED = compression.SUFFIXES


def find(sources: Sequence[str]) -> list[Listing]:
    """What each of the sources as typed stands for, in their order. Raises UsageError and its kinds."""
    listings: list[Listing] = []
    seen: dict[str, CatalogueFolder] = {}
    for name in typed(sources):
        store = store_of(name)
        listings.append(store.find(name))
        if isinstance(store, Folders):
            _check_above(store, listings[-1], seen)
    return listings


def typed(sources: Sequence[str]) -> Iterator[str]:
    """The sources one by one, a list as what it names. Raises SourceNotFoundError."""
    for source in sources:
        if source.startswith(_LIST):
            yield from sources_in(source)
        else:
            yield source


def _check_above(store: Folders, found: Listing, seen: dict[str, CatalogueFolder]) -> None:
    """Look into each folder that may list what was found in it, or below; once for all files. Raises FormatError."""
    for number, path in enumerate(found.above):
        if path not in seen:
            folder = store.folder(path)
            seen[path] = replace(folder, read=functools.cache(folder.read))
        check_named(seen[path], None if number else found.name)


@contextlib.contextmanager
def holding(given: Sequence[Any]) -> Iterator[list[str]]:
    """Sources as text: paths as they are, what holds rows by a name that is good inside of the `with`.

    Raises UsageError for what is neither, SourceError for a generator that breaks off before its first row.
    """
    with contextlib.ExitStack() as held_until:
        names: list[str] = []
        for one in given:
            if isinstance(one, str | os.PathLike):
                names.append(os.fspath(one))
            else:
                names.append(stores.memory.put(one))
                held_until.callback(stores.memory.take_out, names[-1])
        yield names


@contextlib.contextmanager
def printed_by(
    words: Sequence[str], environment: Mapping[str, str], said: Callable[[str], None], stop: Stop | None = None
) -> Iterator[tuple[str, ...]]:
    """What a command prints, by a name that is good inside of the `with`; no name where there are no words.

    It runs with this environment, and is ended with the `with`; a `stop` is passed on to it. `said` hears what it says
    on standard error, from whichever thread reads.
    """
    if not words:
        yield ()
        return
    from cyborg_ingest.sources.command import Command  # noqa: PLC0415 - processes are slow to import, and few need one

    with Command(words, environment, said, stop) as store:
        stores.by_scheme[COMMAND] = store
        try:
            yield (store.uri,)
        finally:
            del stores.by_scheme[COMMAND]


def held(uri: str) -> Any:
    """The object that a name of `holding` stands for. Raises SourceError."""
    return stores.memory.get(uri)


def is_object(uri: str) -> bool:
    """Whether this names an object of this process, and no file."""
    return uri.startswith(f"{SCHEME}://")


def is_rows(uri: str) -> bool:
    """Whether this names an object whose rows are dicts."""
    return is_object(uri) and isinstance(held(uri), Rows)


def is_generator(uri: str) -> bool:
    """Whether its rows come from a generator of this program."""
    return is_object(uri) and isinstance(held(uri), Rows | Batches) and stores.memory.is_read_once(uri)


def is_read_once(uri: str) -> bool:
    """Whether its rows are gone when they have been read: standard input, a stream of batches, a generator."""
    return is_stream(uri) or (is_object(uri) and stores.memory.is_read_once(uri))


def opened(uri: str) -> io.BufferedReader:
    """A file from its first byte on; it can seek, unless it is standard input. Raises SourceError."""
    return store_of(uri).open(uri)


def streamed(uri: str) -> io.BufferedReader:
    """The same, decompressed: to be read forward only. Raises SourceError."""
    return _decompressed(opened(uri), uri)


def _decompressed(file: io.BufferedReader, uri: str) -> io.BufferedReader:
    return compression.decompressed(file, uri, functools.partial(size, uri))


def beginning(uri: str) -> io.BufferedReader:
    """The same, of standard input only as far as it can be read again: then BeginningEndedError. Raises SourceError."""
    store = store_of(uri)
    return _decompressed(store.beginning(), uri) if isinstance(store, Stream) else streamed(uri)


def native(uri: str) -> str | io.BufferedReader:
    """What Arrow opens by itself where it can, which is faster; else the file. It takes no name that is not UTF-8."""
    return uri if isinstance(store_of(uri), LocalStore) and uri.isprintable() else opened(uri)


def compression_of(uri: str) -> str | None:
    """How a file is compressed as a whole, by its first bytes: gzip, zstd, bz2, xz, lz4 or None."""
    with reading(uri), opened(uri) as file:
        return compression.kind_of(file, functools.partial(size, uri))


def is_seekable(uri: str) -> bool:
    """Whether a Part in the middle can be read without all that is before it."""
    return not is_stream(uri) and not is_object(uri) and compression_of(uri) is None


def size(uri: str) -> int:
    """The bytes of a file as it is stored; 0 where nobody knows."""
    return store_of(uri).size(uri)


def mark(uri: str) -> Mark | None:
    """Of a stream, what has come so far; None for all that can be read again."""
    store = store_of(uri)
    return store.mark(uri) if isinstance(store, Stream) else None


def expect(uri: str, marks: Iterable[Mark]) -> None:
    """Let a stream be compared with what came in an earlier run."""
    store = store_of(uri)
    if isinstance(store, Stream):
        store.expect(uri, marks)


def agrees(uri: str) -> bool:
    """Whether what a stream was expected to be came, as far as it can be told before anything of it is used up."""
    store = store_of(uri)
    return store.agrees(uri) if isinstance(store, Stream) else True


def prove(uri: str, size: int, *, discard: bool = False) -> None:
    """Raise SourceChangedError unless so many bytes of a stream are as expected; see `Stream.prove`."""
    store = store_of(uri)
    if isinstance(store, Stream):
        store.prove(uri, size, discard=discard)


def identity(path: Path) -> Hashable:
    """What two names of one local file share, as `Found.identity` has it; None where there is none."""
    with contextlib.suppress(OSError):
        return identity_of(path.expanduser().stat())
    return None


def finish(uri: str) -> None:
    """Where a command prints it: read on to the end, and raise SourceError unless the command ends well."""
    store = store_of(uri)
    if isinstance(store, Stream):
        store.finish()


@contextlib.contextmanager
def reading(uri: str) -> Iterator[None]:
    """Whatever the system says while a source is read is an error of that source."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{uri} cannot be read: {error.strerror or error}.") from None
