"""The file formats: a table by name and suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError
from cyborg_ingest.readers.jsonl import JsonlReader
from cyborg_ingest.readers.npy import NpyReader
from cyborg_ingest.readers.parquet import ParquetReader

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.readers.base import Reader

_ALL: tuple[Reader, ...] = (ParquetReader(), NpyReader(), JsonlReader())
READERS = {reader.name: reader for reader in _ALL}

_SUFFIXES = {suffix: reader for reader in READERS.values() for suffix in reader.suffixes}


def reader_for(path: Path, name: str | None = None) -> Reader:
    """The reader of a file: by its format's name if given, else by the suffix. Raises FormatError."""
    if name is not None:
        return READERS[name]
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        what = f"the suffix {path.suffix!r} is not known" if path.suffix else "it has no suffix"
        hint = " If it holds one object a line, it is JSONL." if path.suffix.lower() == ".json" else ""
        raise FormatError(
            f"{path}: {what}; {', '.join(_SUFFIXES)} are.{hint} Say what it is with --format {'|'.join(READERS)}."
        )
    return found
