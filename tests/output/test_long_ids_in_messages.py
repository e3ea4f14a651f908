"""A message has a size, however long the ids are that it names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from test_bounds import checked

from cyborg_ingest.model import shown_id

if TYPE_CHECKING:
    from pathlib import Path


def test_an_id_of_200_characters_is_shown_whole_and_a_longer_one_by_how_it_begins() -> None:
    assert shown_id("a" * 200) == repr("a" * 200)
    assert shown_id("é" * 200 + "x" * 801) == f"'{'é' * 200}'... of 1,001 characters"


def test_ids_of_a_megabyte_do_not_fill_the_messages_of_a_dry_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = json.dumps({"id": "x" * 1_000_000, "vector": [1, 2]})
    bad = json.dumps({"id": "y" * 1_000_000, "vector": [0, 0]})
    path.write_text(f"{row}\n{row}\n{bad}")
    code, _, said, _ = checked(path)
    assert code == 1
    assert "... of 1,000,000 characters" in said
    assert "Ids that occur again: 1 of 2 rows" in said
    assert len(said) < 10_000
