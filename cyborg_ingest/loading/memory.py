"""The memory that a load may take, shared out: what is decoded at once, and what is on its way.

What a process of ours takes by itself was measured, and so was how often it holds what it decodes and sends: as they
are read, as rows, as a request. The engine's own memory, where it is in this process, is part of what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError
from cyborg_ingest.facts import Noted
from cyborg_ingest.formats.bounds import USUAL, AtOnce
from cyborg_ingest.plan.cutting import EMBEDDED_DEFAULTS, REST_DEFAULTS
from cyborg_ingest.settings.options import MAX_ROW_BYTES
from cyborg_ingest.settings.quantities import bytes_of
from cyborg_ingest.targets import is_embedded

if TYPE_CHECKING:
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.settings.options import LoadSettings


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an engine takes: `base` bytes by itself, and each byte of a request `copies` times."""

    base: int
    copies: int
    workers: int
    cutting: Cutting


_REST = _Kind(170_000_000, 2, 3, REST_DEFAULTS)
_EMBEDDED = _Kind(260_000_000, 4, 2, EMBEDDED_DEFAULTS)
_DECODED_COPIES = 4
_UNITS = 4
"""So many times as much as rows of a chunk may what cannot be cut have: a page, a record batch."""
_LEAST_ROWS, _LEAST_REQUEST = 4_000_000, 1_000_000
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of what is in memory at once; `limit` is None where nothing bounds it."""

    workers: int
    request: int
    at_once: AtOnce = USUAL
    limit: str | None = None

    def notes(self) -> list[Noted]:
        """What was chosen, for people."""
        if self.limit is None:
            return []
        sizes = (self.at_once.rows, self.at_once.unit, self.request)
        rows, unit, request = (f"{size / _MEGABYTE:,.1f} MB" for size in sizes)
        said = f"--max-memory {self.limit}: {rows} of rows are decoded at once, and a larger row is rejected"
        return [Noted(f"{said}; a page or record batch may have {unit}; {self.workers} requests at once of {request}.")]


def memory_of(settings: LoadSettings) -> Memory:
    """How the memory that a load may take is shared out. Raises UsageError where it is too little."""
    kind = _EMBEDDED if settings.target and is_embedded(settings.target) else _REST
    workers = settings.workers or kind.workers
    request = settings.batch_bytes or kind.cutting.size
    if settings.max_memory is None:
        return Memory(workers, request)
    free = bytes_of(settings.max_memory) - kind.base
    on_its_way = (workers + 2) * kind.copies
    row = settings.max_row_bytes if settings.max_row_bytes != MAX_ROW_BYTES else _LEAST_ROWS
    decoded = _DECODED_COPIES + _UNITS
    least = decoded * max(row, _LEAST_ROWS) + on_its_way * (settings.batch_bytes or _LEAST_REQUEST)
    if free < least:
        raise UsageError(_too_little(settings, -(-(kind.base + least) // _MEGABYTE)))
    if not settings.batch_bytes:
        request = min(request, max(_LEAST_REQUEST, free // 3 // on_its_way))
    free -= on_its_way * request
    rows = min(USUAL.rows, free // decoded)
    return Memory(workers, request, AtOnce(rows, rows, free - _DECODED_COPIES * rows), settings.max_memory)


def _too_little(settings: LoadSettings, least: int) -> str:
    given = {"--workers": settings.workers, "--batch-bytes": settings.batch_bytes}
    given["--max-row-bytes"] = settings.max_row_bytes if settings.max_row_bytes != MAX_ROW_BYTES else None
    names = [name for name, value in given.items() if value]
    what = f"with {', '.join(names)}, this load" if names else "a load into this target"
    return f"--max-memory is {settings.max_memory}, and {what} takes {least}M at least. Give it --max-memory {least}M."
