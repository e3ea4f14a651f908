"""Options of commands, made from what the settings declare.

Typer takes a command's options from the signature of its function. Here alone such signatures are made, and here alone
what a command was called with becomes settings again.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from cyborg_ingest.cli.configured import CONFIG, NAMED_PROFILE
from cyborg_ingest.cli.guard import guarded
from cyborg_ingest.cli.printed import at_terminal
from cyborg_ingest.errors import SourceNotFoundError
from cyborg_ingest.settings import environment
from cyborg_ingest.settings.configkeys import SOURCES as SOURCES_NAME
from cyborg_ingest.settings.declaring import Settings, declarations, parted
from cyborg_ingest.settings.options import CreateSettings, OutputSettings, ProgressSettings, TargetSettings
from cyborg_ingest.smallfiles import is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.settings.declaring import Declaration

DEFAULT_TARGET = "disk:~/.cyborgdb/data"
"""Where the service looks too; assumed on a terminal only."""

_S = TypeVar("_S", bound=Settings)

INDEX = Annotated[
    str, typer.Option("--index", "-i", metavar="NAME", envvar=environment.INDEX_VARIABLE, help="Name of the index.")
]
NAME = Annotated[str, typer.Argument(metavar="NAME", help="Name of the index.")]
SHORT = Annotated[
    bool,
    typer.Option(
        "--short", help="Show the first numbers of each vector alone, for people: `upsert` does not take such rows."
    ),
]
SOURCES = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Files, directories, patterns, @lists, - (standard input), s3://, gs:// and abfs:// objects.",
        show_default=False,
    ),
]


_CONFIGURATION = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
    for name, kind in (("config", CONFIG), ("profile", NAMED_PROFILE))
]
"""Read by `app.Command` before the others: no command gets them."""


def takes(
    *groups: type[Settings], tells_of_environment: bool = False, keeps_log: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that these settings classes declare; it gets them as keywords.

    `tells_of_environment`: it says itself what is wrong with variables, and is not ended by that. `keeps_log`: what it
    says goes to a log file, if one is named.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [
            parameter
            for parameter in inspect.signature(function, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        has_sources = any(one.name == SOURCES_NAME for one in own)
        options = {one.name: one for group in groups for one in _parameters(group, has_sources=has_sources)}
        options |= {one.name: one for one in _CONFIGURATION}

        @functools.wraps(function)
        def command(config: Path | None = None, profile: str | None = None, **arguments: Any) -> None:  # noqa: ARG001
            if has_sources:  # of no words Typer makes None
                arguments[SOURCES_NAME] = arguments[SOURCES_NAME] or []
            # a load opens its log file when those are there who hear of its end
            own = ProgressSettings in groups and keeps_log
            log = functools.partial(log_of, arguments) if own else None
            code = guarded(
                function,
                arguments,
                has_display=OutputSettings in groups or tells_of_environment,
                refuses_empty=not tells_of_environment,
                log=log,
            )
            if code:
                raise typer.Exit(code)

        everything = [*own, *(one for one in options.values() if one.name not in {two.name for two in own})]
        command.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in everything}
        del command.__wrapped__  # or the original's signature is taken instead
        return command

    return decorate


def log_of(arguments: dict[str, Any]) -> tuple[Path | None, int, int]:
    """The log file of a command, how many bytes it may have, and how many older ones are kept. Raises UsageError."""
    log = settings_of(ProgressSettings, arguments).log
    refuse_among_sources(f"--log-file {log[0]}", log[0], arguments)
    return log


def refuse_among_sources(what: str, path: Path | None, arguments: dict[str, Any]) -> None:
    """Raise UsageError where an option names a file to write that the command's sources would find.

    `what` is the option with it.
    """
    if path is not None and SOURCES_NAME in arguments:
        from cyborg_ingest.plan.written import named_output, refuse_to_be_found  # noqa: PLC0415 - slow to import

        # a list may come through a pipe, and then once only
        sources = [one for one in arguments[SOURCES_NAME] if not one.startswith("@") or is_there(Path(one[1:]))]
        with contextlib.suppress(SourceNotFoundError):  # the command says so itself
            refuse_to_be_found(named_output(what, path), sources, arguments["format"])


def _parameters(group: type[Settings], *, has_sources: bool) -> Iterator[inspect.Parameter]:
    """What an option declares; words behind `--` are sources, or stand for them."""
    kinds = get_type_hints(group)
    declared = declarations(group)
    for item in fields(group):
        is_ours = item.name in declared and (has_sources or not declared[item.name].takes_rest)
        if is_ours and item.default is not MISSING:
            option, default = _option(declared[item.name], kinds[item.name], item.default)
            yield inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)


def _option(declared: Declaration, kind: Any, default: Any) -> tuple[Any, Any]:
    extra: dict[str, Any] = {"help": declared.help, "envvar": declared.env, "rich_help_panel": declared.panel}
    if declared.takes_rest:  # which words are its values is found out where they are parsed: see `command.Command`
        return Annotated[bool, typer.Option(*declared.flags, **extra)], False
    if declared.choices:
        kind = Literal[declared.choices]
    if declared.metavar:
        extra["metavar"] = declared.metavar
    if declared.repeats:  # the parser would split the variable's value at blanks: see `_settings`
        extra |= {"envvar": None, "help": f"{declared.help} [env var: {declared.env}, one a line]"}
        return Annotated[list[str], typer.Option(*declared.flags, show_default=False, **extra)], []
    if kind == tuple[str, ...]:  # a comma-separated list, as text until `_settings`
        return Annotated[str, typer.Option(*declared.flags, show_default=False, **extra)], ""
    if kind is bool:
        return Annotated[bool, typer.Option(*declared.flags, **extra)], default
    return Annotated[kind, typer.Option(*declared.flags, show_default=default is not None, **extra)], default


def settings_of(kind: type[_S], arguments: dict[str, Any]) -> _S:
    """The settings object of a command's arguments. Raises UsageError."""
    hints, declared = get_type_hints(kind), declarations(kind)
    values = {item.name: arguments[item.name] for item in fields(kind) if item.name in arguments}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value) or environment.one_a_line(os.environ.get(declared[name].env or "", ""))
        if hints[name] == tuple[str, ...] and isinstance(value, str):
            values[name] = parted(value)
    if issubclass(kind, TargetSettings) and at_terminal():
        values["target"] = DEFAULT_TARGET if values["target"] is None else values["target"]
        values |= {"at_terminal": True} if issubclass(kind, CreateSettings) else {}
    return kind(**values)
