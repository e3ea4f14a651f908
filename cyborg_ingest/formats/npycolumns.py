"""NumPy arrays of one table in a file each, as Milvus' BulkWriter leaves them in a folder: each file is a column."""

from __future__ import annotations

import contextlib
import math
import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats.bare import behind_rows, cut_short
from cyborg_ingest.formats.base import ReadsOn, shape_noted
from cyborg_ingest.formats.fields import checked_text
from cyborg_ingest.formats.named import chunks, described, layout_of, to_arrow
from cyborg_ingest.formats.npy import is_by_column, read_columns
from cyborg_ingest.formats.npyfile import parse_header, read_at

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from cyborg_ingest.formats.base import Kept, Layout, Sidecars
    from cyborg_ingest.formats.named import Array
    from cyborg_ingest.formats.npyfile import Header
    from cyborg_ingest.model import Chunk, ColumnMap, Part

SUFFIX = ".npy"
_SHOWN = 5
_SHAPE = "a table, one .npy a column"
WITH_IDS, WITHOUT_IDS = "npy-columns", "npy-columns-without-ids"
_NUMBERED = "id"
"""What `named.layout_of` calls row numbers where no array has a name of ids."""


class NpyColumnsReader(ReadsOn):
    """The `files` of a folder as one source, which has the folder's name; they are told by the plan alone.

    A Part needs none of them: its columns name the files that are read. Where none of them has ids, the format has
    another name, and the column `id` is row numbers, whatever else lies in the folder.
    """

    suffixes: tuple[str, ...] = ()
    is_bare = False

    def __init__(self, name: str = WITH_IDS, files: tuple[str, ...] = ()) -> None:
        self.name, self.files = name, files

    def claims(self, head: bytes) -> bool:  # noqa: ARG002 - several files begin in several ways
        """See `base.Reader`."""
        return False

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. All files have to be columns of one length: what a folder holds is not mere chance."""
        arrays = [_described(file, sidecars.max_row_bytes) for file in self.files]
        _check_lengths(uri, arrays)
        size = sum(map(sources.size, self.files))
        layout = layout_of(uri, self.name, arrays, _of_folder(sidecars, uri), size, is_seekable=True)
        name, rows = WITHOUT_IDS if layout.is_numbered else WITH_IDS, arrays[0].shape[0]
        return replace(
            layout, format=name, rows=rows, rows_estimate=rows, files=self.files, shape=_SHAPE,
            notes=shape_noted(uri, _SHAPE),
        )  # fmt: skip

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `base.Keeping`."""
        names = [name for name in columns.read if name != _NUMBERED or self.name == WITH_IDS]
        opened = kept.get((part.uri, part.fingerprint, names), lambda: _opened(part.uri, names))
        with sources.reading(part.uri):
            yield from chunks(part, columns, opened, _of_folder(sidecars, part.uri), rows=rows, start=start)


def _of_folder(sidecars: Sidecars, uri: str) -> Sidecars:
    """With what `{file}` stands for put in: what looks like a suffix of a folder is a part of its name."""
    return replace(sidecars, id_prefix=sidecars.id_prefix.replace("{file}", posixpath.basename(uri)))


def _described(uri: str, limit: int) -> Array:
    """A file's array, which is a whole column. Raises FormatError."""
    if not sources.is_seekable(uri):
        raise FormatError(
            f"{uri}: it is compressed, and files of one column each are read side by side. Decompress it."
        )
    size = sources.size(uri)
    with sources.reading(uri), sources.opened(uri) as file:
        header = parse_header(uri, file)
    if any(length < 0 for length in header.shape):
        raise FormatError(f"{uri}: its shape is {header.shape}. The file is damaged; write it again.")
    name = posixpath.basename(uri).removesuffix(SUFFIX)
    try:
        checked_text(name)
    except ValueError:
        raise FormatError(f"{uri}: its name is a column's, and is not UTF-8. Rename it.") from None
    found = described(name, header.shape, header.dtype, limit)
    if found.type is None:
        raise FormatError(f"{uri}: it {found.why}. To load the other columns alone, name their files.")
    expected = header.data + math.prod(header.shape) * header.dtype.itemsize
    if size < expected:
        raise cut_short(uri, expected, size)
    if size > expected:
        raise FormatError(f"{uri}: {behind_rows(found.shape[0])}")
    return found


def _check_lengths(uri: str, arrays: list[Array]) -> None:
    """Refuse files of which some have other rows than the rest: nobody knows what belongs together."""
    lengths: dict[int, list[str]] = {}
    for one in arrays:
        lengths.setdefault(one.shape[0], []).append(f"{one.name}{SUFFIX}")
    if len(lengths) > 1:
        listed = _some("; ", [f"{rows:,} in {_some(', ', names)}" for rows, names in sorted(lengths.items())])
        raise FormatError(
            f"{uri}: not all of its .npy files hold vectors, so each is a column of one table, and they have different "
            f"numbers of rows: {listed}. Name the files that belong together."
        )


def _some(between: str, texts: list[str]) -> str:
    """The first of some texts, and whether there are more."""
    return between.join([*texts[:_SHOWN], *(["and more"] if len(texts) > _SHOWN else [])])


@contextlib.contextmanager
def _opened(uri: str, names: Iterable[str]) -> Iterator[dict[str, _Column]]:
    """Columns of a folder by name."""
    with contextlib.ExitStack() as stack, sources.reading(uri):
        found: dict[str, _Column] = {}
        for name in names:
            file = posixpath.join(uri, f"{name}{SUFFIX}")
            opened = stack.enter_context(sources.opened(file))
            found[name] = _Column(name, file, opened, parse_header(file, opened))
        yield found


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    uri: str
    file: io.BufferedReader
    header: Header

    def read(self, start: int, stop: int) -> pa.Array:
        """See `named.Rows`."""
        header = self.header
        if is_by_column(header):
            return to_arrow(self.name, read_columns(self.uri, self.file, header, start, stop))
        shape = stop - start, *header.shape[1:]
        row_bytes = math.prod(header.shape[1:]) * header.dtype.itemsize
        if not row_bytes:  # texts that are all empty
            return to_arrow(self.name, np.empty(shape, header.dtype))
        data = read_at(self.uri, self.file, header.data + start * row_bytes, (stop - start) * row_bytes)
        return to_arrow(self.name, data.view(header.dtype).reshape(shape))

    def reach(self, start: int, stop: int) -> int:  # noqa: ARG002 - all rows have one size
        """See `named.Rows`."""
        return stop
