"""What is asked of a HDF5 file, in a process of its own: what is in it, and rows of its data sets."""

from __future__ import annotations

import contextlib
import importlib
import math
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.apart.asked import RemoteFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.apart.asked import Asked

    Answer = tuple[dict[str, Any], Sequence[Any]]

_CACHE_BYTES = 1 << 26
"""Of each dataset: or a compressed piece of it would be unpacked anew for each batch."""
_TEXT_BYTES = 16_000_000
_TEXTS = 64
"""So much text, and so many texts, are read at once where each may have any size."""
_LONGEST_WORDS = 1000
_DATA_PAGES = 5


class Hdf5:
    """One file at a time. Each method answers with headers, and with the bytes that belong to them."""

    BROKEN = (OSError, ValueError, LookupError, RuntimeError, TypeError, OverflowError, MemoryError)
    """What h5py raises of a damaged file: which of them says little, since most of it is the C library's."""

    def __init__(self, asked: Asked, more: Sequence[str]) -> None:
        self._asked, self._more = asked, more
        self._open = contextlib.ExitStack()
        self._datasets: dict[str, _Dataset] = {}
        self._longest = 0

    def begin(self) -> Iterator[Answer]:
        """Nothing is open yet. Raises ImportError where h5py is not installed."""
        _h5py()
        with contextlib.suppress(ImportError, OSError):  # more ways to unpack, of which HDF5 learns when it is imported
            importlib.import_module("hdf5plugin")
        for name in self._more:
            importlib.import_module(name)
        return iter(())

    def describe(self, path: str | None, size: int) -> Iterator[Answer]:
        """Each thing that may be a column, by its header; `path` None: ask for the bytes of the file.

        Before them the distance that its vectors are for, where the file says one, as ann-benchmarks' do.
        """
        with contextlib.ExitStack() as stack:
            file = self._opened(stack, path, size)
            distance = _text(file.attrs.get("distance"))
            if distance:
                yield {"distance": distance}, ()
            for name in _names(file):
                found = _described(file, name)
                if found:
                    yield {"name": name, **found}, ()

    def open(self, path: str | None, size: int, names: Sequence[str], unit: int, longest: int) -> Iterator[Answer]:
        """Open it, to read these data sets, of which `unit` bytes may be unpacked at once; answer which there are.

        Of a text of more than `longest` bytes one more than these is given.
        """
        with contextlib.ExitStack() as stack:
            file = self._opened(stack, path, size)
            chunks = [_chunk_bytes(file[name]) for name in names if name in file]
        cache = max([_CACHE_BYTES, *chunks]) if sum(chunks) <= unit else _CACHE_BYTES
        file = self._opened(self._open, path, size, cache)
        self._datasets = {name: _Dataset(file[name]) for name in names if name in file}
        self._longest = longest
        _allow(unit + cache * len(self._datasets))
        yield {"names": list(self._datasets)}, ()

    def reach(self, name: str, start: int, stop: int) -> Iterator[Answer]:
        """How far, at most to `stop`, rows can be read at once from `start` on."""
        yield {"stop": self._datasets[name].reach(start, stop)}, ()

    def read(self, name: str, start: int, stop: int) -> Iterator[Answer]:
        """Rows [start, stop) of a data set: an array, or lengths of texts (int64) and behind them the texts."""
        found = self._datasets[name].read(start, stop)
        if found.dtype.hasobject:
            texts = [text if len(text) <= self._longest else text[: self._longest + 1] for text in found.tolist()]
            yield {}, (np.fromiter(map(len, texts), np.int64, len(texts)), b"".join(texts))
        else:
            yield (
                {"type": found.dtype.str, "shape": found.shape},
                (np.ascontiguousarray(found).reshape(-1).view(np.uint8),),
            )

    def end(self) -> Iterator[Answer]:
        """Close what is open. Raises RuntimeError where the library has not let go of it, as after some errors."""
        h5py = _h5py()
        self._datasets = {}
        self._open.close()
        kinds = h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_GROUP | h5py.h5f.OBJ_DATASET | h5py.h5f.OBJ_ATTR
        left = h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, kinds)
        if left:
            raise RuntimeError(f"{left} things are still open")
        return iter(())

    def _opened(self, stack: contextlib.ExitStack, path: str | None, size: int, cache: int = _CACHE_BYTES) -> Any:
        """The file, opened without a lock: it is only read."""
        place = bytes.fromhex(path) if path is not None else stack.enter_context(RemoteFile(self._asked, size))
        return stack.enter_context(_h5py().File(place, "r", locking=False, rdcc_nbytes=cache))


def _h5py() -> Any:
    import h5py  # noqa: PLC0415 - an extra

    return h5py


def _text(value: Any) -> str:
    """An attribute that is a short text; else "" ."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text[:_LONGEST_WORDS] if isinstance(text, str) else ""


def _allow(more: int) -> None:
    """Let this process have so much more memory than it has now: how long a text is, is only known once it is read.

    Where the system does not count it so, there is no limit.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        used = int(Path("/proc/self/statm").read_text().split()[_DATA_PAGES]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + more, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _names(file: Any) -> Iterator[str]:
    """What is at the top of the file, and the paths of what is in its groups, each once: links are not followed."""
    h5py = _h5py()
    for name in file:
        yield name
        is_hard = isinstance(file.get(name, getlink=True), h5py.HardLink)
        if is_hard and isinstance(file[name], h5py.Group):
            inside: list[str] = []
            file[name].visit(inside.append)
            yield from (f"{name}/{path}" for path in inside)


def _described(file: Any, name: str) -> dict[str, Any]:
    """A data set by its header; nothing for what is not one, such as a group."""
    h5py = _h5py()
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        return {"why": "is a link to another file. Load that one"}
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        return {}
    try:
        dtype = dataset.dtype
    except TypeError:
        return {"why": "is of a type that NumPy has not"}
    return {
        "shape": dataset.shape or (),
        "is_text": h5py.check_string_dtype(dtype) is not None,
        "is_sized": not dtype.hasobject,
        "type": dtype.str,
        "words": str(dtype)[:_LONGEST_WORDS],
        "width": dtype.itemsize,
        "is_elsewhere": bool(dataset.external or dataset.is_virtual),
        "is_in_pieces": dataset.chunks is not None,
        "piece": _chunk_bytes(dataset),
        "stored": dataset.id.get_storage_size(),
        "no_filter": _missing_filter(dataset),
    }


def _missing_filter(dataset: Any) -> str:
    """What its pieces are packed with, where there is nothing to unpack it; else nothing."""
    how = dataset.id.get_create_plist()
    for place in range(how.get_nfilters()):
        number, _, _, name = how.get_filter(place)
        if not _h5py().h5z.filter_avail(number) and not _is_passed_over(dataset, place):
            return f"HDF5's filter {number} ({name.decode('utf-8', 'replace')[:100]})" if name else f"filter {number}"
    return ""


def _is_passed_over(dataset: Any, place: int) -> bool:
    """Whether a filter was not there when the first piece was written, which is stored without it."""
    pieces = dataset.id
    return not pieces.get_num_chunks() or bool(pieces.get_chunk_info(0).filter_mask >> place & 1)


def _chunk_bytes(dataset: Any) -> int:
    """The bytes of a piece that is unpacked at once; 0 where there are none."""
    return math.prod(int(one) for one in dataset.chunks or (0,)) * int(dataset.dtype.itemsize)


class _Dataset:
    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._ahead: list[Any] = []

    def read(self, start: int, stop: int) -> Any:
        if not self._dataset.dtype.hasobject:
            return self._dataset[start:stop]
        self.reach(start, stop)
        found = np.concatenate(self._ahead)
        self._ahead = []
        return found[: stop - start]

    def reach(self, start: int, stop: int) -> int:
        """How far rows can be read at once. Texts may have any size, and are read ahead to know it."""
        if not self._dataset.dtype.hasobject:
            return stop
        row, size, several = start + sum(map(len, self._ahead)), 0, 1
        while row < stop and size < _TEXT_BYTES:
            self._ahead.append(self._dataset[row : min(stop, row + several)])
            lengths = [len(one) for one in self._ahead[-1]]
            row, size = row + len(lengths), size + sum(lengths)
            several = max(1, min(_TEXTS, 2 * several, (_TEXT_BYTES - size) // max(1, *lengths)))
        return row
