"""Rows of an index: by their ids, by their nearness, or the first ones. What `get`, `query` and `head` print."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ArgumentError, UsageError
from cyborg_ingest.smallfiles import read_opened, read_small
from cyborg_ingest.targets.arguments import checked_query
from cyborg_ingest.targets.opening import open_client, open_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import Match, StoredRow
    from cyborg_ingest.settings.options import TargetSettings
    from cyborg_ingest.targets.base import Index

AT_ONCE = 1_000
"""Rows that are asked for together."""

STDIN = "-"

_LARGEST = 64_000_000
_NPY = b"\x93NUMPY"


def get(settings: TargetSettings, name: str, ids: Sequence[str], emit: Emit, missing: list[str]) -> Iterator[StoredRow]:
    """The rows of these ids, each once, in the order asked for; ids that are not there are added to `missing`."""
    with open_client(settings, emit) as client, open_index(client, settings, name).index as index:
        for wanted in _pages(list(dict.fromkeys(ids))):
            rows = {row.id: row for row in index.get(wanted)}
            missing += [one for one in wanted if one not in rows]
            yield from (rows[one] for one in wanted if one in rows)


def head(settings: TargetSettings, name: str, most: int, emit: Emit) -> Iterator[StoredRow]:
    """Some rows: the first of those that the index lists, in no order that means something."""
    with open_client(settings, emit) as client, open_index(client, settings, name).index as index:
        left = most
        for wanted in _pages(index.list_ids(), min(most, AT_ONCE)):
            rows = index.get(wanted)[:left]  # after a crash of the engine, ids are listed that have no row
            yield from rows
            left -= len(rows)
            if not left:
                return


def query(settings: TargetSettings, name: str, vector: npt.NDArray[np.float32], top_k: int, emit: Emit) -> list[Match]:
    """The rows nearest to a vector, nearest first. Raises UsageError."""
    with open_client(settings, emit) as client:
        opened = open_index(client, settings, name)
        with opened.index as index:
            if opened.info.dimension not in {0, len(vector)}:
                raise UsageError(
                    f"The vector has {len(vector)} numbers, and those of index {name!r} have {opened.info.dimension}: "
                    "is it of another model?"
                )
            return index.query(vector, top_k)


def like(settings: TargetSettings, name: str, identity: str, top_k: int, emit: Emit) -> list[Match]:
    """The rows nearest to one of the index, without itself, nearest first. Raises UsageError."""
    with open_client(settings, emit) as client, open_index(client, settings, name).index as index:
        found = index.query(_vector_of(index, identity), top_k + 1)
        return [one for one in found if one.id != identity][:top_k]


def _vector_of(index: Index, identity: str) -> npt.NDArray[np.float32]:
    row = next(iter(index.get([identity])), None)
    if row is None:
        raise UsageError(f"Index {index.name!r} has no row {identity!r} that others could be like.")
    if row.vector is None:
        raise UsageError(f"Row {identity!r} of index {index.name!r} has no vector.")
    return row.vector


def _pages(ids: Sequence[str], most: int = AT_ONCE) -> Iterator[list[str]]:
    for start in range(0, len(ids), most):
        yield list(ids[start : start + most])


def ids_in(path: Path) -> list[str]:
    """The ids in a file, or on standard input: one a line, as it stands; blank lines are none. Raises UsageError."""
    try:
        text = _read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--ids-from {path} is not UTF-8 text. It has one id a line.") from None
    found = [line for line in (one.removesuffix("\r") for one in text.split("\n")) if line.strip()]
    if not found:
        raise UsageError(f"--ids-from {path} names no id. It has one a line.")
    return found


def _read(path: Path, option: str = "--ids-from") -> bytes:
    try:
        is_stdin = str(path) == STDIN
        return read_opened(sys.stdin.fileno(), _LARGEST) if is_stdin else read_small(path, _LARGEST)
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def vector_in(path: Path) -> npt.NDArray[np.float32]:
    """The one vector in a file, or on standard input: a .npy, a list of JSON, or a row with a `vector`.

    Raises UsageError.
    """
    data = _read(path, "--vector-file")
    vector = _of_npy(path, data) if data.startswith(_NPY) else _of_json(path, data)
    try:
        return checked_query(vector, 1)[0]
    except ArgumentError as error:
        raise UsageError(f"--vector-file {path}: {error}.") from None


def _of_npy(path: Path, data: bytes) -> Any:
    try:
        vector = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UsageError(f"--vector-file {path}: the .npy cannot be read ({error}).") from None
    return vector[0] if vector.ndim == 2 and len(vector) == 1 else vector  # noqa: PLR2004 - a table of one row


def _of_json(path: Path, data: bytes) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise UsageError(
            f"--vector-file {path} holds no vector. It takes a .npy, a list of numbers as JSON, or one row as "
            "`cyborg-ingest get` prints it."
        ) from None
    found = value.get("vector") if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise UsageError(f"--vector-file {path} is JSON that is neither a list of numbers nor a row with a 'vector'.")
    return found


def missing_rows(missing: Sequence[str], name: str, *, shown: int = 10) -> str:
    """What is said of ids that have no row."""
    more = f" and {len(missing) - shown:,} more" if len(missing) > shown else ""
    count = "1 id is" if len(missing) == 1 else f"{len(missing):,} ids are"
    return f"{count} not in index {name!r}: {', '.join(map(repr, missing[:shown]))}{more}."
