"""How much of JSON is parsed at once is bounded, whatever its rows hold."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from cyborg_ingest.formats import READERS, jsonsample
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_rows_with_very_many_fields_each_are_fewer_in_the_sample(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": "a", "vector": [1], **{f"f{row}_{place}": 1 for place in range(50)}} for row in range(20)]
    path = tmp_path / f"rows.{suffix}"
    path.write_text(json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows)))
    whole = READERS[suffix].layout(str(path), Sidecars())
    assert (len(whole.schema), whole.is_open) == (20 * 50 + 4, False)  # and metadata and contents, which may come
    monkeypatch.setattr(jsonsample, "_SAMPLED_KEYS", 5 * 52)
    some = READERS[suffix].layout(str(path), Sidecars())
    assert (len(some.schema), some.is_open) == (5 * 50 + 4, True)


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_rows_of_the_largest_size_are_parsed_one_by_one_and_none_is_lost(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AtOnce, "text", 1000)
    sizes = [900, 900, 10, 10, 10, 900, 100, 1, 2000, 3]
    rows = [{"id": f"r{row}", "vector": [1], "contents": "x" * size} for row, size in enumerate(sizes)]
    path = tmp_path / f"rows.{suffix}"
    path.write_text(json.dumps(rows) if suffix == "json" else "\n\n".join(map(json.dumps, rows)) + "\n")
    plan = make_plan((str(path),), SourceSettings())
    chunks = list(plan.chunks(100))
    found = [one for chunk in chunks for one in chunk.batch.column("id").to_pylist()]
    assert found == [row["id"] for row in rows]
    for chunk in chunks:
        texts = chunk.batch.column("contents").to_pylist()
        assert len(texts) == 1 or sum(map(len, texts)) < 1000
    if suffix == "jsonl":  # with a blank line between each two
        lines = [line for chunk in chunks for line in chunk.lines.tolist()]  # type: ignore[union-attr]
        assert lines == list(range(1, 20, 2))
    before = itertools.accumulate((len(chunk.batch) for chunk in chunks), initial=0)
    assert [chunk.start for chunk in chunks] == list(before)[:-1]
