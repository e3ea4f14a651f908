"""Object stores, through pyarrow's filesystems; credentials, region and endpoint from the usual variables."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from cyborg_ingest import buckets
from cyborg_ingest.errors import FormatError, SourceError, SourceNotFoundError, UsageError
from cyborg_ingest.sources import small
from cyborg_ingest.sources.base import Found, Listing, Why, partition_of
from cyborg_ingest.sources.catalogues import LARGEST_LIST, MARKS, CatalogueFolder, above
from cyborg_ingest.sources.objectfile import EDGE_BYTES, ObjectFile, ObjectGoneError, words_of
from cyborg_ingest.sources.patterns import Pattern, is_pattern
from cyborg_ingest.sources.small import LastPieces, SmallObjects
from cyborg_ingest.sources.tree import EVERYTHING, Entry, Tree, select
from cyborg_ingest.sources.versions import ABSENT, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_BLOCK = 1 << 20
_NO_NAMES = {"", ".", ".."}
"""Parts of a key that its store has and that no client can ask for: addresses are made simple on the way."""
_CANONICAL = {"gcs": "gs", "abfss": "abfs"}


class ObjectStore:
    """`s3://bucket/key`, `gs://bucket/key`, `abfs://container@account.dfs.core.windows.net/path`."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._systems: dict[str, Any] = {}
        self._connections: dict[str, tuple[Any, str]] = {}
        """Of each object whose version was asked for, what reads it, and the etag that was told then."""
        self._small = SmallObjects()
        self._pieces = LastPieces()
        self._versions: dict[str, Version] = {}
        """Of each object the version that was told last."""
        self._unproved: set[str] = set()
        """Objects of which something was read since their version was asked for."""

    def find(self, source: str) -> Listing:
        """See `base.Store`. A key that is there is that one, whatever signs are in it; else it may be a pattern.

        A prefix is a folder, and one that ends with a slash is never an object.
        """
        system, path = self._system(source)
        with self._translated(source):
            info = system.get_file_info(path)
            if info.is_file and not source.endswith("/"):
                return self._object(source, path)
            if info.type == pafs.FileType.NotFound and is_pattern(path):
                return self._matching(system, source, path)
            if info.is_file or info.type == pafs.FileType.Directory:
                return self._below(system, source, path, EVERYTHING) or _nothing(source, "there is no object in it")
        return _nothing(source, "no such object")

    @contextlib.contextmanager
    def _translated(self, source: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise SourceNotFoundError(f"{source}: {words_of(error)} {buckets.ADVICE[self._scheme]}") from None

    def _object(self, source: str, path: str) -> Listing:
        folder, _, name = path.rpartition("/")
        uri = self._uri(source, folder)
        found = Found(self._uri(source, path), False, partition_of(path.split("/")[1:-1]), self._identity(source, path))
        return Listing((found,), above=(uri, *above(uri)), name=name)

    def _matching(self, system: Any, source: str, path: str) -> Listing:
        parts = path.split("/")
        fixed = next(number for number, part in enumerate(parts) if is_pattern(part))
        pattern = Pattern(tuple(parts[fixed:]), source.endswith("/"))
        return self._below(system, source, "/".join(parts[:fixed]), pattern) or _nothing(source, "no object matches")

    def _below(self, system: Any, source: str, base: str, pattern: Pattern) -> Listing | None:
        """What is below a prefix; None where there is nothing at all."""
        infos = system.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True))
        entries = tuple(self._entry(source, info, base) for info in infos if info.path.startswith(f"{base}/"))

        def at(parts: tuple[str, ...]) -> str:
            return "/".join((base, *parts))

        tree = Tree(
            tuple(base.split("/")[1:]),
            entries,
            lambda parts: _content(system, at(parts)),
            lambda _parts: (),
            lambda parts: self._uri(source, at(parts)),
        )
        found = select(tree, pattern)
        uri = self._uri(source, base)
        return Listing(found.found, found.left_out, (), tuple(above(uri))) if found.found or found.left_out else None

    def _entry(self, source: str, info: Any, base: str) -> Entry:
        parts = tuple(info.path[len(base) + 1 :].split("/"))
        why = Why.UNADDRESSABLE if info.is_file and _NO_NAMES & set(parts) else None
        identity = self._identity(source, info.path)
        return Entry(parts, self._uri(source, info.path), not info.is_file, why, identity)

    def _identity(self, source: str, path: str) -> tuple[str, ...]:
        return _CANONICAL.get(self._scheme, self._scheme), urlsplit(source).netloc, path

    def folder(self, path: str) -> CatalogueFolder:
        """See `base.Store`."""
        system, place = self._system(path)
        with self._translated(path), ThreadPoolExecutor(len(MARKS)) as several:
            infos = list(several.map(lambda name: system.get_file_info(f"{place}/{name}"), MARKS))
        present = [name for name, info in zip(MARKS, infos, strict=True) if info.type != pafs.FileType.NotFound]

        def inside(name: str) -> list[str]:
            with self._translated(path):
                selector = pafs.FileSelector(f"{place}/{name}", allow_not_found=True)
                return [info.base_name for info in system.get_file_info(selector)]

        def read(name: str) -> bytes:
            with self._translated(path):
                return _content(system, f"{place}/{name}")

        return CatalogueFolder(path, present, inside, read, is_whole=False)

    def open(self, uri: str) -> io.BufferedReader:
        """See `base.Store`. Reads are ranged, and a read that breaks is tried again; a small object is read whole."""
        system, path = self._system(uri)
        opened = ObjectFile(
            uri,
            lambda: system.open_input_file(path),
            lambda: self._unproved.add(uri),
            self._connections.get(uri),
            self._pieces,
        )
        if opened.size > small.LARGEST:
            return io.BufferedReader(opened, _BLOCK)
        with io.BufferedReader(opened, _BLOCK) as file:
            data = self._small.get(uri, opened.tag)
            if data is None:
                data = file.read(opened.size)
                self._keep(uri, opened.tag, data)
        return io.BufferedReader(io.BytesIO(data))

    def _keep(self, uri: str, tag: str | None, data: bytes) -> None:
        """An etag that is the digest of the bytes proves that they are of the version that has it."""
        if tag is not None:
            self._small.put(uri, tag, data)
            if hashlib.md5(data, usedforsecurity=False).hexdigest() == tag:
                self._unproved.discard(uri)

    def size(self, uri: str) -> int:
        """See `base.Store`."""
        if uri in self._connections:
            return int(self._connections[uri][0].size())
        system, path = self._system(uri)
        return system.get_file_info(path).size or 0

    def version(self, uri: str) -> Version:
        """See `base.Store`: the etag, or where the store has none the time. It is one request.

        And one more for a small object, the first time: whoever looks at it will read it.
        """
        system, path = self._system(uri)
        self._unproved.discard(uri)
        self._pieces.drop(uri)
        self._connections.pop(uri, None)
        try:
            found = ObjectFile(uri, lambda: system.open_input_file(path))
            info = None if found.tag else system.get_file_info(path)
            if found.tag:
                self._connections[uri] = found.connection, found.tag
                if self._small.wants(uri, found.tag, found.size):
                    self.open(uri).close()
            self._versions[uri] = Version(found.size, info.mtime_ns or 0 if info else 0, tag=found.tag or "")
            return self._versions[uri]
        except ObjectGoneError:
            self._versions.pop(uri, None)
            return ABSENT
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{uri} cannot be read: {words_of(error)}") from None

    def knows(self, uri: str, version: Version) -> bool:
        """See `base.Store`: what was told last is what is read, from memory too."""
        return self._versions.get(uri) == version

    def has_read(self, uri: str) -> bool:
        """See `base.Store`."""
        return uri in self._unproved

    def fingerprint(self, uri: str, version: Version) -> str:
        """See `base.Store`: the etag, or where the store has none the size, the time and a digest of both ends."""
        if version.tag:
            return f"etag:{version.tag}"
        digest = hashlib.blake2b(digest_size=16)
        with self.open(uri) as file:
            digest.update(file.read(EDGE_BYTES))
            file.seek(max(0, version.size - EDGE_BYTES))
            digest.update(file.read(EDGE_BYTES))
        return f"{version.size} {version.modified} {digest.hexdigest()}"

    def _system(self, uri: str) -> tuple[Any, str]:
        parts = urlsplit(uri)
        buckets.refuse_secrets(uri, "source")
        if not parts.netloc:
            raise UsageError(f"{uri} names no bucket.")
        key = parts.netloc if self._scheme.startswith("abfs") else ""
        if key not in self._systems:
            try:
                self._systems[key] = _SYSTEMS[self._scheme](parts.netloc, os.environ)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise UsageError(f"{uri}: {words_of(error)}") from None
        bucket, name = parts.netloc.partition("@")[0], uri.partition("://")[2].partition("/")[2].removesuffix("/")
        if name and _NO_NAMES & set(name.split("/")):
            raise UsageError(
                f"{uri}: a key with an empty folder name, . or .. in it is one that no reader can ask for. Copy the "
                "object to another key."
            )
        return self._systems[key], f"{bucket}/{name}" if name else bucket

    def _uri(self, source: str, path: str) -> str:
        return f"{self._scheme}://{urlsplit(source).netloc}/{path.partition('/')[2]}"


def _s3(_netloc: str, environment: Mapping[str, str]) -> Any:
    access = buckets.s3_access(environment)
    return pafs.S3FileSystem(
        anonymous=access.is_anonymous,
        endpoint_override=access.endpoint,
        region=access.region,
        connect_timeout=10,
        request_timeout=60,
    )


def _gs(_netloc: str, environment: Mapping[str, str]) -> Any:
    access = buckets.gs_access(environment)
    if access.emulator:
        scheme, host = access.emulator
        return pafs.GcsFileSystem(anonymous=True, scheme=scheme, endpoint_override=host)
    return pafs.GcsFileSystem(anonymous=access.is_anonymous)


def _abfs(netloc: str, environment: Mapping[str, str]) -> Any:
    access = buckets.azure_access(netloc, environment)
    place = dict(zip(("scheme", "authority"), access.emulator or (), strict=False))
    more = {f"{kind}_storage_{name}": value for kind in ("blob", "dfs") for name, value in place.items()}
    return pafs.AzureFileSystem(account_name=access.account, account_key=access.key, sas_token=access.sas_token, **more)


_SYSTEMS: dict[str, Callable[[str, Mapping[str, str]], Any]] = {
    "s3": _s3, "gs": _gs, "gcs": _gs, "abfs": _abfs, "abfss": _abfs
}  # fmt: skip


def _content(system: Any, path: str) -> bytes:
    """A list that a folder keeps; nothing where it is not an object. Raises FormatError."""
    info = system.get_file_info(path)
    if not info.is_file:
        return b""
    if info.size > LARGEST_LIST:
        raise FormatError(f"{path}: it has {info.size:,} bytes, too many for a list.")
    with system.open_input_file(path) as file:
        return bytes(file.read())


def _nothing(source: str, why: str) -> NoReturn:
    raise SourceNotFoundError(f"{source}: {why}.")
