"""`cyborg-ingest run`: jobs of the configuration file."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cyborg_ingest.cli import configured
from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.configured import Origin
from cyborg_ingest.cli.guard import told
from cyborg_ingest.cli.options import takes
from cyborg_ingest.cli.upsert import load
from cyborg_ingest.errors import ConfigurationError, ExitCode
from cyborg_ingest.output import voice
from cyborg_ingest.settings import spelled
from cyborg_ingest.settings.configkeys import FROM_COMMAND, INDEX, SOURCES
from cyborg_ingest.settings.declaring import declarations, given
from cyborg_ingest.settings.environment import INDEX_VARIABLE
from cyborg_ingest.settings.options import LoadSettings, NotifySettings, OutputSettings

if TYPE_CHECKING:
    from cyborg_ingest.settings.declaring import Settings

OTHER_INDEX = Annotated[
    str | None, typer.Option("--index", metavar="NAME", envvar=INDEX_VARIABLE, help="Another index than the job's.")
]
JOBS = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="Jobs: the sections [job.NAME] of the configuration file.", show_default=False),
]
_STOPPED = {ExitCode.BOX_REACHED, ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.BUG}

app = part_of_program("run")


@app.command(cls=Command)
@takes(LoadSettings, OutputSettings, NotifySettings)
def run(ctx: typer.Context, *, jobs: JOBS, index: OTHER_INDEX = None, **_: Any) -> int:  # noqa: ARG001
    """Load what jobs of the configuration file say, one after another; options given here go before theirs."""
    found: configured.Configured = ctx.meta[configured.CONFIGURED]
    each = [(job, _parsed(ctx, found, job)) for job in jobs]  # a wrong one ends it before the first has begun
    codes = []
    for job, own in each:
        if len(each) > 1:
            voice.tell("job", job)
        arguments = dict(own.params)
        sources, to = arguments.pop(SOURCES), arguments.pop(INDEX)
        again = functools.partial(_again, own, found, job)
        call = functools.partial(load, sources, to, arguments, found.said(job), again, job=job)
        codes.append(told(call, is_verbose=arguments["verbose"], as_json=arguments["json"]))
        if codes[-1] in _STOPPED:
            break
    return _of_all(codes)


def _of_all(codes: list[int]) -> int:
    """The first failure; that a job was busy, with which nothing is wrong, only where no other has failed.

    That nothing was new, which is none of our own codes, only where it is true of all.
    """
    ours = [code for code in codes if code in set(ExitCode)]
    if not ours:
        return codes[0]
    failed = [code for code in ours if code > ExitCode.REJECTED]
    return next((code for code in failed if code != ExitCode.BUSY), failed[0] if failed else max(ours))


def _parsed(ctx: typer.Context, found: configured.Configured, job: str) -> typer.Context:
    """This command line over what the job says, whose sources are among the values. Raises ConfigurationError."""
    layered = found.layered(job)
    own = configured.parsed(ctx, layered)
    own.params |= {name: layered[name].value if name in layered else () for name in (SOURCES, FROM_COMMAND)}
    if not own.params[INDEX]:
        raise ConfigurationError(f"[job.{job}] has no {INDEX}: add it to the configuration file.")
    if not (own.params[SOURCES] or own.params[FROM_COMMAND]):
        raise ConfigurationError(
            f"[job.{job}] has no {SOURCES}, and no from-command: add one to the configuration file."
        )
    return own


def _again(own: typer.Context, found: configured.Configured, job: str, *groups: Settings) -> list[str]:
    """The command line that runs the job again, from any directory: with the options that do not stand in the file."""
    words = ["cyborg-ingest", "run", job]
    words += ["--config", str(found.file.path)] if found.file else []
    words += ["--profile", found.profile] if found.profile else []
    words += ["--index", own.params[INDEX]] if configured.origin(own, INDEX) is not Origin.FILE else []
    for group in groups:
        other = given(group)
        for name, one in declarations(type(group)).items():
            if one.takes_rest:  # it is the file's alone
                continue
            origin = configured.origin(own, name)
            is_typed = origin in {Origin.FLAG, Origin.VARIABLE}
            if is_typed or (origin is not Origin.FILE and name in other):
                words += filter(None, spelled.words_of(one, getattr(group, name)))
    return words
