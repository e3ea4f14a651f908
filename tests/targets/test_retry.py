"""What may pass is tried again, with pauses that are random, bounded and can be ended."""

from __future__ import annotations

import threading
import time

import pytest

from cyborg_ingest.errors import AccessError, RetryableError, StoppedError, ThrottledError, UnavailableError
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.retry import Retry, RetryPolicy, call

QUICK = RetryPolicy(retries=3, max_wait=0.01, base=0.001)


class Failing:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def unavailable() -> RetryableError:
    return UnavailableError("503", cause="503")


def test_a_failure_that_passes_is_tried_again_and_reported() -> None:
    action, seen = Failing(unavailable(), unavailable()), list[Retry]()
    assert call(action, QUICK, Stop(), seen.append) == "done"
    assert [(one.fact.cause, one.fact.attempt, one.fact.most) for one in seen] == [("503", 1, 3), ("503", 2, 3)]


def test_the_last_error_is_raised_when_there_are_too_many() -> None:
    action = Failing(*(unavailable() for _ in range(9)))
    with pytest.raises(UnavailableError):
        call(action, QUICK, Stop(), lambda _retry: None)
    assert action.calls == 4


def test_what_cannot_pass_is_not_tried_again() -> None:
    action = Failing(AccessError("401"))
    with pytest.raises(AccessError):
        call(action, QUICK, Stop(), lambda _retry: None)
    assert action.calls == 1


def test_pauses_are_random_grow_and_are_bounded() -> None:
    policy = RetryPolicy(max_wait=4, base=0.5)
    pauses = [[policy.pause(attempt, None) for _ in range(300)] for attempt in range(1, 9)]
    assert all(0 <= pause <= 4 for some in pauses for pause in some)
    assert max(pauses[0]) <= 1
    assert max(pauses[5]) > 2
    assert len(set(pauses[0])) > 250


def test_the_wait_that_a_target_asks_for_is_obeyed_up_to_the_ceiling() -> None:
    policy = RetryPolicy(max_wait=4, base=0.001)
    assert 3 <= policy.pause(1, 3.0) <= 4
    assert policy.pause(1, 100.0) == 4


def test_a_429_holds_every_sender() -> None:
    stop, begun = Stop(), time.monotonic()
    call(
        Failing(ThrottledError("429", cause="429", retry_after=0.2)),
        RetryPolicy(retries=1, max_wait=0.2, base=0.001),
        stop,
        lambda _retry: threading.Thread(target=stop.passes).start(),
    )
    assert time.monotonic() - begun >= 0.2
    held = Stop()
    held.hold(0.1)
    begun = time.monotonic()
    assert held.passes()
    assert time.monotonic() - begun >= 0.1


def test_stopping_ends_every_wait() -> None:
    stop = Stop(0)
    threading.Timer(0.05, stop.ask).start()
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        call(Failing(unavailable()), RetryPolicy(1, 60, 60), stop, lambda _retry: None)
    assert time.monotonic() - begun < 30
    assert not stop.passes(60)
    with pytest.raises(StoppedError):
        call(lambda: pytest.fail("it was sent after all"), QUICK, stop, lambda _retry: None)
