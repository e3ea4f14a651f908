"""Command lines that messages print: what a shell takes, whatever the names are, and does what is said of it."""

from __future__ import annotations

import os
import shlex
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cyborg_ingest.settings import spelled
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import LoadSettings, VerifySettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.settings.declaring import Settings


def verify_command(settings: LoadSettings, more: dict[str, Any]) -> str:
    """The command that compares an index with what a load was given; `more` are options that it learnt meanwhile."""
    options = ["--index", settings.index, *_options(settings, VerifySettings, more)]
    return _command("verify", [*map(spelled.source, settings.sources)], options)


def index_command(verb: str, name: str, *options: str) -> str:
    """A command on an index."""
    return _command(f"index {verb}", [name], options)


def with_options(command: str, *options: str) -> str:
    """A command line with more options; they stand before a `--`, behind which all are names."""
    ours, theirs = _parted(command)
    return shlex.join([*ours, *options, *theirs])


def resuming(command: str, *, anew: bool = False) -> str:
    """The command line that resumes a load: --restart would start it over, each time. `anew`: it has to be."""
    restart = declarations(LoadSettings)["restart"]
    if anew:
        return command if restart.flag in _parted(command)[0] else with_options(command, restart.flag)
    ours, theirs = _parted(command)
    kept = shlex.join([*(word for word in ours if word != restart.flag), *theirs])
    return f"env -u {restart.env} {kept}" if restart.env in os.environ else kept


def _parted(command: str) -> tuple[list[str], list[str]]:
    """The words of a command line, and those from `--` on, or from the option before it that takes them."""
    words = shlex.split(command)
    end = words.index("--") if "--" in words else len(words)
    if end < len(words) and words[end - 1] == declarations(LoadSettings)["from_command"].flag:
        end -= 1
    return words[:end], words[end:]


def _command(verb: str, names: Sequence[str], options: Sequence[str]) -> str:
    is_odd = any(one.startswith("-") and one != "-" for one in names)
    words = [*options, "--", *names] if is_odd else [*names, *options]
    return shlex.join(["cyborg-ingest", *verb.split(), *words])


def _options(settings: Settings, kind: type[Settings], more: dict[str, Any]) -> Iterator[str]:
    """The options of settings that another command has too, unless they are its defaults."""
    defaults = {item.name: item.default for item in fields(kind)}
    values = ((name, one, more.get(name, getattr(settings, name, None))) for name, one in declarations(kind).items())
    return spelled.words_of_all((one, value) for name, one, value in values if value not in (None, defaults[name]))
