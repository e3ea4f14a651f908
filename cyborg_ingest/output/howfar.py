"""How far something is, and how fast: in words and as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.output.voice import labelled
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.tally import Step

_MEGABYTE = 1_000_000
_BETWEEN = "  "


def fitted(parts: Iterable[tuple[int, str]], width: int | None) -> str:
    """Texts beside each other; of those that do not fit, the ones whose number is the highest are left out."""
    left = list(parts)
    while width is not None and len(left) > 1 and len(_BETWEEN.join(text for _, text in left)) > width:
        left.remove(max(left))
    return _BETWEEN.join(text for _, text in left)


def rates(tally: Tally, width: int | None = None) -> str:
    """Rows, speed, and what is on its way, in so many columns."""
    seconds, retried = tally.seconds or 1e-9, sum(tally.retries.values())
    parts = [
        (0, f"{tally.done:,} rows"),
        (1, f"{tally.acknowledged / seconds:,.0f} rows/s"),
        (4, f"{tally.raw_bytes / seconds / _MEGABYTE:.1f} MB/s"),
        (5, f"{tally.in_flight} in flight"),
        (2 if tally.rejected else 6, f"{tally.rejected:,} rejected"),
        (3 if retried else 7, f"{retried:,} retried"),
    ]
    return fitted(parts, width)


_STEPS = {
    "read": "reading", "count": "counting", "verify": "verifying", "compare": "comparing", "train": "training",
    "delete": "deleting",
}  # fmt: skip


def how_far(step: Step, width: int | None = None) -> str:
    """What is done, to how many rows, and what is left, as far as it is known, in so many columns."""
    facts = progress_facts(step)
    left = f"{step.seconds:.0f} s" if facts["seconds_left"] is None else f"{facts['seconds_left']:.0f} s left"
    parts = [(0, _STEPS[step.began.step])]
    parts += [] if facts["percent"] is None else [(1, f"{facts['percent']:.0f}%")]
    parts += [(4, f"{step.done:,} rows"), (5, f"{facts['rows_per_second']:,.0f} rows/s")] if step.done else []
    parts += [(3, f"{step.wrong:,} differ")] if step.wrong else []
    parts += [(6, f"{step.retried:,} retried")] if step.retried else []
    return fitted([*parts, (2, left)], width)


def progress(tally: Tally | Step) -> str:
    """One line of progress."""
    if not isinstance(tally, Tally):
        label, _, rest = how_far(tally).partition(_BETWEEN)
        return labelled(label, rest)[0]
    facts = progress_facts(tally)
    left = "?" if facts["seconds_left"] is None else f"{facts['seconds_left']:.0f} s"
    return labelled("loading", f"{facts['percent']:.0f}%  {rates(tally)}  {left} left")[0]


def progress_facts(tally: Tally | Step) -> dict[str, Any]:
    """Progress as numbers; `percent` and `seconds_left` are estimates where the rows are."""
    if not isinstance(tally, Tally):
        return _step_facts(tally)
    done, expected, seconds = tally.done, max(1, tally.expected), tally.seconds
    return {
        "rows": done,
        "rows_expected": expected,
        "percent": round(100 * done / expected, 1),
        "acknowledged": tally.acknowledged,
        "rejected": tally.rejected,
        "retried": sum(tally.retries.values()),
        "in_flight": tally.in_flight,
        "rows_per_second": round(tally.acknowledged / seconds, 1) if seconds else 0.0,
        "bytes_per_second": round(tally.raw_bytes / seconds, 1) if seconds else 0.0,
        "seconds_left": _seconds_left(tally, done, expected),
    }


def _step_facts(step: Step) -> dict[str, Any]:
    """Of a step of which nobody knows to how many rows it is done, `percent` and `seconds_left` are None."""
    expected, seconds = step.expected, step.seconds
    is_known = bool(expected and step.done)
    return {
        "step": step.began.step,
        "rows": step.done,
        "rows_expected": expected or None,
        "percent": round(100 * step.done / expected, 1) if expected else None,
        "wrong": step.wrong,
        "retried": step.retried,
        "rows_per_second": round(step.done / seconds, 1) if seconds else 0.0,
        "seconds_left": round(seconds * (expected - step.done) / step.done, 1) if is_known else None,
    }


def _seconds_left(tally: Tally, done: int, expected: int) -> float | None:
    """By the pace of this run, which has not loaded what earlier ones have; None where nobody knows."""
    own = done - tally.skipped - tally.rejected_before
    is_open = done >= expected and tally.is_open
    return None if own <= 0 or is_open else round(tally.seconds * (expected - done) / own, 1)
