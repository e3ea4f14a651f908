"""A plan as a fact: what people and programs are told of it, in the words of the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.facts import Planned, PlannedSource
from cyborg_ingest.plan.encoded import encoding_words
from cyborg_ingest.plan.late import LATE
from cyborg_ingest.rows.leftover import is_unseen
from cyborg_ingest.rows.mapping import dimension_of, field_of
from cyborg_ingest.rows.roles import called

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.plan.reading import Plan, Source

_SHOWN_COLUMNS = 3


def planned(plan: Plan, target: str, index: str) -> Planned:
    """What will be read, and where it goes."""
    expected = plan.expected()
    return Planned(
        target,
        index,
        plan.rows,
        plan.dimension,
        tuple(_choices(plan)),
        tuple(_source(one, *asked) for one, asked in zip(plan.sources, expected, strict=True)),
        plan.not_read,
    )


def _source(source: Source, asked: int | None, asked_estimate: int) -> PlannedSource:
    layout, columns = source.layout, source.columns
    return PlannedSource(
        uri=layout.uri,
        format=layout.format,
        rows=layout.rows,
        estimate=layout.rows_estimate,
        asked=asked,
        asked_estimate=asked_estimate,
        is_estimate_sound=layout.is_seekable and asked_estimate > 0,
        is_read_once=not layout.is_seekable,
        dimension=dimension_of(layout.schema, columns),
        roles=_roles(source),
        columns={name: getattr(columns, name) for name in (*columns.__slots__, "extra")},
        left_out=tuple(columns.left_out),
        shape=layout.shape,
        reasons={name: why for name, why in columns.reasons if name in columns.left_out},
    )


def _choices(plan: Plan) -> Iterator[str]:
    """The options that choose rows."""
    chosen = plan.selection
    sample = None if chosen.sample is None else len(chosen.sample)
    for name, value in {"limit": chosen.limit, "skip": chosen.skip, "sample": sample}.items():
        if value:
            yield f"--{name} {value}"
    for text in {source.shaping.filter.text for source in plan.sources if source.shaping.filter}:
        yield f"--where {text}"


def _roles(source: Source) -> dict[str, tuple[str, ...]]:
    columns, schema = source.columns, source.layout.schema
    reasons = dict(columns.reasons)

    def origins(*names: str | None) -> tuple[str, ...]:
        fields = [(name, field_of(schema, name)) for name in names if name is not None]
        there = [one for one in fields if not is_unseen(one[1]) or LATE in (one[1].metadata or {})]
        told = there or (fields if source.layout.is_open else [])  # what may still come is told where nothing else is
        found = ((name, called(one, name)) for name, one in told)
        return tuple(f"{shown} ({reasons[name]})" if name in reasons else shown for name, shown in found)

    encoded = tuple(f"{columns.vector}: {words}" for words in [encoding_words(schema, columns)] if words)
    several = columns.vector_columns
    more = ("...", f"{several[-1]} ({len(several)} columns)") if len(several) > _SHOWN_COLUMNS else ()
    constants = ", ".join(name for name, _ in columns.constants)
    return {
        "id": origins(columns.id or None) if source.shaping.template is None else (source.shaping.template.text,),
        "vector": encoded or origins(columns.vector or None, *several[:_SHOWN_COLUMNS]) + more,
        "metadata": origins(columns.metadata or None, *columns.metadata_columns)
        + ((f"constants ({constants})",) if constants else ()),
        "contents": origins(columns.contents or None),
    }
