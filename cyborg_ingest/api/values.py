"""What a program passes for an option, as the option is declared: the same checks then see it."""

from __future__ import annotations

import datetime
import json
import math
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from cyborg_ingest.errors import ArgumentTypeError
from cyborg_ingest.settings.declaring import declarations, parted
from cyborg_ingest.settings.hidden import Hidden
from cyborg_ingest.settings.keycommands import words_of
from cyborg_ingest.settings.quantities import byte_count, bytes_of

if TYPE_CHECKING:
    from cyborg_ingest.settings.declaring import Declaration, Settings

_S = TypeVar("_S", bound="Settings")


def settings_of(group: type[_S], given: Mapping[str, Any]) -> _S:
    """Settings from the keywords of a call. Raises UsageError, ArgumentTypeError."""
    kinds, declared = _kinds(group), declarations(group)
    known = {one.name for one in fields(group)}
    values = {name: value for name, value in given.items() if name in known}
    for name in values.keys() & declared.keys():
        values[name] = _value(name, declared[name], kinds[name], values[name])
    return group(**values)


def _kinds(group: type[Any]) -> dict[str, Any]:
    """The type that each field has where it has a value."""
    hints = get_type_hints(group)
    return {name: next(iter(get_args(kind)), kind) if _is_optional(kind) else kind for name, kind in hints.items()}


def _is_optional(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _value(name: str, declared: Declaration, kind: Any, value: Any) -> Any:
    if value is None or isinstance(value, Hidden):
        return value
    if kind == tuple[str, ...]:
        return _several(name, declared, value)
    if isinstance(value, datetime.timedelta):
        return _duration(declared, kind, value)
    if kind is int:
        return _whole(name, declared.flag, value)
    if isinstance(value, os.PathLike) and kind is not str:
        return os.fspath(value)
    return value


def _duration(declared: Declaration, kind: Any, value: datetime.timedelta) -> Any:
    """A time as its option has it: seconds, or text like 90s."""
    if kind is float:
        return value.total_seconds()
    return f"{math.ceil(value.total_seconds())}s" if declared.metavar == "DURATION" else value


def _whole(name: str, flag: str, value: Any) -> Any:
    """A number of any library; bytes as text, too."""
    if isinstance(value, str) and "bytes" in name:
        return bytes_of(byte_count(flag)(value))
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return value
    try:
        return operator.index(value)
    except TypeError:
        return value  # which is refused with its type


def _several(name: str, declared: Declaration, value: Any) -> tuple[str, ...]:
    """Texts, from one with commas, from several, or from a dict where each is a pair."""
    if isinstance(value, str):
        if declared.takes_rest:
            return tuple(words_of(value, name))
        return (value,) if declared.repeats else parted(value)
    if isinstance(value, Mapping) and "=" in (declared.metavar or ""):
        return tuple(_pair(name, key, item) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, bytes) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise ArgumentTypeError(f"{name} is {_told(value)}, not text or a list of texts")


def _told(value: Any) -> str:
    kind = type(value).__name__
    return f"a {kind} with {type(value[0]).__name__}" if isinstance(value, list | tuple) and value else kind


def _pair(name: str, key: Any, item: Any) -> str:
    """A pair as text; of `set` the value is JSON, of others it is text."""
    if not isinstance(key, str):
        raise ArgumentTypeError(f"{name} has the key {key!r}, which is {type(key).__name__}, not text")
    if name != "set":
        return f"{key}={item}"
    try:
        return f"{key}={json.dumps(item)}"
    except TypeError as error:
        raise ArgumentTypeError(f"{name}[{key!r}]: {error}") from None
