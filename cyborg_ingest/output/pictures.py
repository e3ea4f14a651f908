"""Small pictures in lines of text: points in a plane, and bars of files, as wide as the reader's terminal allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from cyborg_ingest.output.labels import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LEAST_WIDTH, _MOST_WIDTH = 40, 120
_LINES = 12
_WIDEST = 60
_ACROSS, _DOWN = 2, 4
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of Unicode's braille patterns, by row and column of the dot."""
_DENSITY = " .:*#"


class Canvas(NamedTuple):
    """What can be drawn on: so many columns, by braille and blocks or in ASCII. `columns` 0: nobody is looking."""

    columns: int = 0
    is_unicode: bool = False

    @property
    def bar(self) -> str:
        """What bars are made of."""
        return "\N{FULL BLOCK}" if self.is_unicode else "#"

    @property
    def room(self) -> int:
        """Columns beside a label; 0 where it is too narrow for a picture."""
        return 0 if self.columns < _LEAST_WIDTH else min(self.columns, _MOST_WIDTH) - LABEL


def scatter(points: Iterable[tuple[float, float]], canvas: Canvas) -> list[str]:
    """Points in a plane, as lines; none where there is no room."""
    found = list(points)
    width = min(canvas.room - 1, _WIDEST)
    if width <= 0 or not found:
        return []
    across, down = (_ACROSS, _DOWN) if canvas.is_unicode else (1, 1)
    columns = _placed([x for x, _ in found], width * across)
    rows = _placed([-y for _, y in found], _LINES * down)
    counts: dict[tuple[int, int], int] = {}
    dots: dict[tuple[int, int], int] = {}
    for column, row in zip(columns, rows, strict=True):
        cell = row // down, column // across
        counts[cell] = counts.get(cell, 0) + 1
        dots[cell] = dots.get(cell, 0) | _DOTS[row % down][column % across]
    most = max(counts.values())
    signs = {
        cell: chr(_BRAILLE | bits) if canvas.is_unicode else _shade(counts[cell], most) for cell, bits in dots.items()
    }
    return ["".join(signs.get((row, column), " ") for column in range(width)).rstrip() for row in range(_LINES)]


def _placed(values: Sequence[float], steps: int) -> list[int]:
    """Each value as one of so many steps from the least to the greatest."""
    low, high = min(values), max(values)
    span = high - low
    return [min(steps - 1, int((one - low) / span * steps)) if span else steps // 2 for one in values]


def _shade(count: int, most: int) -> str:
    share = math.log1p(count) / math.log1p(most)
    return _DENSITY[max(1, math.ceil(share * (len(_DENSITY) - 1)))]
