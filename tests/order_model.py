"""A small model of everything that can come between a source and its index, to be explored choice by choice.

The model is an index that is a dictionary, requests that are lost or applied late, and a process that is killed at
any moment. What it runs is the real reading, sending, delivering, doubting and noting. A history is the list of
choices that were made in it: whoever knows the list can repeat it.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cyborg_ingest.errors import ConnectionLostError, ExitCode, TargetError, UnavailableError
from cyborg_ingest.facts import ignore
from cyborg_ingest.loading.doubts import PAUSES
from cyborg_ingest.loading.fresh import keep_unchanged
from cyborg_ingest.loading.mailbox import Mailbox
from cyborg_ingest.loading.resume import cut_as_before, done_of, keep_in_order
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.model import StoredRow
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.replay import replay
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.state.lines import LineFile

    Vectors = npt.NDArray[np.float32]

    class Pick(Protocol):
        """One of so many possibilities, as a number from 0; and those that were taken so far."""

        taken: list[int]

        def __call__(self, possibilities: int) -> int: ...


Rows = list[tuple[str, float]]
"""What a request holds: ids, and the number of the row that each stands for."""


class KilledError(BaseException):
    """The process ends here: nothing of it may go on, so that no `except Exception` may catch it."""


@dataclass
class World:
    """What outlives a process: the index, requests on their way to it, and how many faults may still happen."""

    pick: Pick
    faults: int
    applies_late: bool
    stored: dict[str, float] = field(default_factory=dict)
    late: list[Rows] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    kinds: frozenset[str] = frozenset()

    def apply(self, rows: Rows) -> None:
        self.stored.update(rows)

    def fault(self, *kinds: str) -> str | None:
        """One of these faults, or none."""
        if self.kinds:
            kinds = tuple(one for one in kinds if one in self.kinds)
        if not self.faults or not kinds:
            return None
        choice = self.pick(1 + len(kinds))
        if not choice:
            return None
        self.faults -= 1
        self.story.append(kinds[choice - 1])
        return kinds[choice - 1]

    def time_passes(self) -> None:
        """Requests that are late may be applied, in any order."""
        while self.late:
            choice = self.pick(1 + len(self.late))
            if not choice:
                return
            self.arrives(choice - 1)

    def all_arrive(self) -> None:
        """Nothing is late for ever."""
        while self.late:
            self.arrives(self.pick(len(self.late)))

    def arrives(self, number: int) -> None:
        rows = self.late.pop(number)
        self.story.append(f"{rows} is applied late")
        self.apply(rows)

    def dies(self, in_flight: Iterable[Rows]) -> None:
        """The process is gone; each of its requests is lost, applied or late."""
        for rows in in_flight:
            fate = self.pick(3 if self.applies_late else 2)
            self.story.append(f"{rows} in flight: {('lost', 'applied', 'late')[fate]}")
            if fate == 1:
                self.apply(rows)
            elif fate:
                self.late.append(rows)


class ModelIndex:
    """The index of a world: what `Transfer` asks of one."""

    def __init__(self, world: World) -> None:
        self.world = world

    def upsert_binary(self, ids: list[str], vectors: Vectors, *_: Any) -> None:
        world, rows = self.world, [(one, float(vector[0])) for one, vector in zip(ids, vectors, strict=True)]
        world.time_passes()
        kinds = ["lost before", "lost after", "late"] if world.applies_late else []
        fault = world.fault("503", "killed after", *kinds)
        if fault in {None, "lost after", "killed after"}:
            world.apply(rows)
        if fault == "late":
            world.late.append(rows)
        world.story.append(f"{rows} {fault or 'ok'}")
        if fault == "killed after":
            raise KilledError
        if fault == "503":
            raise UnavailableError("503", cause="503")
        if fault is not None:
            raise ConnectionLostError("nothing came back", cause="reset", outcome_unknown=True)

    def get(self, ids: Iterable[str]) -> list[StoredRow]:
        import numpy as np  # noqa: PLC0415

        self.world.time_passes()
        stored = self.world.stored
        return [StoredRow(one, np.array([stored[one], 1], np.float32), None, None) for one in ids if one in stored]


class ModelRunner:
    """Requests one after another, in an order that is a choice: any of those that threads would be busy with."""

    def __init__(self, world: World, workers: int) -> None:
        self._world, self._workers = world, workers
        self._waiting: list[tuple[Future[float], Callable[[Batch], float], Batch]] = []

    def submit(self, action: Callable[[Batch], float], batch: Batch) -> Future[float]:
        future: Future[float] = Future()
        self._waiting.append((future, action, batch))
        return future

    def wait(self, futures: Iterable[Future[Any]], timeout: float | None) -> None:
        assert any(not one.done() for one in futures)
        assert timeout is None
        future, action, batch = self._waiting.pop(self._world.pick(min(self._workers, len(self._waiting))))
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(action(batch))
        except Exception as error:  # noqa: BLE001 - as a thread's future does
            future.set_exception(error)

    def end(self, *, wait: bool) -> None:
        """Nothing to end: there are no threads."""

    def in_flight(self) -> list[Rows]:
        begun = [batch for future, _, batch in self._waiting[: self._workers] if not future.cancelled()]
        return [list(zip(one.ids, one.vectors[:, 0].tolist(), strict=True)) for one in begun if one.ids]


class ModelStop(Stop):
    """Waits take no time, but late requests are applied in them: all, before the last look at which all is well."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def passes(self, seconds: float = 0.0) -> bool:
        if seconds == PAUSES[-1]:
            self._world.all_arrive()
        elif seconds:
            self._world.time_passes()
        return True


class ModelFile:
    """The real file of lines, of a process that may be killed around each line and in the middle of it."""

    def __init__(self, world: World, file: LineFile) -> None:
        self._world, self._file, self._append = world, file, file.append
        file.append = self.append  # type: ignore[method-assign]

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        fault = self._world.fault("killed in a line", "killed behind a line")
        before = self._file.path.read_bytes()
        self._append(records)
        if fault == "killed in a line":
            written = self._file.path.read_bytes()
            self._file.path.write_bytes(written[: (len(before) + len(written)) // 2])
        if fault:
            raise KilledError


@dataclass(frozen=True)
class Setting:
    """How a run cuts and sends."""

    batch_rows: int
    workers: int


def load(
    world: World, plan: Plan, folder: Path, setting: Setting, *, only_new: bool = False, restart: bool = False
) -> bool:
    """One run, until it ends or is killed; whether it ended well."""
    runner, journal = ModelRunner(world, setting.workers), None
    world.story.append(f"a run with {setting}")
    try:
        journal = _opened(world, folder, restart=restart)
        _run(world, _begun(journal, plan, only_new=only_new), journal, setting, runner)
    except KilledError:
        world.dies(runner.in_flight())
        return False
    except TargetError as error:  # it gave up, in good order
        world.story.append(f"gave up: {error}")
        assert journal is not None
        world.faults, faults = 0, world.faults
        journal.end(ExitCode.FAILED, {})
        world.faults = faults
        return False
    finally:
        if journal is not None:
            journal.close()
    return True


def _opened(world: World, folder: Path, *, restart: bool) -> Journal:
    journal = Journal(folder, {"index": "model"}, restart=restart)
    ModelFile(world, journal.file)
    return journal


def _begun(journal: Journal, plan: Plan, *, only_new: bool) -> Plan:
    """The plan, once what does not stand is forgotten."""
    if only_new and not journal.resumed and (last := journal.last_ended()) is not None:
        journal.carry(last)
    plan = cut_as_before(journal, plan)
    if journal.goes_on and only_new:
        keep_unchanged(journal, plan)
    elif journal.goes_on:
        keep_in_order(journal, plan)
    if journal.is_carried:
        journal.write()
    return plan


def _run(world: World, plan: Plan, journal: Journal, setting: Setting, runner: ModelRunner) -> None:
    transfer = Transfer(
        ModelIndex(world),  # type: ignore[arg-type]
        journal,
        workers=setting.workers,
        policy=RetryPolicy(retries=1, max_wait=0.0, base=0.0),
        stop=ModelStop(world),
        applies_late=world.applies_late,
        mail=Mailbox(ignore),
        runner=runner,
    )
    cutting = Cutting(setting.batch_rows, 1_000_000, encoded=False)
    for settled in transfer.send(cut(plan.chunks(2 * setting.batch_rows, done_of(journal)), 2, cutting)):
        transfer.note(settled, full=True)
    assert transfer.settle()
    journal.end(ExitCode.OK, {})


Seen = dict[tuple[object, ...], list[int]]
"""A state, and the choices that led to it first."""


def history(
    world: World,
    plan: Plan,
    folder: Path,
    settings: Iterator[Setting],
    seen: Seen | None = None,
    between: Callable[[Path], None] = lambda _journal: None,
) -> bool:
    """Runs, each going on with the one before, until one ends well; then all that is late arrives.

    `between` two runs the journal may be damaged.
    Where other choices have led to the state in which a run begins, what may come of it is played there: False.
    """
    for number, setting in enumerate(settings):
        assert number < 20, world.story
        if number:
            between(folder / "journal.jsonl")
        if number and seen is not None:
            choices = list(world.pick.taken)
            if seen.setdefault(_state(world, folder, setting), choices) != choices:
                return False
        if load(world, plan, folder, setting):
            break
    world.story.append("the last run has ended")
    world.all_arrive()
    return True


def _state(world: World, folder: Path, setting: Setting) -> tuple[object, ...]:
    """All that a run begins with, but for the sample of rows that it asks the index for."""
    journal = replay((folder / "journal.jsonl").read_bytes().split(b"\n"))
    parts = [
        (key, list(one.done), [(s, e, sorted(i)) for s, e, i in one.watched], list(one.held), list(one.in_doubt))
        for key, one in journal.parts.items()
        if key[0]
    ]
    late = sorted(tuple(one) for one in world.late)
    return (
        setting, world.faults, frozenset(world.stored.items()), tuple(late), repr(sorted(parts)),
        frozenset(journal.doubts), journal.ended,
    )  # fmt: skip


class Picker:
    """Takes the choices that it is given, and then the first possibility each time."""

    def __init__(self, given: list[int]) -> None:
        self.taken: list[int] = []
        self._given = given
        self._possibilities: list[int] = []

    def __call__(self, possibilities: int) -> int:
        place = len(self.taken)
        self.taken.append(self._given[place] if place < len(self._given) else 0)
        self._possibilities.append(possibilities)
        return self.taken[place]

    def next(self) -> list[int] | None:
        """The choices of the next history; None if this was the last."""
        for place in reversed(range(len(self.taken))):
            if self.taken[place] + 1 < self._possibilities[place]:
                return [*self.taken[:place], self.taken[place] + 1]
        return None


def explore(play: Callable[[Picker], None]) -> int:
    """Play every history once: every list of choices that can be asked for. Returns how many there were."""
    given: list[int] | None = []
    count = 0
    while given is not None:
        picker = Picker(given)
        play(picker)
        count += 1
        given = picker.next()
    return count
