"""Reads rows back by id and compares them with the sources. `list_ids` is never asked: it can hold ghosts."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places
from cyborg_ingest.check.commanded import sources_of
from cyborg_ingest.check.distinct import KEPT_TO_COMPARE, Distinct, hashes_of
from cyborg_ingest.check.places import RowPlace
from cyborg_ingest.check.precision import GUESSED_ROWS, Precision, rounding
from cyborg_ingest.check.progress import began
from cyborg_ingest.errors import SourceError, StoppedError, UsageError
from cyborg_ingest.facts import Advanced, Began, Retrying, ignore
from cyborg_ingest.model import shown_id
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.written import differences_output, refuse_overwriting, whole
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.compare import TOLERANCES, Row, deviation, difference, rows_of
from cyborg_ingest.targets.keyring import possible_key_files
from cyborg_ingest.targets.opening import open_client, open_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cyborg_ingest.check.precision import Pair
    from cyborg_ingest.facts import Emit, Event
    from cyborg_ingest.model import Batch, StoredRow
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import VerifySettings
    from cyborg_ingest.targets.base import Index

COMPARED_ROWS = 1000
_GET_ROWS, _GET_BYTES = 500, 16_000_000
_SHOWN = 20

_PENDING = 200_000
"""Rows that differ and may be replaced by one that is yet to come, at most; then it is looked up."""

_CUTTING = Cutting(rows=2000, size=16_000_000, encoded=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the index holds otherwise, or not at all: `kinds` as in `compare.difference`."""

    place: RowPlace
    id: str
    kinds: list[str]

    def to_dict(self) -> dict[str, Any]:
        """As JSONL has it."""
        return {"file": self.place.uri, "row": self.place.row, "id": self.id, "differs": self.kinds}


@dataclass(slots=True)
class _Found:
    """What a comparison came to. `rows` are those of the sources that were asked for, `ids` their different ids."""

    rows: int = 0
    passed: int = 0
    """Rows that were read past."""
    checked: int = 0
    unreadable: int = 0
    differences: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)
    pending: dict[str, Difference] = field(default_factory=dict)
    """The rows that differ and that no later one has replaced so far."""
    told: int = 0
    """Of the rows that were compared or are unreadable, those that were told of."""
    ids: Distinct = field(default_factory=Distinct)
    furthest: float = 0.0
    """The largest deviation of a vector; infinite where something else differs too."""
    pairs: list[Pair] = field(default_factory=list)


class Verifier:
    """Compares an index with a plan's sources.

    `on_difference` hears of each row that differs, once no later row can replace it any more: in the order of the rows,
    but of a sample in which more than 200,000 differ, where each so many are in order. `emit` hears how far it is.
    """

    def __init__(
        self,
        index: Index,
        plan: Plan,
        precision: Precision,
        sample_rows: int = COMPARED_ROWS,
        on_difference: Callable[[Difference], object] = lambda _one: None,
        emit: Emit = ignore,
    ) -> None:
        self._index = index
        self._plan = plan
        self._precision = precision
        self._sample_rows = sample_rows
        self._on_difference = on_difference
        self._emit = emit

    def run(self, mode: str) -> dict[str, Any]:
        """Compare a random sample, or every row ("full"). The result as the report has it.

        Rows that the checks refuse are not looked for. A row whose id occurs again later is superseded, and
        not a difference.
        """
        found = _Found()
        try:
            return self._run(mode, found)
        except StoppedError as error:
            error.args = (f"{error}; {_so_far(found)}", *error.args[1:])
            raise

    def _run(self, mode: str, found: _Found) -> dict[str, Any]:
        rows = self._sample(found) if mode == "sample" else self._rows(found)
        self._emit(Began("verify", len(rows)) if isinstance(rows, list) else began("verify", [self._plan]))
        found.told = found.unreadable
        for some in _groups(rows):
            self._compare(some, found)
        self._tell(found)
        self._settle(found)
        self._plan.check()
        only_in_index = max(0, self._index.count() - found.ids.count().most)
        return {
            "mode": mode,
            "rows": found.rows,
            "checked": found.checked,
            "unreadable": found.unreadable,
            "differences": found.differences,
            "kinds": dict(found.kinds),
            "tolerance": self._precision.tolerance,
            "only_in_index": only_in_index,
            "examples": [one.to_dict() for one in found.examples],
            "text": _text(found, self._precision) + _mention(only_in_index),
        }

    def _rows(self, found: _Found) -> Iterator[tuple[RowPlace, Row]]:
        for batch in self._batches():
            found.unreadable += len(batch.rejections)
            found.ids.add(hashes_of(batch.ids))
            first = found.rows + found.passed - batch.start
            lines = [None] * len(batch) if batch.lines is None else batch.lines.tolist()
            for place, line, row in zip(batch.rows.tolist(), lines, rows_of(batch), strict=True):
                yield RowPlace(batch.part.uri, place - batch.start + batch.first_row, line, first + place), row
            found.rows += batch.stop - batch.start - batch.passed
            found.passed += batch.passed

    def _batches(self) -> Iterator[Batch]:
        return cut(self._plan.chunks(_CUTTING.rows), self._index.describe().dimension or None, _CUTTING)

    def _sample(self, found: _Found) -> list[tuple[RowPlace, Row]]:
        """A random sample of fixed size over all rows, in constant memory; of an id its last row."""
        kept: list[tuple[RowPlace, Row]] = []
        slots: dict[str, int] = {}
        told = 0
        self._emit(began("read", [self._plan]))
        for number, (place, row) in enumerate(self._rows(found)):
            if found.rows > told:
                self._emit(Advanced(found.rows - told))
                told = found.rows
            slot = slots.pop(row.id, None)
            if slot is None:
                slot = len(kept) if len(kept) < self._sample_rows else random.randrange(number + 1)  # noqa: S311
                if slot >= self._sample_rows:
                    continue
            if slot < len(kept):
                slots.pop(kept[slot][1].id, None)
            own = Row(row.id, row.vector.copy(), row.metadata, row.contents)  # not the whole batch with it
            kept[slot : slot + 1] = [(place, own)]
            slots[row.id] = slot
        self._emit(Advanced(found.rows - told))
        return kept

    def _compare(self, rows: list[tuple[RowPlace, Row]], found: _Found) -> None:
        stored = {row.id: row for row in self._index.get([row.id for _, row in rows])}
        for place, row in rows:
            found.checked += 1
            one = stored.get(row.id)
            if one is not None and one.vector is not None and len(found.pairs) < GUESSED_ROWS:
                found.pairs.append((row.vector.copy(), one.vector))
            found.pending.pop(row.id, None)  # this row replaced it
            kinds = difference(row, one, self._precision.tolerance)
            if kinds:
                found.pending[row.id] = Difference(place, row.id, kinds)
                found.furthest = max(found.furthest, _how_far(kinds, row, one))
        self._tell(found)
        if len(found.pending) > _PENDING:
            self._look_ahead(found)
            self._settle(found)

    def _tell(self, found: _Found) -> None:
        """How far it is."""
        done = found.checked + found.unreadable
        self._emit(Advanced(done - found.told, found.differences + len(found.pending)))
        found.told = done

    def _look_ahead(self, found: _Found) -> None:
        """Drop the rows that differ and are replaced by one that is yet to come: so they never fill the memory."""
        once = next((one.layout.uri for one in self._plan.sources if places.is_read_once(one.layout.uri)), None)
        if once is not None:
            raise SourceError(
                f"{len(found.pending):,} rows seem to differ. Whether later ones replaced them cannot be told, since "
                f"{once} can be read once only: save it in a file, and verify that."
            )
        for place, row in self._rows(_Found()):
            one = found.pending.get(row.id)
            if one is not None and place.number > one.place.number:
                del found.pending[row.id]

    def _settle(self, found: _Found) -> None:
        """What is pending differs."""
        for one in sorted(found.pending.values(), key=lambda one: one.place.number):
            found.differences += 1
            found.kinds.update(one.kinds)
            if len(found.examples) < _SHOWN:
                found.examples.append(one)
            self._on_difference(one)
        found.pending.clear()


def _how_far(kinds: list[str], row: Row, stored: StoredRow | None) -> float:
    return deviation(row.vector, stored.vector) if stored is not None and kinds == ["vector"] else float("inf")


def _groups(rows: Iterable[tuple[RowPlace, Row]]) -> Iterator[list[tuple[RowPlace, Row]]]:
    """Rows to ask for at once: so many, or so many bytes of vectors and contents."""
    some: list[tuple[RowPlace, Row]] = []
    size = 0
    for place, row in rows:
        some.append((place, row))
        size += row.vector.nbytes + len(row.contents or "")
        if len(some) == _GET_ROWS or size >= _GET_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _text(found: _Found, precision: Precision) -> str:
    checked = found.checked
    skipped = f" {found.unreadable:,} bad rows of the sources were not looked for." if found.unreadable else ""
    if not checked:
        return f"No row was compared: the sources have none that can be loaded.{skipped}"
    if not found.differences:
        return f"{checked:,} rows compared, vectors {precision}: all equal.{skipped}"
    one = found.examples[0]
    parts = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds.items())
    return (
        f"{found.differences:,} of {checked:,} rows differ ({parts}), the first is row {one.place.row} of "
        f"{one.place.uri}, id {shown_id(one.id)}.{_hint(found, precision)}{skipped}"
    )


def _so_far(found: _Found) -> str:
    """What a comparison that is stopped had come to."""
    wrong = found.differences + len(found.pending)
    if not found.checked:
        return "no row was compared by then"
    return f"{found.checked:,} rows were compared by then: " + (f"{wrong:,} differ" if wrong else "all equal")


def _hint(found: _Found, precision: Precision) -> str:
    """Where vectors differ as one precision rounds them, its name; whether it is that nobody here can tell."""
    name = rounding(found.pairs) or ("float16" if found.furthest <= TOLERANCES["float16"] else None)
    if precision.tolerance or name is None or found.furthest > TOLERANCES[name]:
        return ""
    return f" All of it fits an index that stores {name}: if it does, say so with --storage-precision {name}."


def _mention(only_in_index: int) -> str:
    """Rows of other sources are not a difference, and yet worth a word."""
    return f" The index holds {only_in_index:,} more rows than these sources have ids." if only_in_index else ""


def present(index: Index, ids: list[str]) -> list[str]:
    """Those of the ids that the index holds a row of."""
    found: list[str] = []
    for start in range(0, len(ids), _GET_ROWS):
        found += [row.id for row in index.get(ids[start : start + _GET_ROWS])]
    return found


def verify(settings: VerifySettings, emit: Emit = ignore) -> dict[str, Any]:
    """`cyborg-ingest verify`: compare an index with its sources. Raises UsageError where there is no row to compare."""
    output = None if settings.differences is None else differences_output(settings.differences)
    retries: Counter[str] = Counter()

    def heard(event: Event) -> None:
        if isinstance(event, Retrying):
            retries[event.cause] += 1
        emit(event)

    with contextlib.ExitStack() as stack:
        plan = make_plan(stack.enter_context(sources_of(settings, emit)), settings, tell=emit)
        client = stack.enter_context(open_client(settings, heard))
        key = next(iter(possible_key_files(settings, client.target, settings.index)), None)
        refuse_overwriting([output] if output else [], plan, settings, client.target, key and key.path)
        write = stack.enter_context(whole(output)) if output else None
        index = stack.enter_context(open_index(client, settings, settings.index).index)

        def note(one: Difference) -> None:
            if write is not None:
                write(json.dumps(one.to_dict()) + "\n")

        if settings.mode == "count":
            result = _verify_count(index, plan, emit)
        else:
            precision = Precision(settings.storage_precision)
            result = Verifier(index, plan, precision, settings.sample_rows, note, emit).run(settings.mode)
    result["not_read"] = [one.to_dict() for one in plan.not_read]
    result["retries"] = dict(retries)
    if not result["checked"]:
        raise UsageError(f"There is nothing to verify. {result['text']}")
    return result


def _verify_count(index: Index, plan: Plan, emit: Emit) -> dict[str, Any]:
    """The index cannot hold fewer rows than the sources have ids; more it can, from other sources."""
    found, rows, distinct = index.count(), 0, Distinct(KEPT_TO_COMPARE)
    emit(began("count", [plan]))
    for batch in cut(plan.chunks(_CUTTING.rows), index.describe().dimension or None, _CUTTING):
        rows += len(batch)
        emit(Advanced(batch.stop - batch.start - batch.passed))
        distinct.add(hashes_of(batch.ids))
    plan.check()
    ids = distinct.count()
    only_in_index = max(0, found - ids.most)
    return {
        "mode": "count",
        "checked": rows,
        "differences": max(0, ids.least - found),
        "only_in_index": only_in_index,
        "ids": ids.to_dict(),
        "text": f"The sources have {rows:,} rows with {ids} ids (told apart by 64 bits of each), the index has "
        f"{found:,} rows." + _mention(only_in_index),
    }
