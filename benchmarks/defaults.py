"""Which batch and how many workers are best for the loader itself, on each engine: where the defaults come from."""

from __future__ import annotations

import sys

import data
from measure import FOLDER, Run, Table, alternate, directory, loader, service

REST_SHAPES = ((500, 2), (500, 4), (1000, 1), (1000, 2), (1000, 4), (2000, 2))
EMBEDDED_SHAPES = ((1000, 2), (2000, 2), (5000, 1), (5000, 2), (5000, 3), (10_000, 2))


def rest(kind: str, batch: int, workers: int) -> Run:
    """Into a fresh service."""
    path = data.parquet(FOLDER, 100_000, full=kind == "full")
    with service(data.DIMENSION) as url:
        return loader([str(path)], url, "--batch-rows", str(batch), "--workers", str(workers), "--limit", "40000")


def embedded(kind: str, batch: int, workers: int) -> Run:
    """Into a fresh directory."""
    path = data.parquet(FOLDER, 100_000, full=kind == "full")
    with directory() as folder:
        return loader([str(path)], f"disk:{folder}", "--create", "--batch-rows", str(batch), "--workers", str(workers))


def main(rounds: int) -> None:
    """One table."""
    table = Table("defaults", ("engine, rows, batch x workers", "rows/s", "spread"), "Batch and workers, Parquet")
    for name, run, shapes in (("REST", rest, REST_SHAPES), ("embedded", embedded, EMBEDDED_SHAPES)):
        for kind in ("bare", "full"):
            cases = {
                f"{name}, {kind}, {batch} x {workers}": lambda run=run, kind=kind, b=batch, w=workers: run(kind, b, w)
                for batch, workers in shapes
            }
            for case, runs in alternate(cases, rounds).items():
                table.spread(case, runs)
    table.show()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
