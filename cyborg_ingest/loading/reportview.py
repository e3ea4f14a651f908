"""A report as a person reads it, in a Python shell and in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from cyborg_ingest.errors import printable
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.loading.report import RunReport

_SHOWN = 10
"""So many notes, columns and files are shown; the report has all."""


def as_text(report: RunReport) -> str:
    """Some lines; no control character of foreign text among them, and no key."""
    rows = [(label, KNOWN.scrub(printable(text))) for label, text in _rows(report)]
    width = max(len(label) for label, _ in rows)
    lines = [f"  {label:<{width}}  {text}".rstrip() for label, text in rows]
    return "\n".join([f"RunReport: {report.status}", *lines])


def as_html(report: RunReport) -> str:
    """The same as a table."""
    cells = "".join(
        f'<tr><th style="text-align:left">{html.escape(label)}</th>'
        f'<td style="text-align:left">{html.escape(KNOWN.scrub(printable(text)))}</td></tr>'
        for label, text in _rows(report)
    )
    return f"<table><caption>RunReport: {html.escape(report.status)}</caption>{cells}</table>"


def _rows(report: RunReport) -> Iterator[tuple[str, str]]:
    """What there is to say, each with its label; a label stands once."""
    counts = report.rows
    others = ", ".join(f"{counts[name]:,} {name}" for name in ("rejected", "skipped", "unsent"))
    yield "rows", f"{counts['acknowledged']:,} of {counts['read']:,} acknowledged, {others}"
    yield "time", f"{report.load_seconds:,.1f} s ({report.rows_per_second:,.0f} rows/s)"
    made = ", created by this run" if report.created else ""
    yield "index", f"{report.index} in {report.target}{made}"
    several = (
        ("key", [report.key_file] if report.key_file else []),
        ("columns", [f"{role} <- {', '.join(names[:_SHOWN])}" for role, names in report.columns.items() if names]),
        ("not loaded", [f"{name}: {why}" if why else name for name, why in report.not_loaded.items()]),
        ("not read", [str(one["text"]) for one in report.not_read]),
        ("bad files", [f"{one['file']}: {one['text']}" for one in report.bad_files]),
        ("rejected", [report.rejected_file] if report.rejected_file else []),
        ("notes", report.notes),
        ("findings", [str(one.get("text", "")) for one in report.findings]),
        ("verify", [str(report.verify["text"])] if report.verify else []),
        ("error", [report.error] if report.error else []),
    )
    for label, texts in several:
        more = [f"... and {len(texts) - _SHOWN:,} more"] if len(texts) > _SHOWN else []
        for number, text in enumerate([*texts[:_SHOWN], *more]):
            yield "" if number else label, text
