"""What a load would send of some files: every id, vector, metadata and contents, and which rows it would reject."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Rejection


@dataclass
class Rows:
    """In the order of the files."""

    ids: list[str] = field(default_factory=list)
    vectors: list[list[float]] = field(default_factory=list)
    metadata: list[dict[str, Any] | None] = field(default_factory=list)
    contents: list[str | bytes | None] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def rows_read(*paths: Path, chunk: int = 100, **options: Any) -> Rows:
    """Plan and read the files as a load does."""
    plan = make_plan(tuple(map(str, paths)), SourceSettings(**options))
    found = Rows()
    for batch in cut(plan.chunks(chunk), plan.dimension, Cutting(100, 1 << 20, encoded=True)):
        found.ids += batch.ids
        found.vectors += batch.vectors.tolist()
        found.metadata += batch.metadata or [None] * len(batch)
        found.contents += batch.contents or [None] * len(batch)
        found.rejected += batch.rejections
    return found
