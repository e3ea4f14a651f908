"""`cyborg-ingest jobs`: what the state directory remembers of loads, by job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import settings_of, takes
from cyborg_ingest.cli.printed import at_terminal, print_json
from cyborg_ingest.output import voice
from cyborg_ingest.output.streams import say, shown
from cyborg_ingest.settings.options import KeptStateSettings

if TYPE_CHECKING:
    from pathlib import Path

app = part_of_program("jobs")

JOB = Annotated[
    str, typer.Argument(metavar="JOB", help="Its id, as far as it is unique, or its name in the configuration file.")
]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")]


def state_of(ctx: typer.Context, arguments: dict[str, Any]) -> Path:
    """Where the state is that a command looks at: of what is kept elsewhere a copy, until the command ends."""
    from cyborg_ingest.state.jobs import state_directory  # noqa: PLC0415 - `--help` needs none of this

    settings = settings_of(KeptStateSettings, arguments)
    if settings.state_uri is None:
        return state_directory(settings.state_dir)
    from cyborg_ingest.state.remote.looking import copied_jobs  # noqa: PLC0415 - and few need this

    place: Path = ctx.with_resource(copied_jobs(settings.state_uri, settings.state_dir))
    return place


def named(arguments: dict[str, Any], place: Path) -> str:
    """The place as people know it."""
    return settings_of(KeptStateSettings, arguments).state_uri or str(place)


@app.command("list", cls=Command)
@takes(KeptStateSettings)
def list_jobs(ctx: typer.Context, *, json_output: JSON = False, **arguments: Any) -> None:
    """List jobs, the last active first: when and how the last run ended, rows loaded, and what resumes it."""
    from cyborg_ingest.output import inventory as told  # noqa: PLC0415
    from cyborg_ingest.state import inventory, kept  # noqa: PLC0415 - `--help` needs none of this

    place = state_of(ctx, arguments)
    jobs = inventory.jobs_in(place)
    each = [(job, inventory.last_run(job, place)) for job in jobs]
    if json_output:
        print_json({"state_directory": str(place), "jobs": [told.job_facts(*one) for one in each]})
        return
    say(*told.job_list(each, kept.short_ids(jobs)))
    if not jobs:
        voice.tell_lines("none", f"There are no jobs in {named(arguments, place)}.")


@app.command("show", cls=Command)
@takes(KeptStateSettings)
def show_job(ctx: typer.Context, job: JOB, *, json_output: JSON = False, **arguments: Any) -> None:
    """Show a job: its sources, its runs, what is in doubt, and how much is kept of it."""
    from cyborg_ingest.output import inventory as told  # noqa: PLC0415
    from cyborg_ingest.state import inventory, kept  # noqa: PLC0415 - `--help` needs none of this

    place = state_of(ctx, arguments)
    found = kept.find_job(inventory.jobs_in(place), job)
    last, runs = inventory.last_run(found, place), inventory.runs_of(found, found.runs, place)
    if json_output:
        print_json({**told.job_facts(found, last), "runs": [told.run_facts(found, run) for run in runs]})
        return
    say(*told.job_portrait(found, last, runs))


@app.command("clean", cls=Command)
@takes(KeptStateSettings)
def clean_jobs(
    ctx: typer.Context,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="DURATION", help="Since when nothing was done, as in 30d or 12h.")
    ] = "30d",
    with_resumable: Annotated[
        bool, typer.Option("--with-resumable", help="Also jobs that can be resumed: they then load all rows again.")
    ] = False,
    with_rejected: Annotated[
        bool, typer.Option("--with-rejected", help="Also runs with rejected rows, which are nowhere else.")
    ] = False,
    dry_run: DRY_RUN = False,
    json_output: JSON = False,
    **arguments: Any,
) -> None:
    """Remove what is old: runs, and jobs that have ended."""
    import datetime  # noqa: PLC0415

    from cyborg_ingest.output import inventory as told  # noqa: PLC0415
    from cyborg_ingest.settings.quantities import duration, seconds_of  # noqa: PLC0415
    from cyborg_ingest.state.removal import Ask, clean  # noqa: PLC0415 - `--help` needs none of this

    age = datetime.timedelta(seconds=seconds_of(duration("--older-than")(older_than)))
    before = datetime.datetime.now(datetime.timezone.utc) - age
    ask = Ask(before, resumable=with_resumable, rejected=with_rejected, is_dry=dry_run)
    place, uri = state_of(ctx, arguments), settings_of(KeptStateSettings, arguments).state_uri
    if uri is None:
        done = clean(place, ask)
    else:
        from cyborg_ingest.state.remote.removing import clean_kept  # noqa: PLC0415 - few need it

        done = clean_kept(uri, place, ask)
    if json_output:
        print_json({"dry_run": dry_run, "jobs": done.jobs, "runs": done.runs, "bytes": done.bytes, "left": done.left})
        return
    say(*told.cleaned_lines(done, is_dry=dry_run))


@app.command("forget", cls=Command)
@takes(KeptStateSettings)
def forget_job(
    ctx: typer.Context,
    job: JOB,
    *,
    with_runs: Annotated[
        bool, typer.Option("--with-runs", help="Also its reports, logs and rejected rows, which are nowhere else.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    **arguments: Any,
) -> None:
    """Forget which rows a job has loaded: the next run sends all of them again. The index is not touched."""
    from cyborg_ingest.errors import UsageError  # noqa: PLC0415
    from cyborg_ingest.state import inventory, kept, removal  # noqa: PLC0415 - `--help` needs none of this

    place = state_of(ctx, arguments)
    found = kept.find_job(inventory.jobs_in(place), job)
    runs = f"{len(found.runs)} run{'s' * (len(found.runs) != 1)}"
    what = f"job {found.id} with {runs}" if with_runs else f"what job {found.id} has loaded"
    if not yes:
        if not (sys.stdin and sys.stdin.isatty() and at_terminal()):
            raise UsageError(f"Forgetting {what} needs --yes where nobody can be asked.")
        question = f"Forget {what} ({found.rows:,} rows)? Its next run sends all of them again."
        typer.confirm(shown(question), abort=True, err=True)
    uri = settings_of(KeptStateSettings, arguments).state_uri
    if uri is None:
        removal.forget(found, place, with_runs=with_runs)
    else:
        from cyborg_ingest.state.remote.removing import forget_kept  # noqa: PLC0415 - few need it

        forget_kept(uri, found, place, with_runs=with_runs)
    say(f"Forgot {what}. Its next run loads all rows.")
