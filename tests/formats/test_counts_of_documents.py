"""How many rows a JSON document is said to have before it is read."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from cyborg_ingest.formats import jsonsurvey
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.plan.reading import Plan

COUNT = 3000
IDS = [f"r{place}" for place in range(COUNT)]
VECTORS = [[place + 0.5, -0.25] for place in range(COUNT)]
ROWS = [{"id": identity, "vector": vector} for identity, vector in zip(IDS, VECTORS, strict=True)]
DOCUMENTS: dict[str, Any] = {
    "columns": {"ids": IDS, "embeddings": VECTORS, "included": ["ids"]},
    "columns by type": {"texts": IDS, "ids": IDS, "embeddings": {"float": VECTORS}},
    "columns in an object": {"a": {"embeddings": VECTORS, "ids": IDS}},
    "columns by index": {"id": dict(enumerate(IDS)), "vector": dict(enumerate(VECTORS))},
    "split": {"columns": ["id", "vector"], "data": [[*row.values()] for row in ROWS]},
    "rows by their id": {"a": dict(zip(IDS, ROWS, strict=True))},
    "rows behind much else": {"about": "x" * 200_000, "rows": ROWS},
    "one row": ROWS[0],
}


def plan_of(path: Path, document: Any) -> Plan:
    text = json.dumps(document).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return make_plan((str(path),), SourceSettings())


@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_rows_that_were_counted_on_the_way_are_told(kind: str, name: str, tmp_path: Path) -> None:
    found = plan_of(tmp_path / name, DOCUMENTS[kind])
    assert found.sources[0].layout.rows_estimate == (1 if kind == "one row" else COUNT)


def test_of_what_was_not_looked_at_whole_about_as_many_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonsurvey, "LOOK_BYTES", 1000)
    layout = plan_of(tmp_path / "x.json", {"rows": ROWS}).sources[0].layout
    assert layout.rows is None
    assert 0.8 * COUNT < layout.rows_estimate < 1.2 * COUNT
