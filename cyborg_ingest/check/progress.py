"""How far something is that reads rows and sends none, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.facts import Began

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyborg_ingest.plan.reading import Plan


def began(step: str, plans: Sequence[Plan]) -> Began:
    """Something begins that is done to all rows that these plans ask for."""
    rows = [plan.rows for plan in plans]
    exact = None if None in rows else sum(one or 0 for one in rows)
    return Began(step, exact, sum(estimate for plan in plans for _, estimate in plan.expected()))
