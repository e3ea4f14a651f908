"""The configuration file: options by their names, for all commands, by profile and by job.

    target = "https://db.example:8000"          for every command
    [profile.staging]                           with --profile staging
    [job.wiki]                                  with `run wiki`
    sources = ["wiki/*.parquet"]

A section may `inherit` others of its kind, and a job names its `profile`. Here sections become layers of values, the
first of which counts, each with where it stands; flags and variables go before all of them (see cli/configured.py).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ConfigurationError, NoHomeError, UsageError, printable
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.configkeys import (
    FILE_NAME,
    FROM_COMMAND,
    INDEX,
    INHERIT,
    JOB,
    PROFILE,
    SOURCES,
    Key,
    known_keys,
    refuse_key_literal,
)
from cyborg_ingest.smallfiles import is_there

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\{)")
"""`${NAME}`, `${NAME:-instead}`, and `$$` for one `$`. A `${` that is none of these is an error."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as the file has it, variables filled in, checked; `where` names its section."""

    value: Any
    where: str


@dataclass(frozen=True)
class Configuration:
    """A file, read: its own options, its profiles and its jobs, as they stand there."""

    path: Path
    table: dict[str, Any]

    @property
    def jobs(self) -> list[str]:
        """The names of its jobs, in the order of the file."""
        return list(self.table.get(JOB, {}))

    @property
    def profiles(self) -> list[str]:
        """The names of its profiles, in the order of the file."""
        return list(self.table.get(PROFILE, {}))

    def layered(self, environ: Mapping[str, str], *, profile: str | None = None, job: str | None = None) -> Layered:
        """The options that count for a job, or for a command without one; by the names of the settings' fields.

        `profile` goes before the one that the job names. Raises ConfigurationError.
        """
        found: dict[str, Given] = {}
        named = profile
        if job is not None:
            if job.startswith("-"):
                raise self.error(f"[{JOB}.{job}] begins with -, as options do. Give it another name.")
            found = self._resolved(JOB, job, environ)
            by_job = found.pop(PROFILE, None)
            named = profile or (by_job.value if by_job else None)
        if named is not None:
            found = {**self._resolved(PROFILE, named, environ), **found}
        plain = {name: value for name, value in self.table.items() if name not in {JOB, PROFILE}}
        return {**self._checked("", plain, environ), **found}

    def _resolved(self, kind: str, name: str, environ: Mapping[str, str]) -> dict[str, Given]:
        """A section with all that it inherits, of which what is nearer counts."""
        found: dict[str, Given] = {}
        for one in self._lineage(kind, name, ()):
            values = {key: value for key, value in self.table[kind][one].items() if key != INHERIT}
            found |= self._checked(f"{kind}.{one}", values, environ)
        return found

    def _lineage(self, kind: str, name: str, below: tuple[str, ...]) -> Iterator[str]:
        """The sections that one is made of, the farthest first."""
        sections = self.table.get(kind, {})
        if name not in sections:
            wanted = f"[{kind}.{below[-1]}] inherits {name!r}" if below else f"there is no [{kind}.{name}]"
            raise self.error(f"{wanted}.{_nearest(name, sections)} It has {_listed(kind, sections)}.")
        if name in below:
            raise self.error(f"[{kind}.{name}] inherits itself, by {' -> '.join([*below, name])}.")
        parents = sections[name].get(INHERIT, [])
        parents = [parents] if isinstance(parents, str) else parents
        if not isinstance(parents, list) or not all(isinstance(one, str) for one in parents):
            raise self.error(f"[{kind}.{name}] inherit takes the name of another {kind}, or a list of names.")
        for parent in parents:
            yield from self._lineage(kind, parent, (*below, name))
        yield name

    def _checked(self, section: str, values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Given]:
        """A section's values by field name: its keys known, its variables filled in, its types and bounds kept."""
        found, known = dict[str, Given](), known_keys(section)
        for name, value in values.items():
            place = f"[{section}] {printable(name)}" if section else printable(name)
            refuse_key_literal(self.error, place, name, value)
            key = known.get(name.replace("_", "-"))
            if key is None:
                near = _nearest(name, [*known, *([] if section else [JOB, PROFILE])])
                raise self.error(f"{place}: there is no such option.{near}")
            if key.field in found:
                raise self.error(f"{place} is there twice, with - and with _ in its name.")
            checked = self._value(place, key, _filled(self.error, place, value, environ))
            found[key.field] = Given(checked, f"[{section}]" if section else "the file")
        return found

    def _value(self, place: str, key: Key, value: Any) -> Any:
        try:
            checked = key.checked(value)
        except (UsageError, TypeError) as error:
            raise self.error(f"{place}: {error}") from None
        refuse_key_literal(self.error, place, key.name, checked)
        return key.from_folder(checked, self.path.parent)

    def check(self, environ: Mapping[str, str]) -> None:
        """Look at every section. Raises ConfigurationError."""
        for profile in (None, *self.profiles):
            self.layered(environ, profile=profile)
        for job in self.jobs:
            found = self.layered(environ, job=job)
            if INDEX not in found:
                raise self.error(f"[{JOB}.{job}] has no {INDEX}.")
            if not {SOURCES, FROM_COMMAND} & found.keys():
                raise self.error(f"[{JOB}.{job}] has no {SOURCES}.")

    def error(self, text: str) -> ConfigurationError:
        """What is wrong with the file."""
        return ConfigurationError(f"{self.path}: {text}")


Layered = dict[str, Given]


def find(named: Path | None) -> Path | None:
    """The configuration file: the one that is named, else the working directory's, else the user's.

    Raises ConfigurationError where the one that is named is not there, or the one in the working directory is not the
    user's own: whoever may write to a folder must not say where the rows of others go.
    """
    if named is not None:
        if not is_there(named):
            raise ConfigurationError(f"{named}: there is no such file. --config names the configuration file.")
        return named.absolute()
    own = Path(FILE_NAME)
    if is_there(own):
        _refuse_strangers(own.absolute())
        return own.absolute()
    users = users_file()
    return users if users is not None and is_there(users) else None


def users_file() -> Path | None:
    """Where the user's own configuration file would be; None where the user has no home."""
    with contextlib.suppress(NoHomeError):
        return keys.config_directory() / FILE_NAME
    return None


def _refuse_strangers(path: Path) -> None:
    status = path.stat()
    if not hasattr(os, "getuid"):
        return
    if status.st_uid not in {0, os.getuid()}:
        raise ConfigurationError(f"{path}: it belongs to another user. If you trust it, name it: --config {path}.")
    if status.st_mode & stat.S_IWOTH:
        raise ConfigurationError(f"{path}: everybody may write to it. Take that away: chmod o-w {path}")


def read(path: Path) -> Configuration:
    """Read the file; its sections are looked at where they are used. Raises ConfigurationError."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: it is not UTF-8, as TOML has to be.") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error.strerror}.") from None
    return parse(path, text)


def parse(path: Path, text: str) -> Configuration:
    """The configuration that a text holds. Raises ConfigurationError."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - `--help` needs none of this
    else:
        import tomli as tomllib  # noqa: PLC0415

    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of which one is TOMLDecodeError
        raise ConfigurationError(f"{path}: it is not TOML: {printable(str(error))}.") from None
    found = Configuration(path, table)
    for kind in (JOB, PROFILE):
        sections = table.get(kind, {})
        if not isinstance(sections, dict) or not all(isinstance(one, dict) for one in sections.values()):
            raise found.error(f"{kind} is not an option: a {kind} is a section, [{kind}.NAME].")
    return found


def _filled(error: Any, place: str, value: Any, environ: Mapping[str, str]) -> Any:
    """A value with its `${VARIABLES}`; lists item by item."""
    if isinstance(value, list):
        return [_filled(error, place, one, environ) for one in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        name, instead = found[1], found[2]
        if found[0] == "$$":
            return "$"
        if name is None:
            raise error(f"{place}: ${{ begins a variable, as in ${{NAME}} or ${{NAME:-instead}}; $$ is one $.")
        if environ.get(name):
            return environ[name]
        if instead is None:
            state = "set, and empty" if name in environ else "not set"
            raise error(f"{place}: the variable {name} is {state}. Set it, or write ${{{name}:-instead}}.")
        return str(instead)

    return _VARIABLE.sub(one, value)


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name.replace("_", "-"), list(known), n=1)
    return f" Is it {near[0]!r}?" if near else ""


def _listed(kind: str, sections: dict[str, Any]) -> str:
    return ", ".join(f"[{kind}.{name}]" for name in sections) if sections else f"no {kind}"
