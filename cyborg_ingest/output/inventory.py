"""What `jobs` and `runs` say: some lines a job or run, and the same as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.output.labels import labelled
from cyborg_ingest.output.wording import byte_text
from cyborg_ingest.settings.commands import resuming

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator

    from cyborg_ingest.model import Json
    from cyborg_ingest.state.kept import KeptJob, KeptRun
    from cyborg_ingest.state.removal import Cleaned

_REPORTED = ("status", "exit_code", "retry", "started", "ended", "rows", "load_seconds", "rows_per_second", "error")
_COUNTS = ("read", "acknowledged", "rejected", "skipped", "unsent")
_SHORT = {"ok_with_rejected_rows": "rejected rows"}
_SHOWN = 10


def resume_command(job: KeptJob, last: KeptRun | None) -> str | None:
    """The command line that resumes a job, or begins it anew where it has loaded nothing; None where it has ended."""
    if job.has_ended or job.is_running or job.state is None:
        return None
    said = last.report.get("resume_command") if last is not None and last.report else None
    return said if isinstance(said, str) else resuming(job.command) if job.command else None


def status(job: KeptJob, run: KeptRun | None) -> str:
    """How a run of a job ended, or that it runs."""
    if job.is_running and (run is None or run.id == job.last):
        return "running"
    return job.standing.value if run is None else run.status


def run_facts(job: KeptJob, run: KeptRun) -> Json:
    """A run as JSON: the names are those of its report."""
    report = run.report or {}
    return {
        "run": run.id,
        "job": job.id,
        "name": job.name,
        "target": job.said("target"),
        "index": job.said("index"),
        **{name: report.get(name) for name in _REPORTED},
        "status": status(job, run),
        "started": run.started,
        "resume_command": resume_command(job, run) if run.id == job.last else None,
        "rejected_file": f"{run.folder}/rejected.jsonl" if run.has_rejected else None,
        "folder": run.folder,
        "bytes": run.size,
        "fault": run.fault,
    }


def job_facts(job: KeptJob, last: KeptRun | None) -> Json:
    """A job as JSON."""
    return {
        "job": job.id,
        "name": job.name,
        "target": job.said("target"),
        "index": job.said("index"),
        "sources": job.sources,
        "standing": job.standing.value,
        "rows": job.rows,
        "in_doubt": job.in_doubt,
        "began": job.begun,
        "active": job.active.isoformat() if job.active else None,
        "resume_command": resume_command(job, last),
        "last_run": run_facts(job, last) if last is not None else None,
        "runs": len(job.runs),
        "holder": job.holder,
        "folder": job.folder,
        "bytes": job.size,
        "fault": job.fault,
    }


def job_list(each: list[tuple[KeptJob, KeptRun | None]], short: dict[str, str]) -> Iterator[str]:
    """Jobs: how each ended, where it loads to, and the next step."""
    ids = max((len(short[job.id]) for job, _ in each), default=0)
    rows = max((len(_rows(job.rows)) for job, _ in each), default=0)
    for job, last in each:
        how = _how(status(job, last), last)
        yield f"{short[job.id]:<{ids}}  {_time(job.active)}  {_rows(job.rows):>{rows}}  {how}"
        command = resume_command(job, last)
        below = [_place(job) if job.description else "", f"resume: {command}" if command else ""]
        below.append(f"damaged: {job.fault}" if job.fault else "")
        yield from (" " * (ids + 2) + line for line in below if line)


def run_lines(job: KeptJob, run: KeptRun, short: str) -> list[str]:
    """A run in a list."""
    report = run.report or {}
    counts = _counts(report)
    rows = _rows(counts["acknowledged"]) if counts else "-"
    lines = [f"{run.id}  {rows:>14}  {_how(status(job, run), run)}", f"  {short}: {_place(job)}"]
    error = report.get("error")
    return lines + ([f"  {error}"] if isinstance(error, str) else []) + ([f"  {run.fault}"] if run.fault else [])


def job_portrait(job: KeptJob, last: KeptRun | None, runs: list[KeptRun]) -> list[str]:
    """All that is known of a job."""
    lines = labelled("job", job.id)
    for label, text in (("name", job.name), ("target", job.said("target")), ("index", job.said("index"))):
        lines += labelled(label, text) if text else []
    lines += labelled("sources", *_some(job.sources))
    lines += labelled("state", _standing(job, last))
    lines += labelled("running", job.holder) if job.holder else []
    lines += labelled("began", job.begun) if job.begun else []
    lines += labelled("rows", *_row_texts(job))
    lines += labelled("kept", f"{byte_text(job.size)} in {job.folder}")
    lines += labelled("runs", *_some([f"{run.id}  {_how(status(job, run), run)}" for run in runs]))
    lines += labelled("damaged", job.fault) if job.fault else []
    command = resume_command(job, last)
    return lines + (labelled("resume", command) if command else [])


def run_portrait(job: KeptJob, run: KeptRun) -> list[str]:
    """All that is known of a run."""
    facts, report = run_facts(job, run), run.report or {}
    lines = labelled("run", run.id) + labelled("job", job.id + (f" ({job.name})" if job.name else ""))
    lines += labelled("target", _place(job)) if job.description else []
    lines += labelled("ended", _how(status(job, run), run))
    lines += labelled("time", f"{facts['started']} to {facts['ended'] or '?'}")
    counts = _counts(report)
    if counts:
        lines += labelled("rows", ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    rejects = report.get("rejects")
    for reason, count in rejects.items() if isinstance(rejects, dict) else ():
        lines += labelled("rejected", f"{count} {reason}")
    notes = report.get("notes")
    lines += labelled("notes", *_some([str(one) for one in notes])) if isinstance(notes, list) and notes else []
    lines += labelled("error", str(report["error"])) if report.get("error") else []
    lines += labelled("damaged", run.fault) if run.fault else []
    lines += labelled("kept", f"{byte_text(run.size)} in {run.folder}")
    return lines + (labelled("resume", facts["resume_command"]) if facts["resume_command"] else [])


def cleaned_lines(done: Cleaned, *, is_dry: bool) -> Iterator[str]:
    """What was removed, or would be, and what was not."""
    word = "would remove" if is_dry else "removed"
    yield from (f"{word} job {one}" for one in done.jobs)
    yield from (f"{word} run {one}" for one in done.runs)
    yield from (f"kept job {job}: {why}" for job, why in done.left.items())
    counts = f"{_counted(len(done.jobs), 'job')}, {_counted(len(done.runs), 'run')} of other jobs"
    yield f"{word} {counts}: {byte_text(done.bytes)}"


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'s' * (count != 1)}"


def _some(texts: list[str]) -> list[str]:
    more = len(texts) - _SHOWN
    return [*(texts[:_SHOWN] or ["none"]), *([f"... and {more:,} more"] if more > 0 else [])]


def _place(job: KeptJob) -> str:
    return f"{job.said('target')}, index {job.said('index')}"


def _time(moment: datetime.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else f"{'?':<16}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _how(word: str, run: KeptRun | None) -> str:
    code = run.report.get("exit_code") if run is not None and run.report and word == run.status else None
    text = _SHORT.get(word, word.replace("_", " "))
    return f"{text} ({code})" if code else text


def _standing(job: KeptJob, last: KeptRun | None) -> str:
    return f"{job.standing.value}; its last run: {_how(status(job, last), last)}"


def _row_texts(job: KeptJob) -> list[str]:
    rejected = sum(len(part.rejected) for part in job.current.parts.values()) if job.current else 0
    found = [f"{job.rows - rejected:,} loaded, {rejected:,} rejected"]
    doubt = f"{job.in_doubt:,} in doubt: they were sent, and nobody has heard that they are there"
    return found + ([doubt] if job.in_doubt else [])


def _counts(report: Json) -> dict[str, int]:
    rows: Any = report.get("rows")
    known = {name: rows.get(name) for name in _COUNTS} if isinstance(rows, dict) else {}
    return {name: count for name, count in known.items() if isinstance(count, int)}
