"""A set of ranges is a set of numbers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cyborg_ingest.rows.ranges import RangeSet

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


def numbers_of(ranges: RangeSet) -> list[int]:
    return [number for start, stop in ranges for number in range(start, stop)]


@given(st.lists(pairs), st.integers(0, 41))
def test_what_is_removed_from_a_number_on_is_gone_and_all_before_it_stays(
    added: list[tuple[int, int]], start: int
) -> None:
    ranges = RangeSet(added)
    before = numbers_of(ranges)
    ranges.remove_from(start)
    assert numbers_of(ranges) == [number for number in before if number < start]
    assert all(first < stop for first, stop in ranges)


@given(st.lists(pairs), pairs)
def test_ranges_overlap_where_they_share_a_number(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    ranges = RangeSet(added)
    shared = [number for number in numbers_of(ranges) if number in range(*asked)]
    assert ranges.overlaps(*asked) is bool(shared)
    assert [number for start, stop in ranges.within(*asked) for number in range(start, stop)] == shared


@given(st.lists(pairs), st.lists(pairs))
def test_sets_of_the_same_numbers_are_equal_and_others_are_not(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    is_same = numbers_of(RangeSet(one)) == numbers_of(RangeSet(other))
    assert (RangeSet(one) == RangeSet(other)) is is_same
    assert RangeSet(one) == RangeSet((number, number + 1) for number in reversed(numbers_of(RangeSet(one))))


def test_ranges_equal_nothing_but_ranges() -> None:
    assert RangeSet([(1, 2)]) != [(1, 2)]
    assert RangeSet() != ()
