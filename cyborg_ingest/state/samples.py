"""`samples.jsonl`: how fast a run was over time, an interval a line; few lines, however long the run takes.

It is there to be looked at afterwards, and never changes the result of a load: what cannot be written is left out.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from cyborg_ingest.model import Json
    from cyborg_ingest.private import Folder

NAME = "samples.jsonl"

MOST = 256
"""Lines of a file; at so many, neighbours become one."""

SHORTEST = 0.25
"""Seconds of an interval, at first."""

_STEP = math.log(1.1)
"""Latencies are counted in classes, each 1.1 times as long as the one before: so intervals can be put together, and a
percentile is right to a twentieth of itself."""

_LEAST = 1e-6
_FEWEST = 8
"""Intervals that are not put together for want of requests."""
_LARGEST_FILE = 4_000_000
"""Bytes; what we write is a hundredth of it."""


def class_of(seconds: float) -> int:
    """The class that a latency is counted in."""
    return math.floor(math.log(max(seconds, _LEAST)) / _STEP)


@dataclass(slots=True)
class Sample:
    """What happened from `start` to `stop`, in seconds since the run began."""

    start: float
    stop: float
    rows: int = 0
    """Rows that were acknowledged."""
    size: int = 0
    """Their bytes, not encoded."""
    latencies: Counter[int] = field(default_factory=Counter)
    """Class -> requests."""
    slowest: float = 0.0
    retries: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)

    def landed(self, rows: int, size: int, seconds: float) -> None:
        """A request was acknowledged."""
        self.rows += rows
        self.size += size
        if rows:
            self.latencies[class_of(seconds)] += 1
            self.slowest = max(self.slowest, seconds)

    def add(self, other: Self) -> None:
        """Put a later one to it."""
        self.stop = max(self.stop, other.stop)
        self.rows += other.rows
        self.size += other.size
        self.latencies.update(other.latencies)
        self.slowest = max(self.slowest, other.slowest)
        self.retries.update(other.retries)
        self.rejects.update(other.rejects)

    @property
    def requests(self) -> int:
        """Requests that were acknowledged."""
        return sum(self.latencies.values())

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / (self.stop - self.start) if self.stop > self.start else 0.0

    def latency(self, share: float) -> float | None:
        """The seconds that this share of the requests took at most; None where there was none."""
        wanted, found = share * self.requests, 0
        for place in sorted(self.latencies):
            found += self.latencies[place]
            if found >= wanted:
                return min(math.exp((place + 0.5) * _STEP), self.slowest)
        return None

    def to_dict(self) -> Json:
        """As a line has it."""
        told: Json = {"from": round(self.start, 3), "to": round(self.stop, 3), "rows": self.rows, "bytes": self.size}
        if self.latencies:
            told |= {"slowest": round(self.slowest, 6), "latencies": dict(sorted(self.latencies.items()))}
        named = {"retries": self.retries, "rejects": self.rejects}
        return told | {name: dict(sorted(counts.items())) for name, counts in named.items() if counts}


def merged(samples: Iterable[Sample], width: float) -> list[Sample]:
    """Those that begin in the same interval of this width as one, each to the end of it, as far as the last goes."""
    found: list[Sample] = []
    place, end = -1, 0.0
    for one in samples:
        end = max(end, one.stop)
        if found and int(one.start / width) == place:
            found[-1].add(one)
        else:
            place = int(one.start / width)
            found.append(Sample(one.start, one.stop))
            found[-1].add(one)
    for one in found:
        one.stop = max(one.stop, min((int(one.start / width) + 1) * width, end))
    return found


def thinned(samples: Iterable[Sample], most: int, requests: int = 4) -> list[Sample]:
    """So many at most, in each of which some requests ended on average: fewer say nothing of speed but chance."""
    found = list(samples)
    width = SHORTEST
    while len(found) > _FEWEST and (len(found) > most or sum(one.requests for one in found) < requests * len(found)):
        width *= 2
        found = merged(found, width)
    return found


class SampleFile:
    """Appends lines, from one thread. No method raises."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._handle = -1
        self._is_over = False

    def add(self, sample: Sample) -> None:
        """Add a line."""
        if self._is_over:
            return
        line = _line(sample)
        try:
            if self._handle < 0:
                self._handle = self._folder.open(NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            if os.write(self._handle, line) != len(line):  # the disk is full
                self.close()
        except (OSError, UntrustedError):
            self.close()

    def rewrite(self, samples: Iterable[Sample]) -> None:
        """Write these in the place of all before."""
        if self._is_over:
            return
        try:
            self._folder.replace(NAME, b"".join(map(_line, samples)))
            self._let_go()  # the next line opens the new file
        except (OSError, UntrustedError):
            self.close()

    def close(self) -> None:
        """Write no more."""
        self._is_over = True
        self._let_go()

    def _let_go(self) -> None:
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.close(self._handle)
        self._handle = -1


def read_samples(folder: Folder) -> list[Sample]:
    """What is kept of a run, in order; a line that is damaged is left out. Raises OSError, UntrustedError."""
    try:
        handle = folder.open(NAME)
    except FileNotFoundError:
        return []
    with os.fdopen(handle, "rb") as file:
        lines = file.read(_LARGEST_FILE).splitlines()
    found = (_sample(line) for line in lines)
    return sorted((one for one in found if one is not None), key=lambda one: one.start)


def _line(sample: Sample) -> bytes:
    return json.dumps(sample.to_dict(), separators=(",", ":")).encode() + b"\n"


def _sample(line: bytes) -> Sample | None:
    try:
        told = json.loads(line)
        start, stop, slowest = (float(told.get(name, 0)) for name in ("from", "to", "slowest"))
        if not 0 <= start <= stop < math.inf or not 0 <= slowest < math.inf:
            return None
        latencies = Counter({int(name): count for name, count in _counts(told, "latencies").items()})
        others = (_counts(told, name) for name in ("retries", "rejects"))
        return Sample(start, stop, _count(told["rows"]), _count(told["bytes"]), latencies, slowest, *others)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _counts(told: Json, name: str) -> Counter[str]:
    return Counter({str(one): _count(count) for one, count in told.get(name, {}).items()})


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(value)
    return value
