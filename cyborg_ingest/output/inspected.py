"""The page of an inspection: files, columns, findings, and what their vectors are like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cyborg_ingest.output.page import NOTE, PARAGRAPH, Figure, Page, plain, table
from cyborg_ingest.output.plots import histogram, scatter
from cyborg_ingest.output.wording import byte_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.check.inspection import Inspection
    from cyborg_ingest.output.page import Table
    from cyborg_ingest.output.plots import Plot

_FEW = 3
"""Files that have a colour each."""


def of_inspection(found: Inspection, exit_code: int) -> Page:
    """What it found, as a page."""
    count = len(found.findings)
    first = found.sources[0].uri if found.sources else "nothing"
    more = f" and {len(found.sources) - 1:,} more" if len(found.sources) > 1 else ""
    return Page(
        title=plain(f"{first}{more}"),
        status="nothing is wrong" if not count else f"{count:,} finding{'s' if count > 1 else ''}",
        mood="warn" if count else "good",
        exit_code=exit_code,
        seconds=None,
        error="",
        again="",
        next_step="",
        figures=tuple(_figures(found)),
        tables=tuple(one for one in _tables(found) if one.lines),
        plots=tuple(_plots(found)),
    )


def _figures(found: Inspection) -> Iterator[Figure]:
    about = "" if found.is_exact else "about "
    of = "" if found.rows_total in {None, found.rows_looked_at} else f"of {about}{found.rows_total:,}"
    yield Figure("rows looked at", f"{found.rows_looked_at:,}", of)
    if found.dimension:
        yield Figure("dimensions", f"{found.dimension:,}", plain(" and ".join(found.dtypes)))
    if found.duplicates:
        yield Figure("ids that occur again", f"{found.duplicates['count']:,}", f"of {found.duplicates['compared']:,}")
    if found.rejects:
        yield Figure("rows that cannot be loaded", f"{sum(found.rejects.values()):,}")
    if found.norms:
        same = f"{found.norms['min']:,.2f} to {found.norms['max']:,.2f}"
        yield Figure("norm, mean", f"{found.norms['mean']:,.2f}", same)
    if found.wire_bytes:
        yield Figure("on the wire", byte_text(found.wire_bytes), f"{found.requests or 0:,} requests")


def _plots(found: Inspection) -> Iterator[Plot]:
    """None of what is all alike."""
    norms = found.norms
    if norms and not norms["looks_normalised"] and len(norms["histogram"]["counts"]) > 1:
        drawn = norms["histogram"]
        yield histogram("Norms", drawn["edges"], drawn["counts"], "length of the vector")
    plane = found.components
    if plane is None or not plane.is_telling:
        return
    groups: dict[str, list[tuple[float, float]]] = {}
    for (x, y), of in zip(plane.points.tolist(), plane.of, strict=True):
        name = plain(plane.files[of]) if len(plane.files) <= _FEW else ""
        groups.setdefault(name, []).append((x, y))
    first, second = plane.explained
    shares = f"{first:.0%} and {second:.0%} of the variance"
    yield scatter(
        "Principal components", groups, shares, f"the first, and upwards the second, of {len(plane.points):,} rows"
    )


def _tables(found: Inspection) -> Iterator[Table]:
    lines = [[one.kind, one.count, one.text, _where(one.file, one.row, one.line), one.option] for one in found.findings]
    yield table(
        "Findings",
        ("kind", "rows", "what is wrong", "first", "what deals with it"),
        lines,
        "findings",
        longest=PARAGRAPH,
    )
    files = [
        [one.uri, one.format, one.rows, one.size, one.dimension, one.looked_at, one.rejected] for one in found.sources
    ]
    head = ("file", "format", "rows", "bytes", "dimensions", "rows looked at", "of these bad")
    yield table("Files", head, files, "files")
    roles = [[role, ", ".join(names)] for one in found.schemas for role, names in (one.mapping or {}).items() if names]
    yield table("Columns", ("role", "columns"), roles, "roles", longest=NOTE)
    left = [[name, one.reasons.get(name, "")] for one in found.schemas for name in one.left_out]
    yield table("Columns that are not loaded", ("column", "why"), left, "columns")
    yield table("Schema", ("column", "type"), [list(pair) for one in found.schemas for pair in one.columns], "columns")
    again = [[one["id"], _at(one["again"]), _at(one["first"])] for one in (found.duplicates or {}).get("examples", ())]
    more = (found.duplicates or {}).get("count", 0) - len(again)
    yield table("Duplicate ids", ("id", "occurs again in", "first in"), again, "duplicates", more=max(0, more))
    yield from _of_rows(found)
    yield table("Remarks", ("remark",), [[one] for one in found.remarks], "remarks", longest=NOTE)
    yield table("Files that are not read", ("files",), [[one.text] for one in found.not_read], longest=NOTE)


def _of_rows(found: Inspection) -> Iterator[Table]:
    """Metadata by field, and the first rows."""
    fields = [
        [one["name"], ", ".join(one["types"]), one["present"], str(one["distinct"]), _json(one["example"])]
        for one in (found.metadata or {}).get("fields", ())
    ]
    yield table("Metadata", ("field", "types", "rows", "distinct", "example"), fields, "fields")
    rows = [
        [
            _at({**one, "line": None}),
            _json(one["id"]),
            _json(one["vector"]),
            _json(one["metadata"]),
            _json(one["contents"]),
        ]
        for one in found.samples
    ]
    yield table(
        "The first rows", ("row", "id", "vector begins with", "metadata", "contents"), rows, "rows", longest=NOTE
    )


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _at(place: dict[str, Any]) -> str:
    return _where(place["file"], place["row"], place["line"])


def _where(file: str | None, row: int | None, line: int | None) -> str:
    at = f", line {line:,}" if line is not None else f", row {row:,}" if row is not None else ""
    return f"{file or ''}{at}"
