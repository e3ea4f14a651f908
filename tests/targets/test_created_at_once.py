"""Two loads that create one index at the same moment both end well, and no row is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cyborgdb
import numpy as np
import pytest
from advised import says
from conftest import KEY

from cyborg_ingest.settings import keys
from cyborg_ingest.targets import connect
from cyborg_ingest.targets.base import Connection

if TYPE_CHECKING:
    from pathlib import Path

    from service import Service


def race(service: Service, folder: Path, index: str, key: bytes | None) -> None:
    """Two processes load 300 rows each, with ids of their own."""
    environment: dict[str, str] = {**os.environ}
    if key is not None:
        environment["CYBORG_INGEST_INDEX_KEY"] = key.hex()
    expected: dict[str, bytes] = {}
    running: list[subprocess.Popen[str]] = []
    for name in ("one", "two"):
        vectors = np.random.default_rng(len(expected)).normal(size=(300, 4)).astype(np.float32)
        np.save(folder / f"{index}-{name}.npy", vectors)
        expected |= {f"{name}-{row}": vector.tobytes() for row, vector in enumerate(vectors)}
        command = [
            sys.executable, "-m", "cyborg_ingest", "upsert", str(folder / f"{index}-{name}.npy"),
            "--id-prefix", f"{name}-", "--index", index, "--target", service.url, "--create", "--metric", "cosine",
        ]  # fmt: skip
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for one in running:
        words = one.communicate(timeout=120)[1]
        assert one.returncode == 0, words
    used = key or keys.find_kept_key(keys.kept_key_path(connect(service.url, Connection()).target, index))
    assert used is not None
    rows: Any = cyborgdb.Client(service.url).load_index(index, used).get(list(expected))
    assert {str(row["id"]): np.array(row["vector"], "<f4").tobytes() for row in rows} == expected


@pytest.mark.parametrize("key", [KEY, None], ids=["a key that both know", "a key that the faster one makes"])
def test_two_loads_that_create_one_index_at_once_end_well(service: Service, tmp_path: Path, key: bytes | None) -> None:
    race(service, tmp_path, f"raced-{'given' if key else 'made'}", key)


@pytest.mark.soak
def test_so_they_do_however_often(service: Service, tmp_path: Path) -> None:
    for number in range(10):
        race(service, tmp_path, f"raced-{number}", KEY if number % 2 else None)


def test_an_index_whose_creation_was_cut_short_is_said_to_be_half_there(service: Service, tmp_path: Path) -> None:
    """An envelope without its index, as a service leaves it that is killed in between."""
    import cyborgdb_core  # noqa: PLC0415

    storage = cyborgdb_core.StorageConfig.disk(str(service.data))
    cyborgdb_core.create_index_kms(storage, "half", cyborgdb_core.KMSBlob(provider="none", version=1, created_at=1))
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    command = [
        sys.executable, "-m", "cyborg_ingest", "upsert", str(tmp_path / "rows.npy"), "--index", "half", "--create",
    ]  # fmt: skip
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    done = subprocess.run(
        [*command, "--target", service.url], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    says(
        done.stderr,
        "{} And yet its name is taken: its creation was cut short, or is still under way. Run the same command",
    )
    assert "cyborg-ingest index create half --target disk:DIRECTORY" in done.stderr
    advised = [sys.executable, "-m", "cyborg_ingest", "index", "create", "half", "--target", f"disk:{service.data}"]
    subprocess.run(advised, env=environment, check=True, timeout=60, capture_output=True)
    again = subprocess.run(
        [*command, "--target", service.url], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert again.returncode == 0, again.stderr
