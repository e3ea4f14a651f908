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
        if name.upper().startswith(ENVIRONMENT_PREFIX) and name not in ours and not name.startswith(_OF_THE_PROJECT):
            near = difflib.get_close_matches(name.upper(), sorted(ours), n=1)
            hint = f" Is it {near[0]}?" if near else ""
            found.append(f"{printable(name)} is set, and no option has this variable: it changes nothing.{hint}")
    return found


def one_a_line(text: str) -> tuple[str, ...]:
    """The values of an option that may be repeated: a value may have blanks in it."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
