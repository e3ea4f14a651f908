"""How far something is that reads rows and sends none, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.facts import Began
from cyborg_ingest.model import total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyborg_ingest.plan.reading import Plan


def began(step: str, plans: Sequence[Plan]) -> Began:
    """Something begins that is done to all rows that these plans ask for."""
    return Began(
        step, total(plan.rows for plan in plans), sum(estimate for plan in plans for _, estimate in plan.expected())
    )
