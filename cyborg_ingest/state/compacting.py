"""A state as the fewest lines that lead to it: what a journal is written anew with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.state.cuts import spans_of
from cyborg_ingest.state.ledger import PartState, file_of
from cyborg_ingest.state.replay import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.model import Json
    from cyborg_ingest.state.cuts import Cut
    from cyborg_ingest.state.ledger import FileKey, PartKey, State
    from cyborg_ingest.state.probes import Probes


def records_of(state: State, numbers: dict[PartKey, int]) -> Iterator[Json]:
    """The fewest records that lead to this state; `numbers` gets the number of each Part."""
    yield {"begin": VERSION}
    if state.facts:
        yield {"facts": state.facts}
    if state.doubts:
        yield {"doubt": sorted(state.doubts)}
    if state.late:
        yield {"late": sorted(state.late)}
    files: set[FileKey] = set()
    for number, (key, part) in enumerate(state.parts.items()):
        numbers[key] = number
        yield part_record(number, key, part, None if file_of(key) in files else state.cuts.get(file_of(key)))
        files.add(file_of(key))
        yield from _part_records(number, part)
    yield from _probe_records(len(numbers), numbers, state.probes)
    if state.ended is not None:
        yield {"end": state.ended, **({"open": 1} if state.is_open else {})}


def part_record(number: int, key: PartKey, part: PartState, cut: Cut | None = None) -> Json:
    """The record that introduces a Part; that of a file's first one says where all of them are."""
    record: Json = {"part": [number, *key]}
    if part.place != number:
        record["at"] = part.place
    if part.choice:
        record["choice"] = part.choice
    if cut is not None:
        record["cut"] = spans_of(cut)
    return record


def _part_records(number: int, part: PartState) -> Iterator[Json]:
    if part.rows is not None:
        yield {"rows": [number, part.rows]}
    for start, stop in part.in_doubt:
        yield {"sent": [number, start, stop]}
    for start, stop in part.stale:
        yield {"former": [number, start, stop]}
    for start, stop, passed in part.passed:
        is_held = not list(part.held.missing(start, stop))
        yield {"ack": [number, start, stop], "passed": passed, **({"held": []} if is_held else {})}
    for start, stop, ids in part.watched:
        yield {"ack": [number, start, stop], "held": sorted(ids)}
    for ranges, held in ((part.done, {}), (part.held, {"held": list[str]()})):
        for start, stop in ranges:
            inside = [[row, *rest] for row, rest in part.rejected.items() if start <= row < stop]
            mark = part.mark(stop)
            more = {"mark": [mark.size, mark.digest]} if mark else {}
            yield {"ack": [number, start, stop], **({"rej": inside} if inside else {}), **more, **held}


def _probe_records(number: int, numbers: dict[PartKey, int], probes: Probes) -> Iterator[Json]:
    sample = probes.sample()
    if sample:  # a Part of their own carries them: an empty range acknowledges nothing
        numbers["", 0, 0, 0, ""] = number
        yield part_record(number, ("", 0, 0, 0, ""), PartState(place=number))
    for probe in sorted(sample, key=lambda one: (one != probes.oldest, one == probes.newest)):
        yield {"ack": [number, 0, 0], "probe": [probe.id, probe.vector, probe.rest], "keep": 1}
