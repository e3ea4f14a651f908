"""What a program has around its rows is left out where it is empty, and is data where it is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import run
from rows_read import rows_read

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(1).standard_normal((3, 9)).astype(np.float32).tolist()


def point(place: int, **own: Any) -> dict[str, Any]:
    """As Qdrant gives it."""
    return {"id": place, "payload": {"n": place, "nothing": None}, "vector": VALUES[place], "shard_key": None, **own}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


PAYLOADS = [{"n": place, "nothing": None} for place in range(3)]


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_empty_fields_of_the_program_are_left_out_and_the_users_nulls_are_kept(tmp_path: Path, suffix: str) -> None:
    rows = [point(place, order_value=None) for place in range(3)]
    path = lines(tmp_path / f"rows.{suffix}", *(rows if suffix == "jsonl" else [{"result": {"points": rows}}]))
    assert rows_read(path).metadata == PAYLOADS


def test_those_that_hold_something_are_fields_and_those_that_are_named_are_kept_as_they_are(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", point(0), point(1, shard_key="eu"), point(2, order_value=0))
    assert rows_read(path).metadata == [
        PAYLOADS[0], {**PAYLOADS[1], "shard_key": "eu"}, {**PAYLOADS[2], "order_value": 0},
    ]  # fmt: skip
    assert rows_read(path, metadata_columns=("shard_key",)).metadata == [
        {**PAYLOADS[0], "shard_key": None}, {**PAYLOADS[1], "shard_key": "eu"}, {**PAYLOADS[2], "shard_key": None},
    ]  # fmt: skip


def test_one_that_holds_something_only_behind_the_first_rows_is_not_lost(tmp_path: Path) -> None:
    rows = [{**point(0), "id": place} for place in range(150)]
    rows[149]["shard_key"] = "us"
    found = rows_read(lines(tmp_path / "rows.jsonl", *rows))
    assert found.metadata == [PAYLOADS[0]] * 149 + [{**PAYLOADS[0], "shard_key": "us"}]


def test_empty_lists_and_objects_are_empty_and_zero_is_not(tmp_path: Path) -> None:
    node = {
        "id_": "a", "embedding": VALUES[0], "metadata": {"empty": []}, "class_name": "TextNode", "text": "t",
        "relationships": {}, "excluded_llm_metadata_keys": [], "start_char_idx": 0, "end_char_idx": None,
    }  # fmt: skip
    other = {**node, "id_": "b", "relationships": {"1": {"node_id": "a"}}, "excluded_llm_metadata_keys": ["k"]}
    own = {"empty": [], "class_name": "TextNode", "start_char_idx": 0}
    assert rows_read(lines(tmp_path / "rows.jsonl", node, other), id_column="id_").metadata == [
        own, {**own, "relationships": other["relationships"], "excluded_llm_metadata_keys": ["k"]},
    ]  # fmt: skip


def test_rows_that_are_not_the_programs_keep_such_fields(tmp_path: Path) -> None:
    rows = [{"id": "a", "vector": VALUES[0], "shard_key": None, "blob": None, "references": None}]
    own = {"shard_key": None, "blob": None, "references": None}
    assert rows_read(lines(tmp_path / "rows.jsonl", *rows)).metadata == [own]


def test_the_plan_and_inspect_name_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", *(point(place, order_value=None) for place in range(3)))
    words = "Qdrant points (left out where empty: shard_key, order_value)"
    code, told = run("upsert", path, "--index", "i", "--target", f"disk:{tmp_path}/data", "--create", "--dry-run")
    assert code == 0
    assert f"shape     {words}" in told
    assert words in run("inspect", path)[1]
