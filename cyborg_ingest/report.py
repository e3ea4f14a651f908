"""What a run did: counted while it goes, and as the one report that all outputs share."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ExitCode

if TYPE_CHECKING:
    import datetime

    from cyborg_ingest.model import Batch, Rejection
    from cyborg_ingest.plan import Plan

SCHEMA_VERSION = 1

REMEMBERED_IDS = 10_000
"""Ids of rejected rows that are looked for in the index at the end, at most."""

STATUSES = {
    ExitCode.OK: "ok",
    ExitCode.REJECTED: "ok_with_rejected_rows",
    ExitCode.USAGE: "usage_error",
    ExitCode.FAILED: "failed",
    ExitCode.BAD_ROWS: "bad_rows",
    ExitCode.DIFFERENT: "different",
    ExitCode.BUG: "bug",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}


@dataclass(slots=True)
class SourceTally:
    """The rows of one source. `total` is None while nobody knows."""

    total: int | None
    estimate: int
    read: int = 0
    acknowledged: int = 0
    rejected: int = 0
    rejected_before: int = 0
    skipped: int = 0

    @property
    def asked(self) -> int:
        """The rows that this run was asked for, as far as they are known."""
        return max(self.total or 0, self.read + self.skipped + self.rejected_before)


@dataclass(slots=True)
class Tally:
    """Counts of a run under way. Written by the thread that runs the load; displays only look."""

    sources: dict[str, SourceTally] = field(default_factory=dict)
    raw_bytes: int = 0
    total_bytes: int = 0
    done_bytes: float = 0.0
    in_flight: int = 0
    duplicates: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    rejected_ids: list[str] = field(default_factory=list)
    latencies: array[float] = field(default_factory=lambda: array("d"))
    first_read: float | None = None
    last_ack: float | None = None

    @classmethod
    def of(cls, plan: Plan) -> Tally:
        """A tally for the sources of a plan."""
        tally = cls()
        for source, (total, estimate) in zip(plan.sources, plan.expected(), strict=True):
            tally.sources[source.layout.uri] = SourceTally(total, estimate)
            tally.total_bytes += source.layout.size
        return tally

    def read(self, batch: Batch) -> None:
        """Count the rows of a batch that was read."""
        self.first_read = self.first_read or time.monotonic()
        self.sources[batch.part.uri].read += batch.stop - batch.start - batch.passed

    def by_source(self) -> list[dict[str, Any]]:
        """What became of the rows of each source."""
        return [
            {
                "uri": uri,
                "rows": one.asked,
                "acknowledged": one.acknowledged,
                "rejected": one.rejected,
                "skipped": one.skipped,
            }
            for uri, one in self.sources.items()
        ]

    @property
    def sent(self) -> int:
        """Rows that this run brought into the index."""
        return self.total("acknowledged")

    def rejected(self, rejection: Rejection) -> None:
        """Count a rejected row."""
        self.sources[rejection.uri].rejected += 1
        if rejection.id and len(self.rejected_ids) < REMEMBERED_IDS:
            self.rejected_ids.append(rejection.id)
        self.rejects[rejection.reason.value] += 1

    def acknowledged(self, batch: Batch, seconds: float) -> None:
        """Count a batch that the engine has."""
        self.sources[batch.part.uri].acknowledged += len(batch)
        self.raw_bytes += batch.size
        self.last_ack = time.monotonic()
        if len(batch):
            self.latencies.append(seconds)

    def total(self, name: str) -> int:
        """A sum over the sources: read, acknowledged, rejected, skipped, asked or estimate."""
        return sum(getattr(source, name) for source in self.sources.values())

    @property
    def seconds(self) -> float:
        """From the first read to the last acknowledgement."""
        if self.first_read is None:
            return 0.0
        return (self.last_ack or time.monotonic()) - self.first_read


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of a run; `to_dict` is its one published form."""

    status: str
    exit_code: int
    started: datetime.datetime
    ended: datetime.datetime
    target: str
    index: str
    sources: list[dict[str, Any]]
    rows: dict[str, int]
    bytes: dict[str, int]
    load_seconds: float
    rows_per_second: float
    latency_ms: dict[str, float | None]
    requests: int
    retries: dict[str, int]
    rejects: dict[str, int]
    rejected_ids_present: list[str]
    """Ids of rejected rows that the index holds nevertheless: with an older row, or one of another source."""
    duplicates_seen: int
    index_count: dict[str, int | None]
    verify: dict[str, Any] | None
    resume_command: str | None
    not_read: list[dict[str, Any]] = field(default_factory=list)
    """What was found in folders and by patterns and is not read, by reason: `sources.NotRead`."""
    rejected_file: str | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What a dry run found wrong, as `inspect` would; empty for a load, which goes by `rejects`."""
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; the names stay once released."""
        found = {name: getattr(self, name) for name in self.__slots__}
        found["started"] = self.started.isoformat(timespec="milliseconds")
        found["ended"] = self.ended.isoformat(timespec="milliseconds")
        return {"schema_version": SCHEMA_VERSION, **found}


def row_counts(tally: Tally) -> dict[str, int]:
    """Every row that the run was asked for, in exactly one place."""
    asked = tally.total("asked")
    acknowledged, rejected, skipped = (tally.total(name) for name in ("acknowledged", "rejected", "skipped"))
    return {
        "read": asked,
        "acknowledged": acknowledged,
        "rejected": rejected,
        "skipped": skipped,
        "unsent": asked - acknowledged - rejected - skipped,
    }


def latency(tally: Tally) -> dict[str, float | None]:
    """Milliseconds for a request, retries included, at the median and the 99th percentile."""
    if not tally.latencies:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(np.frombuffer(tally.latencies), [50, 99])
    return {"p50": round(p50 * 1000, 3), "p99": round(p99 * 1000, 3)}
