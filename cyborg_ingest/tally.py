"""The counts of a run: a fold of its facts, kept up to date one fact at a time."""

from __future__ import annotations

import contextlib
import math
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cyborg_ingest.facts import Advanced, FileSkipped, Landed, Planned, Read, Retrying, RowRejected, Sending, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.facts import Began, Event

REMEMBERED_IDS = 10_000
"""Ids of rejected rows that are looked for in the index at the end, at most."""

_ROOM = 10
"""A file whose rows are estimated is taken to have so many times more at most."""


@dataclass(slots=True)
class SourceTally:
    """The rows of one source. `total` is None while nobody knows."""

    total: int | None
    estimate: int
    is_estimate_sound: bool = False
    """Whether it goes by the bytes of the rows as they stand in the file, and not by compressed ones."""
    read: int = 0
    acknowledged: int = 0
    rejected: int = 0
    rejected_before: int = 0
    skipped: int = 0
    claimed: int | None = None
    """Of a file that could not be read to its end: how many rows it should have had, where that is known."""

    @property
    def asked(self) -> int:
        """The rows that this run was asked for, as far as they are known."""
        return max(self.total or 0, self.read + self.skipped + self.rejected_before)

    @property
    def done(self) -> int:
        """Rows that need nothing more."""
        return self.acknowledged + self.rejected + self.skipped

    @property
    def expected(self) -> int:
        """Rows in all: exact where known, else estimated, and no fewer than are there.

        What an earlier run has loaded of a stream is there too, before this run has read that far.
        """
        return max(self.estimate if self.total is None else self.total, self.asked, self.done)

    @property
    def is_endless(self) -> bool:
        """Whether nobody knows how many rows it may have."""
        return self.total is None and not self.is_estimate_sound

    @property
    def most(self) -> int:
        """How many rows it can be asked for, where that is known at all."""
        return self.asked if self.total is not None else max(self.asked, _ROOM * self.estimate)


STALLED_SECONDS = 5.0
"""Nothing has moved for so long: then a time left that goes by the speed before is not true any more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A failure that is waited out, until `until` (monotonic)."""

    retry: Retrying
    until: float

    @property
    def seconds(self) -> float:
        """How long the wait still is; 0 where the next try is under way."""
        return max(0.0, self.until - time.monotonic())


def waiting_for(retry: Retrying) -> Waiting:
    """The wait that begins now."""
    return Waiting(retry, time.monotonic() + retry.pause)


_SUMS = ("read", "acknowledged", "rejected", "rejected_before", "skipped", "asked", "expected", "most")


@dataclass(slots=True)
class Tally:
    """Counts of a run under way: the sums over all sources are kept, so that a fact costs the same for any number.

    One thread writes it; others may look.
    """

    sources: dict[str, SourceTally] = field(default_factory=dict)
    raw_bytes: int = 0
    in_flight: int = 0
    duplicates: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    rejected_ids: list[str] = field(default_factory=list)
    latencies: array[float] = field(default_factory=lambda: array("d"))
    first_read: float | None = None
    last_ack: float | None = None
    last_move: float = field(default_factory=time.monotonic)
    """When rows were last read or acknowledged."""
    waiting: Waiting | None = None
    has_stream: bool = False
    """Whether a source is a pipe, or another that rows come from as they are made."""
    read: int = field(init=False, default=0)
    acknowledged: int = field(init=False, default=0)
    rejected: int = field(init=False, default=0)
    rejected_before: int = field(init=False, default=0)
    skipped: int = field(init=False, default=0)
    asked: int = field(init=False, default=0)
    """Rows that this run was asked for, as far as they are known."""
    expected: int = field(init=False, default=0)
    """Rows in all, estimated where they are not known."""
    most: float = field(init=False, default=0)
    """How many rows this run can be asked for; infinite where nobody knows."""

    def __post_init__(self) -> None:
        for one in self.sources.values():
            self._include(one)

    def __call__(self, fact: Event) -> None:
        """Take a fact in; those that count nothing change nothing."""
        fold = _FOLDS.get(type(fact))
        if fold is not None:
            fold(self, fact)

    @property
    def done(self) -> int:
        """Rows that need nothing more."""
        return self.acknowledged + self.rejected + self.skipped

    @property
    def pending(self) -> int:
        """Rows that were read and are on their way."""
        return self.read - self.acknowledged - (self.rejected - self.rejected_before)

    @property
    def stalled(self) -> float:
        """For how many seconds nothing has moved; 0 while that is no longer than a request takes."""
        usual = max(STALLED_SECONDS, 2 * self.latencies[-1] if self.latencies else 0.0)
        still = time.monotonic() - self.last_move
        return still if still >= usual else 0.0

    @property
    def is_open(self) -> bool:
        """Whether more rows may come than are known."""
        return any(one.total is None for one in self.sources.values())

    @property
    def share(self) -> float | None:
        """How much is done, of 1; None where nobody knows of how much."""
        is_known = self.expected and not (self.is_open and self.done >= self.expected)
        return self.done / self.expected if is_known else None

    @property
    def seconds(self) -> float:
        """From the first read to the last acknowledgement; an index that is made meanwhile does not count."""
        if self.first_read is None:
            return 0.0
        return (self.last_ack or time.monotonic()) - self.first_read

    def by_source(self) -> list[dict[str, Any]]:
        """What became of the rows of each source."""
        return [
            {
                "uri": uri,
                "rows": one.asked,
                "acknowledged": one.acknowledged,
                "rejected": one.rejected,
                "skipped": one.skipped,
            }
            for uri, one in self.sources.items()
        ]

    def _include(self, one: SourceTally) -> None:
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(one, name))
        if one.is_endless:
            self.most = math.inf

    def _add(self, uri: str, **counts: int) -> None:
        one = self.sources[uri]
        with self._counted(one):
            for name, count in counts.items():
                setattr(one, name, getattr(one, name) + count)
                setattr(self, name, getattr(self, name) + count)

    @contextlib.contextmanager
    def _counted(self, one: SourceTally) -> Iterator[None]:
        """What becomes of a source in the `with` is true of all of them, too."""
        before = one.asked, one.expected, one.most
        yield
        self.asked += one.asked - before[0]
        self.expected += one.expected - before[1]
        self.most += one.most - before[2]

    def _planned(self, fact: Planned) -> None:
        for source in fact.sources:
            one = SourceTally(source.asked, source.asked_estimate, source.is_estimate_sound)
            self.sources[source.uri] = one
            self.has_stream = self.has_stream or source.is_read_once
            self._include(one)
        self.last_move = time.monotonic()

    def _skipped(self, fact: Skipped) -> None:
        rejected = sum(fact.rejected.values())
        self._add(fact.uri, skipped=fact.loaded, rejected=rejected, rejected_before=rejected)
        self.rejects.update(fact.rejected)

    def _read(self, fact: Read) -> None:
        self.last_move = time.monotonic()
        self.first_read = self.first_read or self.last_move
        self._add(fact.uri, read=fact.rows)

    def _sending(self, _fact: Sending) -> None:
        """What was read before, to see whether it can be loaded at all, was read before an index was made for it."""
        if self.first_read is not None:
            self.first_read = time.monotonic()

    def _file_skipped(self, fact: FileSkipped) -> None:
        """Of a file that cannot be read on no more rows are asked for than were read."""
        if fact.uri in self.sources:
            one = self.sources[fact.uri]
            with self._counted(one):
                one.claimed, one.total, one.estimate = one.total, 0, 0

    def _rejected(self, fact: RowRejected) -> None:
        rejection = fact.rejection
        self._add(rejection.uri, rejected=1)
        if rejection.id and len(self.rejected_ids) < REMEMBERED_IDS:
            self.rejected_ids.append(rejection.id)
        self.rejects[rejection.reason.value] += 1

    def _landed(self, fact: Landed) -> None:
        self._add(fact.uri, acknowledged=fact.rows)
        self.raw_bytes += fact.size
        self.in_flight, self.duplicates = fact.in_flight, fact.duplicates
        self.last_ack = self.last_move = time.monotonic()
        if fact.rows:
            self.latencies.append(fact.seconds)
            self.waiting = None

    def _retrying(self, fact: Retrying) -> None:
        self.retries[fact.cause] += 1
        self.waiting = waiting_for(fact)


@dataclass(slots=True)
class Step:
    """How far something is that is done to rows."""

    began: Began
    done: int = 0
    wrong: int = 0
    retried: int = 0
    waiting: Waiting | None = None
    begun_at: float = field(default_factory=time.monotonic)
    last_move: float = field(default_factory=time.monotonic)

    def __call__(self, fact: Event) -> None:
        """Take a fact in; those that count nothing change nothing."""
        if isinstance(fact, Advanced):
            self.done += fact.rows
            self.wrong = fact.wrong
            self.waiting, self.last_move = None, time.monotonic()
        elif isinstance(fact, Retrying):
            self.retried += 1
            self.waiting = waiting_for(fact)

    @property
    def expected(self) -> int:
        """Rows in all, estimated where they are not known; 0 where nobody knows."""
        known = self.began.estimate if self.began.rows is None else self.began.rows
        return max(known, self.done) if known else 0

    @property
    def stalled(self) -> float:
        """For how many seconds nothing has moved, once something could have."""
        still = time.monotonic() - self.last_move
        return still if (self.done or self.is_planning) and still >= STALLED_SECONDS else 0.0

    @property
    def is_planning(self) -> bool:
        """Whether it is a look at the sources: nothing is done to rows yet."""
        return self.began.step == "plan"

    @property
    def share(self) -> float | None:
        """How much is done, of 1; None where nobody knows of how much."""
        return self.done / self.expected if self.expected else None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.begun_at


_FOLDS: dict[type, Callable[[Tally, Any], None]] = {
    Planned: Tally._planned,  # noqa: SLF001 - its own
    Skipped: Tally._skipped,  # noqa: SLF001
    Read: Tally._read,  # noqa: SLF001
    Sending: Tally._sending,  # noqa: SLF001
    RowRejected: Tally._rejected,  # noqa: SLF001
    FileSkipped: Tally._file_skipped,  # noqa: SLF001
    Landed: Tally._landed,  # noqa: SLF001
    Retrying: Tally._retrying,  # noqa: SLF001
}
