"""Which rows that earlier runs have loaded stand: the one rule, whether a load is resumed or sends only what is new.

The later row of an id wins. What is sent now comes to lie over what is there, and what is there lies in the order in
which its Parts came when it was sent. So a Part that was loaded stands only where

- no row that is sent before its turn has one of its ids; and
- no row lies over one of its own that should not: of a Part that came behind it and has left the sources, or is now
  another since its file has changed, or comes before it now, or whose rows are past a limit.

A Part that stands no more is sent again from its start, and that may bring down others behind it. Ids are compared by
64 bits. Where they are not known, any may be the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.plan.ids import ids_of
from cyborg_ingest.plan.turns import turns
from cyborg_ingest.rows.idhashes import among, merged
from cyborg_ingest.state.ledger import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.plan.turns import Turn
    from cyborg_ingest.rows.idhashes import Hashes
    from cyborg_ingest.state.ledger import PartKey, PartState
    from cyborg_ingest.state.memory import Memory


_MOST_APART = 64
"""Of so many Parts whose rows may lie anywhere, at most, each is looked at without its own: it costs their square."""


class Standing:
    """What stands of each Part of a plan, by what earlier runs of the job have sent.

    Streams of `others` bring other rows than they did. Files of `aside` bring nothing down that comes after them:
    whoever names them sees to that. Parts of `again` are sent again. `reads`: ids that nobody knows are read.
    """

    def __init__(
        self,
        memory: Memory,
        plan: Plan,
        done: Callable[[Part], Done],
        *,
        others: Collection[PartKey] = (),
        aside: Collection[str] = (),
        again: Collection[Part] = (),
        reads: bool = False,
    ) -> None:
        self._memory = memory
        self.turns = list(turns(plan, done))
        self.covered = set(_covered(memory, self.turns, _gone(memory, self.turns, others)))
        """Parts that rows may lie over which should not."""
        self.upto = dict(self._upto(plan, aside, {*again, *self.covered}, reads=reads))
        """Each Part, and its first row that is to be sent; None: what is there of it stands."""

    def _upto(
        self, plan: Plan, aside: Collection[str], again: Collection[Part], *, reads: bool
    ) -> Iterator[tuple[PartKey, int | None]]:
        sent = _Ids(self._memory)
        if not plan.selection.is_everything:  # nobody knows which rows of a Part behind a gap are asked for
            sent.adds_anything()
        elif reads:
            last = max((place for place, turn in enumerate(self.turns) if turn.has_rows), default=0)
            sent.look(plan, [one.part for one in self.turns[:last] if one.gap is not None or one.part in again])
        for turn in self.turns:
            is_under = turn.has_rows and (turn.part in again or sent.may_share(turn.part))
            gap = 0 if is_under else turn.gap
            if gap is not None and turn.part.uri not in aside:
                sent.add(turn.part)
            yield key_of(turn.part), gap


def out_of_order(memory: Memory, parts: Sequence[Part], sign: int = 1) -> Iterator[Part]:
    """Those of which rows were sent and that then came before one that precedes them here; -1: after one."""
    known = ((part, memory.part(part)) for part in parts)
    last: int | None = None
    for part, state in known:
        if state.settled or state.sent:
            place = sign * state.place
            if last is not None and place < last:
                yield part
            last = place if last is None else max(last, place)


def _gone(memory: Memory, turns: Sequence[Turn], others: Collection[PartKey]) -> list[tuple[PartKey, PartState]]:
    """Parts of which earlier runs have sent rows that may be in the sources no more."""
    here = {key_of(turn.part) for turn in turns if not turn.is_cut}.difference(others)
    parts = ((key, one) for key, one in memory.state.parts.items() if key not in here)
    return [(key, one) for key, one in parts if one.was_sent]


def _covered(memory: Memory, turns: Sequence[Turn], gone: Sequence[tuple[PartKey, PartState]]) -> Iterator[Part]:
    """Parts of which rows may lie under others, that are gone or have passed them."""
    yield from _under_gone(memory, turns, gone)
    parts, over = [turn.part for turn in turns], _Ids(memory)
    moved, passed = set(out_of_order(memory, parts)), set(out_of_order(memory, parts[::-1], -1))
    for turn in turns:
        if turn.has_rows and turn.part in moved and over.may_share(turn.part):
            yield turn.part
        if turn.part in passed:
            over.lies(key_of(turn.part), memory.part(turn.part))


def _under_gone(memory: Memory, turns: Sequence[Turn], gone: Sequence[tuple[PartKey, PartState]]) -> Iterator[Part]:
    """The later a Part came, the fewer came behind it; but what was in flight may be applied at any time.

    And of what was to be sent again nobody knows any more where it came when it was sent.
    """
    over = _Ids(memory)
    if memory.state.has_lost_lines:
        over.lies_what_nobody_knows()
    floating = {key: one for key, one in gone if _is_anywhere(one)}
    anywhere = _Ids(memory, floating)
    left = sorted((one for one in gone if one[0] not in floating), key=lambda one: one[1].place)
    with_rows = [(memory.part(turn.part), turn) for turn in turns if turn.has_rows]
    for state, turn in sorted(with_rows, key=lambda one: -one[0].place):
        while left and left[-1][1].place > state.place:
            over.lies(*left.pop())
        key = key_of(turn.part)
        is_apart = key in floating and len(floating) <= _MOST_APART
        others = _Ids(memory, {one: floating[one] for one in floating if one != key}) if is_apart else anywhere
        is_own = turn.is_cut and _may_lie_over_itself(memory, key, state)
        if is_own or over.may_share(turn.part) or others.may_share(turn.part):
            yield turn.part


def _may_lie_over_itself(memory: Memory, key: PartKey, state: PartState) -> bool:
    """Whether a row of a Part that nobody asks for any more may have the id of one that is asked for."""
    sent = [*state.settled, *state.sent, *state.stale]
    return memory.ids.may_repeat(key, state.choice) or not memory.ids.knows(key, state.choice, sent)


def _is_anywhere(state: PartState) -> bool:
    """Whether its rows may lie over those of any Part, also of one that came behind it."""
    return bool(state.in_doubt or state.stale)


class _Ids:
    """The ids of rows that lie over others, or come to lie there."""

    def __init__(self, memory: Memory, lying: Mapping[PartKey, PartState] | None = None) -> None:
        self._memory = memory
        self._some: list[Hashes] = []
        """Sorted, each some times as long as the next: so that few are merged when one is added."""
        self._read: dict[Part, Hashes] = {}
        self._is_anything = self._adds_anything = False
        """Whether some of them are not known; and whether those are not that are added."""
        for key, state in (lying or {}).items():
            self.lies(key, state)

    def adds_anything(self) -> None:
        """Of Parts whose rows are sent nobody knows which these are."""
        self._adds_anything = True

    def look(self, plan: Plan, parts: Collection[Part]) -> None:
        """Read the ids of Parts that are sent, where nobody knows them."""
        self._read = ids_of(plan, [part for part in parts if not self._knows_all(part)])

    def add(self, part: Part) -> None:
        """Rows of a Part are sent."""
        read = self._read.get(part)
        if self._adds_anything or (read is None and not self._knows_all(part)):
            self._is_anything = True
        else:
            self._take(self._memory.ids.of([(key_of(part), "")]) if read is None else read)

    def lies(self, key: PartKey, state: PartState) -> None:
        """Rows of a Part were sent by an earlier run."""
        if not self._memory.ids.knows(key, state.choice, [*state.settled, *state.sent, *state.stale]):
            self._is_anything = True
        self._take(self._memory.ids.of([(key, state.choice)]))

    def lies_what_nobody_knows(self) -> None:
        """Lines of the journal are lost: rows were sent of Parts that it does not know, or of any."""
        state = self._memory.state
        self._take(self._memory.ids.of_others((key, one.choice) for key, one in state.parts.items()))

    def may_share(self, part: Part) -> bool:
        """Whether one of them may have an id of a Part that was loaded."""
        if self._is_anything or not self._some:
            return self._is_anything
        state = self._memory.part(part)
        if not self._memory.ids.knows(key_of(part), state.choice, state.settled):
            return True
        own = self._memory.ids.of([(key_of(part), state.choice)])
        return any(among(own, some).any() for some in self._some)

    def _take(self, hashes: Hashes) -> None:
        while self._some and len(self._some[-1]) <= 2 * len(hashes):
            hashes = merged([self._some.pop(), hashes])
        if len(hashes):
            self._some.append(hashes)

    def _knows_all(self, part: Part) -> bool:
        total = part.rows if part.rows is not None else self._memory.part(part).rows
        return total is not None and self._memory.ids.knows(key_of(part), "", [(0, total)])
