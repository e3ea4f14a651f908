"""Facts that a run reports while it goes; displays draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyborg_ingest.errors import RetryableError
    from cyborg_ingest.loading.report import RunReport, Tally
    from cyborg_ingest.model import Rejection
    from cyborg_ingest.plan.reading import Plan


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be read, and where it goes. Comes before anything is sent."""

    plan: Plan
    target: str
    index: str


@dataclass(frozen=True, slots=True)
class Sending:
    """Rows begin to move; `tally` changes from now on."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the user should know, though nothing failed."""

    text: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed and will be tried again after `pause` seconds."""

    error: RetryableError
    pause: float


@dataclass(frozen=True, slots=True)
class RowRejected:
    """A row is not loaded."""

    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over, well or not."""

    report: RunReport


Event = Planned | Sending | Noted | Retrying | RowRejected | Ended
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The display of a library call: none."""
