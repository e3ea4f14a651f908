"""A run retold: the page of what its report says, and of all that is kept of it.

What is read may be of any release, and damaged: what is not as it should be is left out.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest.output import inventory
from cyborg_ingest.output.page import (
    COMMAND,
    MOST_LINES,
    NOTE,
    PARAGRAPH,
    Figure,
    Page,
    Table,
    latency_text,
    plain,
    span,
    table,
)
from cyborg_ingest.output.wording import byte_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cyborg_ingest.model import Json
    from cyborg_ingest.state.records import Record
    from cyborg_ingest.state.samples import Sample

MOST_INTERVALS, FEW_INTERVALS = 120, 12

_NEXT = {
    "same-command": "Run the same command again: it resumes the load.",
    "after-fix": "Fix what is said, then run it again.",
}
_MOODS = {0: "good", 1: "warn", 6: "warn", 75: "warn", 130: "warn", 143: "warn"}
_OF_A_FILE = ("rows", "acknowledged", "rejected", "skipped")
_LARGEST = 1 << 63


def of_result(result: Mapping[str, Any], title: str, seconds: float | None) -> Page:
    """The page of a report, or of what is said of a load that ended before it had one."""
    code = result.get("exit_code")
    again = plain(result.get("resume_command") or "", COMMAND)
    return Page(
        title=plain(title),
        status=plain(result.get("status") or "unknown").replace("_", " "),
        mood=_MOODS.get(code, "bad") if isinstance(code, int) else "bad",
        exit_code=code if isinstance(code, int) else None,
        seconds=seconds,
        error=plain(result.get("error") or "", PARAGRAPH),
        again=again,
        next_step="" if again else _NEXT.get(str(result.get("retry")), ""),
        rows=_counts(result.get("rows")) or None,
        tables=tuple(one for one in _of_rows(result) if one.lines),
    )


def of_record(record: Record) -> Page:
    """The page of a run by all that it has left."""
    run, job, report = record.run, record.job, record.run.report or {}
    seconds = _seconds(report, record.samples)
    made = of_result(report, _title(record), seconds)
    if not run.report:
        status = inventory.status(job, run) if job is not None else run.status
        again = inventory.resume_command(job, run) if job is not None and run.id == job.last else None
        made = replace(
            made, status=status, mood="going" if status == "running" else "bad", again=plain(again or "", COMMAND)
        )
    tables = [*made.tables, *_of_an_unfinished(record), *_of_all_else(record)]
    return replace(
        made,
        facts=tuple(_facts(record)),
        figures=tuple(_figures(report, record.samples, seconds)),
        course=tuple(record.course(MOST_INTERVALS)),
        brief=tuple(record.course(FEW_INTERVALS)),
        tables=tuple(one for one in tables if one.lines),
    )


def _title(record: Record) -> str:
    if record.job is not None and record.job.name:
        return record.job.name
    return f"load into {_index(record) or '?'}"


def _index(record: Record) -> str:
    found = [(record.run.report or {}).get("index"), record.first("planned").get("index")]
    return next((one for one in found if isinstance(one, str)), record.job.said("index") if record.job else "")


def _target(record: Record) -> str:
    found = [(record.run.report or {}).get("target"), record.first("planned").get("target")]
    return next((one for one in found if isinstance(one, str)), record.job.said("target") if record.job else "")


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    """Which run it is: names, and what they are."""
    report = record.run.report or {}
    yield "run", plain(record.run.id)
    for name, value in (("target", _target(record)), ("index", _index(record))):
        if value:
            yield name, plain(value)
    yield "began", _time(record.run.started)
    if report.get("ended"):
        yield "ended", _time(report["ended"])
    yield "kept", plain(f"{byte_text(record.run.size)} in {record.run.folder}")


def _time(value: Any) -> str:
    try:
        moment = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return plain(value)
    return f"{moment.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M:%S} UTC" if moment.year > 1 else "?"


def _seconds(report: Json, samples: Sequence[Sample]) -> float | None:
    """How long the run took, or has taken as far as anybody knows."""
    try:
        began, ended = (datetime.datetime.fromisoformat(report[name]) for name in ("started", "ended"))
        return max((ended - began).total_seconds(), 0.0)
    except (KeyError, TypeError, ValueError):
        return samples[-1].stop if samples else None


def _figures(report: Json, samples: Sequence[Sample], seconds: float | None) -> Iterator[Figure]:
    rows = _counts(report.get("rows"))
    landed = rows.get("acknowledged", sum(one.rows for one in samples)) if rows or samples else None
    if landed is not None:
        beside = f"of {rows['read']:,}" if rows.get("read", landed) != landed else ""
        yield Figure("rows acknowledged", f"{landed:,}", beside)
    loading = _number(report.get("load_seconds")) or (samples[-1].stop - samples[0].start if samples else 0.0)
    if landed and loading:
        yield Figure("rows a second", f"{landed / loading:,.0f}")
    if seconds is not None:
        yield Figure("duration", span(seconds))
    yield from _of_requests(report, samples)
    size = _counts(report.get("bytes")).get("raw") or sum(one.size for one in samples)
    if size:
        yield Figure("data", byte_text(size))
    rejected = rows.get("rejected", sum(one.rejects.total() for one in samples))
    if rejected:
        yield Figure("rows rejected", f"{rejected:,}")
    counts = _counts(report.get("index_count"))
    if counts.keys() == {"before", "after"}:
        yield Figure("rows in the index", f"{counts['after']:,}", f"{counts['before']:,} before")


def _of_requests(report: Json, samples: Sequence[Sample]) -> Iterator[Figure]:
    latency = report.get("latency_ms")
    p50, p99 = (_number(latency.get(name)) for name in ("p50", "p99")) if isinstance(latency, dict) else (None, None)
    if p50 is not None and p99 is not None:
        yield Figure("latency, median", latency_text(p50 / 1000), f"{latency_text(p99 / 1000)} at 99 %")
    requests = _counts(report).get("requests") or sum(one.requests for one in samples)
    retries = sum(_counts(report.get("retries")).values()) or sum(one.retries.total() for one in samples)
    if requests or retries:
        yield Figure("requests", f"{requests:,}", f"{retries:,} retried" if retries else "")


def _of_rows(result: Mapping[str, Any]) -> Iterator[Table]:
    """What became of rows, by what is in the report."""
    files = [one for one in _dicts(result.get("sources")) if isinstance(one.get("uri"), str)]
    if len(files) > MOST_LINES:  # there is no room for all: those with rejected rows come first
        files.sort(key=lambda one: -_counts(one).get("rejected", 0))
    yield table("Files", ("file", *_OF_A_FILE), [[one["uri"], *_row(one, _OF_A_FILE)] for one in files], "files")
    bad = [[*(one.get(name) for name in ("file", "reason", "text", "rows"))] for one in _dicts(result.get("bad_files"))]
    yield table("Files that could not be loaded", ("file", "reason", "what is wrong", "rows read"), bad, "files")
    yield _counted("Rejected rows", ("rejected because of", "rows"), result.get("rejects"), "reasons")
    yield _counted("Retries", ("retried because of", "requests"), result.get("retries"), "causes")


def _of_an_unfinished(record: Record) -> Iterator[Table]:
    """The same of a run without a report, by what it had said when it ended, or has until now."""
    if record.run.report:
        return
    planned = record.first("planned")
    sources = planned.get("sources")
    uris = [one for one in sources if isinstance(one, str)] if isinstance(sources, list) else []
    more = planned.get("more_sources")
    yield table("Files", ("file",), [[one] for one in uris], "files", more=more if isinstance(more, int) else 0)
    rejects: dict[str, int] = {}
    retries: dict[str, int] = {}
    for one in record.samples:
        for counts, found in ((one.rejects, rejects), (one.retries, retries)):
            for name, count in counts.items():
                found[name] = found.get(name, 0) + count
    yield _counted("Rejected rows", ("rejected because of", "rows"), rejects, "reasons")
    yield _counted("Retries", ("retried because of", "requests"), retries, "causes")


def _of_all_else(record: Record) -> Iterator[Table]:
    report, started = record.run.report or {}, record.first("started")
    rejected = sum(_counts(report.get("rejects")).values())
    first = [[one.get(name) for name in ("id", "file", "row", "line", "reason", "detail")] for one in record.rejected]
    more = max(rejected - len(first), 0)
    head = ("id", "file", "row", "line", "reason", "what is wrong")
    yield table("The first rejected rows", head, first, "rejected rows", more=more)
    compared = report.get("compared")
    if isinstance(compared, dict):
        kinds = [(name, _counts(files)) for name, files in compared.items() if isinstance(files, dict)]
        lines = [(name, counts.get("files", 0), counts.get("rows")) for name, counts in kinds]
        yield table("Beside the last load", ("files that are", "files", "rows"), lines)
    yield table("Columns", ("role", "columns"), [one for one in _items(report.get("columns")) if one[1]])
    yield table("Columns that are not loaded", ("column", "why"), _items(report.get("not_loaded")), "columns")
    notes = report.get("notes") or [one.get("text") for one in record.said if one.get("event") == "noted"]
    words = [[one] for one in notes if isinstance(one, str)] if isinstance(notes, list) else []
    yield table("Notes", ("note",), words, "notes", longest=NOTE)
    yield table("What is damaged", ("fault",), [[one] for one in record.faults], longest=PARAGRAPH)
    yield table("Settings", ("option", "value"), _items(started.get("settings")), "options")
    yield table("Versions", ("of", "version"), _items(started.get("versions")))


def _counted(title: str, head: tuple[str, str], counts: Any, of: str) -> Table:
    return table(title, head, sorted(_counts(counts).items(), key=lambda one: -one[1]), of)


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _dicts(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _row(of: Json, names: Sequence[str]) -> list[int | None]:
    counts = _counts(of)
    return [counts.get(name) for name in names]


def _counts(value: Any) -> dict[str, int]:
    """Those values of an object that are counts."""
    found = value.items() if isinstance(value, dict) else ()
    return {str(name): one for name, one in found if type(one) is int and 0 <= one < _LARGEST}


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_one and abs(value) < _LARGEST and math.isfinite(value) and value >= 0 else None
