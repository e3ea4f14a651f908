"""Objects of this process that Arrow can read: tables, data sets, streams of batches, data frames."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cyborg_ingest.errors import SourceError, UsageError
from cyborg_ingest.sources.base import Found, Listing
from cyborg_ingest.sources.versions import Version

if TYPE_CHECKING:
    import io

SCHEME = "arrow"


class MemoryStore:
    """Objects by a name that is made up when they are put in."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}

    def put(self, found: Any) -> str:
        """Keep an object until `take_out`; the uri that names it. Raises UsageError for what Arrow cannot read."""
        if not is_arrow(found):
            raise UsageError(
                "A source is a path, a pyarrow Table, Dataset or RecordBatchReader, or has __arrow_c_stream__ (polars, "
                f"duckdb, pandas); this is {type(found).__name__}."
            )
        uri = f"{SCHEME}://{type(found).__name__}-{secrets.token_hex(4)}"
        self._objects[uri] = found
        return uri

    def get(self, uri: str) -> Any:
        """The object. Raises SourceError."""
        if uri not in self._objects:
            raise SourceError(f"{uri} names an object of another process, or of a load that is over.")
        return self._objects[uri]

    def take_out(self, uri: str) -> None:
        """Forget an object."""
        self._objects.pop(uri, None)

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


def is_arrow(found: Any) -> bool:
    """Whether Arrow can read this: a Dataset, or whatever gives a stream of batches."""
    return hasattr(found, "__arrow_c_stream__") or (hasattr(found, "to_batches") and hasattr(found, "schema"))
