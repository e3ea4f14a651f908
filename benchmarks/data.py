"""The files that are loaded, made once and kept: random vectors, and metadata and texts of a usual size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

DIMENSION = 384
_BLOCK = 10_000
_MOST_FULL_ROWS = 200_000
_WORDS = (
    "night", "sea", "storm", "letter", "morning", "house", "river", "winter", "road", "voice", "garden", "stone",
    "window", "silver", "forest", "market", "captain", "island", "summer", "paper", "shadow", "bridge", "song", "hand",
)  # fmt: skip


def blocks(rows: int, *, full: bool) -> Iterator[pa.Table]:
    """The rows, 10,000 at a time; the same for the same number, whatever they are written as."""
    for start in range(0, rows, _BLOCK):
        random = np.random.default_rng(start)
        count = min(_BLOCK, rows - start)
        vectors = random.standard_normal(count * DIMENSION, np.float32)
        columns: dict[str, Any] = {
            "id": pa.array([f"doc-{row:08d}" for row in range(start, start + count)]),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors), DIMENSION),
        }
        if full:
            numbers = random.integers(0, 1000, (count, 4))
            picks = random.integers(0, len(_WORDS), (count, 36))
            columns["metadata"] = pa.array(
                [
                    {"author": f"author {a}", "year": 1800 + int(b) % 220, "score": float(c) / 7, "flag": bool(d % 2)}
                    for a, b, c, d in numbers
                ]
            )
            columns["contents"] = pa.array([" ".join(_WORDS[word] for word in row) for row in picks])
        yield pa.table(columns)


def parquet(folder: Path, rows: int, *, full: bool, row_group: int = 10_000) -> Path:
    """A Parquet file; `row_group` is the rows of one."""
    path = folder / f"{'full' if full else 'bare'}-{rows}-{row_group}.parquet"
    if not path.exists():
        tables = blocks(rows, full=full)
        first = next(tables)
        with pq.ParquetWriter(path.with_suffix(".new"), first.schema) as writer:
            if row_group <= _BLOCK:
                for table in (first, *tables):
                    writer.write_table(table, row_group)
            else:
                writer.write_table(pa.concat_tables([first, *tables]), row_group)
        path.with_suffix(".new").rename(path)
    return path


def npy(folder: Path, rows: int) -> tuple[Path, Path]:
    """The vectors as `.npy`, and the ids as text beside it."""
    path, ids = folder / f"bare-{rows}.npy", folder / f"bare-{rows}.ids.txt"
    if not ids.exists():
        tables = list(blocks(rows, full=False))
        np.save(path, np.concatenate([vectors_of(table) for table in tables]))
        ids.write_text("".join(f"{one}\n" for table in tables for one in table["id"].to_pylist()), "utf-8")
    return path, ids


def jsonl(folder: Path, rows: int) -> Path:
    """The full rows, one JSON object a line."""
    path = folder / f"full-{rows}.jsonl"
    if not path.exists():
        with path.with_suffix(".new").open("wb") as out:
            for table in blocks(rows, full=True):
                for row, vector in zip(table.drop(["vector"]).to_pylist(), vectors_of(table), strict=True):
                    line = {"id": row["id"], "vector": vector, **{name: row[name] for name in ("metadata", "contents")}}
                    out.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        path.with_suffix(".new").rename(path)
    return path


def main() -> None:
    """Make every file that the scripts read: in a process of its own, whose memory is not theirs."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for rows in (100_000, 200_000, 500_000, 1_000_000):
        parquet(folder, rows, full=False)
        if rows <= _MOST_FULL_ROWS:
            parquet(folder, rows, full=True)
    parquet(folder, 1_000_000, full=False, row_group=1_000_000)
    for rows in (100_000, 500_000):
        npy(folder, rows)
    jsonl(folder, 100_000)


def vectors_of(table: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors of a table, of shape (rows, dimension)."""
    found = [chunk.flatten().to_numpy() for chunk in table["vector"].chunks]
    return np.concatenate(found).reshape(-1, DIMENSION)


if __name__ == "__main__":
    main()
