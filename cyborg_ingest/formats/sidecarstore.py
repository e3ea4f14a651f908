"""Rows beside vectors that are found by their number or by their key, in any order and in bounded memory."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.sidecarrows import OPTIONS, arrays_of, rows_beside
from cyborg_ingest.formats.spool import Spool
from cyborg_ingest.model import shown_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cyborg_ingest.formats.base import Sidecars
    from cyborg_ingest.formats.sidecarrows import Beside, Value
    from cyborg_ingest.model import Fault
    from cyborg_ingest.sources import Seen

_INSERT = "INSERT INTO beside VALUES (?, ?, ?, ?, ?, ?)"
_TABLE = "CREATE TABLE beside (row INTEGER PRIMARY KEY, key TEXT, value, size INTEGER, reason TEXT, detail TEXT)"
_ROW_BYTES = 64
Found = tuple["Value", "str | None", str]
"""A value; or the reason and the words on what is wrong with it."""


class Store:
    """The rows of one file."""

    def __init__(self, role: str, path: Path, key: str | None, sidecars: Sidecars) -> None:
        self._spool = spool = Spool(f"{OPTIONS[role]} {path}", _TABLE)
        self._most = sidecars.at_once.text
        rows = enumerate(rows_beside(role, path, key, sidecars))
        words = None if key is None else f"{OPTIONS[role]}-key {key}"
        for _ in spool.fill(_INSERT, (_numbered(row, one, words) for row, one in rows)):
            pass
        self.rows: int
        self.largest: int
        ((self.rows, self.largest),) = spool.ask("SELECT count(*), coalesce(max(size), 0) FROM beside")
        if key is not None:
            spool.ask("CREATE INDEX keys ON beside (key)")
            _refuse_same_keys(role, path, key, spool.ask(_SAME_KEYS))

    def reach(self, start: int, stop: int) -> int:
        """How far, at most to `stop`, rows from `start` on can be in memory at once."""
        sizes = self._spool.ask("SELECT size FROM beside WHERE row >= ? AND row < ? ORDER BY row", (start, stop))
        fitting = itertools.takewhile(lambda size: size < self._most, itertools.accumulate(size for (size,) in sizes))
        return min(stop, start + max(1, sum(1 for _ in fitting)))

    def numbered(self, start: int, stop: int) -> list[Found]:
        """Rows [start, stop)."""
        return self._spool.ask(
            "SELECT value, reason, detail FROM beside WHERE row >= ? AND row < ? ORDER BY row", (start, stop)
        )

    def named(self, keys: Sequence[str | None]) -> list[Found]:
        """The rows with these keys; nothing where there is none."""
        rows = self._spool.find("key, value, reason, detail", "beside", "key", keys)
        found: dict[str | None, Found] = {key: (value, reason, detail) for key, value, reason, detail in rows}
        return [found.get(key, (None, None, "")) for key in keys]

    def places(self, keys: Sequence[str | None]) -> dict[str, int]:
        """Which row has each of the keys, where one has."""
        return dict(self._spool.find("key, row", "beside", "key", keys))


_SAME_KEYS = (
    "SELECT key, count(*), min(row) FROM beside WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1 "
    "ORDER BY min(row) LIMIT 3"
)


def _refuse_same_keys(role: str, path: Path, key: str, several: list[tuple[str, int, int]]) -> None:
    if several:
        listed = ", ".join(f"{shown_id(name)} in {count:,} rows" for name, count, _ in several)
        raise FormatError(
            f"{OPTIONS[role]} {path}: several rows have one {key!r}: {listed}. Which of them counts, nothing says: "
            "leave one of each."
        )


def _numbered(row: int, one: Beside, key: str | None) -> tuple[Any, ...]:
    """A row as it is stored. Raises FormatError where it has no key since it cannot be read."""
    if key is not None and one.key is None and one.reason is not None:
        raise FormatError(f"{key}: row {row} cannot be read, so nothing says whose it is: {one.detail}. Fix it.")
    return row, one.key, one.value, _size(one.value), one.reason, one.detail


def _size(value: Value) -> int:
    return _ROW_BYTES + len(value or "")


class StoredSidecar:
    """A file beside vectors whose rows are taken by number or, with a key, by the id of each vector; see `Sidecar`."""

    type = pa.string()

    def __init__(self, role: str, path: Path, sidecars: Sidecars, key: str | None = None) -> None:
        self.role, self.path, self.key, self._most = role, path, key, sidecars.at_once.text
        self._store = _stored(role, path, key, sources.look(str(path)), sidecars)
        self.rows = self._store.rows

    def reach(self, start: int, stop: int) -> int:
        """See `Sidecar`. By a key any row may come, the largest too."""
        if self.key is None:
            return self._store.reach(start, stop)
        most = max(1, self._most // max(1, self._store.largest))
        return min(stop, start + most)

    def read(self, start: int, stop: int) -> tuple[pa.Array, list[Fault]]:
        """See `Sidecar`."""
        found = self._store.numbered(start, stop)
        if len(found) != stop - start:
            raise SourceError(f"{self.path}: it breaks off at row {start + len(found)}.")
        return arrays_of(self.role, found)

    def read_named(self, keys: Sequence[str | None]) -> tuple[pa.Array, list[Fault]]:
        """The values of the rows with these keys."""
        return arrays_of(self.role, self._store.named(keys))

    def unknown(self, keys: Iterable[Sequence[str | None]]) -> tuple[int, str | None, int]:
        """Of some keys how many have no row, and the first of them; and how many rows have another key."""
        count, first, is_known = 0, None, np.zeros(self.rows, np.bool_)
        for some in keys:
            places = self._store.places(some)
            missing = [one for one in some if one not in places]
            first = first or next((one for one in missing if one), None)
            count += len(missing)
            is_known[[*places.values()]] = True
        return count, first, self.rows - int(np.count_nonzero(is_known))


@functools.lru_cache(maxsize=8)
def _stored(role: str, path: Path, key: str | None, _seen: Seen, sidecars: Sidecars) -> Store:
    """Copied once, for as long as the file is the same."""
    return Store(role, path, key, sidecars)
