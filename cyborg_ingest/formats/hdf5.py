"""HDF5: each dataset at the top of the file is a column, read by rows; as ann-benchmarks has them, and others.

Its library may crash on a damaged file, or never come back: it runs in a process of its own, see `apart`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cyborg_ingest import sources
from cyborg_ingest.apart.borrowing import borrowed
from cyborg_ingest.apart.process import LibraryError, LostError, MissingError
from cyborg_ingest.errors import FormatError, MissingExtraError, SourceError
from cyborg_ingest.formats.base import ReadsOn, raised_for
from cyborg_ingest.formats.ends import hdf5_end
from cyborg_ingest.formats.named import Array, chunks, described, layout_of, row_shape, to_arrow
from cyborg_ingest.rows.arrays import joined_text_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.apart.process import Process
    from cyborg_ingest.formats.base import Kept, Layout, Sidecars
    from cyborg_ingest.model import Chunk, ColumnMap, Part

_MAGIC = b"\x89HDF\r\n\x1a\n"
_VECTOR = "train"
_POINTER_BYTES = 16
_SUPERBLOCK_BYTES = 96


class Hdf5Reader(ReadsOn):
    """HDF5, with the extra `hdf5`."""

    name = "hdf5"
    suffixes: tuple[str, ...] = (".hdf5", ".h5")
    is_bare = False

    def claims(self, head: bytes) -> bool:
        """See `base.Reader`."""
        return head.startswith(_MAGIC)

    def layout(self, uri: str, sidecars: Sidecars) -> Layout:
        """See `base.Reader`. Raises MissingExtraError."""
        if not sources.is_seekable(uri):
            raise FormatError(
                f"{uri}: HDF5 is read here and there, which no stream can show. Save it, decompressed, in a file."
            )
        with _translated(uri, FormatError), _opened(uri) as file:
            size = sources.size(uri)
            _check_whole(uri, size)
            found = list(file.described())
            arrays = [_described(one, size, sidecars) for one in found if "name" in one]
            metric = next((one["distance"] for one in found if "distance" in one), None)
            layout = layout_of(uri, self.name, arrays, sidecars, size, is_seekable=True, vector=_VECTOR)
            return replace(layout, metric=metric)

    def read_on(
        self, part: Part, columns: ColumnMap, sidecars: Sidecars, kept: Kept, *, rows: int, start: int = 0
    ) -> Iterator[Chunk]:
        """See `base.Keeping`."""
        key = part.uri, part.fingerprint, columns.read
        with _translated(part.uri, SourceError):
            opened = kept.get(key, lambda: _columns(part.uri, columns, sidecars))
            yield from chunks(part, columns, opened, sidecars, rows=rows, start=start)


@contextlib.contextmanager
def _columns(uri: str, columns: ColumnMap, sidecars: Sidecars) -> Iterator[dict[str, _Column]]:
    """The data sets of a file that are read, by name."""
    with _opened(uri) as file:
        yield {name: _Column(file, name) for name in file.open(columns.read, sidecars)}


def _check_whole(uri: str, size: int) -> None:
    """Refuse bytes behind the end that the file itself names. Raises FormatError."""
    with sources.opened(uri) as file:
        end = hdf5_end(file.read(_SUPERBLOCK_BYTES))
    if end is not None and end < size:
        raise FormatError(
            f"{uri}: it ends at byte {end:,} by its own account, and {size - end:,} bytes follow. If several files "
            "were put together, load each by itself; else write it again."
        )


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[_File]:
    """The file, to be asked about. Raises ApartError."""
    with contextlib.ExitStack() as stack:
        place = sources.native(uri)
        file = None if isinstance(place, str) else stack.enter_context(place)
        yield _File(stack.enter_context(borrowed(file)), uri, is_local=file is None)


@contextlib.contextmanager
def _translated(uri: str, kind: type[FormatError | SourceError]) -> Iterator[None]:
    """Raises MissingExtraError, and `kind` where a file is damaged."""
    if importlib.util.find_spec("h5py") is None:
        raise _missing("there is no module h5py")
    try:
        yield
    except MissingError as error:
        raise _missing(str(error)) from None
    except LibraryError as error:
        or_large = ", or a text in it takes more memory than it may have" if kind is SourceError else ""
        raise kind(
            f"{uri}: it is not HDF5, or a damaged one{or_large}: {error}. Perhaps it was cut short; copy it again."
        ) from None
    except LostError as error:
        raise kind(
            f"{uri}: the library that reads HDF5 {error}. The file may be damaged: copy it again, or write it anew."
        ) from None


def _missing(words: str) -> MissingExtraError:
    return MissingExtraError(
        f"HDF5 files are read by h5py, which is not installed ({words}). Install it with pip install "
        "'cyborg-ingest[hdf5]'."
    )


class _File:
    """A HDF5 file, as a process of its own has it. Raises ApartError."""

    def __init__(self, process: Process, uri: str, *, is_local: bool) -> None:
        path = os.fsencode(Path(uri).absolute()).hex() if is_local else None  # the process is in another folder
        self._process, self._place = process, {"path": path, "size": sources.size(uri)}

    def described(self) -> Iterator[dict[str, Any]]:
        """What may be columns of it, and the distance that it says."""
        for found, _ in self._process.ask("describe", **self._place):
            yield found

    def open(self, names: Sequence[str], sidecars: Sidecars) -> list[str]:
        """Open it to read columns, of which not more may be unpacked at once than is allowed; those that it has."""
        limits = {"unit": sidecars.unit_bytes, "longest": sidecars.max_row_bytes}
        ((found, _),) = self._process.ask("open", **self._place, names=names, **limits)
        return list(found["names"])

    def reach(self, name: str, start: int, stop: int) -> int:
        """See `named.Rows`."""
        ((found, _),) = self._process.ask("reach", name=name, start=start, stop=stop)
        return int(found["stop"])

    def read(self, name: str, start: int, stop: int) -> pa.Array:
        """See `named.Rows`."""
        ((found, buffers),) = self._process.ask("read", name=name, start=start, stop=stop)
        try:
            if "type" not in found:
                lengths, texts = buffers
                return joined_text_array(lengths.view(np.int64), texts)
            (numbers,) = buffers
            return to_arrow(name, numbers.view(found["type"]).reshape(found["shape"]))
        except (ValueError, TypeError) as error:
            raise LostError(f"gave rows that are none: {error}") from None


@dataclass(frozen=True, slots=True)
class _Column:
    file: _File
    name: str

    def read(self, start: int, stop: int) -> pa.Array:
        """See `named.Rows`."""
        found = self.file.read(self.name, start, stop)
        if len(found) != stop - start:
            raise LostError(f"gave {len(found):,} rows of {stop - start:,}")
        return found

    def reach(self, start: int, stop: int) -> int:
        """See `named.Rows`."""
        return self.file.reach(self.name, start, stop)


def _described(found: dict[str, Any], size: int, sidecars: Sidecars) -> Array:
    """A data set by its header."""
    name = found["name"]
    if "why" in found:
        return Array(name, tuple(found.get("shape", ())), None, 0, why=found["why"])
    shape = row_shape(name, tuple(found["shape"]))
    if found["is_text"] and len(shape) == 1:
        array = Array(name, shape, pa.large_string(), found["width"] if found["is_sized"] else _POINTER_BYTES)
    else:
        array = described(name, shape, np.dtype(found["type"]), sidecars.max_row_bytes, found["words"])
    why = "" if array.type is None else _why_not(found, array, size, sidecars.unit_bytes)
    return replace(array, type=None, why=why) if why else array


def _why_not(found: dict[str, Any], array: Array, size: int, unit: int) -> str:
    """Why a data set cannot be read though its type and shape could be; else nothing."""
    if found["is_elsewhere"]:
        return "has its numbers in another file"
    if found["no_filter"]:
        return (
            f"is packed by {found['no_filter']}, which is not installed. pip install hdf5plugin brings the usual ones; "
            "or write it with gzip"
        )
    piece, stored = found["piece"], found["stored"]
    if piece > unit:
        return (
            f"is stored in pieces of {piece:,} bytes; {unit:,} are possible. Cut it with h5repack, or "
            f"{raised_for(piece)}"
        )
    claimed = array.shape[0] * array.row_bytes
    if claimed and not stored:
        return "was made, but nothing was written to it"
    if not found["is_in_pieces"] and not (claimed <= stored <= size):
        return f"should have {claimed:,} bytes by its shape {array.shape}; {stored:,} of {size:,} are its own"
    return ""
