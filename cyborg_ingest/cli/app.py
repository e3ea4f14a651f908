"""The program: which commands there are, and what is said of a wrong command line.

A command's module is imported when the command is asked for, so that no command waits for the options of the others.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from cyborg_ingest import __version__
from cyborg_ingest.cli.usage import UsageFault, told
from cyborg_ingest.errors import ExitCode, UsageError
from cyborg_ingest.output import voice
from cyborg_ingest.output.streams import say

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {
    "upsert": "Load files into an index.",
    "run": "Load what jobs of the configuration file say.",
    "verify": "Compare an index with the files it was loaded from.",
    "inspect": "Say what files are like, and what is wrong with them.",
    "get": "Print rows of an index by their ids.",
    "query": "Print the rows of an index that are nearest to a vector.",
    "head": "Print some rows of an index.",
    "doctor": "Look at all that a load needs.",
    "jobs": "Show loads that were begun here, and remove what is old.",
    "runs": "Show how loads have ended.",
    "report": "Show how a load went, as a page.",
    "schedule": "Print what cron, systemd or Kubernetes needs to run a job.",
    "keygen": "Make a key for an index, in a new file.",
    "key": "Say where the key of an index is, and write a copy of it.",
    "index": "Create, look at, list, train and delete indexes.",
    "config": "Show, check and describe the configuration file.",
}
"""What `--help` lists, in this order: the command, which is the module `cli.COMMAND`, and what it is for."""


class _OnDemand(MutableMapping[str, Any]):
    """The commands by name; each is imported when it is asked for."""

    def __init__(self, made: MutableMapping[str, Any]) -> None:
        self._made = made

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in COMMANDS:
                raise KeyError(name)
            self._made[name] = typer.main.get_command(importlib.import_module(f"cyborg_ingest.cli.{name}").app)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Group(typer.core.TyperGroup):
    """All commands. What the parser says of a wrong command line is shown like every other error."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _OnDemand(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the parser's own method
        """List them without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Parse, call, and end the process."""
        try:
            code = super().main(*arguments, **{**more, "standalone_mode": False})
        except UsageFault as error:
            context = getattr(error, "ctx", None)
            if type(error).__name__ == "NoArgsIsHelpError":  # a group of commands, and none of them
                voice.tell_lines("usage", *error.format_message().splitlines())
                sys.exit(error.exit_code)
            from cyborg_ingest.settings import environment  # noqa: PLC0415 - `--help` does not need it

            for text in environment.misspelled(os.environ):
                voice.tell("note", text)
            if context is not None:
                usage = (*context.get_usage().splitlines(), f"Try '{context.command_path} --help' for help.", "")
                voice.tell_lines("usage", *usage)
            words = told(error)
            voice.tell("error", words, exit_code=int(error.exit_code))
            code = error.exit_code
        except typer.Abort:
            voice.tell_lines("stopped", "stopped", level=voice.Level.ERROR)
            code = ExitCode.INTERRUPTED
        except UsageError as error:  # found while the command line was read
            voice.tell("error", str(error), exit_code=int(error.exit_code))
            code = error.exit_code
        sys.exit(code)


app = typer.Typer(
    name="cyborg-ingest",
    cls=Group,
    help="Load vectors into CyborgDB from files, pipes and buckets: every row accounted for.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        say(f"cyborg-ingest {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
