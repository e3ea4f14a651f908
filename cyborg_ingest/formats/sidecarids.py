"""Files beside vectors that go row by row and have ids of their own: these are compared with those of `--ids`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.sidecarrows import OPTIONS, TEXT, id_column
from cyborg_ingest.formats.sidecars import open_ids
from cyborg_ingest.model import shown_id
from cyborg_ingest.rows import roles
from cyborg_ingest.rows.columns import ids as checked_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.formats.sidecars import Sidecar

_LOOK = 1000
"""So many rows are compared before the load."""


@dataclass(frozen=True, slots=True)
class IdsBeside:
    """The ids of a file of metadata or contents, in `column`. `is_sure`: its name is that of an id and nothing else."""

    option: str
    column: str
    sidecar: Sidecar
    is_sure: bool

    def settled(self, ids: pa.Array) -> IdsBeside:
        """The same, sure by the first rows, too: where all of them have the ids of `--ids`, so have all others."""
        own = as_keys(self.sidecar.read(0, len(ids))[0])
        return replace(self, is_sure=self.is_sure or (any(own) and own == as_keys(ids)))

    def check(self, ids: pa.Array, start: int) -> None:
        """Refuse rows from `start` on that are not those of these ids. Raises FormatError."""
        own = as_keys(self.sidecar.read(start, start + len(ids))[0])
        others = as_keys(ids)
        pairs = enumerate(zip(own, others, strict=True), start)
        found = next(((row, one, other) for row, (one, other) in pairs if one and other and one != other), None)
        if found is None or not (self.is_sure or {*own} & {*others} - {None}):
            return
        row, one, other = found
        raise FormatError(
            f"{self.option} {self.sidecar.path}: row {row:,} has the {self.column} {shown_id(one)}, and --ids has "
            f"{shown_id(other)} there: row by row they do not belong together. Say {self.option}-key {self.column}, "
            "and each row is found by its id; if that column is not an id of these vectors, rename it."
        )


def as_keys(array: pa.Array) -> list[str | None]:
    """Ids as they are looked up; None for what is none."""
    return [one or None for one in checked_ids(array).values]


@contextlib.contextmanager
def open_ids_beside(sidecars: Sidecars) -> Iterator[list[IdsBeside]]:
    """Those that are there to compare. Raises FormatError."""
    given = [
        (OPTIONS["metadata"], sidecars.metadata, sidecars.metadata_key),
        (OPTIONS["contents"], sidecars.contents, sidecars.contents_key),
    ]
    found = []
    with contextlib.ExitStack() as stack:
        for option, path, key in given if sidecars.ids is not None else ():
            file = None if path is None or path == sidecars.ids or key is not None else Path(path).expanduser()
            column = None if file is None or file.suffix.lower() in TEXT else id_column(file, sidecars)
            if file is not None and column is not None:
                is_sure = column.lower() in roles.ID.tiers[0]
                found.append(IdsBeside(option, column, open_ids(file, stack, sidecars), is_sure))
        yield found


def check_first(beside: list[IdsBeside], ids: Sidecar | None, rows: int) -> None:
    """Compare the first rows. Raises FormatError."""
    if ids is None:
        return
    stop = _first_rows(beside, ids, rows)
    for one in beside if stop else ():
        one.check(ids.read(0, stop)[0], 0)


def settled(beside: list[IdsBeside], ids: Sidecar | None, rows: int | None) -> list[IdsBeside]:
    """Those that are compared to their end, as far as the first rows show whether they have to be alike."""
    if ids is None or all(one.is_sure for one in beside):
        return beside
    stop = _first_rows(beside, ids, _LOOK if rows is None else rows)
    return [one.settled(ids.read(0, stop)[0]) for one in beside] if stop else beside


def _first_rows(beside: list[IdsBeside], ids: Sidecar, rows: int) -> int:
    """How many of the first rows are compared."""
    stop = min(rows, _LOOK)
    for file in (ids, *(one.sidecar for one in beside)):
        stop = file.reach(0, stop) if stop else 0
    return stop


def check_next(beside: list[IdsBeside], ids: pa.Array, start: int) -> None:
    """Compare rows from `start` on while they are read. Raises SourceError."""
    for one in beside:
        if one.is_sure:
            try:
                one.check(ids, start)
            except FormatError as error:
                raise SourceError(str(error)) from None
