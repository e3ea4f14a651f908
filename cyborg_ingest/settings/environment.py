"""Options in the environment: what is set there counts, and what is set there for nothing is said."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError, printable
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.declaring import ENVIRONMENT_PREFIX, declarations
from cyborg_ingest.settings.hidden import without_locals
from cyborg_ingest.settings.options import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

INDEX_VARIABLE = f"{ENVIRONMENT_PREFIX}INDEX"

CONFIG_VARIABLE, PROFILE_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG", f"{ENVIRONMENT_PREFIX}PROFILE"

_OTHERS = {
    INDEX_VARIABLE,
    CONFIG_VARIABLE,
    PROFILE_VARIABLE,
    keys.INDEX_KEY_VARIABLE,
    keys.API_KEY_VARIABLE,
    keys.CONFIG_DIR_VARIABLE,
}
TOLD = {f"{ENVIRONMENT_PREFIX}{one}" for one in ("EXIT_CODE", "STATUS", "REPORT")}
"""What the command of `--on-end` has in its environment, which may be one of ours: no option goes by it."""

_OF_THE_PROJECT = ("CYBORG_INGEST_TEST_", "CYBORG_INGEST_BENCH_")
"""Of its tests and benchmarks."""


def known() -> set[str]:
    """All variables that some command looks at."""
    declared = (one for command in COMMANDS for one in declarations(command).values())
    return _OTHERS | {one.env for one in declared if one.env}


@without_locals
def refuse_empty(environ: Mapping[str, str]) -> None:
    """Raise UsageError where a variable is set, and empty: that is a value that got lost, and not an absent one."""
    for name in sorted(known() & environ.keys()):
        if not environ[name]:
            raise UsageError(f"{name} is set, and empty. Give it a value, or unset it.")


def misspelled(environ: Mapping[str, str]) -> list[str]:
    """What to say of variables that look like ours and are not."""
    ours, found = known(), []
    for name in sorted(environ):
        is_ours = name in ours or name in TOLD or name.startswith(_OF_THE_PROJECT)
        if name.upper().startswith(ENVIRONMENT_PREFIX) and not is_ours:
            near = difflib.get_close_matches(name.upper(), sorted(ours), n=1)
            hint = f" Is it {near[0]}?" if near else ""
            found.append(f"{printable(name)} is set, and no option has this variable: it changes nothing.{hint}")
    return found


def for_others(environ: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command that is not ours: without keys and secret addresses, and with what it is told.

    Nor is it told whom to call at the end: one that starts this program again would never end.
    """
    declared = [one for command in COMMANDS for one in declarations(command).values()]
    hidden = {keys.INDEX_KEY_VARIABLE, keys.API_KEY_VARIABLE, keys.LICENCE_VARIABLE}
    hidden |= {one.env for one in declared if one.env and (one.is_secret or one.name == "on-end")}
    kept = {name: value for name, value in environ.items() if name not in hidden}
    return kept | {f"{ENVIRONMENT_PREFIX}{name}": value for name, value in told.items()}


def one_a_line(text: str) -> tuple[str, ...]:
    """The values of an option that may be repeated: a value may have blanks in it."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
