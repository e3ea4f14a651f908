"""What sources have to be before the first of their rows is sent: enough rows, and new enough."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest import sources as places
from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings.quantities import duration_of, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.sources import Seen

_COUNTED_ROWS = 2000


def is_counted(plan: Plan, least: int) -> bool:
    """Whether rows have to be read to know if there are so many: no header says how many there are."""
    return plan.rows is None and _known(plan) < least


def rows_upto(plan: Plan, least: int, option: str) -> int:
    """The rows that the plan asks for, bad ones too; or at least so many. `option` is why they are counted.

    Read are no more than that many, and none where headers say how many there are. Raises UsageError where a source
    that can be read only once does not say it.
    """
    if plan.rows is not None:
        return plan.rows
    if (known := _known(plan)) >= least:
        return known
    once = next((one.layout.uri for one in plan.sources if places.is_read_once(one.layout.uri)), None)
    if once is not None:
        raise UsageError(
            f"{option} has to know the rows before the first is sent, and {once} can be read once only and does not "
            f"say how many it has. Save it in a file, or leave {option} out."
        )
    return _counted(plan, least)


def _known(plan: Plan) -> int:
    return sum(rows or 0 for rows, _ in plan.expected())


def _counted(plan: Plan, least: int) -> int:
    found = 0
    for chunk in plan.chunks(_COUNTED_ROWS):
        found += len(chunk.batch) if chunk.chosen is None else int(np.count_nonzero(chunk.chosen))
        if found >= least:
            break
    return found


def check_age(plan: Plan, most: str, now: datetime.datetime) -> None:
    """Raise UsageError where the newest source is older than `most`, as in 24h, or one has no time.

    What goes with a source, as a file of ids, makes it no newer.
    """
    files = list(_files(plan))
    if not files:
        return
    for one in files:
        if one.version.modified == 0 or places.is_read_once(one.uri):
            raise UsageError(
                f"--max-age is {most}, and {one.uri} has no time that says how old it is. Name the file that it "
                "comes from, or leave --max-age out."
            )
    newest = max(files, key=lambda one: one.version.modified)
    written = datetime.datetime.fromtimestamp(newest.version.modified / 1e9, datetime.timezone.utc)
    age = (now - written).total_seconds()
    if age > seconds_of(most):
        raise UsageError(
            f"The newest source, {newest.uri}, is of {written:%Y-%m-%d %H:%M:%S} UTC and so {duration_of(age)} old; "
            f"--max-age is {most}. Look whether what writes it still runs; if it may be so old, raise --max-age."
        )


def _files(plan: Plan) -> Iterator[Seen]:
    """The sources' own files; where none has a row, those that were looked at."""
    for source in plan.sources:
        yield from source.seen[: len(source.layout.files or (source.layout.uri,))]
    if not plan.sources:
        yield from plan.empty
