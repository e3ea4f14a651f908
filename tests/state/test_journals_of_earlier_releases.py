"""A load that an earlier release began goes on: its journal, as that release wrote it, is read.

Both were written by the releases themselves, killed in the midst of a load: version 1, and version 2 from before a
journal said where the Parts of a file are.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generations import Place

import cyborg_ingest
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE, ROWS, BAD = 200, 400, 120

VERSION_1 = """
{"begin":1}
{"facts":{"precision":"float32","sole":true}}
{"part":[0,"FOLDER/a.parquet",0,0,1,"FINGERPRINT"]}
{"sent":[0,0,40]}
{"sent":[0,40,80]}
{"facts":{"exact":true}}
{"ack":[0,0,40],"probe":["r39","c3f8e96fc23f9dd9","fa8cf5d9819a0f3f"],"keep":1}
{"sent":[0,80,100]}
{"ack":[0,40,80],"probe":["r79","187d899a49807b65","fa8cf5d9819a0f3f"],"keep":1}
{"part":[1,"FOLDER/a.parquet",1,1,2,"FINGERPRINT"]}
{"sent":[1,0,40]}
{"ack":[0,80,100],"probe":["r99","b07358b06c805bd5","fa8cf5d9819a0f3f"],"keep":1}
{"sent":[1,40,80]}
{"ack":[1,0,40],"rej":[[20,120,"vector_zero"]],"probe":["r139","add99d9486358e4e","fa8cf5d9819a0f3f"],"keep":1}
{"sent":[1,80,100]}
{"ack":[1,40,80],"probe":["r179","abbd261aea2a91d1","fa8cf5d9819a0f3f"],"keep":1}
{"ack":[1,80,100],"probe":["r199","21012b6650252ade","fa8cf5d9819a0f3f"],"keep":1}
{"part":[2,"FOLDER/b.jsonl",0,0,9800,"FINGERPRINT"]}
{"sent":[2,0,40]}
{"sent":[2,40,80]}
"""
VERSION_2 = """
{"begin":2}
{"facts":{"run":"20261126T173615Z-eefae4"}}
{"facts":{"precision":"float32","sole":true}}
{"part":[0,"FOLDER/a.parquet",0,0,1,"FINGERPRINT"]}
{"sent":[0,0,40]}
{"sent":[0,40,80]}
{"ack":[0,0,40],"probe":["r39","c3f8e96fc23f9dd9","fa8cf5d9819a0f3f"],"keep":1}
{"sent":[0,80,100]}
{"ack":[0,40,80],"probe":["r79","187d899a49807b65","fa8cf5d9819a0f3f"],"keep":1}
{"ack":[0,80,100],"probe":["r99","b07358b06c805bd5","fa8cf5d9819a0f3f"],"keep":1}
{"part":[1,"FOLDER/a.parquet",1,1,2,"FINGERPRINT"]}
{"sent":[1,0,40]}
{"sent":[1,40,80]}
{"ack":[1,0,40],"rej":[[20,120,"vector_zero"]],"probe":["r139","add99d9486358e4e","fa8cf5d9819a0f3f"],"keep":1}
{"sent":[1,80,100]}
{"ack":[1,40,80],"probe":["r179","abbd261aea2a91d1","fa8cf5d9819a0f3f"],"keep":1}
{"ack":[1,80,100],"probe":["r199","21012b6650252ade","fa8cf5d9819a0f3f"],"keep":1}
{"part":[2,"FOLDER/b.jsonl",0,0,9800,"FINGERPRINT"]}
{"sent":[2,0,40]}
{"sent":[2,40,80]}
"""
REJECTED = (
    '{"id": "r120", "vector": [0.0, 0.0, 0.0, 0.0], "_rejected": {"file": "FOLDER/a.parquet", "row": 120, '
    '"line": null, "reason": "vector_zero", "detail": "the vector is all zeros"}}\n'
)


def vector(row: int) -> list[float]:
    return [0.0] * 4 if row == BAD else [row + 1.0, 2.0, 3.0, 4.0]


def write_sources(folder: Path) -> None:
    """The files that the releases were given."""
    folder.mkdir()
    vectors = pa.array([vector(row) for row in range(DONE)], pa.list_(pa.float32(), 4))
    table = pa.table({"id": [f"r{row}" for row in range(DONE)], "vector": vectors})
    pq.write_table(table, folder / "a.parquet", row_group_size=100)
    rows = [{"id": f"r{row}", "vector": vector(row)} for row in range(DONE, ROWS)]
    (folder / "b.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))


def in_place(journal: str, folder: Path) -> Iterator[str]:
    """The lines, with the names and fingerprints that the files have here; in another place these are others."""
    plan = make_plan((str(folder),), SourceSettings())
    fingerprints = {str(one.layout.uri): one.layout.parts[0].fingerprint for one in plan.sources}
    for line in journal.strip().splitlines():
        record = json.loads(line.replace("FOLDER", str(folder)))
        if "part" in record:
            record["part"][-1] = fingerprints[record["part"][1]]
        body = json.dumps(record, separators=(",", ":"))
        yield body if journal is VERSION_1 else f"{zlib.crc32(body.encode()):08x} {body}"


def load(place: Place, folder: Path, **more: Any) -> Any:
    options = place.options(batch_rows=40, workers=1, max_errors="1", **more)
    return cyborg_ingest.load([str(folder)], **options)


@pytest.mark.parametrize(
    ("journal", "rejected"),
    [(VERSION_1, "rejected.jsonl"), (VERSION_2, "runs/20261126T173615Z-eefae4/rejected.jsonl")],
    ids=["version 1", "version 2"],
)
def test_a_load_that_an_earlier_release_began_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str, rejected: str
) -> None:
    place, folder = Place(tmp_path, monkeypatch), tmp_path / "rows"
    write_sources(folder)
    load(place, folder, limit=DONE)  # the index has what the release had sent
    assert place.count() == DONE - 1
    (job,) = (Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / "jobs").iterdir()
    (job / "journal.jsonl").write_text("".join(one + "\n" for one in in_place(journal, folder)))
    (job / rejected).parent.mkdir(mode=0o700, exist_ok=True)
    (job / rejected).write_text(REJECTED.replace("FOLDER", str(folder)))
    (job / rejected).chmod(0o600)
    report = load(place, folder)
    assert report.rows == {"read": 400, "acknowledged": 200, "rejected": 1, "skipped": 199, "unsent": 0}
    assert report.exit_code == 1
    assert Path(report.rejected_file).read_text() == REJECTED.replace("FOLDER", str(folder))
    names = [f"r{row}" for row in range(ROWS)]
    expected = {name: (row + 1.0, 2.0) for row, name in enumerate(names) if row != BAD}
    assert place.stored(names) == expected
