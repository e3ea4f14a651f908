"""How much is read and sent at once, where the user does not say it. Measured: benchmarks/README.md, "Defaults"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.rows.batches import Cutting

if TYPE_CHECKING:
    from cyborg_ingest.plan.reading import Plan

REST_DEFAULTS = Cutting(rows=1000, size=8_000_000, encoded=True)
EMBEDDED_DEFAULTS = Cutting(rows=5000, size=16_000_000, encoded=False)

_CACHE_BYTES = 3_000_000
"""What is decoded at once: about what a core's own cache holds."""


def chunk_rows(plan: Plan, cutting: Cutting) -> int:
    """How many rows are decoded at once: as many whole batches as fit."""
    width = 4 * (plan.dimension or 384)
    rows = min(cutting.rows, max(1, cutting.size // width))
    return rows * max(1, _CACHE_BYTES // (rows * width))
