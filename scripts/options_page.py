"""Writes `docs/options.md` from the declared options, as each command has them; `--check` says whether it is so."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin

from typer.main import get_command

from cyborg_ingest.cli import app
from cyborg_ingest.settings.options import panels as headings

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
HEAD = """# Options

Every option of every command, with its environment variable and its default. Each but those of single commands is a key of
[`cyborg-ingest.toml`](configuration.md) too; those of a load, of `verify` and of `inspect` are [keywords in Python](python.md). What
is typed counts before the [variable](environment.md#options), and that before the file. Where the last column is empty, the
commands named above the table take the option. `python scripts/options_page.py` writes this page.
"""
ALONE = "Of single commands"


class Option(NamedTuple):
    """An option as a command's help tells of it; the same of several commands is one."""

    panel: str
    flags: tuple[str, ...]
    value: str
    variable: str
    default: str
    help: str


def found() -> dict[Option, list[str]]:
    """Each option, with the commands that take it."""
    options: dict[Option, list[str]] = {}
    for words, command in commands("", get_command(app)):
        for one in command.params:
            if one.param_type_name == "option" and one.name != "help" and not one.hidden:
                options.setdefault(_option(one), []).append(words)
    return options


def commands(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command by the words that it is called with."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, one in command.commands.items():
        if not one.hidden:
            yield from commands(f"{words} {name}".strip(), one)


def _option(one: Any) -> Option:
    flags = tuple(sorted((*one.opts, *one.secondary_opts), key=lambda flag: not flag.startswith("--")))
    value = "" if one.is_flag else one.metavar or _kind(one.type_descriptor.annotation)
    text, _, variable = (one.help or "").partition(" [env var: ")
    variable = one.envvar or variable.partition(",")[0]
    return Option(getattr(one, "rich_help_panel", None) or ALONE, flags, value, variable, _default(one.default), text)


def _kind(annotation: Any) -> str:
    """What is typed behind an option that does not say it itself: one of some words, or a value of this type."""
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return {Path: "FILE", float: "NUMBER", int: "N"}.get(annotation, "TEXT")


def _default(value: Any) -> str:
    if value in (None, "", ()) or isinstance(value, list | bool) or callable(value):
        return ""
    return str(value)


def _row(one: Option, takers: str) -> str:
    flags = ", ".join(f"`{flag}`" for flag in one.flags)
    value, variable = f" `{one.value}`" if one.value else "", f"<br>`{one.variable}`" if one.variable else ""
    default = f"`{one.default}`" if one.default else ""
    text = one.help.replace("*", r"\*").replace("<", "&lt;")
    return (
        "| " + " | ".join(cell.replace("|", r"\|") for cell in (flags + value + variable, default, text, takers)) + " |"
    )


def _section(panel: str, options: dict[Option, list[str]]) -> str:
    named = {one: ", ".join(f"`{command}`" for command in takers) for one, takers in options.items()}
    counts = Counter(named.values())
    usual = max(counts, key=lambda takers: (counts[takers], len(takers))) if panel != ALONE else ""
    rows = [_row(one, "" if takers == usual else takers) for one, takers in named.items()]
    head = ["| option | default | what it does | commands |", "|---|---|---|---|"]
    return "\n".join([f"## {panel}", *([f"{usual}:", ""] if usual else []), *head, *rows]) + "\n"


def page() -> str:
    """The page, whole."""
    panels: dict[str, dict[Option, list[str]]] = {}
    for one, takers in found().items():
        panels.setdefault(one.panel, {})[one] = takers
    order = [*vars(headings).values()]
    places = {panel: order.index(panel) if panel in order else len(order) for panel in panels}
    last = sorted(panels, key=lambda panel: (panel == ALONE, places[panel]))
    return "\n".join([HEAD, *(_section(panel, panels[panel]) for panel in last)])


def main() -> int:
    """Write it, or compare it with what is there."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
    elif PAGE.read_text("utf-8") != page():
        print(f"{PAGE} is not what the options say: run python scripts/options_page.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
