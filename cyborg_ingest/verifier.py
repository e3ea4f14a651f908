"""Reads rows back by id and compares them with the sources. `list_ids` is never asked: it can hold ghosts."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.batches import Cutting, cut
from cyborg_ingest.compare import TOLERANCES, Row, difference, rows_of
from cyborg_ingest.errors import DifferenceError
from cyborg_ingest.opening import open_client, open_index
from cyborg_ingest.planning import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan import Plan
    from cyborg_ingest.report import Tally
    from cyborg_ingest.settings import VerifySettings
    from cyborg_ingest.targets.base import Index

SAMPLE_ROWS = 1000
_GET_ROWS = 500
_SHOWN = 20
_KEPT = 100_000

_CUTTING = Cutting(rows=2000, size=16_000_000, encoded=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a source, counted from 0 in its file."""

    uri: str
    row: int
    number: int
    """Its place in the order of all rows."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the index holds otherwise, or not at all: `kinds` as in `compare.difference`."""

    place: Place
    id: str
    kinds: list[str]

    def to_dict(self) -> dict[str, Any]:
        """As JSONL has it."""
        return {"file": self.place.uri, "row": self.place.row, "id": self.id, "differs": self.kinds}


@dataclass(slots=True)
class _Found:
    checked: int = 0
    unreadable: int = 0
    fits_float16: bool = True
    """Whether every difference is one that storing as float16 makes."""
    differences: list[Difference] = field(default_factory=list)


class Verifier:
    """Compares an index with a plan's sources."""

    def __init__(self, index: Index, plan: Plan, tolerance: float, sample_rows: int = SAMPLE_ROWS) -> None:
        self._index = index
        self._plan = plan
        self._tolerance = tolerance
        self._sample_rows = sample_rows

    def run(
        self, mode: str, on_progress: Callable[[int], None] = lambda _rows: None
    ) -> tuple[dict[str, Any], list[Difference]]:
        """Compare a random sample, or every row ("full"). The result as the report has it, and the differences.

        Rows that the checks refuse are not looked for. A row whose id occurs again later is superseded, and
        no difference.
        """
        found = _Found()
        rows = self._sample(found) if mode == "sample" else self._rows(found, on_progress)
        for some in _groups(rows):
            self._compare(some, found)
        differences = self._without_superseded(found.differences)
        kinds = Counter(kind for one in differences for kind in one.kinds)
        result = {
            "mode": mode,
            "checked": found.checked,
            "unreadable": found.unreadable,
            "differences": len(differences),
            "kinds": dict(kinds),
            "tolerance": self._tolerance,
            "examples": [one.to_dict() for one in differences[:_SHOWN]],
            "text": _text(found, differences, kinds, self._tolerance),
        }
        return result, differences

    def _rows(self, found: _Found, on_progress: Callable[[int], None]) -> Iterator[tuple[Place, Row]]:
        number = 0
        for batch in self._batches():
            found.unreadable += len(batch.rejections)
            for place, row in zip(batch.rows.tolist(), rows_of(batch), strict=True):
                yield (
                    Place(batch.part.uri, place - batch.start + batch.first_row, number + place - batch.start),
                    row,
                )
            number += batch.stop - batch.start
            on_progress(number)

    def _batches(self) -> Iterator[Batch]:
        return cut(self._plan.chunks(_CUTTING.rows), self._index.describe().dimension or None, _CUTTING)

    def _sample(self, found: _Found) -> list[tuple[Place, Row]]:
        """A random sample of fixed size over all rows, each with the same chance, in constant memory."""
        kept: list[tuple[Place, Row]] = []
        for number, (place, row) in enumerate(self._rows(found, lambda _rows: None)):
            slot = number if number < self._sample_rows else random.randrange(number + 1)  # noqa: S311
            if slot < self._sample_rows:
                own = Row(row.id, row.vector.copy(), row.metadata, row.contents)  # not the whole batch with it
                kept[slot : slot + 1] = [(place, own)]
        return kept

    def _compare(self, rows: list[tuple[Place, Row]], found: _Found) -> None:
        stored = {row.id: row for row in self._index.get([row.id for _, row in rows])}
        for place, row in rows:
            found.checked += 1
            kinds = difference(row, stored.get(row.id), self._tolerance)
            if kinds:
                rounded = difference(row, stored.get(row.id), TOLERANCES["float16"])
                found.fits_float16 = found.fits_float16 and not rounded
                if len(found.differences) >= _KEPT:
                    raise DifferenceError(
                        f"More than {_KEPT:,} rows differ, the first is {found.differences[0].to_dict()}. Are these "
                        "the files that the index was loaded from?"
                    )
                found.differences.append(Difference(place, row.id, kinds))

    def _without_superseded(self, differences: list[Difference]) -> list[Difference]:
        """Look once more at the sources: a row whose id has a later row was replaced by it."""
        if not differences:
            return []
        last = {one.id: one.place.number for one in differences}
        for place, row in self._rows(_Found(), lambda _rows: None):
            if row.id in last:
                last[row.id] = max(last[row.id], place.number)
        return [one for one in differences if last[one.id] == one.place.number]


def _groups(rows: Iterable[tuple[Place, Row]]) -> Iterator[list[tuple[Place, Row]]]:
    some: list[tuple[Place, Row]] = []
    for one in rows:
        some.append(one)
        if len(some) == _GET_ROWS:
            yield some
            some = []
    if some:
        yield some


def _text(found: _Found, differences: list[Difference], kinds: Counter[str], tolerance: float) -> str:
    checked = found.checked
    skipped = f" {found.unreadable:,} bad rows of the sources were not looked for." if found.unreadable else ""
    exactly = f"to within {tolerance:g} of the largest component" if tolerance else "bit by bit"
    if not differences:
        return f"{checked:,} rows compared, vectors {exactly}: all equal.{skipped}"
    one = differences[0]
    hint = ""
    if not tolerance and found.fits_float16:
        hint = " All of it fits an index that stores float16: if it does, say so with --storage-precision float16."
    parts = ", ".join(f"{kind} {count:,}" for kind, count in kinds.items())
    return (
        f"{len(differences):,} of {checked:,} rows differ ({parts}), the first is row {one.place.row} of "
        f"{one.place.uri}, id {one.id!r}.{hint}{skipped}"
    )


def check_count(before: int, after: int, tally: Tally) -> dict[str, Any]:
    """Whether the index's count can be right: ids that occur twice, and ids that were there, count once."""
    loaded = tally.total("acknowledged") + tally.total("skipped")
    possible = (0 if loaded else before) <= after <= before + loaded and (after > 0 or not loaded) and after >= before
    text = f"{before:,} rows before, {loaded:,} loaded, {after:,} now"
    if possible and before + tally.total("acknowledged") != after:
        text += ": rows that were there already, or ids that occur more than once, count once"
    return {"mode": "count", "checked": loaded, "differences": 0 if possible else 1, "text": text + "."}


def present(index: Index, ids: list[str]) -> list[str]:
    """Those of the ids that the index holds a row of."""
    found: list[str] = []
    for start in range(0, len(ids), _GET_ROWS):
        found += [row.id for row in index.get(ids[start : start + _GET_ROWS])]
    return found


def verify(settings: VerifySettings, on_progress: Callable[[int], None] = lambda _rows: None) -> dict[str, Any]:
    """`cyborg-ingest verify`: compare an index with its sources. Raises DifferenceError after writing them."""
    plan = make_plan(settings.sources, settings)
    with open_client(settings) as client, open_index(client, settings, settings.index).index as index:
        if settings.mode == "count":
            return _verify_count(index, plan)
        verifier = Verifier(index, plan, TOLERANCES[settings.storage_precision], settings.sample_rows)
        result, differences = verifier.run(settings.mode, on_progress)
    if settings.differences is not None:
        settings.differences.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in differences), "utf-8")
    return result


def _verify_count(index: Index, plan: Plan) -> dict[str, Any]:
    """The index cannot hold fewer rows than the sources have ids; more it can, from other sources."""
    found, rows = index.count(), 0
    seen: list[npt.NDArray[np.int64]] = []
    for batch in cut(plan.chunks(_CUTTING.rows), index.describe().dimension or None, _CUTTING):
        rows += len(batch)
        seen.append(np.fromiter(map(hash, batch.ids), np.int64, len(batch)))  # 64 bits a row, not the ids
    ids = len(np.unique(np.concatenate(seen))) if seen else 0
    return {
        "mode": "count",
        "checked": rows,
        "differences": max(0, ids - found),
        "text": f"The sources have {rows:,} rows with {ids:,} ids, the index has {found:,} rows.",
    }
