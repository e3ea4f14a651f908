"""How bytes are parsed: a table of formats by name and suffix; what has no known suffix is told by its first bytes.

Start with `base`, which says what a format has to offer. A format is one file, with one entry in the table. Nothing
here knows where bytes come from: they are asked of `sources`, so that any format is read from anywhere.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats import others
from cyborg_ingest.formats.arrow import ArrowReader
from cyborg_ingest.formats.bins import BinReader
from cyborg_ingest.formats.delimited import DelimitedReader
from cyborg_ingest.formats.hdf5 import Hdf5Reader
from cyborg_ingest.formats.jsonarray import JsonReader
from cyborg_ingest.formats.jsonkinds import is_one_document
from cyborg_ingest.formats.jsonl import JsonlReader
from cyborg_ingest.formats.memory import MemoryReader
from cyborg_ingest.formats.npy import NpyReader
from cyborg_ingest.formats.npycolumns import WITH_IDS, WITHOUT_IDS, NpyColumnsReader
from cyborg_ingest.formats.npz import NpzReader
from cyborg_ingest.formats.parquet import ParquetReader
from cyborg_ingest.formats.pyrows import RowsReader
from cyborg_ingest.formats.vecs import VecsReader
from cyborg_ingest.settings.options import FORMATS

if TYPE_CHECKING:
    from cyborg_ingest.formats.base import Reader

_ALL: tuple[Reader, ...] = (
    ParquetReader(),
    NpyReader(),
    NpyColumnsReader(WITH_IDS),
    NpyColumnsReader(WITHOUT_IDS),
    NpzReader(),
    Hdf5Reader(),
    JsonlReader(),
    ArrowReader(),
    DelimitedReader("csv", (".csv",), ","),
    DelimitedReader("tsv", (".tsv", ".tab"), "\t"),
    JsonReader(),
    VecsReader("fvecs", "<f4"),
    VecsReader("bvecs", "<u1"),
    VecsReader("ivecs", "<i4"),
    BinReader("fbin", "<f4"),
    BinReader("u8bin", "<u1"),
    BinReader("i8bin", "<i1"),
    MemoryReader(),
    RowsReader(),
)
READERS = {reader.name: reader for reader in _ALL}

_HEAD_BYTES = 4096
_WORDS = "Write it as CSV with the header id,vector, or save the numbers with numpy.save and the words with --ids."


def by_suffix(uri: str) -> list[Reader]:
    """The readers that a file's suffix names, one of compression left out: none, one, or for `.json` two."""
    path = PurePosixPath(uri.lower())
    suffix = (path.with_suffix("") if path.suffix in sources.COMPRESSED else path).suffix
    return [reader for reader in READERS.values() if suffix in reader.suffixes]


def reader_for(uri: str, name: str | None = None) -> Reader:
    """The reader of a file: by its format's name if given, else by its suffix, else by its first bytes.

    These also decide where a suffix names two. Raises FormatError.
    """
    if sources.is_object(uri):
        return READERS[RowsReader.name if sources.is_rows(uri) else MemoryReader.name]
    named = [READERS[name]] if name is not None else by_suffix(uri)
    if len(named) == 1:
        return named[0]
    with sources.reading(uri), sources.streamed(uri) as file:
        head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        claiming = next((reader for reader in named or READERS.values() if reader.claims(head)), None)
        if claiming is READERS[JsonlReader.name] and is_one_document(file, uri):
            claiming = READERS[JsonReader.name]
    if claiming is not None:
        return claiming
    if not head:
        raise EmptySourceError(f"{uri}: " + ("nothing came in." if sources.is_stream(uri) else "the file is empty."))
    other = others.by_name(uri) or others.by_head(head)
    if other is not None:
        raise FormatError(f"{uri}: it is {other.what}, which is not read here: {other.advice}.")
    if others.looks_like_words(head):
        raise FormatError(f"{uri}: it is text with a word and its numbers on each line. {_WORDS}")
    raise FormatError(
        f"{uri}: its suffix and its first bytes ({head[:8]!r}) do not tell its format. Say it with --format "
        f"{'|'.join(FORMATS)}."
    )
