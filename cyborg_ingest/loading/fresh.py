"""Only what is new: which Parts of a plan need not be loaded, since the job's last load that ended has loaded them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.loading.resume import done_of
from cyborg_ingest.loading.standing import Standing
from cyborg_ingest.state.ledger import key_of

if TYPE_CHECKING:
    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.state.memory import Memory


def keep_unchanged(memory: Memory, plan: Plan, *, all_ids: bool = False) -> list[Part]:
    """Forget what the job has loaded of Parts that have to be loaded again; those of them that have not changed.

    `all_ids`: the ids of all rows have to be known in the end.
    """
    parts = [part for source in plan.sources for part in source.layout.parts]
    unknown = {part for part in parts if all_ids and not _is_known(memory, part)}
    standing = Standing(memory, plan, done_of(memory), again=unknown, reads=True)
    memory.keep(standing.upto)
    return [
        turn.part
        for turn in standing.turns
        if turn.gap is None and turn.has_rows and standing.upto[key_of(turn.part)] == 0
    ]


def _is_known(memory: Memory, part: Part) -> bool:
    state = memory.part(part)
    return memory.ids.knows(key_of(part), state.choice, state.settled)
