"""What a run did, as the one report that all outputs share."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.loading.reportview import as_html, as_text
from cyborg_ingest.rows.values import JsonList, dump_objects
from cyborg_ingest.settings.commands import resuming
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.state.ledger import ENDED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cyborg_ingest.facts import Compared, FileSkipped, Planned
    from cyborg_ingest.model import Batch
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.tally import Tally
    from cyborg_ingest.targets.opening import Opened

SCHEMA_VERSION = 1

STATUSES = {
    ExitCode.OK: "ok",
    ExitCode.REJECTED: "ok_with_rejected_rows",
    ExitCode.USAGE: "usage_error",
    ExitCode.FAILED: "failed",
    ExitCode.BAD_ROWS: "bad_rows",
    ExitCode.DIFFERENT: "different",
    ExitCode.BOX_REACHED: "stopped",
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
    ExitCode.BOX_REACHED: "same-command",
    ExitCode.BUG: "never",
    ExitCode.BUSY: "same-command",
    ExitCode.INTERRUPTED: "same-command",
    ExitCode.TERMINATED: "same-command",
}
"""What a scheduler does about an exit code: nothing, run the same command again, or ask somebody to fix something."""


def failure(code: ExitCode, words: str) -> dict[str, Any]:
    """What is said as JSON of a command that ended before it had a report, by the names that a report has."""
    told = {"status": STATUSES[code], "exit_code": int(code), "retry": RETRY[code], "error": words}
    return {"schema_version": SCHEMA_VERSION, **told}


def own_bytes(batch: Batch) -> int:
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


@dataclass(frozen=True, slots=True, repr=False)
class RunReport:
    """The report of a run; `to_dict` is its one published form, and its `repr` is for people."""

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
    created: bool = False
    """Whether this run has made the index."""
    columns: dict[str, list[str]] = field(default_factory=dict)
    """Role -> the columns that are loaded in it, of all sources, as the plan names them."""
    not_loaded: dict[str, str] = field(default_factory=dict)
    """Columns that are not loaded, each with why; "" where the options say so."""
    notes: list[str] = field(default_factory=list)
    """What was worth a word though nothing failed, at most 100."""
    not_read: list[dict[str, Any]] = field(default_factory=list)
    """What was found in folders and by patterns and is not read, by reason: `sources.NotRead`."""
    run_id: str | None = None
    """The name of the run's own folder, in `runs` of the folder of its job; None where no journal is kept."""
    run_folder: str | None = None
    """Where this report and the rejected rows of the load are kept."""
    rejected_file: str | None = None
    """All rows that are rejected so far, those of earlier runs of the load among them."""
    bad_files: list[dict[str, Any]] = field(default_factory=list)
    """Files that could not be loaded, or not to their end, each with the rows that were read of it."""
    compared: dict[str, Any] | None = None
    """With --only-new, the sources beside those of the job's last load that ended: see `facts.Compared`."""
    missing: dict[str, Any] | None = None
    """With --delete-missing, what its sources no longer have of the rows that the job has brought: `Missing`."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What a dry run found wrong, as `inspect` would; empty for a load, which goes by `rejects`."""
    nothing_new: bool = False
    """Whether it ended with exit code 0 and had no row to send, nor one to delete."""
    error: str | None = None

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        """A notebook's view of it."""
        return as_html(self)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, without any key, whoever has said it; the names stay once released."""
        found = {name: getattr(self, name) for name in self.__slots__}
        found["started"] = self.started.isoformat(timespec="milliseconds")
        found["ended"] = self.ended.isoformat(timespec="milliseconds")
        return {"schema_version": SCHEMA_VERSION, **KNOWN.scrubbed(found)}


@dataclass(slots=True)
class Known:
    """What a report says besides counts, as it becomes known while the load runs."""

    started: datetime.datetime
    target: str
    index: str
    command: str | None
    """The command line that was given, where there was one."""
    opened: Opened | None = None
    planned: Planned | None = None
    compared: Compared | None = None
    missing: dict[str, Any] | None = None
    count: dict[str, int | None] = field(default_factory=lambda: {"before": None, "after": None})
    verified: dict[str, Any] | None = None
    present: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    not_read: list[dict[str, Any]] = field(default_factory=list)
    is_lost: bool = False
    """Whether what an earlier run loaded is gone, so that the same command can never resume."""


def report_of(
    known: Known,
    tally: Tally,
    journal: Journal | None,
    code: ExitCode,
    error: str | None,
    *,
    notes: list[str],
    bad: Iterable[FileSkipped],
    is_dry: bool,
) -> RunReport:
    """The report of a run that ends now."""
    seconds, opened = tally.seconds, known.opened
    traffic = opened.index.traffic if opened else None
    bad_files = [_bad_file(one, tally) for one in bad]
    resumable = journal is not None and (code not in ENDED or bool(bad_files))
    return RunReport(
        status="dry_run" if is_dry and error is None else _status(code, tally),
        exit_code=int(code),
        retry="after-fix" if known.is_lost or (bad_files and code in ENDED) else RETRY[code],
        started=known.started,
        ended=datetime.datetime.now(datetime.timezone.utc),
        target=known.target,
        index=known.index,
        sources=tally.by_source(),
        rows=row_counts(tally),
        bytes={"raw": tally.raw_bytes, "wire": traffic.wire_bytes if traffic else 0},
        load_seconds=round(seconds, 3),
        rows_per_second=round(tally.acknowledged / seconds, 1) if seconds else 0.0,
        latency_ms=latency(tally),
        requests=traffic.requests if traffic else 0,
        retries=dict(tally.retries),
        rejects=dict(tally.rejects),
        rejected_ids_present=known.present,
        duplicates_seen=tally.duplicates,
        index_count=dict(known.count),
        key_file=str(opened.key_file) if opened and opened.key_file else None,
        created=bool(opened and opened.created),
        columns=_columns(known.planned),
        not_loaded=_not_loaded(known.planned),
        notes=notes,
        verify=known.verified,
        resume_command=resuming(known.command, anew=known.is_lost) if resumable and known.command else None,
        not_read=known.not_read,
        run_id=journal.run.path.name if journal else None,
        run_folder=str(journal.run.path) if journal else None,
        rejected_file=str(journal.run.rejected.path) if journal and journal.run.rejected.is_there() else None,
        bad_files=bad_files,
        compared=_compared(known.compared, tally),
        missing=known.missing,
        findings=known.findings,
        nothing_new=code is ExitCode.OK and not is_dry and _has_nothing_new(known, tally, journal),
        error=error,
    )


def _status(code: ExitCode, tally: Tally) -> str:
    """Exit code 1 without a rejected row: files were skipped."""
    return "ok_with_skipped_files" if code is ExitCode.REJECTED and not tally.rejected else STATUSES[code]


def _bad_file(one: FileSkipped, tally: Tally) -> dict[str, Any]:
    """As the report has it: the rows that were read of it, now or earlier, and those that were not, where known."""
    counts = tally.sources.get(one.uri)
    rows, claimed = (counts.asked, counts.claimed) if counts is not None else (0, None)
    return {**one.to_dict(), "rows": rows, "not_read": None if claimed is None else claimed - rows}


def _compared(found: Compared | None, tally: Tally) -> dict[str, Any] | None:
    """With the rows of what was read, as they are known by now."""
    if found is None:
        return None
    told = found.to_dict()
    for name in ("new", "changed", "again"):
        uris = getattr(found, name).uris
        told[name]["rows"] = sum(tally.sources[uri].asked for uri in uris if uri in tally.sources)
    return told


def _has_nothing_new(known: Known, tally: Tally, journal: Journal | None) -> bool:
    """Whether a load that ended well had no row to send, nor one to delete.

    Not one that is resumed: it ends what another has begun, which had. Rows that --only-new skips are not such rows.
    """
    is_as_it_was = known.compared is None or known.compared.is_nothing_new
    is_resumed = journal is not None and journal.resumed
    deleted = known.missing["deleted"] if known.missing else 0
    return is_as_it_was and not (tally.acknowledged or is_resumed or deleted)


def _columns(planned: Planned | None) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {role: {} for role in ("id", "vector", "metadata", "contents")}
    for one in planned.sources if planned else ():
        names = one.columns
        found["id"].update(dict.fromkeys(one.roles["id"]))
        found["vector"].update(dict.fromkeys(names["vector_columns"] or [names["vector"]]))
        found["metadata"].update(dict.fromkeys(filter(None, [names["metadata"], *names["metadata_columns"]])))
        found["contents"].update(dict.fromkeys(filter(None, [names["contents"]])))
    return {role: list(names) for role, names in found.items()}


def _not_loaded(planned: Planned | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in planned.sources if planned else ():
        for name in one.left_out:
            found[name] = found.get(name) or one.reasons.get(name, "")
    return found


def row_counts(tally: Tally) -> dict[str, int]:
    """Every row that the run was asked for, in exactly one place."""
    return {
        "read": tally.asked,
        "acknowledged": tally.acknowledged,
        "rejected": tally.rejected,
        "skipped": tally.skipped,
        "unsent": tally.asked - tally.done,
    }


def latency(tally: Tally) -> dict[str, float | None]:
    """Milliseconds for a request, retries included, at the median and the 99th percentile."""
    if not tally.latencies:
        return {"p50": None, "p99": None}
    seconds = np.sort(np.frombuffer(tally.latencies))
    # as np.percentile does it, which imports numpy's masked arrays
    p50, p99 = np.interp(np.array([0.50, 0.99]) * (len(seconds) - 1), np.arange(len(seconds)), seconds)
    return {"p50": round(p50 * 1000, 3), "p99": round(p99 * 1000, 3)}
