"""`cyborg-ingest index`: create, info, list, train, delete."""

from __future__ import annotations

import contextlib
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import NAME, settings_of, takes
from cyborg_ingest.cli.printed import at_terminal, command_line, print_json, say_fact
from cyborg_ingest.output.streams import say, shown
from cyborg_ingest.settings.options import CreateIndexSettings, LockSettings, ProgressSettings, TargetSettings

if TYPE_CHECKING:
    from cyborg_ingest.facts import Emit

app = part_of_program("index")


@app.command("create", cls=Command)
@takes(CreateIndexSettings, TargetSettings)
def create_index(
    name: NAME,
    *,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="An index that is there already is not an error, if it is as asked for.")
    ] = False,
    **arguments: Any,
) -> None:
    """Create an index; without a key, one is made and kept, and its path printed."""
    from cyborg_ingest.targets.manage import create  # noqa: PLC0415

    settings = settings_of(CreateIndexSettings, arguments)
    words = ["index", "create", name, *(["--exist-ok"] if exist_ok else [])]
    say(create(settings, name, say_fact, command=command_line(*words, of=(settings,)), exist_ok=exist_ok))


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
def list_indexes(
    *, json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, **arguments: Any
) -> None:
    """List the names of all indexes of a target."""
    from cyborg_ingest.targets.manage import names  # noqa: PLC0415

    found = names(settings_of(TargetSettings, arguments), say_fact)
    if json_output:
        print_json(found)
        return
    for name in found["indexes"]:
        say(name)


@app.command("train", cls=Command)
@takes(TargetSettings, LockSettings, ProgressSettings)
def train_index(name: NAME, **arguments: Any) -> None:
    """Train an index, so that queries on many rows are fast. Blocks until it is done."""
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415 - `--help` needs none of this
    from cyborg_ingest.targets.manage import train  # noqa: PLC0415

    settings, shown = settings_of(TargetSettings, arguments), settings_of(ProgressSettings, arguments)
    with (
        make_display(shown.progress, verbose=True, quiet=shown.quiet) as display,
        _alone("train", settings, settings_of(LockSettings, arguments), name, display),
    ):
        text = train(settings, name, display)
    say(text)


@app.command("delete", cls=Command)
@takes(TargetSettings, LockSettings)
def delete_index(
    name: NAME,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    missing_ok: Annotated[bool, typer.Option("--missing-ok", help="An index that is not there is no error.")] = False,
    **arguments: Any,
) -> None:
    """Delete an index with all its rows. Asks first; without a terminal, --yes is needed."""
    from cyborg_ingest.errors import NoIndexError, NoIndexOrKeyError  # noqa: PLC0415

    try:
        _delete(name, arguments, yes=yes)
    except NoIndexOrKeyError:  # it may be there
        raise
    except NoIndexError as error:
        if not missing_ok:
            raise
        say(f"Nothing to delete: {error}")


def _delete(name: str, arguments: dict[str, Any], *, yes: bool) -> None:
    from cyborg_ingest.errors import UsageError  # noqa: PLC0415
    from cyborg_ingest.targets.manage import delete, info  # noqa: PLC0415

    settings, locking = settings_of(TargetSettings, arguments), settings_of(LockSettings, arguments)
    once = replace(settings, allow_plain_http=True)  # the note on it is shown by then
    with _alone("delete", settings, locking, name):
        found = info(settings, name, say_fact)
        if yes:
            say(delete(once, name, say_fact))
            return
    if not (sys.stdin and sys.stdin.isatty() and at_terminal()):
        raise UsageError(f"Deleting index {name!r} needs --yes where nobody can be asked.")
    question = f"Delete index {name!r} in {found['target']} with its {found['rows']:,} rows?"
    typer.confirm(shown(question), abort=True, err=True)
    with _alone("delete", once, locking, name):  # not while somebody thinks about it
        say(delete(once, name, say_fact))


def _alone(
    verb: str, settings: TargetSettings, locking: LockSettings, name: str, emit: Emit = say_fact
) -> contextlib.AbstractContextManager[None]:
    """Have the index for this command alone, once it is its turn. Raises IndexBusyError, UsageError."""
    from cyborg_ingest.state.turns import Turn, Use, index_locked  # noqa: PLC0415
    from cyborg_ingest.stop import Stop  # noqa: PLC0415
    from cyborg_ingest.targets import one_spelling  # noqa: PLC0415 - `--help` needs none of this

    if not settings.target:  # which opening it says
        return contextlib.nullcontext()
    turn = Turn(locking, Stop(), emit, shlex.join(command_line("index", verb, name, of=(settings, locking))))
    return index_locked(Use(one_spelling(settings.target), name), turn)
