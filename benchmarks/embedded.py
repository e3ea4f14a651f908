"""Loading into the engine in this process: the loader and the engine fed from memory, alternating in one run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import data
from measure import FOLDER, Run, Table, alternate, directory, loader, ratio, script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BARE_ROWS = 500_000
FULL_ROWS = 100_000
THREADS = (1, 2, 4)


def fresh(case: Callable[[str], Run]) -> Callable[[], Run]:
    """The case in a directory of its own."""

    def run() -> Run:
        with directory() as folder:
            return case(folder)

    return run


def fed(path: Path, threads: int) -> Callable[[], Run]:
    """The engine, fed from memory."""
    return fresh(lambda folder: script("ceiling.py", "embedded", path, folder, "--threads", threads))


def loading(*source: str) -> Callable[[], Run]:
    """The loader."""
    return fresh(lambda folder: loader(list(source), f"disk:{folder}", "--create"))


def main(rounds: int) -> None:
    """One table for bare vectors and for rows with metadata and contents."""
    table = Table(
        "embedded", ("what", "rows/s", "spread", "/ 1 thread", "/ best"),
        f"Into the embedded engine, {data.DIMENSION} dimensions: {BARE_ROWS:,} bare, {FULL_ROWS:,} full",
    )  # fmt: skip
    for kind, rows in (("bare", BARE_ROWS), ("full", FULL_ROWS)):
        path = data.parquet(FOLDER, rows, full=kind == "full")
        cases = {"cyborg-ingest, Parquet": loading(str(path))}
        if kind == "bare":
            array, ids = data.npy(FOLDER, rows)
            cases["cyborg-ingest, .npy"] = loading(str(array), "--ids", str(ids))
        else:
            cases["cyborg-ingest, JSONL"] = loading(str(data.jsonl(FOLDER, rows)))
        cases |= {f"engine from memory, {number} threads": fed(path, number) for number in THREADS}
        found = alternate(cases, rounds)
        rates = {name: [one.rate for one in runs] for name, runs in found.items()}
        engine = [rates[f"engine from memory, {number} threads"] for number in THREADS]
        best = max(engine, key=sum)
        for name, runs in found.items():
            table.spread(
                f"{kind}: {name}", runs, f"{ratio(rates[name], engine[0]):.2f}", f"{ratio(rates[name], best):.2f}"
            )
    table.show()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
