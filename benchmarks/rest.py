"""Loading into a real service: the loader, its peers and the ceiling, alternating in one run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import data
from measure import FOLDER, Run, Table, alternate, loader, median, ratio, script, service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 100_000
FEWER = 10_000
"""For the JSON way, which takes ten times as long."""


def fresh(case: Callable[[str], Run]) -> Callable[[], Run]:
    """The case against a service of its own: an empty index, no threads of earlier ones."""

    def run() -> Run:
        with service(data.DIMENSION) as url:
            return case(url)

    return run


def best_shape(path: Path) -> tuple[int, int]:
    """Rows a request and connections at which the service takes most."""
    rates = {}
    for batch in (250, 500, 1000):
        for threads in (1, 2, 4):
            shape = ("--batch", batch, "--threads", threads, "--rows", 30_000)
            rates[batch, threads] = fresh(
                lambda url, shape=shape: script("ceiling.py", "rest", path, url, *shape)
            )().rate
            print(f"  ceiling {batch} x {threads}: {rates[batch, threads]:,.0f} rows/s", file=sys.stderr)
    return max(rates, key=lambda shape: rates[shape])


def main(rounds: int) -> None:
    """One table for bare vectors and for rows with metadata and contents."""
    table = Table(
        "rest", ("what", "rows/s", "spread", "/ ceiling", "cyborg-ingest / this"),
        f"Into a service, {ROWS:,} rows of {data.DIMENSION} dimensions (JSON `upsert`: {FEWER:,})",
    )  # fmt: skip
    for kind in ("bare", "full"):
        path = data.parquet(FOLDER, ROWS, full=kind == "full")
        batch, threads = best_shape(path)
        shape = ("--batch", batch, "--threads", threads)
        cases: dict[str, Callable[[str], Run]] = {
            "cyborg-ingest, Parquet": lambda url, path=path: loader([str(path)], url)
        }
        if kind == "bare":
            array, ids = data.npy(FOLDER, ROWS)
            cases["cyborg-ingest, .npy"] = lambda url, a=array, i=ids: loader([str(a), "--ids", str(i)], url)
        else:
            lines = data.jsonl(FOLDER, ROWS)
            cases["cyborg-ingest, JSONL"] = lambda url, lines=lines: loader([str(lines)], url)
        cases |= {
            "script, SDK `upsert_binary` by 1000": lambda url, path=path: script("peers.py", "binary", path, url),
            "the same from 4 threads": lambda url, path=path: script("peers.py", "binary", path, url, "--threads", 4),
            "script, SDK `upsert` (JSON) by 100": lambda url, path=path: script(
                "peers.py", "json", path, url, "--batch", 100, "--rows", FEWER
            ),
            f"ceiling: encoded beforehand, {batch} x {threads} connections": lambda url, path=path, shape=shape: script(
                "ceiling.py", "rest", path, url, *shape
            ),
        }
        found = alternate({name: fresh(case) for name, case in cases.items()}, rounds)
        rates = {name: [one.rate for one in runs] for name, runs in found.items()}
        ours, ceiling = rates["cyborg-ingest, Parquet"], list(rates.values())[-1]
        for name, runs in found.items():
            table.spread(
                f"{kind}: {name}", runs, f"{ratio(rates[name], ceiling):.2f}", f"{ratio(ours, rates[name]):.2f}"
            )
        print(f"  {kind}: {median(ours):,.0f} of {median(ceiling):,.0f}", file=sys.stderr)
    table.show()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
