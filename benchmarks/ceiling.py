"""The most that an engine takes: bodies encoded beforehand, rows from memory. Prints a report as JSON.

python ceiling.py rest FILE URL --batch N --threads N
python ceiling.py embedded FILE FOLDER --batch N --threads N
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cyborgdb_core
import pyarrow.parquet as pq
from data import vectors_of

from cyborg_ingest.targets.body import Body

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

KEY = bytes(range(32))
_PATH = "/v1/vectors/upsert_binary"


def bodies(table: pa.Table, batch: int) -> list[bytes]:
    """The requests of the whole file."""
    named = {"index_name": "bench", "index_key": KEY.hex()}
    found = []
    for start in range(0, len(table), batch):
        part = table.slice(start, batch)
        full = "metadata" in part.column_names
        metadata = part["metadata"].to_pylist() if full else None
        contents = part["contents"].to_pylist() if full else None
        found.append(bytes(Body(named, part["id"].to_pylist(), vectors_of(part), metadata, contents)))
    return found


def rest(table: pa.Table, url: str, batch: int) -> tuple[list[Any], Callable[[], Callable[[Any], None]]]:
    """What to send, and for each thread a function that sends one of it."""
    address = urlsplit(url)

    def sender() -> Callable[[Any], None]:
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=300)

        def send(body: bytes) -> None:
            connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.OK:
                raise SystemExit(f"HTTP {answer.status}")

        return send

    return bodies(table, batch), sender


def embedded(table: pa.Table, folder: str, batch: int) -> tuple[list[Any], Callable[[], Callable[[Any], None]]]:
    """The same for the engine in this process: its fast form for bare vectors, else dicts of numpy rows."""
    engine = cyborgdb_core.Client(storage_config=cyborgdb_core.StorageConfig.disk(folder))
    index = engine.create_index("bench", KEY, dimension=int(table.schema.field("vector").type.list_size))
    ids, vectors = table["id"].to_pylist(), vectors_of(table)
    if "metadata" not in table.column_names:
        items: list[Any] = [
            (ids[start : start + batch], vectors[start : start + batch]) for start in range(0, len(ids), batch)
        ]
        return items, lambda: lambda item: index.upsert(*item, index_key=KEY)
    rows = [
        {"id": identity, "vector": vector, "metadata": metadata, "contents": contents}
        for identity, vector, metadata, contents in zip(
            ids, vectors, table["metadata"].to_pylist(), table["contents"].to_pylist(), strict=True
        )
    ]
    return [
        rows[start : start + batch] for start in range(0, len(rows), batch)
    ], lambda: lambda item: index.upsert(item, index_key=KEY)


def main() -> None:
    """Send all of it from some threads, and say how long that took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["rest", "embedded"])
    parser.add_argument("file")
    parser.add_argument("place")
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1 << 60)
    options = parser.parse_args()
    table = pq.read_table(options.file).slice(0, options.rows)
    prepare = rest if options.engine == "rest" else embedded
    items, sender = prepare(table, options.place, options.batch)
    queue = iter(items)
    lock = threading.Lock()

    def work() -> None:
        send = sender()
        while True:
            with lock:
                item = next(queue, None)
            if item is None:
                return
            send(item)

    threads = [threading.Thread(target=work) for _ in range(options.threads)]
    begun, cpu = time.perf_counter(), time.process_time()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    seconds = time.perf_counter() - begun
    cpu = time.process_time() - cpu
    print(json.dumps({"rows": len(table), "seconds": seconds, "rows_per_second": len(table) / seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
