"""The client alone: everything is sent to a server that throws it away. CPU, rate, memory, and what safety costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import data
from measure import FOLDER, Run, Table, alternate, loader, median, ratio, script, sink

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 200_000
FEW = 1000


def client_alone(rounds: int) -> None:
    """Rate and CPU against the script that calls the SDK."""
    table = Table(
        "client", ("what", "rows/s", "spread", "CPU us/row", "rate / script", "CPU / script"),
        f"The client alone, {ROWS:,} rows of {data.DIMENSION} dimensions from Parquet, start-up taken off the CPU",
    )  # fmt: skip
    for kind in ("bare", "full"):
        path = data.parquet(FOLDER, ROWS, full=kind == "full")
        with sink() as url:
            found = alternate(
                {
                    "loader": lambda url=url, path=path: loader([str(path)], url),
                    "script": lambda url=url, path=path: script("peers.py", "binary", path, url),
                },
                rounds,
            )
            # what a process costs that sends next to nothing
            few = [loader([str(path)], url, "--limit", str(FEW)).cpu for _ in range(3)]
            few_script = [script("peers.py", "binary", path, url, "--rows", FEW).cpu for _ in range(3)]
        ours = [_each(one, few) for one in found["loader"]]
        theirs = [_each(one, few_script) for one in found["script"]]
        rate = ratio([one.rate for one in found["loader"]], [one.rate for one in found["script"]])
        table.spread(
            f"{kind}: cyborg-ingest",
            found["loader"],
            f"{median(ours):.2f}",
            f"{rate:.2f}",
            f"{ratio(ours, theirs):.2f}",
        )
        table.spread(f"{kind}: script, SDK `upsert_binary` by 1000", found["script"], f"{median(theirs):.2f}", "", "")
    table.show()


def _each(one: Run, few: list[float]) -> float:
    return (one.cpu - median(few)) / (ROWS - FEW) * 1e6


def memory() -> None:
    """Peak memory and time per row as files grow."""
    table = Table(
        "memory", ("rows", "row groups of", "peak MB", "rows/s", "us/row"),
        f"Memory and time as a Parquet file grows, {data.DIMENSION} dimensions, bare vectors, into the sink",
    )  # fmt: skip
    with sink() as url:
        for rows, group in ((100_000, 10_000), (200_000, 10_000), (1_000_000, 10_000), (1_000_000, 1_000_000)):
            path = data.parquet(FOLDER, rows, full=False, row_group=group)
            runs = [loader([str(path)], url) for _ in range(3)]
            rate = median([one.rate for one in runs])
            peak = max(one.peak for one in runs)
            table.add(f"{rows:,}", f"{group:,}", f"{peak:.0f}", f"{rate:,.0f}", f"{1e6 / rate:.3f}")
    table.show()


def safety(rounds: int) -> None:
    """What the journal, the checks and the progress cost."""
    table = Table(
        "safety", ("what", "rows/s", "spread", "on / off"),
        f"Journal and progress on, against off, {ROWS:,} rows into the sink",
    )  # fmt: skip
    for kind in ("bare", "full"):
        path: Path = data.parquet(FOLDER, ROWS, full=kind == "full")
        with sink() as url:
            found = alternate(
                {
                    "on": lambda url=url, path=path: loader([str(path)], url, "--progress", "plain"),
                    "off": lambda url=url, path=path: loader([str(path)], url, "--progress", "none", "--no-checkpoint"),
                },
                rounds,
            )
        on, off = ([one.rate for one in found[name]] for name in ("on", "off"))
        table.spread(f"{kind}: on", found["on"], f"{ratio(on, off):.2f}")
        table.spread(f"{kind}: off", found["off"], "")
    table.show()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    client_alone(number)
    safety(number)
    memory()
