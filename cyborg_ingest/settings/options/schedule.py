"""Options that say when a scheduler starts a job, and as what."""

from dataclasses import dataclass

from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels


@dataclass(frozen=True, kw_only=True, eq=False)
class ScheduleSettings(Settings):
    """What `schedule` writes into what it prints."""

    at: str = option(
        "30 1 * * *",
        "--at",
        "When the job is started: minute, hour, day, month and weekday as cron has them, or @daily and its kin. For "
        "--systemd also what OnCalendar= takes.",
        panel=panels.SCHEDULE,
        metavar="TIME",
    )
    program: str | None = option(
        None,
        "--program",
        "Where this program is on the machine that runs the job (default: where it is on this one).",
        panel=panels.SCHEDULE,
        metavar="PATH",
    )
    user: str | None = option(
        None,
        "--user",
        "Whom systemd runs the job as (default: a user of its own, or you where the job writes files of yours).",
        panel=panels.SCHEDULE,
        metavar="NAME",
    )
    image: str | None = option(
        None,
        "--image",
        "The container image that Kubernetes runs (default: cyborg-ingest:VERSION).",
        panel=panels.SCHEDULE,
        metavar="IMAGE",
    )
