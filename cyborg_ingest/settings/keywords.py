"""Messages for a caller in Python: options by the names of their keywords, and never as flags of the command line.

A message is written once, for the command. What a program reads of it has been through `in_python`.
"""

from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import IngestError
from cyborg_ingest.settings.declaring import ENVIRONMENT_PREFIX, declarations
from cyborg_ingest.settings.options import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMAND = r"cyborg-ingest(?: (?!\S*[.,;:](?:\s|$))\S+)*(?: \S+?(?=[.,;:](?:\s|$)))?"
_FLAG = r"--(?P<name>[a-z][a-z0-9-]*[a-z0-9])"
_QUOTED = r"'[^']*'|\"[^\"]*\""
_PLAIN = r"(?:https?://|disk:|s3://|[/~])\S*?(?=[.,;:)]?(?:\s|$))|\d+(?:\.\d+)?[\w%]*|[A-Z][A-Z=:|]*\b|[\w-]+\.[a-z]+\b"
_WORD = r"[\w-]+(?P<ends>(?=[.,;:)](?:\s|$)|$| (?:stores|takes|would) ))?"
_IS = r"(?: is(?= ['\"]))?"
_MENTION = re.compile(
    rf"(?P<command>{_COMMAND})|{_FLAG}(?:{_IS} (?P<quoted>{_QUOTED})| (?P<plain>{_PLAIN})| (?P<word>{_WORD}))?"
)
_NO_VALUES = {"out"}
"""Words that end a sentence behind an option, as in "leave --max-age out"."""

_CALLS = (
    ("the same command", "the same call"),
    ("Other commands take", "Other calls take"),
    (f" (or set {ENVIRONMENT_PREFIX}TARGET); without a terminal none is assumed", ""),  # no variable is read for it
)

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@functools.cache
def _known() -> dict[str, tuple[str, str | None, tuple[str, ...]]]:
    """The name of a flag -> its keyword, the value that it stands for where it takes none, the values that it takes."""
    found: dict[str, tuple[str, str | None, tuple[str, ...]]] = {}
    for group in COMMANDS:
        kinds: dict[str, Any] = {one.name: one.type for one in fields(group)}
        for name, declared in declarations(group).items():
            is_bool = "bool" in str(kinds[name])
            for flag, value in zip(declared.flag.split("/"), ("True", "False"), strict=False):
                found[flag.removeprefix("--")] = (name, value if is_bool else None, declared.choices or ())
    return found


def in_python(text: str, names: Mapping[str, str] | None = None) -> str:
    """A message with `create=True` for `--create`, and `limit=5` for `--limit 5`.

    A command that it prints stays one. `names` has those keywords that the caller knows by another name.
    """

    def said(found: re.Match[str]) -> str:
        if found["command"]:
            return found[0]
        keyword, truth, choices = _known().get(found["name"], (found["name"].replace("-", "_"), None, ()))
        keyword = (names or {}).get(keyword, keyword)
        behind = found[0][2 + len(found["name"]) :]
        if truth is not None:
            return f"{keyword}={truth}{behind}"
        value = found["quoted"] or _literal(found["plain"], found["word"], choices, ends=found["ends"] is not None)
        return f"{keyword}={value}" if value else f"{keyword}{behind}"

    found = _MENTION.sub(said, text)
    for command, call in _CALLS:
        found = found.replace(command, call)
    return found


def _literal(plain: str | None, word: str | None, choices: tuple[str, ...], *, ends: bool) -> str | None:
    """A value as Python spells it; None where the word behind an option is one of the sentence."""
    if plain is not None:
        return plain if _NUMBER.fullmatch(plain) or plain.isupper() else repr(plain)
    is_value = word in choices or (ends and word not in _NO_VALUES)
    return repr(word) if word and is_value else None


@contextlib.contextmanager
def speaking_python(names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Errors of ours come out of the `with` as a caller in Python reads them."""
    try:
        yield
    except IngestError as error:
        if error.args and isinstance(error.args[0], str):
            error.args = (in_python(error.args[0], names), *error.args[1:])
        raise
