"""A load that was killed in one of several Parts of a file goes on there, from whatever place the file comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import BUCKET, KEY, upload
from generations import BATCH, ROWS, WRITERS, Place, names_in
from where import TESTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PART_BYTES = 1_000_000
IN_PARTS = ["rows.parquet", "rows.arrow", "rows.jsonl", "rows.npy", "rows.hdf5", "rows.fvecs", "rows.fbin"]


def source_lists(folder: Path) -> str:
    (folder / "list.txt").write_text(f"{folder}/rows/rows.jsonl\n")
    return f"@{folder}/list.txt"


PLACES: dict[str, Callable[[Path, str], str]] = {
    "a file": lambda folder, name: f"{folder}/rows/{name}",
    "a folder": lambda folder, _name: f"{folder}/rows",
    "a pattern": lambda folder, _name: f"{folder}/*/rows.*",
    "a list": lambda folder, _name: source_lists(folder),
    "an object": lambda _folder, name: f"s3://{BUCKET}/{name}",
    "a prefix": lambda _folder, _name: f"s3://{BUCKET}",
}
CASES = [("an object", name) for name in IN_PARTS] + [(one, "rows.jsonl") for one in PLACES if one != "an object"]


@pytest.mark.parametrize(("where", "name"), CASES)
def test_a_load_that_is_killed_in_a_later_part_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Any, where: str, name: str
) -> None:
    place = Place(tmp_path, monkeypatch)
    (tmp_path / "rows").mkdir()
    WRITERS[name](tmp_path / "rows" / name, 1)
    upload(bucket, tmp_path / "rows")
    arguments = ["upsert", PLACES[where](tmp_path, name), "--index", place.index, "--target", place.engine.target]
    arguments += ["--create", "--batch-rows", str(BATCH), "--json"]
    victim = [sys.executable, str(TESTS / "victim_of_parts.py"), str(PART_BYTES)]
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}

    def started(row: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*victim, str(row), "before", *arguments], capture_output=True, text=True, env=environment, check=False
        )

    assert started(ROWS * 2 // 3).returncode == -signal.SIGKILL
    done = started(10 * ROWS)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert rows["read"] == ROWS == rows["acknowledged"] + rows["skipped"]
    assert rows["skipped"] > ROWS // 3
    place.check_generation(names_in(name), 1)
