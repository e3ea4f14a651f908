"""What an engine gives back of odd but good rows is what it was sent: none of them is taken for a contradiction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cyborg_ingest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

TINY, HUGE = float(np.finfo(np.float32).smallest_subnormal), float(np.finfo(np.float32).max)
VECTORS = [[-0.0, 1.0], [1.0, -0.0], [TINY, -TINY], [HUGE, -HUGE], [1e-40, 1.0], [0.1, 1 / 3], [1e-45, 0.0]]
METADATA: list[Any] = [
    {"big": 2**63, "more": 2**100, "less": -(2**64), "one": 1.0, "tenth": 0.1, "e": 1e308, "minus": -0.0},
    {"nested": {"b": [1, None, {"a": []}], "a": {}}, "": 1, "a.b": 2, "$gt": 3, "id": 4, "vector": [5]},
    {"text": "\u0000\n\u2028\U0001f600 e\u0301 \u00e9", "true": True, "null": None},
    {},
    None,
]
CONTENTS: list[Any] = ["", None, "\u0000", " ", "\U0001f600", "x" * 100_000, "AP8="]
IDS = ["a", " a", "a ", "\u0000", "\n", "e\u0301", "\u00e9", "\U0001f600", "x" * 10_000, '"', "null"]


@pytest.mark.parametrize("count", [1, 7, 400])
def test_odd_rows_are_read_back_as_they_were_sent(engine: Engine, tmp_path: Path, count: int) -> None:
    rows = [
        {
            "id": IDS[row] if row < len(IDS) else f"r{row}",
            "vector": VECTORS[row % len(VECTORS)],
            "metadata": METADATA[row % len(METADATA)],
            "contents": CONTENTS[row % len(CONTENTS)],
        }
        for row in range(count)
    ]
    path, index = tmp_path / "rows.jsonl", engine.name()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for verify in ("none", "full", "count"):
        report = cyborg_ingest.load(path, index=index, target=engine.target, create=True, verify=verify, batch_rows=90)
        assert report.exit_code == 0
    found = engine.read(index, [row["id"] for row in rows])
    for row in rows:
        stored = found[row["id"]]
        assert stored.vector == np.array(row["vector"], "<f4").tobytes()
        assert json.dumps(stored.metadata, sort_keys=True) == json.dumps(row["metadata"] or None, sort_keys=True)
        assert stored.contents == (row["contents"] or None)
