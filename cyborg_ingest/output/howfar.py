"""How far something is, how fast, and what it waits for: in words and as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.output.labels import labelled
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.facts import Retrying
    from cyborg_ingest.tally import Step

_MEGABYTE = 1_000_000
_BETWEEN = "  "


def many(count: int, what: str) -> str:
    """So many of something: 1 row, 2 rows, 3 retries."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def fitted(parts: Iterable[tuple[int, str]], width: int | None) -> str:
    """Texts beside each other; of those that do not fit, the ones whose number is the highest are left out."""
    left = list(parts)
    while width is not None and len(left) > 1 and len(_BETWEEN.join(text for _, text in left)) > width:
        left.remove(max(left))
    return _BETWEEN.join(text for _, text in left)


_STEPS = {
    "plan": "looking",
    "read": "reading",
    "count": "counting",
    "verify": "verifying",
    "compare": "comparing",
    "train": "training",
    "delete": "deleting",
}


def doing(watched: Tally | Step) -> str:
    """What is going on, in a word."""
    return "loading" if isinstance(watched, Tally) else _STEPS[watched.began.step]


def percent(watched: Tally | Step) -> str:
    """How much of it is done; "" where nobody knows of how much."""
    return "" if watched.share is None else f"{100 * watched.share:.0f}%"


def how_far(watched: Tally | Step, width: int | None = None, *, is_over: bool = False) -> str:
    """Time, rows, speed, and what is on its way, in so many columns; what is zero is not worth a word."""
    facts = progress_facts(watched)
    is_verifying = not isinstance(watched, Tally) and watched.began.step == "verify"
    parts = [(0, clock(watched.seconds) if is_over else _time(watched, facts["seconds_left"]))]
    parts += [(1, many(facts["rows"], _unit(watched)))] if facts["rows"] else []
    if isinstance(watched, Tally):
        parts += _counted(watched, facts)
    else:
        parts += [(2, f"{watched.wrong:,} differ")] if watched.wrong or (is_verifying and watched.done) else []
        is_rows = _unit(watched) == "row"
        parts += [(3, f"{facts['rows_per_second']:,.0f} rows/s")] if watched.done and is_rows else []
        parts += [(4, f"{watched.retried:,} retried")] if watched.retried else []
    return fitted(parts, width)


def _unit(watched: Tally | Step) -> str:
    return "row" if isinstance(watched, Tally) else watched.began.unit


def _counted(tally: Tally, facts: dict[str, Any]) -> list[tuple[int, str]]:
    found = [
        (2, facts["rows_per_second"], f"{facts['rows_per_second']:,.0f} rows/s"),
        (5, facts["bytes_per_second"], f"{facts['bytes_per_second'] / _MEGABYTE:.1f} MB/s"),
        (6, tally.in_flight, f"{tally.in_flight} in flight"),
        (3, tally.rejected, f"{tally.rejected:,} rejected"),
        (4, facts["retried"], f"{facts['retried']:,} retried"),
    ]
    return [(rank, text) for rank, count, text in found if count]


def _time(watched: Tally | Step, seconds_left: float | None) -> str:
    """The time left, where there is something to tell it by; else why there is not, or for how long it has run."""
    if watched.stalled:
        return f"{_idle(watched)} {watched.stalled:.0f} s"
    return f"{clock(watched.seconds)}" if seconds_left is None else f"{clock(seconds_left)} left"


def _idle(watched: Tally | Step) -> str:
    """Why nothing moves, as far as it is known."""
    if not isinstance(watched, Tally):
        return "waiting" if watched.is_planning else "stalled"
    return "waiting for input" if watched.has_stream and not watched.pending else "stalled"


def clock(seconds: float) -> str:
    """A duration as clocks have it: 0:07, 12:30, 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def waiting(watched: Tally | Step) -> str:
    """Which failure is waited out, and for how long; "" for none."""
    one = watched.waiting
    return "" if one is None else retry_text(one.retry, one.seconds)


def retry_text(retry: Retrying, seconds: float) -> str:
    """Why, which try it will be, and when."""
    when = f"in {seconds:.0f} s" if seconds >= 1 else "now"
    return f"{retry.error} Retry {retry.attempt} of {retry.most} {when}."


def progress(watched: Tally | Step) -> list[str]:
    """How far it is, and what is waited for, in lines."""
    share = percent(watched)
    lines = labelled(doing(watched), (f"{share}{_BETWEEN}" if share else "") + how_far(watched))
    return lines + (labelled("retry", waiting(watched)) if watched.waiting else [])


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
