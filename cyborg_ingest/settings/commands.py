"""A command line made of settings: what a message prints is what a shell takes."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cyborg_ingest.settings.options import VerifySettings, declarations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.settings.options import Declaration, LoadSettings, Settings


def verify_command(settings: LoadSettings, more: dict[str, Any]) -> str:
    """The command that compares an index with what a load was given; `more` are options that it learnt meanwhile."""
    options = ["--index", settings.index, *_options(settings, VerifySettings, more)]
    is_odd = any(one.startswith("-") and one != "-" for one in settings.sources)
    words = [*options, "--", *settings.sources] if is_odd else [*settings.sources, *options]
    return shlex.join(["cyborg-ingest", "verify", *words])


def _options(settings: Settings, kind: type[Settings], more: dict[str, Any]) -> Iterator[str]:
    """The options of settings that another command has too, unless they are its defaults."""
    defaults = {item.name: item.default for item in fields(kind)}
    for name, declared in declarations(kind).items():
        value = more.get(name, getattr(settings, name, None))
        if value not in (None, defaults[name]):
            yield from _words(declared, value)


def _words(declared: Declaration, value: Any) -> Iterator[str]:
    yes, _, no = declared.flag.partition("/")
    if isinstance(value, bool):
        yield yes if value else no
    elif isinstance(value, tuple):
        for one in value if declared.repeats else (",".join(value),):
            yield from (yes, one)
    else:
        yield from (yes, str(value))
