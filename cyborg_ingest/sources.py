"""Where rows come from: the sources as typed become files, and their headers layouts."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, SourceNotFoundError, UsageError
from cyborg_ingest.readers import reader_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyborg_ingest.readers.base import Layout, Sidecars

_EDGE_BYTES = 65_536


def plan_sources(sources: Sequence[str], format_name: str | None, sidecars: Sidecars) -> tuple[Layout, ...]:
    """The layouts of the sources, in their order. Raises UsageError and its kinds."""
    if not sources:
        raise UsageError("No source. Name at least one file.")
    paths = [_file(source) for source in sources]
    repeated = next((path for place, path in enumerate(paths) if path in paths[:place]), None)
    if repeated is not None:
        raise UsageError(f"{repeated} is named twice. Name every source once.")
    readers = [reader_for(path, format_name) for path in paths]
    _check_sidecars([reader.name for reader in readers], sidecars)
    return tuple(
        _with_fingerprint(reader.layout(path, sidecars), path, sidecars)
        for path, reader in zip(paths, readers, strict=True)
    )


def _file(source: str) -> Path:
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            raise UsageError(f"{source} is a directory. Name the files in it, as in {source.rstrip('/')}/*.parquet.")
        if not path.exists():
            raise SourceNotFoundError(f"{source}: no such file.")
        if not path.is_file():
            raise FormatError(f"{source} is no regular file.")
        with path.open("rb"):
            return path
    except OSError as error:
        raise SourceNotFoundError(f"{source}: {error.strerror}.") from None


def _check_sidecars(formats: list[str], sidecars: Sidecars) -> None:
    """Refuse options that the sources cannot honour."""
    given = {
        "--ids": sidecars.ids,
        "--id-prefix": sidecars.id_prefix,
        "--metadata": sidecars.metadata,
        "--contents": sidecars.contents,
    }
    named = [option for option, value in given.items() if value]
    if named and any(name != "npy" for name in formats):
        raise UsageError(f"{named[0]} is for .npy sources; the other formats hold their own columns.")
    files = [option for option in named if option != "--id-prefix"]
    if files and len(formats) > 1:
        raise UsageError(f"{files[0]} goes with one .npy; there are {len(formats)} sources. Load them one by one.")
    if sidecars.ids and sidecars.id_prefix:
        raise UsageError("--ids and --id-prefix exclude each other: the ids are in the file, or the row numbers.")
    if len(formats) > 1 and "npy" in formats and "{file}" not in sidecars.id_prefix:
        raise UsageError(
            "Several .npy files without --ids would share their row numbers as ids. "
            "Give --id-prefix with {file} in it, as in --id-prefix '{file}-'."
        )


def _with_fingerprint(layout: Layout, path: Path, sidecars: Sidecars) -> Layout:
    files = [path, *(one for one in (sidecars.ids, sidecars.metadata, sidecars.contents) if one)]
    mark = fingerprint(files)
    return replace(layout, parts=tuple(replace(part, fingerprint=mark) for part in layout.parts))


def fingerprint(files: Sequence[Path]) -> str:
    """What changes when one of the files does: size, times, and a digest of head and tail (with the footer)."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            digest.update(f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns};".encode())
            digest.update(file.read(_EDGE_BYTES))
            file.seek(max(0, status.st_size - _EDGE_BYTES))
            digest.update(file.read(_EDGE_BYTES))
    return digest.hexdigest()
