"""`cyborg-ingest inspect`: what sources are like and what is wrong with them, before anything is sent."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.types as pt

from cyborg_ingest.check.commanded import sources_of
from cyborg_ingest.check.findings import Finding
from cyborg_ingest.check.inspection import (
    Inspection,
    Inspector,
    Mapped,
    SourceFacts,
    index_findings,
    opening_finding,
)
from cyborg_ingest.check.progress import began
from cyborg_ingest.errors import IngestError, KeyFileError, MappingError, StoppedError, Unmapped, UsageError
from cyborg_ingest.facts import Advanced, ignore
from cyborg_ingest.model import ColumnMap, total
from cyborg_ingest.plan.cutting import REST_DEFAULTS, chunk_rows
from cyborg_ingest.plan.encoded import encoding_words
from cyborg_ingest.plan.late import missing
from cyborg_ingest.plan.planning import find_layouts, make_plan
from cyborg_ingest.rows.batches import cut
from cyborg_ingest.rows.encodings import stored_type
from cyborg_ingest.rows.kinds import storage_type
from cyborg_ingest.rows.mapping import dimension_of, field_of
from cyborg_ingest.rows.roles import called
from cyborg_ingest.targets.opening import open_client, open_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.formats.base import Layout
    from cyborg_ingest.model import Batch, Chunk, IndexInfo, Json
    from cyborg_ingest.plan.reading import Plan, Source
    from cyborg_ingest.settings.options import InspectSettings
    from cyborg_ingest.targets.base import Client

PROFILED_ROWS = 10_000
"""The first rows of a source that are looked at, unless all are."""
PROFILED_SOURCES = 10

_DECIDING = {
    Unmapped.COLUMNS: "--id-column, --vector-column and the like decide",
    Unmapped.DIMENSIONS: "a pattern that leaves those of another dimension out; --vector-column takes another column",
}
"""What decides where a plan could not."""

_ROLES = ("id", "vector", "metadata", "contents")


@dataclass(frozen=True, slots=True)
class _Index:
    """An index as it was found, and closed again: nothing is locked while the sources are read."""

    client: Client | None = None
    info: IndexInfo | None = None
    count: int = 0
    findings: tuple[Finding, ...] = ()


def inspect(settings: InspectSettings, emit: Emit = ignore) -> Inspection:
    """Look at the sources, and at the index where one is named. Raises UsageError, SourceError; else it finds."""
    with sources_of(settings, emit) as sources:
        try:
            plan = make_plan(sources, settings, tell=emit)
        except MappingError as error:
            return _without_mapping(find_layouts(sources, settings), error, _look_at_index(settings, emit))
        return _inspect(plan, _look_at_index(settings, emit), emit, full=settings.full)


def _look_at_index(settings: InspectSettings, emit: Emit) -> _Index:
    """What stands in the way of opening it is a finding; a wrong option is an error."""
    if settings.index is None:
        return _Index()
    with ExitStack() as stack:
        try:
            client = stack.enter_context(open_client(settings, emit))
            opened = open_index(client, settings, settings.index)
            index = stack.enter_context(opened.index)
            return _Index(client, opened.info, index.count())
        except StoppedError:
            raise
        except IngestError as error:
            if isinstance(error, UsageError) and not isinstance(error, KeyFileError):
                raise
            return _Index(findings=(opening_finding(error),))


def _without_mapping(layouts: Sequence[Layout], error: MappingError, index: _Index) -> Inspection:
    """What the headers say, though which column is what cannot be decided."""
    exact = total(one.rows for one in layouts)
    found = Finding("mapping", str(error), _DECIDING[error.code], file=error.uri)
    return Inspection(
        tuple(_facts(one, 0, one.rows) for one in layouts),
        tuple(_group((one, None, ColumnMap("")) for one in layouts)),
        rows_total=sum(one.rows_estimate for one in layouts) or None if exact is None else exact,
        is_exact=exact is not None,
        index=_index_facts(index),
        findings=(found, *index.findings),
    )


def _inspect(plan: Plan, index: _Index, emit: Emit, *, full: bool) -> Inspection:
    pieces = _pieces(plan, full=full)
    dimension = plan.dimension or (index.info.dimension if index.info else None) or None
    inspector = Inspector()
    for batch in _batches("read", pieces, dimension, emit):
        inspector.add(batch)
    duplicates = inspector.duplicates(partial(_batches, "compare", pieces, dimension, emit))
    plan.check()
    facts = tuple(_source_facts(plan, pieces, inspector))
    total, is_exact = _total(plan, facts)
    found = index.findings
    if index.client is not None and index.info is not None:
        found += index_findings(index.client, index.info, index.count, plan.dimension, total)
    dtypes = tuple(dict.fromkeys(_dtype(one) for one in plan.sources))
    norms = inspector.norms.to_dict()
    requests, wire_bytes = _traffic(inspector, total)
    return Inspection(
        sources=facts,
        schemas=tuple(_group((one.layout, _roles(one), one.columns) for one in plan.sources)),
        rows_looked_at=inspector.rows,
        rows_total=total,
        is_exact=is_exact,
        dimension=inspector.dimension or plan.dimension,
        dtypes=dtypes,
        norms=norms,
        components=inspector.sample.components(),
        rejects={reason.value: count for reason, count in inspector.rejects.items()},
        metadata=inspector.fields.to_dict(),
        contents=inspector.sizes.to_dict(),
        duplicates=duplicates.to_dict(),
        requests=requests,
        wire_bytes=wire_bytes,
        samples=tuple(inspector.samples),
        index=_index_facts(index),
        remarks=(*_notes(plan), *_unmet(plan, inspector.rows), *_remarks(plan, dtypes, norms, index.info)),
        not_read=plan.not_read,
        findings=inspector.findings(duplicates) + found,
    )


def _notes(plan: Plan) -> Iterator[str]:
    """What was found out while the plan was made, of all and of each file: an error in it, rows that are elsewhere."""
    yield from plan.notes
    yield from (note for source in plan.sources for note in source.layout.notes)


def _pieces(plan: Plan, *, full: bool) -> list[Plan]:
    """What is looked at: the plan, or the first rows of sources that are spread evenly over all.

    Where rows are counted over all sources, it is the first rows of all of them.
    """
    chosen, left = plan.selection, plan.selection.limit
    if full or (left is not None and left <= PROFILED_ROWS):
        return [plan]
    if chosen.skip or chosen.sample is not None:
        most = PROFILED_ROWS * PROFILED_SOURCES
        return [replace(plan, selection=replace(chosen, limit=most if left is None else min(left, most)))]
    sources = []
    for source in plan.sources:
        if left is not None and left <= 0:
            break
        sources.append((source, PROFILED_ROWS if left is None else min(left, PROFILED_ROWS)))
        left = None if left is None else left - (source.layout.rows or source.layout.rows_estimate)
    places = np.linspace(0, len(sources) - 1, min(PROFILED_SOURCES, len(sources))).round().astype(int)
    return [
        replace(plan, sources=(sources[place][0],), selection=replace(chosen, limit=sources[place][1]))
        for place in places
    ]


def _batches(step: str, pieces: Sequence[Plan], dimension: int | None, emit: Emit) -> Iterator[Batch]:
    """As a service would be sent them: then their number and their sizes are those of the requests."""
    emit(began(step, pieces))

    def chunks() -> Iterator[Chunk]:
        for piece in pieces:
            yield from piece.chunks(chunk_rows(piece, REST_DEFAULTS))

    for batch in cut(chunks(), dimension, REST_DEFAULTS):
        emit(Advanced(batch.stop - batch.start - batch.passed))
        yield batch


def _source_facts(plan: Plan, pieces: Sequence[Plan], inspector: Inspector) -> Iterator[SourceFacts]:
    """The rows of a source are known, too, where all of them were read."""
    looked_at, rejected = inspector.looked_at, inspector.rejected
    ended = {
        one.layout.uri
        for piece in pieces
        if _is_read_to_its_end(piece, sum(looked_at[one.layout.uri] for one in piece.sources))
        for one in piece.sources
    }
    for one in plan.sources:
        count = looked_at[one.layout.uri]
        is_known = one.layout.rows is None and one.layout.uri in ended
        facts = _facts(one.layout, count, count if is_known else one.layout.rows)
        bad = rejected[one.layout.uri]
        fixed = dimension_of(one.layout.schema, one.columns)
        yield replace(facts, dimension=inspector.dimension if count > bad else fixed, rejected=bad)


def _is_read_to_its_end(piece: Plan, rows: int) -> bool:
    chosen = piece.selection
    is_whole = not chosen.skip and chosen.sample is None and all(one.shaping.filter is None for one in piece.sources)
    return is_whole and (chosen.limit is None or rows < chosen.limit)


def _facts(layout: Layout, looked_at: int, rows: int | None) -> SourceFacts:
    estimate = max(layout.rows_estimate, looked_at) if rows is None else rows
    shown = layout.uri, layout.format, rows, estimate, layout.size, layout.is_seekable, looked_at
    return SourceFacts(*shown, shape=layout.shape)


def _total(plan: Plan, facts: Sequence[SourceFacts]) -> tuple[int | None, bool]:
    """How many rows a load would read, and whether that is exact."""
    if plan.rows is not None:
        return plan.rows, True
    is_exact = all(one.rows is not None for one in facts)
    is_exact = is_exact and all(one.shaping.filter is None for one in plan.sources) and not plan.selection.skip
    total, limit = sum(one.rows_estimate for one in facts), plan.selection.limit
    if limit is not None and total >= limit:
        return limit, is_exact
    return (total if is_exact or total else None), is_exact


def _traffic(inspector: Inspector, total: int | None) -> tuple[int | None, int | None]:
    """Requests and bytes for all rows, from those that were looked at; rejected ones are not sent."""
    looked_at = inspector.rows
    if total is None or not inspector.requests or looked_at == total:
        return (None, None) if total is None else (inspector.requests, inspector.wire_bytes)
    wire_bytes = round(inspector.wire_bytes * total / looked_at)
    rows = min(REST_DEFAULTS.rows, max(1, REST_DEFAULTS.size * looked_at // inspector.wire_bytes))
    return -(-total // rows), wire_bytes


def _group(several: Iterator[tuple[Layout, dict[str, list[str]] | None, ColumnMap]]) -> list[Mapped]:
    """Sources that are alike, together."""
    found: dict[str, Mapped] = {}
    for layout, mapping, names in several:
        columns = tuple((one.name, stored_type(one)) for one in layout.schema)
        mapped = Mapped((), columns, mapping, names.left_out, dict(names.reasons))
        one = found.setdefault(repr((columns, mapping)), mapped)
        found[repr((columns, mapping))] = replace(one, sources=(*one.sources, layout.uri))
    return list(found.values())


def _roles(source: Source) -> dict[str, list[str]]:
    """The columns of each role; what is not in the file itself is named by where it comes from."""
    columns, schema = source.columns, source.layout.schema
    names = {role: [one] if (one := getattr(columns, role)) else [] for role in _ROLES}
    names["metadata"] += columns.metadata_columns
    names["vector"] += columns.vector_columns

    def origin(name: str) -> str:
        return called(field_of(schema, name), name)

    found = {role: [origin(name) for name in some] for role, some in names.items()}
    if words := encoding_words(schema, columns):
        found["vector"] = [f"{columns.vector}: {words}"]
    found["metadata"] += [f"{name} (constant)" for name, _ in columns.constants]
    if source.shaping.template is not None:
        found["id"] = [source.shaping.template.text]
    return found


def _dtype(source: Source) -> str:
    columns, schema = source.columns, source.layout.schema
    kind = storage_type(field_of(schema, columns.vector or columns.vector_columns[0]).type)
    kind = kind if columns.vector_columns else storage_type(kind.value_type)
    return "null" if pt.is_null(kind) else np.dtype(kind.to_pandas_dtype()).name


def _index_facts(index: _Index) -> Json | None:
    if index.client is None or index.info is None:
        return None
    info = index.info
    return {
        "name": info.name,
        "target": index.client.target,
        "dimension": info.dimension,
        "metric": info.metric,
        "rows": index.count,
    }


def _unmet(plan: Plan, rows: int) -> Iterator[str]:
    """A condition that no row meets of those that were looked at."""
    for text in missing(plan, (), is_whole=False, rows=rows):
        yield f"{text} (Of the rows that were looked at; --full looks at all.)"


def _remarks(plan: Plan, dtypes: Sequence[str], norms: Json | None, info: IndexInfo | None) -> Iterator[str]:
    """What is worth knowing, though nothing is wrong."""
    for _, why in dict.fromkeys(one for source in plan.sources for one in source.columns.refused):
        yield f"Column {why}; it is left out."
    for dtype in dtypes:
        if "int" in dtype:
            yield f"The vectors are {dtype}; they are loaded as float32."
    if info is not None and norms is not None and not norms["looks_normalised"] and info.metric != "cosine":
        yield (
            f"Index {info.name!r} has metric {info.metric}, and the vectors are not normalised: their lengths count "
            "in every distance."
        )
