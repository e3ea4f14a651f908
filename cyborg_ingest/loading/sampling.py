"""How fast a load is over time: facts folded into samples, which are kept with its run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cyborg_ingest.facts import Landed, Retrying, RowRejected
from cyborg_ingest.state.samples import MOST, SHORTEST, Sample, merged

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.facts import Event
    from cyborg_ingest.state.samples import SampleFile


class Sampler:
    """Takes facts in, one at a time. Where there are too many samples, each becomes twice as long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._width = SHORTEST
        self._open: Sample | None = None
        self._until = 0.0
        """When the interval ends that is open, since the run began."""
        self._kept: list[Sample] = []
        self._file: SampleFile | None = None

    def begin(self, file: SampleFile) -> None:
        """Where they are kept, from here on."""
        self._file = file
        for one in self._kept:
            file.add(one)

    def __call__(self, fact: Event) -> None:
        """Take a fact in; those that say nothing of speed change nothing."""
        if isinstance(fact, Landed):
            self._now().landed(fact.rows, fact.size, fact.seconds)
        elif isinstance(fact, Retrying):
            self._now().retries[fact.cause] += 1
        elif isinstance(fact, RowRejected):
            self._now().rejects[fact.rejection.reason.value] += 1

    def end(self) -> None:
        """Keep what is open: nothing more happens."""
        if self._open is not None:
            self._keep(self._open, min(self._since(), self._until))
        if self._file is not None:
            self._file.close()

    def _since(self) -> float:
        return self._clock() - self._began

    def _now(self) -> Sample:
        """The sample that is open, in which what happens now is counted."""
        now = self._since()
        if self._open is None or now >= self._until:
            if self._open is not None:
                self._keep(self._open, self._until)
            before = self._kept[-1].stop if self._kept else 0.0
            place = int(now / self._width)
            self._open = Sample(max(place * self._width, before), now)
            self._until = (place + 1) * self._width
        return self._open

    def _keep(self, sample: Sample, stop: float) -> None:
        sample.stop = max(stop, sample.start)
        self._open = None
        self._kept.append(sample)
        if len(self._kept) < MOST:
            if self._file is not None:
                self._file.add(sample)
            return
        while len(self._kept) > MOST // 2:
            self._width *= 2
            self._kept = merged(self._kept, self._width)
        if self._file is not None:
            self._file.rewrite(self._kept)
