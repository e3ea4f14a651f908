"""How many bad rows a load continues after: `--max-errors`, and who counts them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cyborg_ingest.errors import BadRowError
from cyborg_ingest.facts import Noted
from cyborg_ingest.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.model import Rejection
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.tally import Tally


class Budget:
    """What `--max-errors` allows, against what a tally has counted. A dry run is there to find them all."""

    def __init__(self, settings: LoadSettings, tally: Tally) -> None:
        self._settings = settings
        self._tally = tally

    def check(self, last: Rejection) -> None:
        """Raise BadRowError where this row was one too many.

        A share is one of all rows: it is overstepped once no row that may follow can make it smaller.
        """
        rejected, allowed = self._tally.rejected, self._allowed_of(self._tally.most)
        if self._settings.dry_run or rejected <= allowed:
            return
        limit = self._settings.max_errors
        more = f" It is bad row number {rejected:,}, and --max-errors is {limit}." if allowed else ""
        advice = "Have it done again, or remove the row" if last.reason is Reason.FAILED else "Fix or remove the row"
        raise BadRowError(
            f"{last}.{more} {advice}, or continue after bad rows with --max-errors N; then run the same command again."
        )

    def _allowed_of(self, most: float) -> float:
        if not self._settings.allows_a_share:
            return self._settings.allowed_errors(0)
        return math.inf if most == math.inf else self._settings.allowed_errors(int(most))

    def check_end(self) -> None:
        """Raise BadRowError where it turns out at the end that too many were bad: then all rows were looked at."""
        rejected, asked = self._tally.rejected, self._tally.asked
        if rejected > self._settings.allowed_errors(asked):
            raise BadRowError(
                f"{rejected:,} of {asked:,} rows are bad, and --max-errors is {self._settings.max_errors}. All others "
                "are in the index. Fix the bad ones, or allow more of them, and run the same command again."
            )

    def foresee(self, rows: int) -> Iterator[Noted]:
        """What a load of so many rows would end with, after a dry run has found all bad ones."""
        rejected = self._tally.rejected
        if rejected > self._settings.allowed_errors(rows):
            yield Noted(
                f"A load would stop: {rejected:,} rows are bad, and --max-errors is {self._settings.max_errors}."
            )
