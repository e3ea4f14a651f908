"""What `inspect` says, in lines: plain text for a terminal or a file."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from cyborg_ingest.output.labels import labelled
from cyborg_ingest.output.pictures import scatter
from cyborg_ingest.output.wording import byte_text, findings, left_out, listed, not_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyborg_ingest.check.components import Components
    from cyborg_ingest.check.inspection import Inspection, Mapped, SourceFacts
    from cyborg_ingest.output.pictures import Canvas

_SHOWN = 10
_SHOWN_FIELDS = 30
_BAR = 30


def portrait(found: Inspection, canvas: Canvas) -> list[str]:
    """All of it, drawn on this canvas."""
    lines = labelled("sources", *_some([_source(one) for one in found.sources]))
    lines += not_read(found.not_read) + labelled("rows", _rows(found))
    for one in found.schemas:
        lines += _schema(one, found)
    if found.rows_looked_at:
        lines += _norms(found.norms, canvas.bar) + _plane(found.components, canvas) + _by_file(found.sources)
        lines += _metadata(found) + _contents(found) + _ids(found) + _load(found)
    for row in found.samples:
        lines += _sample(row, found.dimension or 0)
    if found.index:
        lines += labelled("index", _index(found.index))
    for remark in found.remarks:
        lines += labelled("remark", remark)
    return lines + findings(one.to_dict() for one in found.findings)


def _some(texts: list[str]) -> list[str]:
    more = len(texts) - _SHOWN
    return [*texts[:_SHOWN], *([f"... and {more:,} more"] if more > 0 else [])]


def _source(one: SourceFacts) -> str:
    rows = f"{one.rows:,}" if one.rows is not None else f"~{one.rows_estimate:,}" if one.rows_estimate else "unknown"
    size = f", {byte_text(one.size)}" if one.size else ""
    again = "" if one.is_seekable else "; resuming a load reads it from its beginning again"
    shape = f" ({one.shape})" if one.shape else ""
    return f"{one.uri}  {one.format}{shape}, {rows} rows{size}{again}"


def _rows(found: Inspection) -> str:
    if found.schemas[0].mapping is None:
        return "not looked at, before it is decided which column is what"
    total = (
        "an unknown number of" if found.rows_total is None else f"{'' if found.is_exact else '~'}{found.rows_total:,}"
    )
    dimension = f", {found.dimension} dimensions" if found.dimension else ""
    dtypes = f", {' and '.join(found.dtypes)}" if found.dtypes else ""
    sample = "" if found.rows_looked_at == found.rows_total else " (--full looks at all)"
    return f"{found.rows_looked_at:,} of {total} rows looked at{sample}{dimension}{dtypes}"


def _schema(one: Mapped, found: Inspection) -> list[str]:
    of = (
        ""
        if len(found.schemas) == 1
        else f"  ({one.sources[0]}" + (f" and {len(one.sources) - 1:,} more)" if len(one.sources) > 1 else ")")
    )
    lines = labelled("schema", listed(f"{name} {kind}" for name, kind in one.columns) + of)
    if one.mapping is None:
        return lines
    mapping = {role: [_with_reason(name, one) for name in names] for role, names in one.mapping.items()}
    roles = (f"{role} <- {listed(names, ' + ') or 'none'}" for role, names in mapping.items())
    lines += labelled("columns", ", ".join(roles))
    return lines + left_out((name, one.reasons.get(name, "")) for name in one.left_out)


def _with_reason(name: str, one: Mapped) -> str:
    return f"{name} ({one.reasons[name]})" if name in one.reasons else name


def _norms(norms: dict[str, Any] | None, bar: str) -> list[str]:
    if norms is None:
        return labelled("norms", "no vector that can be loaded")
    look = "they look normalised" if norms["looks_normalised"] else "not normalised"
    edges, counts = norms["histogram"]["edges"], norms["histogram"]["counts"]
    if norms["looks_normalised"] or len(counts) == 1:
        return labelled("norms", f"all norms are {norms['mean']:,.2f}: {look}")
    digits = max(0, min(12, 2 - math.floor(math.log10(edges[1] - edges[0] or 1))))
    texts = [f"{edge:,.{digits}f}" for edge in edges]
    width, most, places = max(map(len, texts)), max(counts), len(f"{max(counts):,}")
    drawn = [
        f"{low:>{width}} to {high:>{width}}  {count:>{places},}  {bar * math.ceil(_BAR * count / most)}".rstrip()
        for low, high, count in zip(texts, texts[1:], counts, strict=False)
    ]
    numbers = ", ".join(f"{name} {norms[name]:,.6g}" for name in ("min", "mean", "max"))
    every = norms["histogram"]["every"]
    return labelled("norms", f"{numbers}: {look}" + (f" (drawn: every {every:,}th)" if every > 1 else ""), *drawn)


def _plane(found: Components | None, canvas: Canvas) -> list[str]:
    """Where rows lie in the plane in which they differ most, if that is more than a round cloud."""
    if found is None or not found.is_telling:
        return []
    drawn = scatter(((x, y) for x, y in found.points.tolist()), canvas)
    first, second = found.explained
    words = f"{len(found.points):,} rows by their first two principal components"
    return labelled("picture", f"{words} ({first:.0%} and {second:.0%} of the variance)", *drawn) if drawn else []


def _by_file(files: Sequence[SourceFacts]) -> list[str]:
    """What tells files apart: those that have another dimension, or rows that cannot be loaded."""
    some = [one for one in files if one.looked_at]
    if len({(one.dimension, one.rejected > 0) for one in some}) <= 1:
        return []
    worst = sorted(some, key=lambda one: -one.rejected / one.looked_at)
    return labelled("by file", *_some([_of_file(one) for one in worst]))


def _of_file(one: SourceFacts) -> str:
    dimension = f"{one.dimension} dimensions" if one.dimension else "unknown dimension"
    return f"{one.uri}  {dimension}, {one.rejected:,} of {one.looked_at:,} rows cannot be loaded"


def _metadata(found: Inspection) -> list[str]:
    facts = found.metadata or {"rows": 0, "fields": [], "passed_over": 0}
    fields = facts["fields"]
    texts = [f"in {facts['rows']:,} of {found.rows_looked_at:,} rows"]
    width = max((len(one["name"]) for one in fields), default=0)
    texts += [_field(one, width) for one in fields[:_SHOWN_FIELDS]]
    if facts["passed_over"] or len(fields) > _SHOWN_FIELDS:
        texts.append("... and more fields" + (" (--json has them)" if len(fields) > _SHOWN_FIELDS else ""))
    return labelled("metadata", *texts)


def _field(one: dict[str, Any], width: int) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in one["types"].items()) or "null"
    distinct = one["distinct"] if isinstance(one["distinct"], str) else f"{one['distinct']:,}"
    return f"{one['name']:<{width}}  {kinds}; {distinct} distinct, as {_shown(one['example'])}"


def _shown(value: Any) -> str:
    """A value as JSON on one line, as a load reads it; what a terminal would obey is an escape of JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _contents(found: Inspection) -> list[str]:
    facts = found.contents
    if not facts or not facts["rows"]:
        return labelled("contents", "none")
    low, mean, high = (byte_text(facts[name]) for name in ("min_bytes", "mean_bytes", "max_bytes"))
    return labelled(
        "contents", f"in {facts['rows']:,} of {found.rows_looked_at:,} rows: {low} to {high}, {mean} on average"
    )


def _ids(found: Inspection) -> list[str]:
    facts = found.duplicates
    if facts is None:
        return []
    text = f"{facts['count']:,} of {facts['compared']:,} occur again"
    if facts["not_compared"]:
        text += f"; the {facts['not_compared']:,} after them were not compared"
    pairs = [
        f"{one['id']!r}: {_place(one['again'])}, first {_place(one['first'])}" for one in facts["examples"][:_SHOWN]
    ]
    return labelled("ids", text, *pairs)


def _place(place: dict[str, Any]) -> str:
    at = f"row {place['row']}" if place["line"] is None else f"line {place['line']}"
    return f"{place['file']}, {at}"


def _load(found: Inspection) -> list[str]:
    if found.requests is None or found.wire_bytes is None:
        return labelled("load", "unknown, since the number of rows is")
    about = "" if found.rows_looked_at == found.rows_total else "about "
    return labelled(
        "load", f"{about}{found.requests:,} requests to a service, {about}{byte_text(found.wire_bytes)} on the wire"
    )


def _sample(row: dict[str, Any], dimension: int) -> list[str]:
    numbers = ", ".join(f"{number:.6g}" for number in row["vector"])
    more = ", ..." if dimension > len(row["vector"]) else ""
    texts = [f"{row['file']}, row {row['row']}: id {_shown(row['id'])}, vector [{numbers}{more}]"]
    texts += [f"{name} {_shown(row[name])}" for name in ("metadata", "contents") if row[name]]
    return labelled("sample", *texts)


def _index(facts: dict[str, Any]) -> str:
    dimension = f"{facts['dimension']} dimensions" if facts["dimension"] else "dimension set by the first row"
    return f"{facts['name']} in {facts['target']}: {dimension}, metric {facts['metric']}, {facts['rows']:,} rows"
