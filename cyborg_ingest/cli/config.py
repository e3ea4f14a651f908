"""`cyborg-ingest config`: what the configuration file says, and what counts of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cyborg_ingest.cli import configured
from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.configured import Origin
from cyborg_ingest.cli.options import takes
from cyborg_ingest.cli.printed import print_json
from cyborg_ingest.errors import ConfigurationError
from cyborg_ingest.output import voice
from cyborg_ingest.output.streams import say, shown
from cyborg_ingest.settings.configkeys import FROM_COMMAND, SOURCES, known_keys
from cyborg_ingest.settings.environment import INDEX_VARIABLE, one_a_line
from cyborg_ingest.settings.options import LoadSettings, NotifySettings, ProgressSettings
from cyborg_ingest.settings.spelled import shown_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.settings.configfile import Layered

app = part_of_program("config")

_ONE_JOB = Annotated[str | None, typer.Argument(metavar="JOB", help="A job of the file (default: no job).")]
_INDEX = Annotated[
    str | None, typer.Option("--index", metavar="NAME", envvar=INDEX_VARIABLE, help="Name of the index.")
]
_JSON = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@app.command("show", cls=Command)
@takes(LoadSettings, ProgressSettings, NotifySettings, keeps_log=False)
def show(
    ctx: typer.Context,
    job: _ONE_JOB = None,
    *,
    index: _INDEX = None,  # noqa: ARG001 - it is looked at with the others, in the context
    json_output: _JSON = False,
    **_: Any,
) -> None:
    """Print every option of a load: its value, and where that comes from."""
    found: configured.Configured = ctx.meta[configured.CONFIGURED]
    layered = found.layered(job)
    values = {name: (value, source) for name, value, source in _values(configured.parsed(ctx, layered), layered)}
    if json_output:
        print_json({name: {"value": value, "from": source} for name, (value, source) in values.items()})
        return
    voice.tell_lines("file", f"file  {found.file.path if found.file else 'none'}")
    width = max(map(len, values))
    for name, (value, source) in values.items():
        say(f"{name:<{width}}  {_text(value)}  ({source})")


def _values(ctx: Any, layered: Layered) -> Iterator[tuple[str, Any, str]]:
    """Option, value and origin of each; of what nobody gave, the default."""
    for field, name in ((SOURCES, SOURCES), (FROM_COMMAND, "from-command")):
        if field in layered:
            yield name, shown_value(None, layered[field].value), layered[field].where
    for name, key in known_keys("").items():
        origin = configured.origin(ctx, key.field)
        if origin is None:
            continue
        value, variable = ctx.params[key.field], key.declared.env if key.declared else INDEX_VARIABLE
        if key.declared and key.declared.repeats and not value and variable:  # the parser does not read this variable
            value = list(one_a_line(os.environ.get(variable, "")))
            origin = Origin.VARIABLE if value else origin
        where = {
            Origin.FLAG: "--" + name,
            Origin.VARIABLE: variable,
            Origin.FILE: layered[key.field].where if key.field in layered else "",
        }
        yield name, shown_value(key.declared, value), where.get(origin) or "default"


def _text(value: Any) -> str:
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return str(value).lower() if isinstance(value, bool) else shown(str(value))


@app.command("validate", cls=Command)
@takes()
def validate(ctx: typer.Context) -> None:
    """Look at every profile and every job of the file; exit code 2 where one is wrong."""
    found: configured.Configured = ctx.meta[configured.CONFIGURED]
    if found.file is None:
        raise ConfigurationError("There is no configuration file here. Name it with --config.")
    found.file.check(os.environ)
    counts = [(len(found.file.jobs), "job"), (len(found.file.profiles), "profile")]
    counted = ", ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts)
    say(f"{shown(str(found.file.path))}: valid, {counted}")


@app.command("schema", cls=Command)
def print_schema() -> None:
    """Print the JSON Schema of the file: editors check it, and complete names, while it is written."""
    from cyborg_ingest.settings.configschema import schema  # noqa: PLC0415 - `--help` does not need it

    print_json(schema(), is_document=True)
