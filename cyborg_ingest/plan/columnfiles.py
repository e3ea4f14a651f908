"""Files of one column each: where a `.npy` holds no vectors, it and those beside it are one table."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.formats.npy import NpyReader
from cyborg_ingest.formats.npycolumns import SUFFIX, NpyColumnsReader
from cyborg_ingest.formats.npyfile import NoVectorsError
from cyborg_ingest.sources import Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.formats.base import Layout, Reader
    from cyborg_ingest.plan.discovery import Discovery


class ColumnFiles:
    """The files that were found. `taken` are those that are columns of a table, and no sources by themselves.

    Folders of vectors alone, as shards are, are never looked at twice: only a file that holds none makes a table.
    """

    def __init__(self, found: Discovery) -> None:
        self._found = found
        self.taken: set[str] = set()

    def layout(self, uri: str, reader: Reader, sidecars: Sidecars) -> Layout:
        """The layout of a file, or of the table that it is a column of. Raises FormatError, SourceError."""
        try:
            return reader.layout(uri, sidecars)
        except NoVectorsError:
            folder = posixpath.dirname(uri)
            files = self._beside.get(folder, [])
            if len(files) < 2 or uri not in files:  # noqa: PLR2004 - it and another
                raise
        self._refuse_left_out(folder)
        self.taken.update(files)
        return NpyColumnsReader(files=tuple(files)).layout(folder or str(Path.cwd()), sidecars)

    def refuse_lost(self, layouts: Iterable[Layout]) -> None:
        """Refuse vectors whose only columns were left out: row numbers would be their ids. Raises FormatError."""
        folders = {posixpath.dirname(one.uri) for one in layouts if one.format == NpyReader.name}
        for folder in {posixpath.dirname(one.uri) for one in self._found.left_out} & folders:
            self._refuse_left_out(folder, is_column=_holds_no_vectors)

    @cached_property
    def _beside(self) -> dict[str, list[str]]:
        """The files that may be columns, by their folder."""
        found: dict[str, list[str]] = defaultdict(list)
        for one, reader in self._found.files:
            if reader.name == NpyReader.name and one.uri.endswith(SUFFIX):
                found[posixpath.dirname(one.uri)].append(one.uri)
        return found

    def _refuse_left_out(self, folder: str, is_column: Callable[[str], bool] = lambda _: True) -> None:
        """Refuse to leave out a column for its name, as `_id.npy`, or for its bytes: it may be that of the ids."""
        for one in self._found.left_out:
            name = posixpath.basename(one.uri)
            if posixpath.dirname(one.uri) != folder or not name.endswith(SUFFIX):
                continue
            if one.why not in {Why.HIDDEN, Why.SAME_FILE} or not is_column(one.uri):
                continue
            if one.why is Why.HIDDEN and name.startswith("_"):
                raise FormatError(
                    f"{one.uri}: it lies among files that are columns, and is left out, since its name begins with _. "
                    "Rename it; or name the files that are columns."
                )
            if one.why is Why.SAME_FILE:
                raise FormatError(
                    f"{one.uri}: it lies among files that are columns, and is left out, since it is a link to what "
                    "another of them is. Copy the folder with what the links lead to, as cp -rL does."
                )


def _holds_no_vectors(uri: str) -> bool:
    """Whether a file is an array of other things; one that cannot be read is none."""
    try:
        NpyReader().layout(uri, Sidecars())
    except NoVectorsError:
        return True
    except (FormatError, SourceError):
        return False
    return False
