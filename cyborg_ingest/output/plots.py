"""What happened over time, drawn by pygal as SVG that stands in a page: no script, no font, no colour of its own.

Colours and sizes are those of the page's style sheet, by the classes that pygal gives to what it draws; so one drawing
is light and dark.
"""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cyborg_ingest.state.samples import Sample

_WIDTH, _HEIGHT = 560, 260
_UNITS = ((7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""From how many seconds on a unit is used, and what it is."""
_TICKS = 6
_MUCH = 30
"""Where the greatest is so many times the least, the scale is logarithmic."""

_NOT_OURS = {"defs", "desc", "script", "style", "title"}

_MARGIN = 0.03
_OF_TOOLTIPS = {"tooltip", "tooltip-overlay"}
"""What pygal draws for them; what they would show the words of has another class."""

_Point = tuple[float, float | None]


class Plot(NamedTuple):
    """A drawing with what it shows; `time` is the unit of its other axis."""

    title: str
    unit: str
    time: str
    lines: tuple[str, ...]
    svg: str
    note: str = ""
    below: str = ""
    """What is below it, where its axis is none of time."""


def plots_of(course: Sequence[Sample]) -> list[Plot]:
    """Throughput and latency; none of a run that was too short for it."""
    if len(course) < 2:  # noqa: PLR2004 - of one interval there is nothing to see
        return []
    scale, time = next((scale, name) for most, scale, name in _UNITS if course[-1].stop >= most)
    return [_throughput(course, scale, time), *_latency(course, scale, time)]


def _throughput(course: Sequence[Sample], scale: float, time: str) -> Plot:
    points = _steps(course, scale, lambda one: one.rate, 0.0)
    ticks = {one: one for one in _ticks(max(one.rate for one in course))}
    return Plot("Throughput", "rows a second", time, ("rows",), _drawn([points], course[-1].stop / scale, ticks))


def _latency(course: Sequence[Sample], scale: float, time: str) -> Iterator[Plot]:
    known = [one for one in course if one.slowest > 0]
    if not known:
        return
    most, least = max(one.slowest for one in known), min(one.latency(0.5) or one.slowest for one in known)
    factor, unit = (1.0, "seconds") if most >= 1 else (1000.0, "milliseconds")
    is_wide = most > _MUCH * least
    ticks = _powers(least * factor, most * factor) if is_wide else {one: one for one in _ticks(most * factor)}
    kinds: dict[str, Callable[[Sample], float | None]] = {
        "slowest": lambda one: one.slowest or None,
        "95 %": lambda one: one.latency(0.95),
        "median": lambda one: one.latency(0.5),
    }

    def placed(kind: Callable[[Sample], float | None], one: Sample) -> float | None:
        value = kind(one)
        return None if value is None else math.log10(value * factor) if is_wide else value * factor

    lines = [_steps(course, scale, partial(placed, kind)) for kind in kinds.values()]
    svg = _drawn(lines, course[-1].stop / scale, ticks)
    yield Plot("Latency of a request", unit, time, tuple(kinds), svg, "logarithmic" if is_wide else "")


def _steps(
    course: Sequence[Sample], scale: float, value: Callable[[Sample], float | None], between: float | None = None
) -> list[_Point]:
    """A value for all of each interval; `between` them, where nothing happened, another."""
    found: list[_Point] = []
    end = 0.0
    for one in course:
        if one.start > end:
            found += [(end / scale, between), (one.start / scale, between)]
        found += [(one.start / scale, value(one)), (one.stop / scale, value(one))]
        end = one.stop
    return found


def histogram(title: str, edges: Sequence[float], counts: Sequence[int], below: str) -> Plot:
    """How many there are from each edge to the next."""
    steps: list[_Point] = [(edges[0], 0)]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        steps += [(low, count), (high, count)]
    ticks = {one: one for one in _ticks(max(counts))}
    svg = _drawn([[*steps, (edges[-1], 0)]], edges[-1], ticks, begin=edges[0])
    return Plot(title, "vectors", "", ("vectors",), svg, below=below)


def scatter(title: str, groups: Mapping[str, Sequence[tuple[float, float]]], note: str, below: str) -> Plot:
    """Points in a plane, of up to three groups by their names."""
    found = [list(points) for points in groups.values()]
    every = [one for points in found for one in points]
    (left, right), (low, high) = (_around([one[axis] for one in every]) for axis in (0, 1))
    ticks = {one: one for one in _round_ones(low, high)}
    svg = _drawn([list(points) for points in found], right, ticks, begin=left, heights=(low, high))
    return Plot(title, note, "", tuple(groups), svg, below=below)


def _drawn(
    lines: Sequence[list[_Point]],
    end: float,
    ticks: Mapping[float, float],
    *,
    begin: float = 0,
    heights: tuple[float, float] | None = None,
) -> str:
    """Lines, or points between these heights, from `begin` to `end`; `ticks`: values by the places where they stand."""
    pygal, is_of_points = library(), heights is not None
    chart: Any = pygal.XY(
        style=pygal.style.Style(label_font_size=16, major_label_font_size=16),  # how much room they take
        width=_WIDTH,
        height=_HEIGHT,
        margin=4,
        classes=[f"of-{len(lines)}"],
        css=[],
        js=[],
        disable_xml_declaration=True,
        show_legend=False,
        show_dots=is_of_points,
        stroke=not is_of_points,
        dots_size=2,
        fill=len(lines) == 1 and not is_of_points,
        allow_interruptions=True,
        range=heights or (min(ticks), max(ticks)),
        xrange=(begin, end),
        x_value_formatter=_short,
        truncate_label=-1,
    )
    chart.x_labels = _round_ones(begin, end) if begin or is_of_points else _ticks(end, at_most=True)
    chart.y_labels = [{"value": place, "label": _short(value)} for place, value in ticks.items()]
    for points in lines:
        chart.add("", points)
    chart.add_xml_filter(_bare)
    drawn: str = chart.render(is_unicode=True)
    return drawn


def library() -> Any:
    """It, without the hook that it puts into the imports of the whole process, for maps that are drawn nowhere here.

    That one is of a kind that Python has given up, and warns of before 3.12 wherever a package is not found.
    """
    import pygal.style  # noqa: PLC0415 - behind an extra

    sys.meta_path[:] = [one for one in sys.meta_path if not type(one).__module__.startswith("pygal")]
    return pygal


def _bare(root: Any) -> Any:
    """Without what pygal adds for its own scripts and styles."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag if isinstance(child.tag, str) else ""
            if not name or name.rpartition("}")[2] in _NOT_OURS or _OF_TOOLTIPS & {*child.get("class", "").split()}:
                parent.remove(child)
    root.attrib.pop("id", None)  # which is another one each time
    root.set("role", "img")
    return root


def _ticks(end: float, *, at_most: bool = False) -> list[float]:
    """Round numbers from 0 to the end, or to the next behind it."""
    if end <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(end / _TICKS))
    step = next(power * one for one in (1, 2, 5, 10) if power * one * _TICKS >= end)
    count = math.floor(end / step + 1e-9) if at_most else math.ceil(end / step - 1e-9)
    return [round(step * number, 12) for number in range(count + 1)]


def _around(values: Sequence[float]) -> tuple[float, float]:
    """From below the least to above the greatest."""
    low, high = min(values), max(values)
    room = (high - low) * _MARGIN or 1.0
    return low - room, high + room


def _round_ones(low: float, high: float) -> list[float]:
    """Round numbers from one to the other; both, where there is none between."""
    step = 10.0 ** math.floor(math.log10((high - low) / _TICKS)) if high > low else 1.0
    step = next(step * one for one in (1, 2, 5, 10) if step * one * _TICKS >= high - low)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * number, 12) for number in range(first, last + 1)] or [low, high]


def _powers(least: float, most: float) -> dict[float, float]:
    """Powers of ten around both, by their logarithms."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return {float(number): 10.0**number for number in range(first, max(last, first + 1) + 1)}


def _short(value: float) -> str:
    """A number on an axis."""
    for least, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= least:
            return f"{value / (1e3 if name == 'k' else least):,.4g}{name}"
    return f"{value:,.6g}"
