"""What displays say, in words and as plain facts: the plan, progress, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.model import Reason, shown_id
from cyborg_ingest.output.voice import labelled
from cyborg_ingest.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cyborg_ingest.facts import (
        Compared,
        FileSkipped,
        Noted,
        Planned,
        PlannedSource,
        Retrying,
        RowRejected,
        Said,
    )
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.sources import NotRead
    from cyborg_ingest.tally import Step

STYLES = {
    "note": "bold yellow",
    "rejected": "bold red",
    "bad file": "bold red",
    "failed": "bold red",
    "finding": "bold red",
    "done": "bold green",
}

_SHOWN_SOURCES = 10
_MOST_NAMES = 100
_FEW = 3
_SHOWN_IDS = 20
_MOST_REASONS = 20
_MEGABYTE = 1_000_000
_ENDED = (0, 1, 5)
_BETWEEN = "  "
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Names of columns: the first 100 of them, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - _MOST_NAMES:,} more" if len(found) > _MOST_NAMES else ""
    return between.join(found[:_MOST_NAMES]) + more


def plan(event: Planned) -> list[str]:
    """Files, rows, dimension, which column goes where and which are left out."""
    lines = labelled("target", event.target) + labelled("index", event.index)
    shown = event.sources[:_SHOWN_SOURCES]
    lines += labelled("sources", *(_source(one) for one in shown))
    if len(event.sources) > len(shown):
        lines += labelled("", f"... and {len(event.sources) - len(shown)} more")
    lines += labelled("shape", *dict.fromkeys(one.shape for one in event.sources if one.shape))
    lines += labelled("rows", _planned_rows(event))
    lines += labelled("columns", *dict.fromkeys(_roles(one) for one in event.sources))
    lines += left_out((name, one.reasons.get(name, "")) for one in event.sources for name in one.left_out)
    return lines + not_read(event.not_read)


def byte_text(count: float) -> str:
    """So many bytes, in the unit that people read."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:  # noqa: PLR2004 - of the next unit
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def left_out(found: Iterable[tuple[str, str]]) -> list[str]:
    """Columns that are not loaded, those together that are not for one reason."""
    groups: dict[str, list[str]] = {}
    for name, why in dict.fromkeys(found):
        groups.setdefault(why, []).append(name)
    texts = [listed(names) + (f" ({why})" if why else "") for why, names in groups.items()]
    more = [f"and more, for {len(texts) - _MOST_REASONS:,} other reasons"] if len(texts) > _MOST_REASONS else []
    return labelled("left out", *(texts[:_MOST_REASONS] or ["no column"]), *more)


def not_read(found: Iterable[NotRead]) -> list[str]:
    """What was found beside the sources and is not read."""
    return labelled("not read", *(one.text for one in found))


def _source(source: PlannedSource) -> str:
    rows = f"{source.rows:,}" if source.rows is not None else _about(source.estimate)
    size = f" x {source.dimension}" if source.dimension else ""
    again = "; read again from its start if it is stopped" if source.is_read_once else ""
    return f"{source.uri}  {source.format}, {rows} rows{size}{again}"


def _about(rows: int) -> str:
    return f"~{rows:,}" if rows else "an unknown number of"


def _planned_rows(planned: Planned) -> str:
    exact, estimate = planned.rows, sum(one.asked_estimate for one in planned.sources)
    text = _about(estimate) if exact is None else f"{exact:,}"
    dimension = f"{planned.dimension} dimensions" if planned.dimension else "dimension from the first rows"
    return f"{text}, {dimension}" + (f" ({', '.join(planned.choices)})" if planned.choices else "")


def _roles(source: PlannedSource) -> str:
    return ", ".join(f"{role} <- {listed(names, ' + ') or 'none'}" for role, names in source.roles.items())


def compared(event: Compared) -> list[str]:
    """The sources beside those of the last load, with the first of those that are not as they were."""
    kinds = (("new", event.new), ("changed", event.changed), ("vanished", event.vanished))
    counts = [f"{len(files.uris):,} {kind}" for kind, files in kinds] + [f"{len(event.same.uris):,} the same"]
    since = f"with the load that finished {event.when}: " if event.since else ""
    lines = labelled("compared", f"{since}{', '.join(counts)}")
    for kind, files in kinds:
        if files.uris and event.since:
            lines += labelled("", f"{kind}: {_few(files.uris)}")
    return lines


def _few(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def note(event: Noted) -> str:
    """Something worth knowing."""
    return labelled("note", event.text)[0]


def skipped(event: FileSkipped) -> str:
    """A file that cannot be loaded, while the others are."""
    return labelled("bad file", event.text)[0]


def said(event: Said) -> str:
    """What the command says that makes the rows."""
    return labelled("command", event.text)[0]


def retry(event: Retrying) -> str:
    """A failure that may pass."""
    return labelled("retry", f"in {event.pause:.1f} s: {event.error}")[0]


def rejection(event: RowRejected) -> str:
    """A row that is not loaded."""
    return labelled("rejected", str(event.rejection))[0]


def findings(found: Iterable[dict[str, Any]]) -> list[str]:
    """What is wrong, each with the option that deals with it."""
    return [line for one in found for line in labelled("finding", one["text"], one["option"])]


def fitted(parts: Iterable[tuple[int, str]], width: int | None) -> str:
    """Texts beside each other; of those that do not fit, the ones whose number is the highest are left out."""
    left = list(parts)
    while width is not None and len(left) > 1 and len(_BETWEEN.join(text for _, text in left)) > width:
        left.remove(max(left))
    return _BETWEEN.join(text for _, text in left)


def rates(tally: Tally, width: int | None = None) -> str:
    """Rows, speed, and what is on its way, in so many columns."""
    seconds, retried = tally.seconds or 1e-9, sum(tally.retries.values())
    parts = [
        (0, f"{tally.done:,} rows"),
        (1, f"{tally.acknowledged / seconds:,.0f} rows/s"),
        (4, f"{tally.raw_bytes / seconds / _MEGABYTE:.1f} MB/s"),
        (5, f"{tally.in_flight} in flight"),
        (2 if tally.rejected else 6, f"{tally.rejected:,} rejected"),
        (3 if retried else 7, f"{retried:,} retried"),
    ]
    return fitted(parts, width)


_STEPS = {
    "read": "reading", "count": "counting", "verify": "verifying", "compare": "comparing", "train": "training",
    "delete": "deleting",
}  # fmt: skip


def how_far(step: Step, width: int | None = None) -> str:
    """What is done, to how many rows, and what is left, as far as it is known, in so many columns."""
    facts = progress_facts(step)
    left = f"{step.seconds:.0f} s" if facts["seconds_left"] is None else f"{facts['seconds_left']:.0f} s left"
    parts = [(0, _STEPS[step.began.step])]
    parts += [] if facts["percent"] is None else [(1, f"{facts['percent']:.0f}%")]
    parts += [(4, f"{step.done:,} rows"), (5, f"{facts['rows_per_second']:,.0f} rows/s")] if step.done else []
    parts += [(3, f"{step.wrong:,} differ")] if step.wrong else []
    parts += [(6, f"{step.retried:,} retried")] if step.retried else []
    return fitted([*parts, (2, left)], width)


def progress(tally: Tally | Step) -> str:
    """One line of progress."""
    if not isinstance(tally, Tally):
        label, _, rest = how_far(tally).partition(_BETWEEN)
        return labelled(label, rest)[0]
    facts = progress_facts(tally)
    left = "?" if facts["seconds_left"] is None else f"{facts['seconds_left']:.0f} s"
    return labelled("loading", f"{facts['percent']:.0f}%  {rates(tally)}  {left} left")[0]


def progress_facts(tally: Tally | Step) -> dict[str, Any]:
    """Progress as numbers; `percent` and `seconds_left` are estimates where the rows are."""
    if not isinstance(tally, Tally):
        return _step_facts(tally)
    done, expected, seconds = tally.done, max(1, tally.expected), tally.seconds
    return {
        "rows": done,
        "rows_expected": expected,
        "percent": round(100 * done / expected, 1),
        "acknowledged": tally.acknowledged,
        "rejected": tally.rejected,
        "retried": sum(tally.retries.values()),
        "in_flight": tally.in_flight,
        "rows_per_second": round(tally.acknowledged / seconds, 1) if seconds else 0.0,
        "bytes_per_second": round(tally.raw_bytes / seconds, 1) if seconds else 0.0,
        "seconds_left": _seconds_left(tally, done, expected),
    }


def _step_facts(step: Step) -> dict[str, Any]:
    """Of a step of which nobody knows to how many rows it is done, `percent` and `seconds_left` are None."""
    expected, seconds = step.expected, step.seconds
    is_known = bool(expected and step.done)
    return {
        "step": step.began.step,
        "rows": step.done,
        "rows_expected": expected or None,
        "percent": round(100 * step.done / expected, 1) if expected else None,
        "wrong": step.wrong,
        "retried": step.retried,
        "rows_per_second": round(step.done / seconds, 1) if seconds else 0.0,
        "seconds_left": round(seconds * (expected - step.done) / step.done, 1) if is_known else None,
    }


def _seconds_left(tally: Tally, done: int, expected: int) -> float | None:
    """By the pace of this run, which has not loaded what earlier ones have; None where nobody knows."""
    own = done - tally.skipped - tally.rejected_before
    is_open = done >= expected and tally.is_open
    return None if own <= 0 or is_open else round(tally.seconds * (expected - done) / own, 1)


def summary(report: RunReport) -> list[str]:
    """What was done, by file, and what was not."""
    rows = report.rows
    if report.status == "dry_run":
        checked = f"{rows['read'] - rows['rejected']:,} of {rows['read']:,} rows can be loaded"
        lines = labelled("checked", f"{checked}; nothing was sent (--dry-run)")
        lines += labelled("bad files", *_bad_files(report)) if report.bad_files else []
        return lines + _files(report) + _missing(report) + findings(report.findings)
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
    if report.bad_files:
        lines += labelled("bad files", *_what_to_repair(report))
    if report.verify:
        lines += labelled("verified", report.verify["text"])
    lines += _files(report) + _missing(report)
    if report.rejected_file and report.exit_code in _ENDED:
        lines += labelled("rejected", *_what_to_fix(report))
    elif report.rejected_file:
        lines += labelled("rejected", f"the rows so far are in {report.rejected_file}; the next run keeps them too")
    if report.resume_command:
        lines += labelled("resume", report.resume_command)
    return lines


def _bad_files(report: RunReport) -> Iterator[str]:
    """Files that were not loaded, or not to their end."""
    shown = report.bad_files[:_SHOWN_SOURCES]
    for one in shown:
        all_rows = "" if one["not_read"] is None else f" of {one['rows'] + one['not_read']:,}"
        yield f"{one['file']}: {one['rows']:,}{all_rows} rows were read ({one['reason']})"
    if len(report.bad_files) > len(shown):
        yield f"... and {len(report.bad_files) - len(shown):,} more files"


def _what_to_repair(report: RunReport) -> Iterator[str]:
    yield from _bad_files(report)
    if report.exit_code in _ENDED:
        yield "repair them, and run the same command again: it loads them"


def _files(report: RunReport) -> list[str]:
    """What the sources were beside those of the last load, with their rows."""
    if report.compared is None:
        return []
    kinds = {"new": "new", "changed": "changed", "same": "the same", "vanished": "vanished"}
    texts = [_so_many(report.compared[kind], words) for kind, words in kinds.items()]
    again = report.compared["again"]
    more = f"; loaded again: {again['files']:,} ({again['rows']:,} rows)" if again["files"] else ""
    return labelled("files", ", ".join(texts) + more)


def _missing(report: RunReport) -> list[str]:
    """What has left the sources, and the index with them."""
    found = report.missing
    if found is None or found["why_none"]:
        return []
    if found["deleted"] or not found["missing"]:
        return labelled("deleted", f"{found['deleted']:,} rows that are no longer in the sources")
    would = "would be deleted" if report.status == "dry_run" else "none is deleted"
    shown = [shown_id(one) for one in found["ids"][:_SHOWN_IDS]]
    more = [f"... and {found['missing'] - len(shown):,} more"] if found["missing"] > len(shown) else []
    texts = [f"{found['missing']:,} rows are no longer in the sources; {would}:", *shown, *more]
    return labelled("missing", *texts)


def _so_many(files: dict[str, Any], words: str) -> str:
    return f"{files['files']:,} {words}" + (f" ({files['rows']:,} rows)" if files["files"] else "")


def _what_to_fix(report: RunReport) -> Iterator[str]:
    """What to do with rejected rows; those that failed elsewhere have nothing in them that could be fixed."""
    failed = report.rejects.get(Reason.FAILED.value, 0)
    if failed < report.rows["rejected"]:
        yield f"the rows are in {report.rejected_file}: fix them there, then upsert that file"
    else:
        yield f"the ids are in {report.rejected_file}"
    if failed:
        yield (
            f"{failed:,} failed in the program that wrote the file, and have no vector: have it do these ids again "
            "(of a batch: send their requests again), then upsert what it writes"
        )


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
