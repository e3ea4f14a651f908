"""What a command is made of: how its help looks, and where its options come from."""

from __future__ import annotations

import os
from typing import Any

import typer
import typer.core

from cyborg_ingest.cli import configured
from cyborg_ingest.cli.app import COMMANDS
from cyborg_ingest.cli.printed import print_failure
from cyborg_ingest.cli.usage import UsageFault, told
from cyborg_ingest.errors import ExitCode, UsageError
from cyborg_ingest.output import voice


class Commands(typer.core.TyperGroup):
    """Commands with one first word."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the parser's own method
        """List them, each with its whole first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1000)) for name, one in self.commands.items()])


def part_of_program(name: str) -> typer.Typer:
    """What the module of a command, or of several with one first word, registers its functions with."""
    return typer.Typer(
        name=name,
        cls=Commands,
        help=COMMANDS[name],  # of several; one alone has its function's words
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


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
            rest = super().parse_args(ctx, args)
            configured.take_command(ctx)
            self._settle_keys(ctx)
        except (UsageFault, UsageError) as error:
            if is_first:
                voice.use(self._foretold(ctx, "--log-format") or "auto")
                if self._foretold(ctx, "--json"):
                    print_failure(ExitCode.USAGE, told(error))
            raise
        if is_first:
            voice.use(ctx.params.get("log_format") or "auto")
        return rest

    def _settle_keys(self, ctx: Any) -> None:
        configured.settle_keys(ctx)

    def _foretold(self, ctx: Any, flag: str) -> Any:
        """The value of an option, where no more than the words, the variables and the file are known.

        None where it has none, the command has no such option, or it is itself what is wrong.
        """
        option = next((one for one in self.params if flag in one.opts), None)
        if option is None or option.name is None:
            return None
        words = ctx.meta[configured.ARGUMENTS]
        words = words[: words.index("--") if "--" in words else None]
        typed: dict[str, Any] = {}
        for word, following in zip(words, [*words[1:], ""], strict=False):
            name, _, value = word.partition("=")
            if name == flag:
                typed[option.name] = True if getattr(option, "is_flag", False) else value or following
        try:
            return option.handle_parse_result(ctx, typed, [])[0]
        except UsageFault:
            return None

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
