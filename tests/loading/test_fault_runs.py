"""Hundreds of loads with repeating ids, killed, stopped, their answers lost and their requests applied late.

Each is resumed by the same command until it ends, and then the official SDK reads every row: none is lost, none is
older, none is too many. The seed that is printed with a failure repeats its choices, if not its timing.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from cyborgdb import Client as SdkClient
from proxy import Answer, Fault, Proxy, held_back, reset_after, reset_before, status, truncated
from service import running
from where import TESTS

import cyborg_ingest
from cyborg_ingest.loading.doubts import PAUSES
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from service import Service

RUNS_A_SERVICE = 20
AT_ONCE = 8
WATCHED = sum(PAUSES)
GOES_ON = {3, 130, 143, -signal.SIGKILL}

Row = dict[str, Any]


def source(folder: Path, chance: random.Random) -> tuple[list[str], list[Row]]:
    """A file of some hundred rows, most ids several times in it; the arguments that name it, and its rows."""
    count = chance.randint(100, 500)
    pool = max(1, count // chance.choice([1, 2, 5, 20]))
    rows: list[Row] = [
        {"id": f"r{chance.randrange(pool)}", "vector": [float(row), 1.0, 0.5], "metadata": {"row": row}}
        for row in range(count)
    ]
    kind = chance.choice(["jsonl", "parquet", "npy", "csv"])
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        table = pa.table({name: [row[name] for row in rows] for name in ("id", "vector", "metadata")})
        pq.write_table(table, path, row_group_size=chance.randint(20, 200))
    elif kind == "csv":
        lines = [f'{row["id"]},"{row["vector"]}","{{""row"": {row["metadata"]["row"]}}}"' for row in rows]
        path.write_text("\n".join(["id,vector,metadata", *lines]) + "\n")
    else:
        np.save(path, np.array([row["vector"] for row in rows], np.float32))
        (folder / "ids.txt").write_text("\n".join(row["id"] for row in rows))
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row["metadata"]) + "\n" for row in rows))
        return [str(path), "--ids", str(folder / "ids.txt"), "--metadata", str(folder / "metadata.jsonl")], rows
    return [str(path)], rows


class Trouble:
    """Breaks requests at random, and tells when so many were made that the process is to be hit."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.hit_at, self.seen, self.due = 0, 0, threading.Event()
        self.share = chance.choice([0.0, 0.1, 0.3])
        self.late: list[tuple[float, float]] = []
        """When requests that were held back had come, and when they were applied."""
        self._lock = threading.Lock()

    def arm(self) -> None:
        self.hit_at, self.seen = self.chance.randint(1, 25), 0
        self.due.clear()

    def __call__(self, _upsert: int, _body: bytes) -> Fault | None:
        with self._lock:
            self.seen += 1
            if self.seen >= self.hit_at:
                self.due.set()
            if self.chance.random() >= self.share:
                return None
            late = self.noted(held_back(self.chance.uniform(0.7, 3.0)))
            handle = self.chance.choice([reset_before, reset_after, truncated, late, late, status(503), status(500)])
            return Fault("trouble", handle)

    def noted(self, handle: Callable[[socket.socket, Callable[[], Answer]], bool]) -> Callable[..., bool]:
        def handled(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
            come = time.monotonic()
            again = handle(connection, forward)
            self.late.append((come, time.monotonic()))
            return again

        return handled


def attempt(command: list[str], environment: dict[str, str], trouble: Trouble, blow: int | None) -> int:
    """Run the command, and hit it with a signal once enough requests were made; its exit code."""
    trouble.arm()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as process:
        if blow is not None:
            while process.poll() is None and not trouble.due.wait(0.02):
                pass
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(blow)
        _, said = process.communicate(timeout=300)
    assert process.returncode in {0, *GOES_ON}, said
    assert "Traceback" not in said, said
    return process.returncode


def over_rest(service: Service, folder: Path, seed: int) -> dict[str, int]:
    """One load, until it has ended."""
    chance, index = random.Random(seed), f"seed-{seed}"
    arguments, rows = source(folder, chance)
    with cyborg_ingest.connect(service.url) as client:
        client.create(index, KEY, CreateOptions(dimension=3)).close()
    trouble, codes = Trouble(chance), []
    with Proxy(service.port, trouble).running() as proxy:
        blows = [chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]) for _ in range(chance.randint(1, 4))]
        environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex(), "CYBORG_INGEST_STATE_DIR": str(folder / "s")}
        for blow in [*blows, *[None] * 20]:
            command = [sys.executable, "-m", "cyborg_ingest", "upsert", *arguments, "--index", index]
            command += ["--target", proxy.url, "--batch-rows", str(chance.randint(3, 40)), "--drain-timeout", "1"]
            command += ["--workers", str(chance.randint(1, 4)), "--timeout", "0.6", "--retry-max-wait", "0.2"]
            codes.append(attempt(command, environment, trouble, blow))
            if codes[-1] == 0:
                break
    assert codes[-1] == 0, f"seed {seed} never ended: {codes}"
    slowest = max((applied - come for come, applied in trouble.late), default=0.0)
    assert slowest < WATCHED, f"seed {seed}: this machine was so busy that a request was applied {slowest:.0f} s late"
    found = SdkClient(service.url).load_index(index, KEY)
    ids = list({row["id"] for row in rows})
    stored = {row["id"]: row for start in range(0, len(ids), 200) for row in found.get(ids[start : start + 200])}
    return compared(rows, stored, count_of(service, index))


def count_of(service: Service, index: str) -> int:
    """How many rows the service counts: `list_ids` of the SDK may name ghosts."""
    body = json.dumps({"index_name": index, "index_key": KEY.hex()}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own service
        f"{service.url}/v1/vectors/num_vectors", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return int(json.load(answer)["result"])


def embedded(folder: Path, seed: int) -> dict[str, int]:
    """The same with the engine in the process: nothing is lost on the way there, so that it is only killed."""
    chance, target = random.Random(seed), folder / "data"
    arguments, rows = source(folder, chance)
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex(), "CYBORG_INGEST_STATE_DIR": str(folder / "s")}
    for blows in range(3, -1, -1):
        victim = [str(TESTS / "victim.py"), str(chance.randint(1, len(rows))), chance.choice(["before", "after"])]
        command = [sys.executable, *(victim if blows else ["-m", "cyborg_ingest"]), "upsert", *arguments]
        command += ["--index", "x", "--target", f"disk:{target}", "--create", "--workers", str(chance.randint(1, 4))]
        command += ["--batch-rows", str(chance.randint(3, 40))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode in ({-signal.SIGKILL, 0} if blows else {0}), f"seed {seed}: {done.stderr}"
    storage = cyborgdb_core.StorageConfig.disk(str(target))
    handle = cyborgdb_core.Client(storage_config=storage).load_index("x", KEY)
    ids = list({row["id"] for row in rows})
    stored = {row["id"]: row for row in handle.get(ids, index_key=KEY)}
    with cyborg_ingest.connect(f"disk:{target}") as client, client.index("x", KEY) as index:
        return compared(rows, stored, index.count())


def compared(rows: list[Row], stored: dict[str, Row], count: int) -> dict[str, int]:
    last = {row["id"]: row for row in rows}
    wrong = {"lost": len(last.keys() - stored.keys()), "extra": count - len(last), "older": 0}
    for identity, row in last.items():
        one = stored.get(identity)
        if one is not None and (list(one["vector"]) != row["vector"] or one["metadata"] != row["metadata"]):
            wrong["older"] += 1
    return {what: number for what, number in wrong.items() if number}


def many(runs: dict[int, Any]) -> None:
    """All of them, some at once; every seed whose rows are not right is named."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {seed: pool.submit(run) for seed, run in runs.items()}
        wrong = {seed: future.result() for seed, future in futures.items()}
    print(f"seeds {min(runs)} to {max(runs)}: {len(runs)} loads")  # noqa: T201 - a figure that is asked for
    assert not {seed: found for seed, found in wrong.items() if found}


def folder_of(tmp_path: Path, seed: int) -> Path:
    folder = tmp_path / f"seed-{seed}"
    folder.mkdir()
    return folder


def rest_runs(tmp_path: Path, seeds: range) -> None:
    with running(tmp_path / "service") as service:
        many({seed: lambda seed=seed: over_rest(service, folder_of(tmp_path, seed), seed) for seed in seeds})


def test_a_few_loads_with_all_kinds_of_trouble_end_right(tmp_path: Path) -> None:
    rest_runs(tmp_path, range(4))


@pytest.mark.soak
@pytest.mark.parametrize("group", range(15))
def test_300_loads_with_all_kinds_of_trouble_end_right(tmp_path: Path, group: int) -> None:
    rest_runs(tmp_path, range(1000 + group * RUNS_A_SERVICE, 1000 + (group + 1) * RUNS_A_SERVICE))


@pytest.mark.soak
def test_60_embedded_loads_that_are_killed_end_right(tmp_path: Path) -> None:
    seeds = range(2000, 2060)
    many({seed: lambda seed=seed: embedded(folder_of(tmp_path, seed), seed) for seed in seeds})
