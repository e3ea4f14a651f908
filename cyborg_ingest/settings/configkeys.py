"""The keys that a section of the configuration file may have: every option by its name, and a few of the file's own."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings import keyforms, keys, spelled
from cyborg_ingest.settings.declaring import checked, declarations, parted
from cyborg_ingest.settings.keycommands import words_of
from cyborg_ingest.settings.options import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.settings.declaring import Declaration, Settings

FILE_NAME = "cyborg-ingest.toml"
JOB, PROFILE, INHERIT, SOURCES, INDEX = "job", "profile", "inherit", "sources", "index"
FROM_COMMAND = "from_command"
"""The field of the command that stands for sources: the only option that is a job's alone."""

_KEYS_THEMSELVES = {"index-key": keys.INDEX_KEY_VARIABLE, "api-key": keys.API_KEY_VARIABLE}
"""What may not stand in the file -> the variable that may hold it."""


@dataclass(frozen=True)
class Key:
    """A key of a section. `settings` and `declared` are those of an option; the file's own keys have none."""

    name: str
    field: str
    settings: type[Settings] | None = None
    declared: Declaration | None = None
    is_list: bool = False

    def checked(self, value: Any) -> Any:
        """The value as its option takes it. Raises UsageError, TypeError."""
        if self.declared is not None and self.declared.takes_rest and isinstance(value, str):
            value = words_of(value, self.name)
        if self.is_list and isinstance(value, str):
            value = (value,) if self.declared is None or self.declared.repeats else parted(value)
        if self.settings is not None:
            return checked(self.settings, self.field, value)
        if self.is_list and isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
            return tuple(value)
        if not self.is_list and isinstance(value, str) and value:
            return value
        raise UsageError("it takes " + ("a list of texts." if self.is_list else "a text."))

    def from_folder(self, value: Any, folder: Path) -> Any:
        """The value with its paths, which begin at the file's folder."""
        if isinstance(value, Path):
            return folder / value
        if self.field == SOURCES:
            return tuple(spelled.source(one, folder) for one in value)
        if self.field == "target" and isinstance(value, str):
            return spelled.target(value, folder)
        return value


@functools.cache
def known_keys(section: str) -> dict[str, Key]:
    """The keys of a section (`""`: of the file itself), by their names with dashes."""
    found = {}
    for settings in COMMANDS:
        hints = get_type_hints(settings)
        for field, declared in declarations(settings).items():
            if declared.takes_rest and not section.startswith(f"{JOB}."):
                continue
            is_list = hints[field] == tuple[str, ...]
            found[declared.name] = Key(declared.name, field, settings, declared, is_list=is_list)
    found[INDEX] = Key(INDEX, INDEX)
    if section.startswith(f"{JOB}."):
        found[SOURCES] = Key(SOURCES, SOURCES, is_list=True)
        found[PROFILE] = Key(PROFILE, PROFILE)
    return found


@functools.cache
def multiple(field: str) -> Declaration | None:
    """The declaration of an option that has several values; None of any other."""
    return next((one.declared for one in known_keys("").values() if one.field == field and one.is_list), None)


def refuse_key_literal(error: Callable[[str], Exception], place: str, name: str, value: Any) -> None:
    """Raise an error where a key itself stands in the file, whichever option it was given to."""
    option = name.replace("_", "-")
    variable = _KEYS_THEMSELVES.get(option)
    if variable:
        raise error(f"{place}: a key does not stand in this file. Name its file with {option}-file, or set {variable}.")
    texts = value if isinstance(value, list | tuple) else (value,)
    if any(keyforms.is_literal(str(one)) for one in texts if isinstance(one, str | Path)):
        raise error(f"{place}: its value is a key of 32 bytes. Keep it in a file, and name that with index-key-file.")
