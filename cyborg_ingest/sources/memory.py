"""Objects of this process that hold rows: tables, data sets, streams of batches, data frames, dicts."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cyborg_ingest.errors import SourceError
from cyborg_ingest.sources.base import Found, Listing
from cyborg_ingest.sources.given import as_rows
from cyborg_ingest.sources.pulled import Batches, Rows
from cyborg_ingest.sources.versions import Version

if TYPE_CHECKING:
    import io

SCHEME = "arrow"


class MemoryStore:
    """Objects by a name that is made up when they are put in."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}

    def put(self, found: Any) -> str:
        """Keep an object until `take_out`; the uri that names it. Raises UsageError for what has no rows."""
        uri = f"{SCHEME}://{type(found).__name__}-{secrets.token_hex(4)}"
        self._objects[uri] = as_rows(found)
        return uri

    def get(self, uri: str) -> Any:
        """The object. Raises SourceError."""
        if uri not in self._objects:
            raise SourceError(f"{uri} names an object of another process, or of a load that is over.")
        return self._objects[uri]

    def is_read_once(self, uri: str) -> bool:
        """Whether its rows are gone when they have been read."""
        found = self.get(uri)
        return bool(getattr(found, "is_read_once", hasattr(found, "read_next_batch")))

    def take_out(self, uri: str) -> None:
        """Forget an object, and end a generator."""
        found = self._objects.pop(uri, None)
        if isinstance(found, Rows | Batches):
            found.close()

    def find(self, source: str) -> Listing:
        """See `base.Store`."""
        self.get(source)
        return Listing((Found(source),))

    def open(self, uri: str) -> io.BufferedReader:
        """See `base.Store`: an object has no bytes."""
        raise SourceError(f"{uri} is not a file: it has no bytes.")

    def size(self, uri: str) -> int:
        """See `base.Store`."""
        try:
            return int(getattr(self.get(uri), "nbytes", 0))
        except (pa.ArrowException, ValueError):  # older versions of Arrow do not know it of some types
            return 0

    def version(self, uri: str) -> Version:
        """See `base.Store`: that of the files that a Dataset reads; tables do not change."""
        found = self.get(uri)
        files, system = getattr(found, "files", None), getattr(found, "filesystem", None)
        if not files or system is None:
            return Version()
        infos = system.get_file_info(files)
        digest = hashlib.blake2b(digest_size=16)
        for info in infos:
            digest.update(f"{info.path} {info.size} {info.mtime_ns};".encode())
        return Version(sum(info.size or 0 for info in infos), tag=digest.hexdigest())

    def knows(self, uri: str, version: Version) -> bool:  # noqa: ARG002 - of no object
        """See `base.Store`."""
        return True

    def has_read(self, uri: str) -> bool:  # noqa: ARG002 - of no object
        """See `base.Store`: a Dataset may have any number of files, so they are looked at once, at the end."""
        return False

    def fingerprint(self, uri: str, version: Version) -> str:  # noqa: ARG002 - the protocol's
        """See `base.Store`: nobody can tell whether another object is the same, and its name is its own."""
        return uri
