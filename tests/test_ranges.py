"""A set of ranges is a set of numbers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cyborg_ingest.ranges import RangeSet

pairs = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(st.lists(pairs), pairs)
def test_ranges_hold_the_numbers_that_were_added_and_miss_the_others(
    added: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    ranges = RangeSet(added)
    numbers = {number for start, stop in added for number in range(start, stop)}
    held = [number for start, stop in ranges for number in range(start, stop)]
    assert held == sorted(numbers)
    assert len(ranges) == len(numbers)
    missing = [number for start, stop in ranges.missing(*asked) for number in range(start, stop)]
    assert missing == [number for number in range(*asked) if number not in numbers]


@given(st.lists(pairs))
def test_ranges_never_touch(added: list[tuple[int, int]]) -> None:
    ranges = list(RangeSet(added))
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))
