"""When to try again, and how long to wait: by the type of the error, never by its text."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cyborg_ingest.errors import RetryableError, ThrottledError
from cyborg_ingest.facts import Retrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.stop import Stop

_T = TypeVar("_T")

_MOST_DOUBLINGS = 64
"""By then a pause is longer than anybody waits; a float that is doubled a thousand times overflows."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter: each pause is random between 0 and `base` doubled every time, at most `max_wait` seconds."""

    retries: int = 8
    max_wait: float = 60.0
    base: float = 0.5

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Seconds before try number `attempt` (from 1). What the target asks for is obeyed, up to `max_wait`."""
        doubled = self.base * 2.0 ** min(attempt, _MOST_DOUBLINGS)
        jitter = random.uniform(0, min(self.max_wait, doubled))  # noqa: S311 - not for secrets
        return max(jitter, min(retry_after or 0.0, self.max_wait))


@dataclass(frozen=True, slots=True)
class Retry:
    """A try that failed, and another follows: number `attempt` of at most `most`, after `pause` seconds."""

    error: RetryableError
    pause: float
    attempt: int
    most: int

    @property
    def fact(self) -> Retrying:
        """As those hear of it who watch."""
        return Retrying(self.error.cause, str(self.error), self.pause, self.attempt, self.most)


def call(
    action: Callable[[], _T],
    policy: RetryPolicy,
    stop: Stop,
    on_retry: Callable[[Retry], None],
) -> _T:
    """Call until it succeeds, fails for good, or has failed too often; then raise its last error.

    Raises StoppedError where a stop was asked for before it was called.
    """
    attempt = 0
    if not stop.passes():
        raise stop.error("stopped before this was sent")
    while True:
        try:
            return action()
        except RetryableError as error:
            attempt += 1
            if attempt > policy.retries:
                raise
            pause = policy.pause(attempt, error.retry_after)
            if isinstance(error, ThrottledError):
                stop.hold(pause)
            on_retry(Retry(error, pause, attempt, policy.retries))
            if not stop.passes(pause):
                raise
