"""Files that are read nowhere here: what they are, by suffix or first bytes, and what to do with them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Other:
    """A kind of file that is not a format of ours. `magic` may begin anywhere in the first bytes: at `at`."""

    what: str
    advice: str
    suffixes: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    at: int = 0
    is_archive: bool = False


_UNPACK = "unpack it first, and load what is in it"
_CONVERT = "save its rows as Parquet with the program that wrote it"
_NUMPY = "save its vectors with numpy.save and their ids as text, one a line: upsert vectors.npy --ids ids.txt"

_OTHERS = (
    Other("a tar archive", _UNPACK, (".tar", ".tgz", ".tbz2", ".txz", ".tzst"), (b"ustar",), 257, is_archive=True),
    Other("a zip archive", _UNPACK, (".zip", ".zipx", ".jar", ".whl"), (b"PK\x03\x04", b"PK\x05\x06"), is_archive=True),
    Other("a 7z archive", _UNPACK, (".7z",), (b"7z\xbc\xaf\x27\x1c",), is_archive=True),
    Other("a rar archive", _UNPACK, (".rar",), (b"Rar!\x1a\x07",), is_archive=True),
    Other("ORC", f"{_CONVERT} (pyarrow.orc reads it)", (".orc",), (b"ORC",)),
    Other("Avro", f"{_CONVERT} (fastavro reads it)", (".avro",), (b"Obj\x01",)),
    Other("an SQLite database", f"{_CONVERT} (duckdb does)", (".sqlite", ".sqlite3", ".db"), (b"SQLite format 3",)),
    Other("a DuckDB database", "COPY a table of it TO 'rows.parquet'", (".duckdb",), (b"DUCK",), 8),
    Other("an Excel sheet", "save it as CSV", (".xlsx", ".xls"), (b"\xd0\xcf\x11\xe0",)),
    Other("safetensors", _NUMPY, (".safetensors",)),
    Other("a PyTorch file", _NUMPY, (".pt", ".pth", ".ckpt")),
    Other("a pickle, which could run code", _NUMPY, (".pkl", ".pickle"), tuple(b"\x80%c" % one for one in range(2, 6))),
    Other("a FAISS index", f"{_NUMPY} (index.reconstruct_n)", (".faiss", ".index"), (b"IxF", b"IwF", b"IxM", b"IHN")),
    Other("a MATLAB file", _NUMPY, (".mat",), (b"MATLAB 5.0",)),
    Other("a TFRecord", _NUMPY, (".tfrecord", ".tfrecords")),
    Other("a Lance file", "load its data set from Python: cyborg_ingest.load(lance.dataset(path))", (".lance",)),
)


def by_name(name: str) -> Other | None:
    """The kind that a file's name tells, one suffix of compression left out."""
    lowered = name.lower()
    for packed in ("", ".gz", ".bz2", ".xz", ".zst", ".lz4"):
        inner = lowered.removesuffix(packed) if packed else lowered
        found = next(
            (one for one in _OTHERS if inner.endswith(one.suffixes) and (not packed or inner != lowered)), None
        )
        if found is not None:
            return found
    return None


def by_head(head: bytes) -> Other | None:
    """The kind that a file's first bytes tell, decompressed."""
    return next((one for one in _OTHERS if any(head[one.at :].startswith(magic) for magic in one.magic)), None)


def looks_like_words(head: bytes) -> bool:
    """Whether it is text as GloVe and word2vec write it: a word and its numbers, divided by blanks."""
    line = head.partition(b"\n")[0].split()
    try:
        return len(line) > 2 and all(math.isfinite(float(one)) for one in line[1:])  # noqa: PLR2004 - three at least
    except ValueError:
        return False
