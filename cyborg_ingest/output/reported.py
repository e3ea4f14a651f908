"""The report of a run, in lines that people read: what was done, by file, and what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.model import Reason, shown_id
from cyborg_ingest.output.folders import gathered
from cyborg_ingest.output.howfar import many
from cyborg_ingest.output.labels import labelled
from cyborg_ingest.output.wording import SHOWN_SOURCES, findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.loading.report import RunReport

_MEGABYTE = 1_000_000
_SHOWN_IDS = 20
_ENDED = (0, 1, 5)


def summary(report: RunReport, *, singly: bool = False) -> list[str]:
    """What was done, by file or folder, and what was not."""
    rows = report.rows
    if report.status == "dry_run":
        checked = f"{rows['read'] - rows['rejected']:,} of {rows['read']:,} rows can be loaded"
        lines = labelled("checked", f"{checked}; nothing was sent (--dry-run)")
        lines += labelled("bad files", *_bad_files(report)) if report.bad_files else []
        return lines + _files(report) + _missing(report) + findings(report.findings)
    loaded = f"{rows['acknowledged'] + rows['skipped']:,} of {rows['read']:,} rows loaded"
    earlier = f" ({rows['acknowledged']:,} now, {rows['skipped']:,} before)" if rows["skipped"] else ""
    parts = [f"{loaded}{earlier} in {report.load_seconds:.1f} s"]
    if report.rows_per_second:
        rate = report.bytes["raw"] / report.load_seconds / _MEGABYTE
        parts.append(f"({report.rows_per_second:,.0f} rows/s, {rate:.1f} MB/s)")
    lines = labelled("done" if report.exit_code in _ENDED else "stopped", " ".join(parts))
    lines += labelled("", f"{rows['rejected']:,} rejected, {rows['unsent']:,} not sent")
    lines += labelled("", *_by_file(report, singly=singly))
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
    shown = report.bad_files[:SHOWN_SOURCES]
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


def _by_file(report: RunReport, *, singly: bool) -> Iterator[str]:
    groups = gathered([one["uri"] for one in report.sources], singly=singly)
    shown = groups if singly else groups[:SHOWN_SOURCES]
    for name, places in shown:
        of_it = [report.sources[one] for one in places]
        loaded, rows = sum(one["acknowledged"] + one["skipped"] for one in of_it), sum(one["rows"] for one in of_it)
        files = f" {many(len(of_it), 'file')}," if len(of_it) > 1 else ""
        yield f"{name}:{files} {loaded:,} of {rows:,} loaded"
    if more := sum(len(places) for _, places in groups[len(shown) :]):
        yield f"... and {many(more, 'more file')}"


def _requests(report: RunReport) -> str:
    p50, p99 = report.latency_ms["p50"], report.latency_ms["p99"]
    latency = "" if p50 is None else f", latency p50 {p50:,.0f} ms, p99 {p99:,.0f} ms"
    retries = sum(report.retries.values())
    causes = ", ".join(f"{cause}: {count}" for cause, count in report.retries.items())
    wire = f", {report.bytes['wire'] / _MEGABYTE:.1f} MB on the wire" if report.bytes["wire"] else ""
    asked, again = many(report.requests, "request"), many(retries, "retry")
    return f"{asked}{wire}{latency}, {again}" + (f" ({causes})" if causes else "")
