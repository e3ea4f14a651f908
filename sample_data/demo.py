"""The demo: load the sample data in all three formats, prove that it is there, ask it one question.

Everything happens in the folder `.demo` of this clone, in an embedded index: no server is needed, and
nothing of the user's own is touched.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cyborg_ingest

if TYPE_CHECKING:
    from cyborg_ingest.targets.base import Index

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / ".demo"
TARGET = "disk:.demo/data"
LOADS = {
    "parquet": ["sample_data/quotes.parquet"],
    "npy": [
        "sample_data/quotes.npy",
        *("--ids", "sample_data/quotes.ids.txt"),
        *("--metadata", "sample_data/quotes.metadata.jsonl"),
        *("--contents", "sample_data/quotes.contents.txt"),
    ],
    "jsonl": ["sample_data/quotes.jsonl"],
}


def main() -> int:
    """Run the demo. Returns the exit code."""
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    # the keys of the demo's indexes stay in its folder too
    environment = {
        **os.environ,
        "CYBORG_INGEST_CONFIG_DIR": str(DEMO / "config"),
        "CYBORG_INGEST_STATE_DIR": str(DEMO / "state"),
    }
    os.environ.update(environment)
    for name, sources in LOADS.items():
        _load(name, sources)
    rows = [json.loads(line) for line in (HERE / "quotes.jsonl").read_text("utf-8").splitlines()]
    vectors = np.load(HERE / "quotes.npy")
    print("\nReading everything back, row by row:")
    with cyborg_ingest.connect(_absolute(TARGET)) as client:
        for name in LOADS:
            with client.index(f"quotes-{name}", _key(client.target, f"quotes-{name}")) as index:
                _compare(index, rows, vectors)
                print(f"  quotes-{name}: {len(rows)} rows, every id, vector bit, field and text as in the file")
        with client.index("quotes-parquet", _key(client.target, "quotes-parquet")) as index:
            _ask(index)
    return 0


def _absolute(target: str) -> str:
    return f"disk:{HERE.parent / target.removeprefix('disk:')}"


def _load(name: str, sources: list[str]) -> None:
    options = ["--index", f"quotes-{name}", "--target", TARGET, "--create", "--metric", "cosine"]
    command = ["cyborg-ingest", "upsert", *sources, *options]
    print(f"\n$ {shlex.join(command)}", flush=True)
    subprocess.run([sys.executable, "-m", "cyborg_ingest", *command[1:]], cwd=HERE.parent, check=True)


def _key(target: str, index: str) -> bytes:
    from cyborg_ingest.settings import keys  # noqa: PLC0415 - after the environment names the folder

    key = keys.find_kept_key(keys.kept_key_path(target, index))
    if key is None:
        raise SystemExit(f"The key of {index} is gone.")
    return key


def _compare(index: Index, rows: list[dict[str, Any]], vectors: np.ndarray[Any, Any]) -> None:
    found = index.get([row["id"] for row in rows])
    if index.count() != len(rows) or [one.id for one in found] != [row["id"] for row in rows]:
        raise SystemExit("The index does not hold the rows of the file.")
    for stored, row, vector in zip(found, rows, vectors, strict=True):
        same = (
            stored.vector is not None
            and stored.vector.tobytes() == vector.tobytes()
            and stored.metadata == row["metadata"]
            and stored.contents == row["contents"]
        )
        if not same:
            raise SystemExit(f"Row {row['id']} differs from the file.")


def _ask(index: Index) -> None:
    query = json.loads((HERE / "query.json").read_text("utf-8"))
    print(f"\nThe nearest texts to {query['text']!r}:")
    for row in index.query(query["vector"], top_k=5):
        print(f"  {row.distance:.3f}  {row.id:<14}  {row.contents}")


if __name__ == "__main__":
    sys.exit(main())
