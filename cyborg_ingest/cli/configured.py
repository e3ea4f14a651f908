"""Options from the configuration file: what the command line and the environment leave open, a section may say.

The parser's own order holds: a flag, then its variable, then what stands here (`default_map`), then the default.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cyborg_ingest.errors import ConfigurationError, UsageError
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.configkeys import FILE_NAME, FROM_COMMAND, SOURCES, multiple
from cyborg_ingest.settings.declaring import ENVIRONMENT_PREFIX
from cyborg_ingest.settings.environment import CONFIG_VARIABLE, PROFILE_VARIABLE, one_a_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyborg_ingest.settings.configfile import Configuration, Layered

CONFIGURED, ARGUMENTS = f"{__name__}.configured", f"{__name__}.arguments"
"""Where a command's context keeps the configuration, and the words, that it was parsed with."""

CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        rich_help_panel="Configuration",
        help=f"Configuration file (default: {FILE_NAME} in the working directory, or else the user's).",
    ),
]
NAMED_PROFILE = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        envvar=PROFILE_VARIABLE,
        rich_help_panel="Configuration",
        help="Use the options of [profile.NAME] in the configuration file.",
    ),
]


class Origin(enum.Enum):
    """Where the value of an option is from, as the parser tells it."""

    FLAG = "COMMANDLINE"
    VARIABLE = "ENVIRONMENT"
    FILE = "DEFAULT_MAP"
    DEFAULT = "DEFAULT"


@dataclass(frozen=True)
class Configured:
    """A configuration file, if there is one, and the profile that is asked for."""

    file: Configuration | None
    profile: str | None

    def said(self, job: str | None = None) -> list[str]:
        """What to say of options that nobody typed: where they come from."""
        if self.file is None:
            return []
        named = {"job": job, "profile": self.profile}
        sections = ", ".join(f"[{kind}.{name}]" for kind, name in named.items() if name)
        command = " ".join(["config show", *([job] if job else [])])
        return [f"Options come from {self.file.path}{f' ({sections})' if sections else ''}; `{command}` lists them."]

    def layered(self, job: str | None = None) -> Layered:
        """The file's options, by field name, each with where it stands. Raises ConfigurationError."""
        from cyborg_ingest.settings import configfile  # noqa: PLC0415 - `--help` does not need it

        if self.file is not None:
            return self.file.layered(os.environ, profile=self.profile, job=job)
        if job is None and self.profile is None:
            return {}
        wanted = f"profile {self.profile!r}" if job is None else f"job {job!r}"
        users = configfile.users_file()
        places = f"{FILE_NAME} here" + (f", nor {users}" if users else "")
        raise ConfigurationError(f"There is no configuration file with {wanted}: neither {places}. Name it: --config.")


def find(config: str | Path | None, profile: str | None) -> Configured:
    """The configuration of this command line. Raises ConfigurationError."""
    from cyborg_ingest.settings import configfile  # noqa: PLC0415 - as above

    path = configfile.find(None if config is None else Path(config).expanduser())
    return Configured(None if path is None else configfile.read(path), profile)


def defaults(layered: Layered, environ: Mapping[str, str]) -> dict[str, Any]:
    """The options as the parser takes defaults: texts for what it takes as one; none that a variable goes before."""
    found: dict[str, Any] = {}
    for field, one in layered.items():
        key = multiple(field)
        if key is not None and key.repeats:
            if not one_a_line(environ.get(key.env or "", "")):  # the parser does not look at this variable
                found[field] = list(one.value)
        else:
            found[field] = ",".join(one.value) if key is not None else one.value
    return found


def parsed(ctx: typer.Context, layered: Layered) -> typer.Context:
    """The same command line, over other options of the file."""
    again = [*ctx.meta[ARGUMENTS]]
    return cast(
        "typer.Context",
        ctx.command.make_context(ctx.info_name, again, parent=ctx.parent, default_map=defaults(layered, os.environ)),
    )


def take_command(ctx: typer.Context) -> None:
    """Let the words behind `--` be the command that makes the rows, where the option says so. Raises UsageError.

    The parser takes them for sources, as it does with all that has no option before it.
    """
    if not ctx.params.get(FROM_COMMAND):
        ctx.params |= {FROM_COMMAND: ()} if FROM_COMMAND in ctx.params else {}
        return
    words, sources = list(ctx.meta[ARGUMENTS]), list(ctx.params[SOURCES])
    behind = (words[place + 1 :] for place, word in enumerate(words) if word == "--")
    command = next((one for one in behind if one and sources[-len(one) :] == one), [])
    if not command:
        raise UsageError(
            "--from-command takes the words behind --, and there is none: the command comes last, as in "
            f"--from-command -- {' '.join(sources[:1])} ..."
        )
    ctx.params[FROM_COMMAND], ctx.params[SOURCES] = tuple(command), sources[: -len(command)]


def settle_keys(ctx: typer.Context) -> None:
    """Let a key that is typed go before those of variables and of the file. Raises UsageError where none goes before.

    An option and the variable that holds the key itself are two ways to give it, and not one option.
    """
    for variable in (keys.INDEX_KEY_VARIABLE, keys.API_KEY_VARIABLE):
        stem = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        given = {name: origin(ctx, name) for name in (f"{stem}_file", f"{stem}_command") if ctx.params.get(name)}
        if Origin.FLAG in given.values():
            ctx.params |= {name: None for name, one in given.items() if one is not Origin.FLAG}
        elif given and variable in os.environ:
            name, place = next(iter(given.items()))
            is_variable, key = place is Origin.VARIABLE, name.replace("_", "-")
            raise keys.two_ways(variable, f"{variable}{name.removeprefix(stem).upper()}" if is_variable else key)


def origin(ctx: typer.Context, field: str) -> Origin | None:
    """Where a parsed option's value is from; None of an option that the command does not have."""
    source = ctx.get_parameter_source(field)
    return None if source is None else next((one for one in Origin if one.value == source.name), Origin.DEFAULT)
