"""What each Part has still to send when its turn comes, by what earlier runs have settled of it alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.plan.done import ENDLESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.plan.selection import Selection


@dataclass(frozen=True, slots=True)
class Turn:
    """A Part when its turn comes: its first row that is missing, and was not in flight; None: there is none."""

    part: Part
    gap: int | None
    has_rows: bool
    """Whether rows of it are settled."""
    is_cut: bool
    """Whether rows of it may have been sent that nobody asks for any more: past a limit, or chosen otherwise."""


def turns(plan: Plan, done: Callable[[Part], Done]) -> Iterator[Turn]:
    """All Parts in their order. Behind a gap nobody knows how much a limit leaves: there it counts what is settled."""
    left = ENDLESS if plan.selection.limit is None else plan.selection.limit
    place = 0
    for source in plan.sources:
        for part in source.layout.parts:
            known = done(part)
            total = part.rows if part.rows is not None else known.total
            if left > 0 and plan.holds(source, part, place, total):
                gap, before = _gap(known, plan.selection, place, total)
                is_cut = _is_other(known, plan.selection, place) or _reach(known) > left
                left -= before
                yield Turn(part, gap if left > 0 else None, bool(known.rows), is_cut)
            else:  # or its file's statistics say that no row of it is asked for
                yield Turn(part, None, bool(known.rows), is_cut=_reach(known) > 0)
            place += total or 0


def _gap(known: Done, selection: Selection, place: int, total: int | None) -> tuple[int | None, int]:
    """The first row of a Part that is not settled, and was not in flight; how many before it were asked for."""
    if _is_other(known, selection, place):
        return 0, 0
    gap = known.gap(total)
    before = sum(stop - start for start, stop in known.rows.within(0, ENDLESS if gap is None else gap))
    return gap, before - known.passed


def _is_other(known: Done, selection: Selection, place: int) -> bool:
    return bool(known.rows or known.former) and known.choice != selection.choice(place)


def _reach(known: Done) -> int:
    """So many rows of a Part may have been sent, of those that were asked for: at most."""
    return (
        max((stop for rows in (known.rows, known.in_flight, known.former) for _, stop in rows), default=0)
        - known.passed
    )
