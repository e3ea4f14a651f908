"""What is said of facts, in lines that people read; of progress and of the report see `howfar` and `reported`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest.model import DEFAULT_METRIC, DEFAULT_PRECISION, total
from cyborg_ingest.output.folders import gathered
from cyborg_ingest.output.howfar import many, retry_text
from cyborg_ingest.output.labels import labelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cyborg_ingest.facts import (
        Compared,
        Creating,
        FileSkipped,
        Noted,
        Planned,
        PlannedSource,
        Retrying,
        RowRejected,
        Said,
        Stopping,
    )
    from cyborg_ingest.sources import NotRead

SHOWN_SOURCES = 10
_MOST_NAMES = 100
_FEW = 3
_MOST_REASONS = 20
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Names of columns: the first 100 of them, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - _MOST_NAMES:,} more" if len(found) > _MOST_NAMES else ""
    return between.join(found[:_MOST_NAMES]) + more


def plan(event: Planned, *, singly: bool = False) -> list[str]:
    """Files or folders, rows, dimension, which column goes where and which are left out."""
    lines = labelled("target", event.target) + labelled("index", event.index)
    groups = gathered([one.uri for one in event.sources], singly=singly)
    shown = groups if singly else groups[:SHOWN_SOURCES]
    lines += labelled("sources", *(_sources(name, [event.sources[one] for one in places]) for name, places in shown))
    if more := sum(len(places) for _, places in groups[len(shown) :]):
        lines += labelled("", f"... and {more:,} more (-v names them)")
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
    return labelled("left out", *texts[:_MOST_REASONS], *more)


def not_read(found: Iterable[NotRead]) -> list[str]:
    """What was found beside the sources and is not read."""
    return labelled("not read", *(one.text for one in found))


def _sources(name: str, sources: Sequence[PlannedSource]) -> str:
    """A file, or a folder with many."""
    if len(sources) == 1:
        return _source(sources[0])
    formats, sizes = {one.format for one in sources}, {one.dimension for one in sources}
    kind = f"{next(iter(formats))} files" if len(formats) == 1 else f"files ({', '.join(sorted(formats))})"
    exact = total(one.rows for one in sources)
    rows = _about(sum(one.estimate for one in sources)) if exact is None else f"{exact:,}"
    size = f" x {next(iter(sizes))}" if len(sizes) == 1 and None not in sizes else ""
    return f"{name}  {len(sources):,} {kind}, {rows} rows{size}"


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
    return ", ".join(
        f"{role} <- {listed(names, ' + ')}" if names else f"no {role}" for role, names in source.roles.items()
    )


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
    return labelled("retry", retry_text(event, event.pause))[0]


def creating(event: Creating) -> str:
    """What cannot be undone: how an index is made."""
    size = f"{event.dimension} dimensions" if event.dimension else "the dimension of the first row"
    metric = event.metric or f"{DEFAULT_METRIC} (default; --metric)"
    made = f"{event.index}  new: {size}, {metric}, {event.precision or DEFAULT_PRECISION}"
    return labelled("index", f"{made}; it keeps these")[0]


def stopping(event: Stopping) -> str:
    """What is waited for before a load stops, and what the reader may do meanwhile."""
    wait = f"waiting up to {event.seconds:.0f} s for {many(event.requests, 'request')}."
    again = "Ctrl-C again" if event.is_interrupt else "A second signal"
    return labelled("stopping", f"{wait} {again} quits at once; run the same command to resume.")[0]


def rejection(event: RowRejected) -> str:
    """A row that is not loaded."""
    return labelled("rejected", str(event.rejection))[0]


def findings(found: Iterable[dict[str, Any]]) -> list[str]:
    """What is wrong, each with the option that deals with it."""
    return [line for one in found for line in labelled("finding", one["text"], one["option"])]
