"""`cyborg-ingest schedule`: what a scheduler is given to run a job."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cyborg_ingest import __version__
from cyborg_ingest.cli import configured
from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import settings_of, takes
from cyborg_ingest.errors import ConfigurationError, UsageError
from cyborg_ingest.output import voice
from cyborg_ingest.output.streams import say, shown
from cyborg_ingest.settings import environment
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import ScheduleSettings

if TYPE_CHECKING:
    from cyborg_ingest.scheduling.scheduled import Scheduled

app = part_of_program("schedule")

JOB = Annotated[str, typer.Argument(metavar="JOB", help="A job: the section [job.NAME] of the configuration file.")]
_NOT_NOTED = {
    environment.CONFIG_VARIABLE,
    environment.PROFILE_VARIABLE,
    *(one.env for one in declarations(ScheduleSettings).values()),
}
"""Variables whose values stand in what is printed."""

_TAKEN = ("target", "state_dir", "state_uri", "lock_wait", "api_key_file", "index_key_file", "nothing_new_exit")
"""Options of the job that a scheduler has to know, as it names them."""
_WRITTEN = ("log_file", "metrics_file", "key_out")
"""Files that a load writes beside its state."""


@app.command(cls=Command)
@takes(ScheduleSettings)
def schedule(
    ctx: typer.Context,
    job: JOB,
    *,
    cron: Annotated[bool, typer.Option("--cron", help="Print a line for a crontab.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a service and a timer of systemd.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Print a CronJob and its volume.")] = False,
    **_: Any,
) -> None:
    """Print what a scheduler needs to run a job by the clock. Nothing is installed."""
    from cyborg_ingest.scheduling import cron as crontabs  # noqa: PLC0415
    from cyborg_ingest.scheduling import kubernetes as clusters  # noqa: PLC0415
    from cyborg_ingest.scheduling import systemd as services  # noqa: PLC0415 - `--help` needs none of this

    if cron + systemd + kubernetes != 1:
        raise UsageError("Say for which scheduler: --cron, --systemd or --kubernetes.")
    found: configured.Configured = ctx.meta[configured.CONFIGURED]
    own = configured.parsed(ctx, found.layered(job))
    settings = settings_of(ScheduleSettings, {name: own.params[name] for name in ("at", "program", "user", "image")})
    scheduled = _scheduled(found, job, settings)
    if cron:
        text = crontabs.crontab(scheduled)
    elif systemd:
        text = services.units(scheduled, user=settings.user, own_name=_own_name())
    else:
        text = clusters.manifests(scheduled, settings.image or f"cyborg-ingest:{__version__}")
    say(*text.splitlines())
    for name in sorted(environment.known() & os.environ.keys() - _NOT_NOTED):
        voice.tell("note", f"{shown(name)} is set here; it will not be where a scheduler starts the job.")


def _scheduled(found: configured.Configured, job: str, settings: ScheduleSettings) -> Scheduled:
    from cyborg_ingest.loading.report import RETRY  # noqa: PLC0415 - as above
    from cyborg_ingest.scheduling.scheduled import Scheduled  # noqa: PLC0415
    from cyborg_ingest.targets import is_embedded  # noqa: PLC0415

    if found.file is None:
        raise ConfigurationError("There is no configuration file here. Name it with --config.")
    said = {name: one.value for name, one in found.layered(job).items()}
    return Scheduled(
        job=job,
        at=settings.at,
        program=settings.program or _own_path(),
        config=found.file.path,
        final_codes=tuple(sorted(int(code) for code, what in RETRY.items() if code and what != "same-command")),
        profile=found.profile,
        written=tuple(said[name] for name in _WRITTEN if name in said),
        is_embedded="target" in said and is_embedded(said["target"]),
        **{name: said[name] for name in _TAKEN if name in said},
        **({"drain_seconds": said["drain_timeout"]} if "drain_timeout" in said else {}),
    )


def _own_path() -> str:
    """Where this program is: the script beside the Python that runs it, if there is one."""
    script = Path(sys.executable).with_name("cyborg-ingest")
    return str(script if script.is_file() else Path(sys.argv[0]).absolute())


def _own_name() -> str:
    import getpass  # noqa: PLC0415 - as above

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user needs no name
        return str(os.getuid())
