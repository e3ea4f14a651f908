"""How many ids are different is counted exactly while they can be kept, and said with its error afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyborg_ingest.check.distinct import _SIGMAS, Count, Distinct, hashes_of


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=2))), st.integers(1, 40))
def test_it_is_never_wrong_about_the_bounds_it_gives_while_all_can_be_kept(batches: list[list[str]], kept: int) -> None:
    distinct, expected = Distinct(kept), len({one for ids in batches for one in ids})
    for ids in batches:
        distinct.add(hashes_of(ids))
    found = distinct.count()
    if expected <= kept:
        assert found == Count(expected, expected)
    assert found.least <= found.most
    assert distinct.count() == found


@pytest.mark.parametrize(("rows", "times"), [(100_000, 1), (100_000, 3), (3000, 20)])
def test_beyond_that_it_is_right_to_within_the_error_that_it_says(rows: int, times: int) -> None:
    distinct, chance = Distinct(1000), np.random.default_rng(2)
    ids = [f"row-{row}" for row in range(rows)] * times
    chance.shuffle(ids)
    for start in range(0, len(ids), 777):
        distinct.add(hashes_of(ids[start : start + 777]))
    found = distinct.count()
    assert found.least <= rows <= found.most
    assert found.most - found.least < rows
    assert "about" in str(found)


def test_half_of_the_ids_missing_is_beyond_the_error() -> None:
    distinct = Distinct(10_000)
    for start in range(0, 1_000_000, 50_000):
        distinct.add(hashes_of([f"row-{row}" for row in range(start, start + 50_000)]))
    assert 900_000 < distinct.count().least <= 1_000_000 <= distinct.count().most < 1_100_000


def test_the_error_is_that_of_a_share_that_was_drawn_at_random() -> None:
    """Of 1,600 numbers 400 end in two zero bits: 400 / p, with the deviation of a binomial, sqrt(400 (1 - p)) / p."""
    distinct = Distinct(400)
    for _ in range(2):
        distinct.add(np.arange(1600, dtype=np.uint64))
    deviation = math.sqrt(400 * 0.75) / 0.25
    assert distinct.count() == Count(math.floor(1600 - _SIGMAS * deviation), math.ceil(1600 + _SIGMAS * deviation))
