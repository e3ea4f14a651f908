"""Runs commands and prints what they took: medians and spread, as one table and as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
FOLDER = Path(os.environ.get("CYBORG_INGEST_BENCH_DIR", HERE.parent / ".bench"))
"""Inputs and indexes; on a disk, not in memory, where a load would read and write it."""

KEY = bytes(range(32))
_PACKAGES = ("cyborgdb", "cyborgdb-core", "cyborgdb-service", "numpy", "pyarrow", "orjson", "pybase64", "requests")

sys.path.insert(0, str(HERE.parent / "tests"))


DIFFERENT = 5
_sinks: set[str] = set()


@dataclass
class Run:
    """One process: its own report, wall and CPU seconds, peak memory in MB."""

    report: dict[str, Any]
    wall: float
    cpu: float
    peak: float

    @property
    def rate(self) -> float:
        """Rows a second, from the first read to the last acknowledgement."""
        return float(self.report["rows_per_second"])


def run(command: list[str], expected: tuple[int, ...] = (0,), **environment: str) -> Run:
    """Run a command to its end, with one of the expected exit codes; its stdout is its report."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as talk:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=talk, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expected:
            talk.seek(0)
            raise SystemExit(f"{command} ended with {process.returncode}:\n{talk.read().decode()[-3000:]}")
        out.seek(0)
        text = out.read()
    # kilobytes on Linux, bytes on macOS
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Run(json.loads(text or b"{}"), wall, usage.ru_utime + usage.ru_stime, peak)


def loader(source: list[str], target: str, *options: str) -> Run:
    """`cyborg-ingest upsert` as a user runs it: journal, checks and progress on."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as state:
        command = [sys.executable, "-m", "cyborg_ingest", "upsert", *source, "--index", "bench", "--target", target]
        expected = (DIFFERENT,) if target in _sinks else (0,)  # what was thrown away is found missing
        own = {"CYBORG_INGEST_INDEX_KEY": KEY.hex(), "CYBORG_INGEST_STATE_DIR": state}
        return run([*command, "--json", *options], expected, **own)


def script(name: str, *arguments: object) -> Run:
    """One of the scripts beside this one."""
    return run([sys.executable, str(HERE / name), *map(str, arguments)])


@contextlib.contextmanager
def service(dimension: int) -> Iterator[str]:
    """A fresh service with an empty index `bench`; it does not train by itself, so that every run meets the same."""
    from service import running  # noqa: PLC0415 - the tests' own

    import cyborg_ingest  # noqa: PLC0415 - a child begins with the peak memory of its parent, so this stays small
    from cyborg_ingest.model import CreateOptions  # noqa: PLC0415 - as above

    environment = {"AUTO_TRAIN_DISABLED": "true"}
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder, running(Path(folder), environment=environment) as one:
        with cyborg_ingest.connect(one.url) as client:
            client.create("bench", KEY, CreateOptions(dimension=dimension)).close()
        yield one.url


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """A server that throws everything away."""
    from service import free_port  # noqa: PLC0415 - the tests' own

    port = free_port()
    with subprocess.Popen([sys.executable, str(HERE / "sink.py"), str(port)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - for the types
            process.stdout.readline()
            _sinks.add(url := f"http://127.0.0.1:{port}")
            yield url
        finally:
            process.kill()


@contextlib.contextmanager
def directory() -> Iterator[str]:
    """An empty directory for an index of the embedded engine."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield folder


def alternate(cases: dict[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Every case once a round, one after the other, so that a slow minute meets all of them."""
    found: dict[str, list[Run]] = {name: [] for name in cases}
    for number in range(rounds):
        for name, case in cases.items():
            found[name].append(case())
            print(f"  round {number + 1}: {name}: {found[name][-1].rate:,.0f} rows/s", file=sys.stderr)
    return found


def median(values: list[float]) -> float:
    """The one in the middle."""
    return statistics.median(values)


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the ratios round by round: what slows a machine slows both."""
    return median([one / two for one, two in zip(above, below, strict=True)])


@dataclass
class Table:
    """A table that is printed, and kept as JSON beside the scripts."""

    name: str
    columns: tuple[str, ...]
    about: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, *values: Any) -> None:
        """One line."""
        self.rows.append(values)

    def spread(self, what: str, runs: list[Run], *more: Any) -> None:
        """A line of rates: median, least and most."""
        rates = [one.rate for one in runs]
        self.add(what, f"{median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", *more)

    def show(self) -> None:
        """Print it, and write `results/NAME.json`."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        print(f"\n## {self.about}\n\n{machine()}\n")
        for line in lines:
            print("| " + " | ".join(str(value) for value in line) + " |")
        result = {"about": self.about, "machine": machine(), "columns": self.columns, "rows": self.rows}
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / f"{self.name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def machine() -> str:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}; {packages}. The service does not train during a run."
    )
