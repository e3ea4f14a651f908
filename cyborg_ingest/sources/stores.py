"""The places that sources are in, by scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cyborg_ingest.errors import UsageError, masked
from cyborg_ingest.sources.local import LocalStore
from cyborg_ingest.sources.memory import SCHEME, MemoryStore
from cyborg_ingest.sources.names import STDIN
from cyborg_ingest.sources.stdin import StandardInput

if TYPE_CHECKING:
    from cyborg_ingest.sources.base import Store

_OBJECT_STORES = {"s3", "gs", "gcs", "abfs", "abfss"}
memory = MemoryStore()
by_scheme: dict[str, Store] = {SCHEME: memory}
"""Those that were asked for, and what is held in memory."""


def store_of(uri: str) -> Store:
    """The place that a source is in. Raises UsageError."""
    scheme = urlsplit(uri).scheme if "://" in uri else (STDIN if uri == STDIN else "")
    if scheme not in by_scheme:
        by_scheme[scheme] = _new(scheme, uri)
    return by_scheme[scheme]


def _new(scheme: str, uri: str) -> Store:
    if scheme == STDIN:
        return StandardInput()
    if scheme in {"", "file"}:
        return LocalStore()
    if scheme in _OBJECT_STORES:
        from cyborg_ingest.sources.objects import ObjectStore  # noqa: PLC0415 - pyarrow's filesystems are large

        return ObjectStore(scheme)
    raise UsageError(
        f"{masked(uri)}: the scheme {scheme!r} is not known. Sources are paths, - for standard input, "
        f"and {', '.join(f'{one}://' for one in sorted(_OBJECT_STORES))}."
    )
