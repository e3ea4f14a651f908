"""What displays say, in words and as plain facts: the plan, progress, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.facts import Ended, Noted, Planned, Retrying, RowRejected
from cyborg_ingest.formats.base import ORIGIN
from cyborg_ingest.rows.mapping import dimension_of, field_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.facts import Event
    from cyborg_ingest.loading.report import RunReport, SourceTally, Tally
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.sources import NotRead

LABEL = 10
"""Width of the words at the left."""

STYLES = {
    "note": "bold yellow",
    "rejected": "bold red",
    "failed": "bold red",
    "finding": "bold red",
    "done": "bold green",
}

_SHOWN_SOURCES = 10
_SHOWN_COLUMNS = 3
_MEGABYTE = 1_000_000
_ENDED = (0, 1, 5)


def labelled(label: str, *texts: str) -> list[str]:
    """Lines with a word at the left of the first."""
    return [f"{(label if not number else ''):<{LABEL}}{text}" for number, text in enumerate(texts)]


def plan(event: Planned) -> list[str]:
    """Files, rows, dimension, which column goes where and which are left out."""
    lines = labelled("target", event.target) + labelled("index", event.index)
    shown = event.plan.sources[:_SHOWN_SOURCES]
    lines += labelled("sources", *(_source(one) for one in shown))
    if len(event.plan.sources) > len(shown):
        lines += labelled("", f"... and {len(event.plan.sources) - len(shown)} more")
    lines += labelled("rows", _planned_rows(event.plan))
    lines += labelled("columns", *dict.fromkeys(_roles(one) for one in event.plan.sources))
    left_out = dict.fromkeys(name for one in event.plan.sources for name in one.columns.left_out)
    lines += labelled("left out", ", ".join(left_out) or "no column")
    return lines + not_read(event.plan.not_read)


def not_read(found: Iterable[NotRead]) -> list[str]:
    """What was found beside the sources and is not read."""
    return labelled("not read", *(one.text for one in found))


def _source(source: Source) -> str:
    layout = source.layout
    rows = f"{layout.rows:,}" if layout.rows is not None else _about(layout.rows_estimate)
    size = dimension_of(layout.schema, source.columns)
    again = "" if layout.is_seekable else "; read again from its start if it is stopped"
    return f"{layout.uri}  {layout.format}, {rows} rows" + (f" x {size}" if size else "") + again


def _about(rows: int) -> str:
    return f"~{rows:,}" if rows else "an unknown number of"


def _planned_rows(planned: Plan) -> str:
    exact = planned.rows
    if exact is None:
        estimate = sum(rows for _, rows in planned.expected())
        text = _about(estimate)
    else:
        text = f"{exact:,}"
    dimension = f"{planned.dimension} dimensions" if planned.dimension else "dimension from the first vector"
    chosen = planned.selection
    given = {
        "limit": chosen.limit,
        "skip": chosen.skip,
        "sample": None if chosen.sample is None else len(chosen.sample),
    }
    options = [f"--{name} {value}" for name, value in given.items() if value]
    options += [
        f"--where {one}" for one in {source.shape.filter.text for source in planned.sources if source.shape.filter}
    ]
    return f"{text}, {dimension}" + (f" ({', '.join(options)})" if options else "")


def _roles(source: Source) -> str:
    columns, schema = source.columns, source.layout.schema

    def origin(name: str) -> str:
        return ((field_of(schema, name).metadata or {}).get(ORIGIN) or name.encode()).decode()

    roles: dict[str, list[str | None]] = {
        "id": [columns.id],
        "vector": [columns.vector, *columns.vector_columns[:_SHOWN_COLUMNS]],
        "metadata": [columns.metadata, *columns.metadata_columns],
        "contents": [columns.contents],
    }
    found = {role: " + ".join(origin(name) for name in names if name) for role, names in roles.items()}
    if len(columns.vector_columns) > _SHOWN_COLUMNS:
        found["vector"] += f" + ... + {columns.vector_columns[-1]} ({len(columns.vector_columns)} columns)"
    if source.shape.template is not None:
        found["id"] = source.shape.template.text
    constants = ", ".join(name for name, _ in columns.constants)
    if constants:
        found["metadata"] = " + ".join(filter(None, (found["metadata"], f"constants ({constants})")))
    return ", ".join(f"{role} <- {origins or 'none'}" for role, origins in found.items())


def note(event: Noted) -> str:
    """Something worth knowing."""
    return labelled("note", event.text)[0]


def retry(event: Retrying) -> str:
    """A failure that may pass."""
    return labelled("retry", f"in {event.pause:.1f} s: {event.error}")[0]


def rejection(event: RowRejected) -> str:
    """A row that is not loaded."""
    return labelled("rejected", str(event.rejection))[0]


def findings(found: Iterable[dict[str, Any]]) -> list[str]:
    """What is wrong, each with the option that deals with it."""
    return [line for one in found for line in labelled("finding", one["text"], one["option"])]


def done_rows(tally: Tally) -> int:
    """Rows that need nothing more."""
    return tally.total("acknowledged") + tally.total("rejected") + tally.total("skipped")


def expected_rows(tally: Tally) -> int:
    """Rows in all: exact where known, else estimated, and of no source fewer than are there.

    What an earlier run has loaded of a stream is there too, before this run has read that far.
    """
    found = (_expected(one) for one in tally.sources.values())
    return max(1, sum(found))


def _expected(source: SourceTally) -> int:
    done = source.acknowledged + source.rejected + source.skipped
    return max(source.estimate if source.total is None else source.total, source.asked, done)


def rates(tally: Tally) -> str:
    """Rows, speed, and what is on its way."""
    seconds = tally.seconds or 1e-9
    acknowledged = tally.total("acknowledged")
    return (
        f"{done_rows(tally):,} rows  {acknowledged / seconds:,.0f} rows/s  "
        f"{tally.raw_bytes / seconds / _MEGABYTE:.1f} MB/s  {tally.in_flight} in flight  "
        f"{tally.total('rejected'):,} rejected  {sum(tally.retries.values()):,} retried"
    )


def progress(tally: Tally) -> str:
    """One line of progress."""
    facts = progress_facts(tally)
    left = "?" if facts["seconds_left"] is None else f"{facts['seconds_left']:.0f} s"
    return labelled("loading", f"{facts['percent']:.0f}%  {rates(tally)}  {left} left")[0]


def progress_facts(tally: Tally) -> dict[str, Any]:
    """Progress as numbers; `percent` and `seconds_left` are estimates where the rows are."""
    done, expected, seconds = done_rows(tally), expected_rows(tally), tally.seconds
    return {
        "rows": done,
        "rows_expected": expected,
        "percent": round(100 * done / expected, 1),
        "acknowledged": tally.total("acknowledged"),
        "rejected": tally.total("rejected"),
        "retried": sum(tally.retries.values()),
        "in_flight": tally.in_flight,
        "rows_per_second": round(tally.total("acknowledged") / seconds, 1) if seconds else 0.0,
        "bytes_per_second": round(tally.raw_bytes / seconds, 1) if seconds else 0.0,
        "seconds_left": _seconds_left(tally, done, expected),
    }


def _seconds_left(tally: Tally, done: int, expected: int) -> float | None:
    """By the pace of this run, which has not loaded what earlier ones have; None where nobody knows."""
    own = done - sum(one.skipped + one.rejected_before for one in tally.sources.values())
    is_open = done >= expected and any(one.total is None for one in tally.sources.values())
    return None if own <= 0 or is_open else round(tally.seconds * (expected - done) / own, 1)


def summary(report: RunReport) -> list[str]:
    """What was done, by file, and what was not."""
    rows = report.rows
    if report.status == "dry_run":
        checked = f"{rows['read'] - rows['rejected']:,} of {rows['read']:,} rows can be loaded"
        lines = labelled("checked", f"{checked}; nothing was sent (--dry-run)")
        return lines + findings(report.findings)
    parts = [f"{rows['acknowledged']:,} of {rows['read']:,} rows acknowledged in {report.load_seconds:.1f} s"]
    if report.rows_per_second:
        rate = report.bytes["raw"] / report.load_seconds / _MEGABYTE
        parts.append(f"({report.rows_per_second:,.0f} rows/s, {rate:.1f} MB/s)")
    lines = labelled("done" if report.exit_code in _ENDED else "stopped", " ".join(parts))
    lines += labelled("", ", ".join(f"{rows[name]:,} {name}" for name in ("rejected", "skipped", "unsent")))
    lines += labelled("", *_by_file(report))
    lines += labelled("", _requests(report))
    before, after = report.index_count["before"], report.index_count["after"]
    if before is not None and after is not None:
        lines += labelled("index", f"{report.index} in {report.target}: {before:,} rows before, {after:,} after")
    if report.verify:
        lines += labelled("verified", report.verify["text"])
    if report.rejected_file and report.exit_code in _ENDED:
        lines += labelled("rejected", f"the rows are in {report.rejected_file}: mend them there, then upsert that file")
    elif report.rejected_file:
        lines += labelled("rejected", f"the rows so far are in {report.rejected_file}; the next run keeps them too")
    if report.resume_command:
        lines += labelled("go on", report.resume_command)
    return lines


def _by_file(report: RunReport) -> Iterator[str]:
    shown = report.sources[:_SHOWN_SOURCES]
    for source in shown:
        yield f"{source['uri']}: {source['acknowledged']:,} of {source['rows']:,} acknowledged"
    if len(report.sources) > len(shown):
        yield f"... and {len(report.sources) - len(shown)} more files"


def _requests(report: RunReport) -> str:
    p50, p99 = report.latency_ms["p50"], report.latency_ms["p99"]
    latency = "" if p50 is None else f", latency p50 {p50:,.0f} ms, p99 {p99:,.0f} ms"
    retries = sum(report.retries.values())
    causes = ", ".join(f"{cause}: {count}" for cause, count in report.retries.items())
    wire = f", {report.bytes['wire'] / _MEGABYTE:.1f} MB on the wire" if report.bytes["wire"] else ""
    return f"{report.requests:,} requests{wire}{latency}, {retries} retries" + (f" ({causes})" if causes else "")


def facts(event: Event) -> dict[str, Any]:
    """An event as JSON has it."""
    if isinstance(event, Planned):
        return {
            "target": event.target,
            "index": event.index,
            "rows": event.plan.rows,
            "dimension": event.plan.dimension,
            "sources": [
                {
                    "uri": one.layout.uri,
                    "format": one.layout.format,
                    "rows": one.layout.rows,
                    "columns": {name: getattr(one.columns, name) for name in (*one.columns.__slots__, "extra")},
                }
                for one in event.plan.sources
            ],
            "not_read": [one.to_dict() for one in event.plan.not_read],
        }
    if isinstance(event, Noted):
        return {"text": event.text}
    if isinstance(event, Retrying):
        return {"cause": event.error.cause, "error": str(event.error), "pause": round(event.pause, 3)}
    if isinstance(event, RowRejected):
        one = event.rejection
        return {"file": one.uri, "row": one.row, "line": one.line, "reason": one.reason, "detail": one.detail}
    if isinstance(event, Ended):
        return event.report.to_dict()
    return {}
