"""The same rows in every format and compression and from every place: one index each, equal row by row.

They are read back by the official SDK, from a service.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran
from conftest import BUCKET, KEY, Engine, upload
from service import running
from where import TESTS

import cyborg_ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS, DIMENSION = 5000, 8
VECTORS = np.random.default_rng(29).standard_normal((ROWS, DIMENSION)).astype(np.float32)
IDS = [f"row {row}/\N{SNOWMAN}" for row in range(ROWS)]
METADATA = [{"n": row, "kind": f"k{row % 7}"} for row in range(ROWS)]
CONTENTS = [f'text "{row}", \n with \N{LATIN SMALL LETTER E WITH ACUTE}' for row in range(ROWS)]
BATCH = 512


def table() -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), DIMENSION)
    return pa.table({"id": IDS, "vector": vectors, "metadata": METADATA, "contents": CONTENTS})


def objects() -> Iterator[dict[str, Any]]:
    for place, identity in enumerate(IDS):
        yield {
            "id": identity,
            "vector": [float(one) for one in VECTORS[place]],
            "metadata": METADATA[place],
            "contents": CONTENTS[place],
        }


def write_arrow(path: Path) -> None:
    whole = table()
    with pa.ipc.new_file(path, whole.schema) as out:
        out.write_table(whole, max_chunksize=BATCH)


def write_stream(path: Path) -> None:
    whole = table()
    with pa.ipc.new_stream(path, whole.schema) as out:
        out.write_table(whole, max_chunksize=BATCH)


def write_delimited(delimiter: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out, delimiter=delimiter)
            rows.writerow(["id", "vector", "metadata", "contents"])
            for one in objects():
                rows.writerow([one["id"], json.dumps(one["vector"]), json.dumps(one["metadata"]), one["contents"]])

    return write


def write_vecs(path: Path) -> None:
    heads = np.full((ROWS, 1), DIMENSION, "<i4").view("<f4")
    path.write_bytes(np.hstack([heads, VECTORS]).tobytes())


def write_bin(path: Path) -> None:
    path.write_bytes(np.array([ROWS, DIMENSION], "<u4").tobytes() + VECTORS.tobytes())


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as out:
        out.create_dataset("train", data=VECTORS)
        out.create_dataset("id", data=IDS, dtype=h5py.string_dtype())
        out.create_dataset("contents", data=CONTENTS, dtype=h5py.string_dtype())


FULL, TEXTS, BARE = "full", "texts", "bare"
WRITERS: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "parquet": ("rows.parquet", FULL, lambda path: pq.write_table(table(), path, row_group_size=700)),
    "arrow": ("rows.arrow", FULL, write_arrow),
    "arrow stream": ("rows.arrows", FULL, write_stream),
    "jsonl": ("rows.jsonl", FULL, lambda path: _text(path, "".join(json.dumps(one) + "\n" for one in objects()))),
    "json": ("rows.json", FULL, lambda path: _text(path, json.dumps(list(objects()), indent=1))),
    "csv": ("rows.csv", FULL, write_delimited(",")),
    "tsv": ("rows.tsv", FULL, write_delimited("\t")),
    "npz": ("rows.npz", TEXTS, lambda path: np.savez(path, vectors=VECTORS, ids=IDS, contents=CONTENTS)),
    "hdf5": ("rows.hdf5", TEXTS, write_hdf5),
    "npy": ("rows.npy", BARE, lambda path: np.save(path, VECTORS)),
    "fvecs": ("rows.fvecs", BARE, write_vecs),
    "fbin": ("rows.fbin", BARE, write_bin),
}
PIPES = [name for name in WRITERS if name not in {"parquet", "npz", "hdf5"}]


def _text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _packed(kind: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        out = pa.BufferOutputStream()
        with pa.CompressedOutputStream(out, kind) as stream:
            stream.write(data)
        return bytes(out.getvalue())

    return pack


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": _packed("zstd"),
    "lz4": _packed("lz4"),
}


class Place:
    """A service, and a folder in which the rows are written."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def write(self, kind: str, suffix: str = "") -> tuple[Path, dict[str, Any]]:
        """The rows as a file, and the options that go with it."""
        name, holds, write = WRITERS[kind]
        path = self.folder / name
        write(path)
        if suffix:
            packed = path.with_name(f"{name}.{suffix}")
            packed.write_bytes(PACKERS[suffix](path.read_bytes()))
            path.unlink()
            path = packed
        if holds != BARE:
            return path, {}
        _text(self.folder.parent / "ids.txt", "".join(f"{one}\n" for one in IDS))
        _text(self.folder.parent / "metadata.jsonl", "".join(json.dumps(one) + "\n" for one in METADATA))
        _text(self.folder.parent / "contents.jsonl", "".join(json.dumps(one) + "\n" for one in CONTENTS))
        files = {"ids": "ids.txt", "metadata": "metadata.jsonl", "contents": "contents.jsonl"}
        return path, {option: self.folder.parent / file for option, file in files.items()}

    def check(self, kind: str, index: str) -> None:
        """Every row is there, as the SDK reads it."""
        found = self.engine.read(index, IDS)
        assert len(found) == ROWS == self.engine.count(index)
        wrong = [
            place
            for place, identity in enumerate(IDS)
            if found[identity].vector != VECTORS[place].tobytes()
            or found[identity].contents != CONTENTS[place]
            or found[identity].metadata != (None if WRITERS[kind][1] == TEXTS else METADATA[place])
        ]
        assert not wrong
        with self.engine.connect() as client, client.index(index, self.engine.key(index)) as one:
            one.delete()

    def load(self, kind: str, source: Any, **options: Any) -> None:
        index = self.engine.name()
        report = cyborg_ingest.load(source, index=index, target=self.engine.target, create=True, **options)
        assert report.rows == {"read": ROWS, "acknowledged": ROWS, "rejected": 0, "skipped": 0, "unsent": 0}
        self.check(kind, index)

    def pipe(self, kind: str, path: Path, options: dict[str, Any]) -> None:
        index = self.engine.name()
        command = [sys.executable, "-m", "cyborg_ingest", "upsert", "-", "--index", index, "--create"]
        command += ["--target", self.engine.target, "--format", kind.partition(" ")[0]]
        command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
        environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
        with path.open("rb") as data:
            done = subprocess.run(command, stdin=data, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        self.check(kind, index)


@pytest.fixture
def place(service: Any, tmp_path: Path) -> Place:
    import itertools  # noqa: PLC0415

    (tmp_path / "rows").mkdir()
    return Place(Engine("rest", service.url, itertools.count()), tmp_path / "rows")


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_arrives_from_a_directory(place: Place, kind: str) -> None:
    _, options = place.write(kind)
    place.load(kind, place.folder, **options)


@pytest.mark.parametrize(("kind", "suffix"), list(zip(PIPES, [*PACKERS, *PACKERS], strict=False)))
def test_every_compression_arrives_by_a_pattern(place: Place, kind: str, suffix: str) -> None:
    path, options = place.write(kind, suffix)
    place.load(kind, f"{place.folder}/*{path.suffix}", **options)


OF_EACH_SORT = {"jsonl", "tsv", "fbin", "arrow stream"}
"""Compressed formats of text, of a table, of bare numbers and of Arrow's."""

KILLED = [
    *((kind, "") for kind in WRITERS),
    *(pytest.param(kind, "gz", marks=() if kind in OF_EACH_SORT else pytest.mark.soak) for kind in PIPES),
]


@pytest.mark.parametrize(("kind", "suffix"), KILLED)
def test_a_killed_load_of_every_format_goes_on_and_loses_nothing(place: Place, kind: str, suffix: str) -> None:
    path, options = place.write(kind, suffix)
    index = place.engine.name()
    arguments = [
        "upsert",
        str(path),
        "--index",
        index,
        "--target",
        place.engine.target,
        "--create",
        "--batch-rows",
        "97",
    ]
    arguments += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    for row, moment in ((1700, "after"), (1500, "before")):
        killed = subprocess.run(
            [sys.executable, str(TESTS / "victim.py"), str(row), moment, *arguments],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = ran(*arguments, "--json", CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert rows["read"] == ROWS == rows["acknowledged"] + rows["skipped"]
    assert rows["skipped"] > 2500
    place.check(kind, index)


@pytest.mark.soak
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_arrives_from_everywhere_in_every_compression(tmp_path: Path, kind: str, bucket: Any) -> None:
    import itertools  # noqa: PLC0415

    (tmp_path / "rows").mkdir()
    with running(tmp_path / "service") as own:
        place = Place(Engine("rest", own.url, itertools.count()), tmp_path / "rows")
        for suffix in ["", *(PACKERS if kind in PIPES else ())]:
            path, options = place.write(kind, suffix)
            upload(bucket, place.folder)
            places = [path, place.folder, f"{place.folder}/r*", f"s3://{BUCKET}/{path.name}", f"s3://{BUCKET}/*"]
            for source in places:
                place.load(kind, source, **options)
            if kind in PIPES:
                place.pipe(kind, path, options)
            path.unlink()
            bucket.delete_object(Bucket=BUCKET, Key=path.name)
