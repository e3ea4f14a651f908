"""The program: its commands, how their help looks, and what is said of a wrong command line."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, cast

import typer
import typer.core

from cyborg_ingest import __version__
from cyborg_ingest.cli import configured
from cyborg_ingest.cli.printed import print_failure
from cyborg_ingest.errors import ConfigurationError, ExitCode, IngestError
from cyborg_ingest.output.streams import say
from cyborg_ingest.settings import environment


class Command(typer.core.TyperCommand):
    """A command whose help lists its options under the headings that `settings` gives them, in plain text.

    rich would draw frames around them, and its markup takes longer to import than all the rest.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write them by heading; what has none comes first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = getattr(parameter, "rich_help_panel", None)
                heading = heading or ("Arguments" if parameter.param_type_name == "argument" else "Options")
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; what neither the command line nor the environment says, the configuration file may."""
        ctx.meta[configured.ARGUMENTS] = tuple(args)
        is_first = ctx.default_map is None  # of a job the same words are parsed again, within the command
        try:
            if is_first:
                ctx.default_map = self._defaults(ctx, list(args))
            return super().parse_args(ctx, args)
        except (_UsageFault, ConfigurationError) as error:
            if is_first and self._asks_for_json(ctx):
                print_failure(ExitCode.USAGE, _told(error))
            raise

    def _asks_for_json(self, ctx: Any) -> bool:
        """Whether the result is to be JSON, where no more than the words, the variables and the file are known."""
        option = next((one for one in self.params if "--json" in one.opts), None)
        if option is None or option.name is None:
            return False
        words = ctx.meta[configured.ARGUMENTS]
        is_typed = "--json" in words[: words.index("--") if "--" in words else None]
        try:
            return bool(option.handle_parse_result(ctx, {option.name: True} if is_typed else {}, [])[0])
        except _UsageFault:  # it is itself what is wrong
            return False

    def _defaults(self, ctx: Any, args: list[str]) -> dict[str, Any] | None:
        by_name = {one.name: one for one in self.params}
        if "config" not in by_name:
            return None
        typed, _, _ = self.make_parser(ctx).parse_args(args)
        if typed.get("help"):
            return None

        def value(name: str) -> Any:
            return by_name[name].consume_value(ctx, typed)[0]

        found = ctx.meta[configured.CONFIGURED] = configured.find(value("config"), value("profile"))
        return configured.defaults(found.layered(), os.environ)


_UsageFault = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])
"""What the parser raises at a wrong command line; where its class lives depends on Typer's release."""


class Group(typer.core.TyperGroup):
    """All commands. What the parser says of a wrong command line is shown like every other error."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Parse, call, and end the process."""
        try:
            code = super().main(*arguments, **{**more, "standalone_mode": False})
        except _UsageFault as error:
            context = getattr(error, "ctx", None)
            if type(error).__name__ == "NoArgsIsHelpError":  # a group of commands, and none of them
                say(*error.format_message().splitlines(), err=True)
                sys.exit(error.exit_code)
            for text in environment.misspelled(os.environ):
                say(f"note      {text}", err=True)
            if context is not None:
                say(*context.get_usage().splitlines(), f"Try '{context.command_path} --help' for help.", "", err=True)
            say(f"Error: {_told(error)}", err=True)
            code = error.exit_code
        except typer.Abort:
            say("stopped", err=True)
            code = ExitCode.INTERRUPTED
        except ConfigurationError as error:  # found while the command line was read
            say(f"error     {error}", err=True)
            code = error.exit_code
        sys.exit(code)


def _told(error: Exception) -> str:
    """What is said of a wrong command line, or of a wrong configuration file."""
    return (_lost_variable() or error.format_message()) if isinstance(error, _UsageFault) else str(error)


def _lost_variable() -> str | None:
    """What is said of an empty variable: the parser takes it for an absent one, and misses the option."""
    try:
        environment.refuse_empty(os.environ)
    except IngestError as error:
        return str(error)
    return None


app = typer.Typer(
    name="cyborg-ingest",
    cls=Group,
    help="Load vectors into CyborgDB from files, pipes and buckets: every row accounted for.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
index_app = typer.Typer(name="index", help="Create, look at, list, train and delete indexes.", no_args_is_help=True)
app.add_typer(index_app)


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
