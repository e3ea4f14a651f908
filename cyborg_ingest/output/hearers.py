"""Whoever hears of a load beside those who watch. None of them changes how it ends.

One file each: `notify` (pings, a webhook, a command), `metrics`, `github`, `dagster`. What could not be told is said,
in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cyborg_ingest.facts import Event


@dataclass(frozen=True, slots=True)
class Subject:
    """Which load it is."""

    job: str | None
    """Its name in the configuration file, where it has one."""
    index: str
    is_dry: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a load ended."""

    result: dict[str, Any]
    """The report, or what is said of a load that ended before it had one."""
    seconds: float
    report: Path | None = None
    """Where the result is kept, if it is."""

    @property
    def is_done(self) -> bool:
        """Whether all rows were dealt with, as was allowed."""
        return self.result["exit_code"] in {ExitCode.OK, ExitCode.REJECTED}


class Hearer:
    """One of them. By itself it listens and does nothing. `name` is for people."""

    name = "Somebody"

    def begin(self) -> None:
        """Hear that the load begins: nobody else runs it. What ended before is heard of by its end alone."""

    def hear(self, event: Event) -> None:
        """Hear a fact, while the load runs; from the thread that does the work, which does not wait for long."""

    def end(self, ending: Ending) -> Iterable[str]:  # noqa: ARG002 - for those who look at it
        """Hear how it ended. What could not be told, in words."""
        return ()
