"""What people write today: read a Parquet file with pyarrow and call the official SDK. Prints a report as JSON.

python peers.py binary|json FILE URL --rows N --batch N --threads N
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import cyborgdb
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

KEY = bytes(range(32))
Rows = tuple[list[str], "np.ndarray[Any, Any]", list[Any] | None, list[Any] | None]


def batches(path: str, rows: int, batch: int) -> Iterator[Rows]:
    """Read as the documentation of pyarrow has it."""
    for one in pq.ParquetFile(path).iter_batches(batch_size=batch):
        if rows <= 0:
            return
        part = one.slice(0, min(rows, len(one)))
        rows -= len(part)
        vectors = part["vector"].flatten().to_numpy().reshape(len(part), -1)
        full = "metadata" in part.schema.names
        yield (
            part["id"].to_pylist(),
            vectors,
            part["metadata"].to_pylist() if full else None,
            part["contents"].to_pylist() if full else None,
        )


def send(index: Any, how: str, rows: Rows) -> int:
    """One request."""
    ids, vectors, metadata, contents = rows
    if how == "binary":
        index.upsert_binary(ids, vectors, metadata, contents)
    else:
        items = [{"id": identity, "vector": vector.tolist()} for identity, vector in zip(ids, vectors, strict=True)]
        for item, more, text in zip(items, metadata or (), contents or (), strict=False):
            item |= {"metadata": more, "contents": text}
        index.upsert(items)
    return len(ids)


def main() -> None:
    """Load the file and say how long it took, from the first read to the last acknowledgement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=["binary", "json"])
    parser.add_argument("file")
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=1 << 60)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    index = cyborgdb.Client(options.url).load_index("bench", KEY)
    begun = time.perf_counter()
    pulled = batches(options.file, options.rows, options.batch)
    if options.threads == 1:
        sent = sum(send(index, options.how, rows) for rows in pulled)
    else:
        with ThreadPoolExecutor(options.threads) as pool:
            sent = 0
            window = []
            for rows in pulled:
                window.append(pool.submit(send, index, options.how, rows))
                if len(window) > options.threads:
                    sent += window.pop(0).result()
            sent += sum(one.result() for one in window)
    seconds = time.perf_counter() - begun
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "rows": sent,
        "seconds": seconds,
        "rows_per_second": sent / seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
