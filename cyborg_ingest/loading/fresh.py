"""Only what is new: which Parts of a plan need not be loaded, since the job's last load that ended has loaded them.

The later row of an id wins, here too. What is sent now comes to lie over what is there; so a Part is skipped only
where no row that is sent before its turn has one of its ids, and no row had one that is no longer in the sources, or
that came behind the Part then and comes before it now: the index may hold that one in the place of its own. The ids
are compared by 64 bits. Where they are not known, a Part is loaded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.loading.resume import done_of, moved_of, out_of_order
from cyborg_ingest.plan.ids import ids_of
from cyborg_ingest.rows.idhashes import among, merged
from cyborg_ingest.state.ledger import key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.idhashes import Hashes
    from cyborg_ingest.state.ledger import PartKey, PartState
    from cyborg_ingest.state.memory import Memory


@dataclass(frozen=True, slots=True)
class _Turn:
    """A Part when its turn comes: its first row that is missing, if any is, and whether rows of it are there."""

    part: Part
    gap: int | None
    has_rows: bool
    is_read: bool
    """Whether anything of it is sent, if only what was in flight."""


def keep_unchanged(memory: Memory, plan: Plan, *, all_ids: bool = False) -> list[Part]:
    """Forget what the job has loaded of Parts that have to be loaded again; those of them that have not changed.

    `all_ids`: the ids of all rows have to be known in the end.
    """
    turns = list(_turns(memory, plan))
    unknown = {turn.part for turn in turns if all_ids and turn.has_rows and not _is_known(memory, turn.part)}
    upto = dict(_upto(memory, plan, turns, unknown))
    memory.keep(upto)
    return [turn.part for turn in turns if turn.gap is None and turn.has_rows and upto[key_of(turn.part)] == 0]


def _turns(memory: Memory, plan: Plan) -> Iterator[_Turn]:
    """Rows are not chosen by their places here, so that each Part stands for itself."""
    done = done_of(memory)
    for source in plan.sources:
        for part in source.layout.parts:
            known = done(part)
            total = part.rows if part.rows is not None else known.total
            if plan.holds(source, part, 0, total):
                gap = 0 if known.choice else known.gap(total)
                yield _Turn(part, gap, bool(known.rows), is_read=known.first_to_read(total) is not None)
            else:  # its file's statistics say that no row of it is asked for
                yield _Turn(part, None, has_rows=False, is_read=False)


def _is_known(memory: Memory, part: Part) -> bool:
    return memory.ids.knows(*_named(part), memory.part(part).settled)


def _upto(
    memory: Memory, plan: Plan, turns: list[_Turn], unknown: Collection[Part]
) -> Iterator[tuple[PartKey, int | None]]:
    """Each Part, and its first row to be loaded; None: what is there of it stands."""
    here = {key_of(turn.part) for turn in turns}
    last = max((place for place, turn in enumerate(turns) if turn.has_rows), default=0)
    sent = _Sent(memory)
    sent.gone({key: one for key, one in memory.state.parts.items() if key not in here})
    sent.look(plan, [turn.part for turn in turns[:last] if turn.is_read or turn.gap is not None])
    moved = set(moved_of(memory, plan))
    passed, over = _passed(memory, plan), _Sent(memory)
    for turn in turns:
        part = turn.part
        is_under = turn.has_rows and (sent.may_share(part) or (part in moved and over.may_share(part)))
        gap = 0 if part in unknown or is_under else turn.gap
        if gap is not None or turn.is_read:
            sent.add(part)
        if part in passed:
            over.stands(part)
        yield key_of(part), gap


def _passed(memory: Memory, plan: Plan) -> set[Part]:
    """Parts that come before one now behind which they came then."""
    parts = [part for source in reversed(plan.sources) for part in reversed(source.layout.parts)]
    return set(out_of_order(memory, parts, -1))


class _Sent:
    """The ids of rows that lie over others, or come to lie there: of what is gone, is sent or has moved."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._some: list[Hashes] = []
        """Sorted, each some times as long as the next: so that few are merged when one is added."""
        self._read: dict[Part, Hashes] = {}
        self._is_anything = False
        """Whether some of them are not known."""

    def gone(self, parts: dict[PartKey, PartState]) -> None:
        """Earlier runs have sent rows of these Parts, which may be in the sources no more."""
        ids = self._memory.ids
        if not all(ids.knows(key, one.choice, [*one.settled, *one.sent]) for key, one in parts.items()):
            self._is_anything = True
        self._take(ids.of((key, one.choice) for key, one in parts.items()))

    def look(self, plan: Plan, parts: Collection[Part]) -> None:
        """Read the ids of Parts that are sent, where nobody knows them."""
        if not self._is_anything:
            self._read = ids_of(plan, [part for part in parts if not self._knows_all(part)])

    def add(self, part: Part) -> None:
        """Rows of a Part are sent."""
        read = self._read.get(part)
        if read is None and not self._knows_all(part):
            self._is_anything = True
        self._take(self._memory.ids.of([_named(part)]) if read is None else read)

    def stands(self, part: Part) -> None:
        """Rows of a Part were sent by an earlier run."""
        self.gone({key_of(part): self._memory.part(part)})

    def may_share(self, part: Part) -> bool:
        """Whether one of them may have an id of a Part that was loaded."""
        if self._is_anything or not self._some:
            return self._is_anything
        if not _is_known(self._memory, part):
            return True
        own = self._memory.ids.of([_named(part)])
        return any(among(own, some).any() for some in self._some)

    def _take(self, hashes: Hashes) -> None:
        while self._some and len(self._some[-1]) <= 2 * len(hashes):
            hashes = merged([self._some.pop(), hashes])
        if len(hashes):
            self._some.append(hashes)

    def _knows_all(self, part: Part) -> bool:
        total = part.rows if part.rows is not None else self._memory.part(part).rows
        return total is not None and self._memory.ids.knows(*_named(part), [(0, total)])


def _named(part: Part) -> tuple[PartKey, str]:
    return key_of(part), ""
