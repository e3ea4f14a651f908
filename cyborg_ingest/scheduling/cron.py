"""A job as a line of a crontab."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError
from cyborg_ingest.scheduling.times import cron_time

if TYPE_CHECKING:
    from cyborg_ingest.scheduling.scheduled import Scheduled

_LONGEST = 900
"""Characters of a command: cron cuts longer ones off, or leaves the whole crontab out."""


def crontab(job: Scheduled) -> str:
    """The line, and what to do with it. Raises UsageError."""
    command = " ".join(map(_word, [job.program, *job.arguments(str(job.config))]))
    if len(command) > _LONGEST:
        raise UsageError(f"cron takes no line as long as that of job {job.job!r}: give its file a shorter path.")
    return (
        f"# Job {job.job} of {job.config}: for `crontab -e`.\n"
        "# Its environment is nearly empty: keys come from files or commands that the configuration names.\n"
        f"{cron_time(job.at)} {command}\n"
    )


def _word(text: str) -> str:
    """A word for the shell that cron starts. A % ends cron's line, even in quotes, but behind a backslash, which goes.

    A backslash before it would be that one: it stands by itself, between what the shell has in quotes.
    """
    parts = [shlex.quote(part) if part else "" for part in text.split("%")]
    return r"\%".join(parts) or "''"
