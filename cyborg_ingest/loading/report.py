"""What a run did: counted while it goes, and as the one report that all outputs share."""

from __future__ import annotations

import math
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.rows.values import JsonList, dump_objects

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection

    from cyborg_ingest.model import Batch, Rejection
    from cyborg_ingest.plan.reading import Plan

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
    ExitCode.BUSY: "busy",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}

RETRY = {
    ExitCode.OK: "never",
    ExitCode.REJECTED: "never",
    ExitCode.USAGE: "after-fix",
    ExitCode.FAILED: "same-command",
    ExitCode.BAD_ROWS: "after-fix",
    ExitCode.DIFFERENT: "after-fix",
    ExitCode.BUG: "never",
    ExitCode.BUSY: "same-command",
    ExitCode.INTERRUPTED: "same-command",
    ExitCode.TERMINATED: "same-command",
}
"""What a scheduler does about an exit code: nothing, run the same command again, or ask somebody to mend something."""

_ROOM = 10
"""A file whose rows are estimated is taken to have so many times more at most."""


@dataclass(slots=True)
class SourceTally:
    """The rows of one source. `total` is None while nobody knows."""

    total: int | None
    estimate: int
    is_estimate_sound: bool = False
    """Whether it goes by the bytes of the rows as they stand in the file, and not by compressed ones."""
    read: int = 0
    acknowledged: int = 0
    rejected: int = 0
    rejected_before: int = 0
    skipped: int = 0

    @property
    def asked(self) -> int:
        """The rows that this run was asked for, as far as they are known."""
        return max(self.total or 0, self.read + self.skipped + self.rejected_before)

    @property
    def most(self) -> float:
        """How many they can be, as far as anybody knows."""
        if self.total is not None:
            return self.asked
        return max(self.asked, _ROOM * self.estimate) if self.is_estimate_sound else math.inf


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
            is_sound = source.layout.is_seekable and estimate > 0
            tally.sources[source.layout.uri] = SourceTally(total, estimate, is_sound)
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
        self.raw_bytes += _own_bytes(batch)
        self.last_ack = time.monotonic()
        if len(batch):
            self.latencies.append(seconds)

    def total(self, name: str) -> int:
        """A sum over the sources: read, acknowledged, rejected, skipped, asked or estimate."""
        return sum(getattr(source, name) for source in self.sources.values())

    @property
    def most(self) -> float:
        """How many rows this run can be asked for; infinite where nobody knows."""
        return sum(source.most for source in self.sources.values())

    @property
    def seconds(self) -> float:
        """From the first read to the last acknowledgement."""
        if self.first_read is None:
            return 0.0
        return (self.last_ack or time.monotonic()) - self.first_read


def _own_bytes(batch: Batch) -> int:
    """The bytes of the rows themselves, whatever they are sent as: vectors as float32, metadata as JSON, and text."""
    size = batch.vectors.nbytes + _bytes_of(batch.ids) + _bytes_of(batch.contents or ())
    if batch.metadata is None:
        return size
    json = batch.metadata.json if isinstance(batch.metadata, JsonList) else dump_objects(batch.metadata)
    return size + len(json)


def _bytes_of(values: Collection[str | bytes | None]) -> int:
    """What texts take as UTF-8, and bytes as they are; joined, since there is one a row."""
    try:
        text = "".join(values)  # type: ignore[arg-type]  # bytes and nothing among them are rare
    except TypeError:
        return sum(len(one) if isinstance(one, bytes) else len(one.encode()) for one in values if one)
    return len(text) if text.isascii() else len(text.encode())


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of a run; `to_dict` is its one published form."""

    status: str
    exit_code: int
    retry: str
    """What to do about it: `never` anything, the `same-command` again, or that `after-fix`."""
    started: datetime.datetime
    ended: datetime.datetime
    target: str
    index: str
    sources: list[dict[str, Any]]
    rows: dict[str, int]
    bytes: dict[str, int]
    """`raw`: of the rows that were acknowledged, not encoded; `wire`: of the requests."""
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
    key_file: str | None = None
    """Where the key is kept that this run has made for a new index."""
    not_read: list[dict[str, Any]] = field(default_factory=list)
    """What was found in folders and by patterns and is not read, by reason: `sources.NotRead`."""
    run_id: str | None = None
    """The name of the run's own folder, in `runs` of the folder of its job; None where no journal is kept."""
    run_folder: str | None = None
    """Where this report and the rejected rows of the load are kept."""
    rejected_file: str | None = None
    """All rows that are rejected so far, those of earlier runs of the load among them."""
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
