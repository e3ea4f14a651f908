"""What keeps a load from its first row: sources with too few rows, too old, or with fewer than the load before had."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.setup import folder_of
from cyborg_ingest.plan.guards import check_age, is_counted, rows_upto
from cyborg_ingest.settings.quantities import rows_of
from cyborg_ingest.state.earlier import Earlier, earlier_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.targets.base import Client


def check_guards(client: Client, plan: Plan, settings: LoadSettings, tell: Emit) -> None:
    """Raise UsageError where the sources are not what the guards ask for. Nothing was sent or noted by then.

    Rows that an earlier run of the load has settled count as all others; and a load that is resumed is as old as when
    it began: what was new enough then is loaded to its end.
    """
    earlier = Earlier()
    if settings.checkpoint and (settings.max_age or settings.max_shrink):
        earlier = earlier_runs(folder_of(client.target, settings), restart=settings.restart)
    if settings.max_age is not None:
        now = earlier.begun or datetime.datetime.now(datetime.timezone.utc)
        check_age(plan, settings.max_age, now)
    if settings.max_shrink is not None and earlier.rows is None:
        tell(Noted("No load of this job has ended yet, so there is nothing that --max-shrink could compare with."))
    bounds = sorted(_bounds(settings, earlier), reverse=True)
    if not bounds:
        return
    least, option = bounds[0]  # which has the others in it: rows are counted once
    if is_counted(plan, least):
        tell(Noted(f"No header says how many rows there are: up to {least:,} are counted before the load."))
    rows = rows_upto(plan, least, option)
    if rows < least:
        raise UsageError(_too_few(rows, option, settings, earlier))


def _bounds(settings: LoadSettings, earlier: Earlier) -> Iterator[tuple[int, str]]:
    """So many rows there have to be, and the option that says so."""
    if settings.min_rows is not None:
        yield settings.min_rows, "--min-rows"
    if settings.max_shrink is not None and earlier.rows is not None:
        yield math.ceil(earlier.rows - rows_of(settings.max_shrink, earlier.rows)), "--max-shrink"


def _too_few(rows: int, option: str, settings: LoadSettings, earlier: Earlier) -> str:
    if option == "--min-rows":
        return (
            f"The sources have {rows:,} rows; --min-rows is {settings.min_rows:,}. Look whether what writes them came "
            "to its end; if so few are right, lower --min-rows."
        )
    before = earlier.rows or 0
    return (
        f"The sources have {rows:,} rows, and this job's last load that ended had {before:,}: {before - rows:,} fewer "
        f"({(before - rows) / before:.1%}); --max-shrink is {settings.max_shrink}. Look whether what writes them came "
        "to its end; if so few are right, raise --max-shrink for one load, or leave it out."
    )
