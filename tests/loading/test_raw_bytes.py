"""`bytes.raw` of the report is what the rows themselves take, whatever they are sent as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cyborg_ingest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

IDS = ["a", "é", "id-3", "日本", "e"]


@pytest.mark.parametrize(
    ("contents", "size"),
    [
        ([None, "", None, None, None], 0),
        (["abc", None, "é", "", "日本"], 3 + 2 + 6),
        ([{"base64": "AP8A"}, "é", None, {"base64": "AA=="}, "x"], 3 + 2 + 1 + 1),
    ],
)
def test_the_raw_bytes_are_those_of_ids_vectors_metadata_and_contents(
    engine: Engine, tmp_path: Path, contents: list[object], size: int
) -> None:
    lines = [
        {"id": identity, "vector": [1, 2, 3, 4], "metadata": {"n": number}, "contents": content}
        for number, (identity, content) in enumerate(zip(IDS, contents, strict=True))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    report = cyborg_ingest.load(
        tmp_path / "rows.jsonl", index=engine.name(), target=engine.target, create=True, state_dir=tmp_path / "s"
    )
    ids, vectors, metadata = len("".join(IDS).encode()), 5 * 4 * 4, len(json.dumps([{"n": 0}] * 5).replace(" ", ""))
    assert report.bytes["raw"] == ids + vectors + metadata + size
