"""Files of two generations, what can befall them, and a hand that reaches in while a load runs.

Each row tells its own number and the generation of its file, whatever the format; it is read back by the engine itself.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from conftest import KEY, Engine

from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt
    import pytest

ROWS, DIMENSION, BATCH = 2400, 1024, 100
"""Some chunks of 3 MB: one is read ahead, so most of the file is not read yet when the first batch leaves."""


def vectors(generation: int, rows: int = ROWS) -> npt.NDArray[np.float32]:
    """Rows that tell their own number and the generation of their file; all of one length as text."""
    found = np.full((rows, DIMENSION), 0.5, np.float32)
    found[:, 0] = np.arange(rows) + 1000
    found[:, 1] = generation
    return found


def ids(rows: int = ROWS) -> list[str]:
    return [f"r{row}" for row in range(rows)]


def table(generation: int, rows: int = ROWS) -> pa.Table:
    flat = pa.array(vectors(generation, rows).reshape(-1))
    return pa.table({"id": ids(rows), "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSION)})


def json_rows(generation: int, rows: int) -> Iterator[dict[str, Any]]:
    for identity, vector in zip(ids(rows), vectors(generation, rows).tolist(), strict=True):
        yield {"id": identity, "vector": vector}


def write_parquet(path: Path, generation: int, rows: int = ROWS) -> None:
    pq.write_table(table(generation, rows), path, row_group_size=300, compression="none", use_dictionary=False)


def write_arrow(path: Path, generation: int, rows: int = ROWS) -> None:
    with pa.ipc.new_file(path, table(generation).schema) as out:
        out.write_table(table(generation, rows), max_chunksize=200)


def write_jsonl(path: Path, generation: int, rows: int = ROWS) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in json_rows(generation, rows)), "utf-8")


def write_packed(path: Path, generation: int, rows: int = ROWS) -> None:
    text = "".join(json.dumps(one) + "\n" for one in json_rows(generation, rows))
    path.write_bytes(gzip.compress(text.encode(), 1))


def write_json(path: Path, generation: int, rows: int = ROWS) -> None:
    path.write_text(json.dumps(list(json_rows(generation, rows))), "utf-8")


def write_csv(path: Path, generation: int, rows: int = ROWS) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["id", "vector"])
        lines.writerows([one["id"], json.dumps(one["vector"])] for one in json_rows(generation, rows))


def write_npy(path: Path, generation: int, rows: int = ROWS) -> None:
    with path.open("wb") as out:
        np.save(out, vectors(generation, rows))


def write_npz(path: Path, generation: int, rows: int = ROWS) -> None:
    with path.open("wb") as out:
        np.savez(out, vectors=vectors(generation, rows), ids=ids(rows))


def write_hdf5(path: Path, generation: int, rows: int = ROWS) -> None:
    with h5py.File(path, "w", locking=False) as out:
        out.create_dataset("train", data=vectors(generation, rows))
        out.create_dataset("id", data=ids(rows), dtype=h5py.string_dtype())


def write_fvecs(path: Path, generation: int, rows: int = ROWS) -> None:
    heads = np.full((rows, 1), DIMENSION, "<i4").view("<f4")
    path.write_bytes(np.hstack([heads, vectors(generation, rows)]).tobytes())


def write_fbin(path: Path, generation: int, rows: int = ROWS) -> None:
    path.write_bytes(np.array([rows, DIMENSION], "<u4").tobytes() + vectors(generation, rows).tobytes())


WRITERS: dict[str, Callable[..., None]] = {
    "rows.parquet": write_parquet,
    "rows.arrow": write_arrow,
    "rows.jsonl": write_jsonl,
    "rows.jsonl.gz": write_packed,
    "rows.json": write_json,
    "rows.csv": write_csv,
    "rows.npy": write_npy,
    "rows.npz": write_npz,
    "rows.hdf5": write_hdf5,
    "rows.fvecs": write_fvecs,
    "rows.fbin": write_fbin,
}
BARE = {"rows.npy", "rows.fvecs", "rows.fbin"}


# What befalls a file


def replaced(path: Path) -> None:
    """By a rename, as careful writers do it."""
    WRITERS[path.name](path.with_name("new"), 2)
    path.with_name("new").rename(path)


def rewritten(path: Path) -> None:
    """In its place."""
    WRITERS[path.name](path, 2)


def rewritten_in_secret(path: Path) -> None:
    """In its place, byte for byte as large as before, and with its old time of modification."""
    before = path.stat()
    WRITERS[path.name](path.with_name("new"), 2)
    data = path.with_name("new").read_bytes()
    with path.open("r+b") as out:
        out.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replaced_in_secret(path: Path) -> None:
    """By a rename, by a file of the same size and time."""
    before = path.stat()
    WRITERS[path.name](path.with_name("new"), 2)
    os.utime(path.with_name("new"), ns=(before.st_atime_ns, before.st_mtime_ns))
    path.with_name("new").rename(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def appended(path: Path) -> None:
    with path.open("ab") as out:
        out.write(path.read_bytes()[: path.stat().st_size // 2])


def removed(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


FATES = [replaced, rewritten, rewritten_in_secret, replaced_in_secret, cut, appended, removed]


class Place:
    """An engine of its own, a folder, and a hand that reaches in while a load runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.engine = Engine("embedded", f"disk:{folder / 'data'}", itertools.count())
        self.index = self.engine.name()
        monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())

    def options(self, **more: Any) -> dict[str, Any]:
        return {"index": self.index, "target": self.engine.target, "create": True, "batch_rows": BATCH, **more}

    def meddle(self, act: Callable[[], object], *, batch: int = 1) -> None:
        """Let `act` happen once, when the engine is handed the batch of this number."""
        real = EmbeddedIndex.upsert_binary
        numbers = itertools.count(1)

        def upsert_binary(index: EmbeddedIndex, *arguments: Any) -> None:
            if next(numbers) == batch:
                act()
            real(index, *arguments)

        self.monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert_binary)

    def stored(self, names: list[str]) -> dict[str, tuple[float, float]]:
        """The rows that the engine has: what they say of their number and of their generation."""
        storage = cyborgdb_core.StorageConfig.disk(str(self.folder / "data"))
        found = cyborgdb_core.Client(storage_config=storage).load_index(self.index, KEY).get(names, index_key=KEY)
        return {row["id"]: (float(row["vector"][0]), float(row["vector"][1])) for row in found}

    def count(self) -> int:
        return self.engine.count(self.index, KEY) if (self.folder / "data").exists() else 0

    def check_generation(self, names: list[str], generation: int, rows: int = ROWS) -> None:
        found = self.stored(names)
        assert found == {name: (1000.0 + row, float(generation)) for row, name in enumerate(names[:rows])}


def names_in(name: str) -> list[str]:
    return [str(row) for row in range(ROWS)] if name in BARE else ids()
