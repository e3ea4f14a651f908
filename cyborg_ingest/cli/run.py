"""`cyborg-ingest run`: jobs of the configuration file."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import typer

from cyborg_ingest.cli import configured
from cyborg_ingest.cli.app import Command, app
from cyborg_ingest.cli.guard import told
from cyborg_ingest.cli.options import takes
from cyborg_ingest.cli.upsert import load
from cyborg_ingest.errors import ConfigurationError, ExitCode
from cyborg_ingest.output.streams import say
from cyborg_ingest.settings import spelled
from cyborg_ingest.settings.configkeys import INDEX, SOURCES
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.environment import INDEX_VARIABLE
from cyborg_ingest.settings.options import LoadSettings, OutputSettings

OTHER_INDEX = Annotated[
    str | None, typer.Option("--index", metavar="NAME", envvar=INDEX_VARIABLE, help="Another index than the job's.")
]
JOBS = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="Jobs: the sections [job.NAME] of the configuration file.", show_default=False),
]
_TYPED = {"COMMANDLINE", "ENVIRONMENT"}
_STOPPED = {ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.BUG}


@app.command(cls=Command)
@takes(LoadSettings, OutputSettings)
def run(ctx: typer.Context, *, jobs: JOBS, index: OTHER_INDEX = None, **_: Any) -> ExitCode:  # noqa: ARG001
    """Load what jobs of the configuration file say, one after another; options given here go before theirs."""
    found: configured.Configured = ctx.meta[configured.CONFIGURED]
    each = [(job, _arguments(ctx, found, job)) for job in jobs]  # a wrong one ends it before the first has begun
    codes = []
    for job, arguments in each:
        if len(each) > 1:
            say(f"job       {job}", err=True)
        words = _again(ctx, found, job)
        sources, to = arguments.pop(SOURCES), arguments.pop(INDEX)
        call = functools.partial(load, sources, to, arguments, found.said(job), lambda *_, words=words: words)
        codes.append(told(call, is_verbose=arguments["verbose"]))
        if codes[-1] in _STOPPED:
            break
    return next((code for code in codes if code > ExitCode.REJECTED), max(codes))


def _arguments(ctx: typer.Context, found: configured.Configured, job: str) -> dict[str, Any]:
    """The arguments of a load: this command line, over what the job says. Raises ConfigurationError."""
    layered = found.layered(job)
    arguments = {
        **configured.parsed(ctx, layered).params,
        SOURCES: layered[SOURCES].value if SOURCES in layered else None,
    }
    for name in (SOURCES, INDEX):
        if not arguments[name]:
            raise ConfigurationError(f"[job.{job}] has no {name}: add it to the configuration file.")
    return arguments


def _again(ctx: typer.Context, found: configured.Configured, job: str) -> list[str]:
    """The command line that runs the job again: with the options that do not stand in the file."""
    named = ["--config", str(found.file.path)] if found.file else []
    words = ["cyborg-ingest", "run", job, *named, *(["--profile", found.profile] if found.profile else [])]
    for name, one in {**declarations(LoadSettings), **declarations(OutputSettings)}.items():
        source = ctx.get_parameter_source(name)
        if source is not None and source.name in _TYPED:
            value = ctx.params[name]
            words += spelled.words_of(one, tuple(value) if isinstance(value, list) else value)
    return words
