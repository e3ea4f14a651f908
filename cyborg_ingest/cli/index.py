"""`cyborg-ingest index`: create, info, list, train, delete."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import NAME, settings_of, takes
from cyborg_ingest.cli.printed import at_terminal, command_line, print_json, say_fact
from cyborg_ingest.output.streams import say, shown
from cyborg_ingest.settings.options import CreateIndexSettings, ProgressSettings, TargetSettings

app = part_of_program("index")


@app.command("create", cls=Command)
@takes(CreateIndexSettings, TargetSettings)
def create_index(name: NAME, **arguments: Any) -> None:
    """Create an index; without a key, one is made and kept, and its path printed."""
    from cyborg_ingest.targets.manage import create  # noqa: PLC0415

    settings = settings_of(CreateIndexSettings, arguments)
    say(create(settings, name, say_fact, command=command_line("index", "create", name, of=(settings,))))


@app.command("info", cls=Command)
@takes(TargetSettings)
def index_info(
    name: NAME,
    *,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **arguments: Any,
) -> None:
    """Show an index: dimension, metric, rows, training."""
    from cyborg_ingest.targets.manage import info  # noqa: PLC0415

    found = info(settings_of(TargetSettings, arguments), name, say_fact)
    if json_output:
        print_json(found)
        return
    for label, value in found.items():
        say(f"{label:<16}{value}")


@app.command("list", cls=Command)
@takes(TargetSettings)
def list_indexes(**arguments: Any) -> None:
    """List the names of all indexes of a target."""
    from cyborg_ingest.targets.manage import names  # noqa: PLC0415

    for name in names(settings_of(TargetSettings, arguments), say_fact):
        say(name)


@app.command("train", cls=Command)
@takes(TargetSettings, ProgressSettings)
def train_index(name: NAME, **arguments: Any) -> None:
    """Train an index, so that queries on many rows are fast. Blocks until it is done."""
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415 - `--help` needs none of this
    from cyborg_ingest.targets.manage import train  # noqa: PLC0415

    settings = settings_of(TargetSettings, arguments)
    with make_display(settings_of(ProgressSettings, arguments).progress, verbose=True) as display:
        text = train(settings, name, display)
    say(text)


@app.command("delete", cls=Command)
@takes(TargetSettings)
def delete_index(
    name: NAME,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    **arguments: Any,
) -> None:
    """Delete an index with all its rows. Asks first; without a terminal, --yes is needed."""
    from cyborg_ingest.errors import UsageError  # noqa: PLC0415
    from cyborg_ingest.targets.manage import delete, info  # noqa: PLC0415

    settings = settings_of(TargetSettings, arguments)
    found = info(settings, name, say_fact)
    if not yes:
        if not (sys.stdin and sys.stdin.isatty() and at_terminal()):
            raise UsageError(f"Deleting index {name!r} needs --yes where nobody can be asked.")
        question = f"Delete index {name!r} in {found['target']} with its {found['rows']:,} rows?"
        typer.confirm(shown(question), abort=True, err=True)
    once = replace(settings, allow_plain_http=True)  # the note on it was just shown
    say(delete(once, name, say_fact))
