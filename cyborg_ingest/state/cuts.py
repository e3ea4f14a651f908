"""Where the Parts of a file are, as a journal keeps it.

What is done is known by Part. A release that cuts a file otherwise would find none of what an earlier one has done, so
a load continues with the Parts that it began with, as long as the file is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from cyborg_ingest.model import Part, total


class Span(NamedTuple):
    """One Part, as `model.Part` has it; its number is its place among those of its file."""

    start: int
    stop: int
    rows: int | None
    first_row: int | None
    size: int


Cut = Sequence[Span | Part]
"""All Parts of a file, in their order."""


def spans_of(cut: Cut) -> list[list[int | None]]:
    """A cut as JSON has it."""
    return [[one.start, one.stop, one.rows, one.first_row, one.size] for one in cut]


def as_spans(value: Any) -> tuple[Span, ...]:
    """What `spans_of` gave. Raises TypeError or ValueError where it is something else."""
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a cut")
    return tuple(map(_span, value))


def _span(value: Any) -> Span:
    start, stop, rows, first_row, size = value
    for one in (start, stop, size, *(one for one in (rows, first_row) if one is not None)):
        if type(one) is not int or one < 0:
            raise TypeError(f"{one!r} is not a count")
    return Span(start, stop, rows, first_row, size)


def parts_as(cut: Cut, parts: Sequence[Part]) -> tuple[Part, ...] | None:
    """Parts of the same file, cut like this; None where the cut is not of this file.

    A format that counts in another unit than it did ends elsewhere.
    """
    if not cut or not parts or (cut[0].start, cut[-1].stop) != (parts[0].start, parts[-1].stop):
        return None
    if len({total(one.rows for one in each) for each in (cut, parts)} - {None}) > 1:
        return None
    if spans_of(cut) == spans_of(parts):
        return tuple(parts)
    return tuple(
        replace(
            parts[0], number=number, start=at.start, stop=at.stop, rows=at.rows, first_row=at.first_row, size=at.size,
            lines_before=None if number else parts[0].lines_before,
        )
        for number, at in enumerate(cut)
    )  # fmt: skip
