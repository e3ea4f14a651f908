"""Ids that occur more than once, however they come in pieces and whatever the first look has room for."""

from __future__ import annotations

import pytest

from cyborg_ingest.check import duplicates
from cyborg_ingest.check.duplicates import Duplicates, Ids


def found(*pieces: list[str]) -> Duplicates:
    """By hashes: of sources that are gone the second time."""
    ids = Ids()
    for piece in pieces:
        ids.add(piece)
    return ids.duplicates(lambda: ())


@pytest.mark.parametrize(
    ("pieces", "count", "compared", "left"),
    [
        ([["a", "b", "c"]], 0, 3, 0),
        ([["a", "b", "a", "d", "b"]], 2, 5, 0),
        ([["a", "b", "c"], ["d", "a"]], 1, 5, 0),
        ([["a", "b", "c"], ["d", "a", "b", "c"]], 1, 5, 2),
        ([["a", "b", "c"], ["d", "a"], ["b"]], 1, 5, 1),
        ([["a", "b", "c"], ["d"], ["a", "b", "c", "d"], ["a"]], 1, 5, 4),
        ([["a", "a", "a", "a", "a", "a", "a"]], 4, 5, 2),
        ([[], ["a"], [], ["a"]], 1, 2, 0),
        ([], 0, 0, 0),
    ],
)
def test_ids_are_compared_while_there_is_room_and_then_counted(
    pieces: list[list[str]], count: int, compared: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "KEPT_HASHES", 5)
    assert found(*pieces) == Duplicates(count, compared, left, is_exact=not count)
