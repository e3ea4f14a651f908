"""Rows that are asked for in another order than they come: copied once to disk, and found in bounded memory."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import SourceError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MOST_VALUES = 500
"""In one question: SQLite takes 999 in older releases."""


class Spool:
    """A temporary database of SQLite, which has no name and ends with the process. Threads may share it.

    Raises SourceError where the disk for temporary files takes no more; `what` is copied, in the words of its option.
    """

    def __init__(self, what: str, table: str) -> None:
        import sqlite3  # noqa: PLC0415 - few loads need one, and it takes 5 ms

        self._what, self._failure = what, sqlite3.Error
        self._lock = threading.Lock()
        with self._translated():
            self._database = sqlite3.connect("", check_same_thread=False)
        self.ask(table)

    def ask(self, question: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows that answer."""
        with self._translated(), self._lock:
            return self._database.execute(question, values).fetchall()

    def find(self, columns: str, table: str, key: str, values: Iterable[Any]) -> Iterator[Any]:
        """The `columns` of the rows of a table that have one of these values as their key; nothing of empty values."""
        asked = [one for one in values if one]
        for some in (asked[start : start + _MOST_VALUES] for start in range(0, len(asked), _MOST_VALUES)):
            marks = ",".join("?" * len(some))
            yield from self.ask(f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})", some)  # noqa: S608 - ours alone

    def fill(self, statement: str, rows: Iterable[Sequence[Any]]) -> Iterator[int]:
        """Carry out a statement for each of the rows; how many rows it has changed, each time."""
        with self._translated(), self._lock, self._database:
            for row in rows:
                yield self._database.execute(statement, row).rowcount

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise SourceError(
                f"{self._what}: it is copied to a temporary file for being asked for by id, and that failed: "
                f"{first_line(error)}. Name a directory with more room as SQLITE_TMPDIR."
            ) from None
