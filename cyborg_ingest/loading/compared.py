"""What the job's last load that ended has loaded, as this one goes by it; and what is said of the two."""

from __future__ import annotations

import contextlib
import datetime
from typing import TYPE_CHECKING

from cyborg_ingest.errors import LostRowsError, UsageError
from cyborg_ingest.facts import Compared, Files, Noted
from cyborg_ingest.loading.resume import done_of
from cyborg_ingest.loading.setup import folder_of
from cyborg_ingest.rows.idhashes import merged
from cyborg_ingest.settings.quantities import moment_of
from cyborg_ingest.state.earlier import Remembered
from cyborg_ingest.state.journal import FINISHED, OUTDATED, SINCE, Journal
from cyborg_ingest.state.ledger import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.state.ledger import State
    from cyborg_ingest.state.memory import Memory

_COUNTED = 25_000_000
"""Ids that are counted to know how many rows the index has to have at least: 200 MB."""

_SHOWN = 3


def looked_back(target: str, settings: LoadSettings) -> Remembered | None:
    """What is known of the job, for a dry run that compares; None where nothing is, or it does not."""
    if not (settings.dry_run and (settings.only_new or settings.delete_missing)):
        return None
    try:
        return Remembered(folder_of(target, settings), restart=settings.restart, is_resumed=settings.only_new)
    except FileNotFoundError:
        return None


def is_compared(memory: Memory | None, settings: LoadSettings) -> bool:
    """Whether this load sends only what is new, or resumes one that does."""
    return settings.only_new or (memory is not None and SINCE in memory.state.facts)


def last_of(memory: Memory | None, settings: LoadSettings) -> tuple[State | None, str | None]:
    """What the last load that ended has loaded, if it can be gone by; and why not."""
    if settings.restart:
        return None, None
    last, is_resumed = (None, False) if memory is None else (memory.last_ended(), memory.resumed)
    if memory is None or last is None:
        then = "the one that was stopped is resumed" if is_resumed else "all of it is new"
        return None, f"No load of this job has ended yet: {then}."
    why_not = _why_not(memory, last)
    return (last, None) if why_not is None else (None, why_not)


def _why_not(memory: Memory, last: State) -> str | None:
    """Why a load that has ended cannot be gone by; None where it can be."""
    again = "The load that was stopped since is resumed." if memory.resumed else "All of it is loaded again."
    if OUTDATED in memory.state.facts:
        return f"Since the job's last load ended, rows were sent that its journal no longer has. {again}"
    if last.ended not in {0, 1}:
        return f"The job's last load ended with exit code {last.ended}: the index did not hold what was sent. {again}"
    if last.is_open:
        then = "it is resumed, and what it loaded stays." if memory.resumed else "all of it is loaded again."
        return f"The job's last load has left out files that were bad: {then}"
    return None if last.is_whole else f"What the job's last load has noted is not whole. {again}"


def compared(plan: Plan, last: State | None) -> Compared:
    """The sources by what has become of them since."""
    rows: dict[str, int] = {}
    prints: dict[str, set[str]] = {}
    for (name, *_, fingerprint), part in last.parts.items() if last is not None else ():
        if name:
            rows[name] = rows.get(name, 0) + len(part.settled) - part.passed_rows
            prints.setdefault(name, set()).add(fingerprint)
    kinds: dict[str, list[str]] = {"new": [], "changed": [], "same": []}
    for source in plan.sources:
        known = prints.get(place_of(source.layout.uri))
        is_same = known is not None and known.issuperset(part.fingerprint for part in source.layout.parts)
        kinds["new" if known is None else "same" if is_same else "changed"].append(source.layout.uri)
    here = {place_of(source.layout.uri) for source in plan.sources}
    since = None if last is None else str(last.facts.get(FINISHED, "")) or None
    return Compared(
        since,
        _moment(since),
        _files(kinds["new"]),
        _files(kinds["changed"]),
        _files(kinds["same"], rows),
        _files([name for name in rows if name not in here], rows),
        _files([]),
    )


def _files(uris: Sequence[str], rows: dict[str, int] | None = None) -> Files:
    return Files(tuple(uris), None if rows is None else sum(rows.get(place_of(uri), 0) for uri in uris))


def _moment(since: str | None) -> str:
    return moment_of(since or "", datetime.datetime.now().astimezone()) or "in its last load"


def loaded_again(parts: Sequence[Part]) -> Files:
    """The files of Parts that have not changed and are loaded again all the same."""
    return _files(list(dict.fromkeys(part.uri for part in parts)))


def is_left(memory: Memory, plan: Plan) -> bool:
    """Whether a load that was stopped is resumed, and rows of it are still to be loaded."""
    done = done_of(memory)
    parts = [(source, part, done(part)) for source in plan.sources for part in source.layout.parts]
    totals = [known.total if part.rows is None else part.rows for _, part, known in parts]
    return memory.resumed and any(
        known.first_to_read(total) is not None and plan.holds(source, part, 0, total)
        for (source, part, known), total in zip(parts, totals, strict=True)
    )


def remarks(found: Compared, settings: LoadSettings) -> Iterator[Noted]:
    """What is loaded although it has not changed; what stays in the index; or that nothing is loaded."""
    if found.vanished.uris and not settings.delete_missing:
        yield Noted("Rows that have left the sources stay in the index (--delete-missing deletes them).")
    uris = found.again.uris
    if uris:
        more = f" and {len(uris) - _SHOWN:,} more" if len(uris) > _SHOWN else ""
        yield Noted(
            f"Loaded again though they have not changed: {', '.join(uris[:_SHOWN])}{more}. They share ids with "
            "what has, or with files that they came before in the last load, or their ids are not known; and the later "
            "row of an id wins."
        )
    if found.is_left and not found.new.uris:
        yield Noted("A load that was stopped is resumed: what it still had to load is loaded, changed or not.")
    if found.is_nothing_new:
        count = len(found.same.uris)
        are = "file is as it was" if count == 1 else "files are as they were"
        yield Noted(f"Nothing new: {count:,} {are} {found.when}.")


def all_again(memory: Journal | None, plan: Plan, settings: LoadSettings) -> Iterator[Noted]:
    """A job that has ended is loaded anew; there is another way."""
    if memory is None or memory.goes_on or settings.restart or settings.only_new:
        return
    last = None
    with contextlib.suppress(UsageError):  # a later release wrote it: that hinders no load of everything
        last = memory.last_ended()
    when = None if last is None else _moment(str(last.facts.get(FINISHED, "")) or None)
    if last is not None:
        rows = "all" if plan.rows is None else f"all {plan.rows:,}"
        yield Noted(f"This load finished {when}; loading {rows} rows again (--only-new loads what changed).")


def least_rows(memory: Memory) -> int:
    """The index has to hold so many rows at least, by what earlier runs of the load have sent: each id is one."""
    parts = memory.state.parts
    if sum(len(one.settled) for one in parts.values()) > _COUNTED:
        return 0
    ids = merged([memory.ids.within(key, one.choice, one.settled) for key, one in parts.items()])
    return len(ids) - sum(memory.state.rejects().values())


def check_count(count: int, least: int) -> None:
    """Raise LostRowsError where the index has fewer rows than it has to hold."""
    if count < least:
        raise LostRowsError(
            f"The index counts {count:,} rows, and at least {least:,} that earlier runs of this job have loaded must "
            "be there. Was it deleted, recreated or written to since? --restart loads everything again."
        )
