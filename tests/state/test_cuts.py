"""Where the Parts of a file are, as a journal says it: taken whole or not at all."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from cyborg_ingest.model import Part
from cyborg_ingest.state.compacting import records_of
from cyborg_ingest.state.cuts import Span, as_spans, parts_as, spans_of
from cyborg_ingest.state.lines import line_of
from cyborg_ingest.state.replay import replay

CUT: list[list[int | None]] = [[0, 64, None, 0, 64], [64, 100, 12, None, 36]]
KEY = ["/a.jsonl", 0, 0, 64, "f"]


def line(record: dict[str, Any]) -> bytes:
    body = json.dumps(record, separators=(",", ":")).encode()
    return f"{zlib.crc32(body):08x} ".encode() + body


def part(number: int, start: int, stop: int, rows: int | None = None) -> Part:
    return Part("/a.jsonl", "jsonl", number, start, stop, rows, None, stop - start, "f", "skip 3")


def test_it_stands_with_the_first_part_of_its_file_and_is_there_again_after_each_writing() -> None:
    second = ["/a.jsonl", 1, 64, 100, "f"]
    lines = [line({"begin": 2}), line({"part": [0, *KEY], "cut": CUT}), line({"part": [1, *second]})]
    for _ in range(2):
        state = replay(lines)
        assert state.is_whole
        assert state.cuts == {("/a.jsonl", "f"): (Span(0, 64, None, 0, 64), Span(64, 100, 12, None, 36))}
        records = list(records_of(state, {}))
        assert [one.get("cut") for one in records if "part" in one] == [CUT, None]
        lines = [line_of(one).rstrip(b"\n") for one in records]


ODD: list[Any] = [
    None,
    3,
    "ab",
    {"0": [0, 1, 2, 3, 4]},
    [[0, 64, None, 0]],
    [[0, 64, None, 0, 64, 1]],
    [[0, 64, None, 0, None]],
    [[None, 64, 1, 0, 64]],
    [[0, None, 1, 0, 64]],
    [[0, 64, -1, 0, 64]],
    [[0, 64, 1, -1, 64]],
    [[0, 64, 1, 0, -1]],
    [[-1, 64, 1, 0, 64]],
    [[0, "64", 1, 0, 64]],
    [[0, 64, True, 0, 64]],
    [[0, 64, 1.0, 0, 64]],
    [3],
]


@pytest.mark.parametrize("odd", ODD, ids=json.dumps)
def test_an_odd_one_is_passed_over_with_all_of_its_line(odd: Any) -> None:
    state = replay([line({"begin": 2}), line({"part": [0, *KEY], "cut": odd}), line({"ack": [0, 0, 5]})])
    assert (state.cuts, state.parts, state.is_whole) == ({}, {}, True)  # nothing behind it could be read either


def test_a_file_that_is_the_same_comes_in_the_parts_that_are_given() -> None:
    parts = (part(0, 0, 100),)
    found = parts_as(as_spans([[0, 64, None, 0, 64], [64, 100, None, None, 36]]), parts)
    assert found == (
        Part("/a.jsonl", "jsonl", 0, 0, 64, None, 0, 64, "f", "skip 3"),
        Part("/a.jsonl", "jsonl", 1, 64, 100, None, None, 36, "f", "skip 3"),
    )
    assert spans_of(found) == [[0, 64, None, 0, 64], [64, 100, None, None, 36]]


@pytest.mark.parametrize(
    ("spans", "parts"),
    [
        ([], [part(0, 0, 100)]),
        ([[0, 100, None, 0, 9]], []),
        ([[0, 99, None, 0, 9]], [part(0, 0, 100)]),
        ([[1, 100, None, 0, 9]], [part(0, 0, 100)]),
        ([[0, 100, 4, 0, 9]], [part(0, 0, 100, 5)]),
        ([[0, 50, 2, 0, 9], [50, 100, 2, 0, 9]], [part(0, 0, 100, 5)]),
    ],
)
def test_what_does_not_begin_and_end_as_the_file_does_or_has_other_rows_is_not_taken(
    spans: list[Any], parts: list[Part]
) -> None:
    assert parts_as(as_spans(spans), parts) is None


@pytest.mark.parametrize(("rows", "now"), [((2, 3), 5), ((2, None), 5), ((None, None), 5), ((2, 3), None)])
def test_rows_are_those_of_all_parts_together_as_far_as_both_know_them(
    rows: tuple[int | None, int | None], now: int | None
) -> None:
    spans = as_spans([[0, 50, rows[0], 0, 9], [50, 100, rows[1], None, 9]])
    assert parts_as(spans, [part(0, 0, 100, now)]) is not None


def test_lines_before_a_part_are_those_of_the_first_alone_and_a_cut_that_is_the_same_changes_nothing() -> None:
    """What is before the others is known once these are read."""
    first, second = replace(part(0, 0, 64), first_row=0, lines_before=0), part(1, 64, 100)
    cut = as_spans([[0, 50, None, 0, 50], [50, 100, None, None, 50]])
    found = parts_as(cut, (first, second))
    assert found is not None
    assert [(one.start, one.lines_before) for one in found] == [(0, 0), (50, None)]
    assert parts_as(as_spans(spans_of((first, second))), (first, second)) == (first, second)
