"""What a format has to offer: a layout from its header alone, and its rows as Arrow columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from cyborg_ingest.model import Chunk, ColumnMap, Part


ORIGIN = b"origin"


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Files beside a `.npy` that hold what it cannot: ids, metadata, contents, row by row.

    `id_prefix` goes before the row number where there is no file of ids; `{file}` in it stands for the
    source's name without its suffix.
    """

    ids: Path | None = None
    id_prefix: str = ""
    metadata: Path | None = None
    contents: Path | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a source's header says.

    `rows` is exact or None; `rows_estimate` is for display. `size` is in bytes. A column that is not in the
    file itself says in its field's metadata, under `ORIGIN`, where it comes from.
    """

    uri: str
    format: str
    schema: pa.Schema
    parts: tuple[Part, ...]
    rows: int | None
    rows_estimate: int
    size: int


class Reader(Protocol):
    """One file format."""

    name: str
    suffixes: tuple[str, ...]

    def layout(self, path: Path, sidecars: Sidecars) -> Layout:
        """Read the header. Raises FormatError, SourceNotFoundError."""
        ...

    def read(self, part: Part, columns: ColumnMap, sidecars: Sidecars, *, rows: int, start: int = 0) -> Iterator[Chunk]:
        """Yield the Part's rows from row `start` of it on, at most `rows` a chunk, in bounded memory.

        Raises SourceError where the file breaks off.
        """
        ...
