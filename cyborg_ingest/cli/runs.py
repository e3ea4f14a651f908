"""`cyborg-ingest runs`: how loads have ended."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.jobs import JSON, named, state_of
from cyborg_ingest.cli.options import takes
from cyborg_ingest.cli.printed import print_json
from cyborg_ingest.output import voice
from cyborg_ingest.output.streams import say
from cyborg_ingest.settings.options import KeptStateSettings

app = part_of_program("runs")

RUN = Annotated[str, typer.Argument(metavar="RUN", help="Its id, as far as it is unique.")]


@app.command("list", cls=Command)
@takes(KeptStateSettings)
def list_runs(
    ctx: typer.Context,
    *,
    job: Annotated[str | None, typer.Option("--job", metavar="JOB", help="All runs of this job.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs of all jobs (default: the last of each).")] = False,
    json_output: JSON = False,
    **arguments: Any,
) -> None:
    """List the last run of each job: how it ended, and its rows."""
    from cyborg_ingest.output import inventory as told  # noqa: PLC0415
    from cyborg_ingest.state import inventory, kept  # noqa: PLC0415 - `--help` needs none of this

    place = state_of(ctx, arguments)
    jobs = inventory.jobs_in(place)
    wanted = jobs if job is None else [kept.find_job(jobs, job)]
    is_last = not (every or job is not None)
    found = [(one, run) for one in wanted for run in inventory.runs_of(one, one.last_or_all(is_last=is_last), place)]
    found.sort(key=lambda pair: pair[1].started, reverse=True)
    if json_output:
        runs = [told.run_facts(*one) for one in found]
        faults = {one.id: one.fault for one in wanted if one.fault}
        print_json({"state_directory": str(place), "runs": runs, "faults": faults})
        return
    short = kept.short_ids(jobs)
    for one, run in found:
        say(*told.run_lines(one, run, short[one.id]))
    for one in wanted:
        if one.fault:
            voice.tell("note", f"Job {one.id}: {one.fault}")
    if not found:
        voice.tell_lines("none", f"There are no runs in {named(arguments, place)}.")


@app.command("show", cls=Command)
@takes(KeptStateSettings)
def show_run(ctx: typer.Context, run: RUN, *, json_output: JSON = False, **arguments: Any) -> None:
    """Show a run: its times, its rows by what became of them, what went wrong, and where its files are."""
    from cyborg_ingest.output import inventory as told  # noqa: PLC0415
    from cyborg_ingest.state import inventory, kept  # noqa: PLC0415 - `--help` needs none of this

    place = state_of(ctx, arguments)
    job, name = kept.find_run(inventory.jobs_in(place), run)
    (found,) = inventory.runs_of(job, (name,), place)
    if json_output:
        print_json({**told.run_facts(job, found), "report": found.report})
        return
    say(*told.run_portrait(job, found))
