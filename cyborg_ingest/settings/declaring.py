"""How an option is declared: a field of a settings class that knows its flag, its variable, its bounds and its help."""

import math
import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cyborg_ingest.errors import ArgumentTypeError, UsageError

_T = TypeVar("_T")

ENVIRONMENT_PREFIX = "CYBORG_INGEST_"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the command line says about one option."""

    flag: str
    help: str
    panel: str
    env: str | None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    repeats: bool = False
    """Given once for each value; other options with several values take them comma-separated."""
    parse: Callable[[Any], Any] | None = None
    """Looks at a value before its type is checked, and may make another of it. Raises UsageError."""
    takes_rest: bool = False
    """Its values are the words behind `--`; no variable has them, and of the file only what names sources."""
    is_secret: bool = False
    """Nothing shows the value: neither a command that is printed nor `config show`."""
    short: str | None = None
    """One letter, for what is typed most: `-v`."""

    @property
    def flags(self) -> tuple[str, ...]:
        """As the parser knows it."""
        return (self.flag,) if self.short is None else (self.flag, self.short)

    @property
    def name(self) -> str:
        """The flag's name: that of `--header/--no-header` is `header`."""
        return _name(self.flag)


def option(
    default: _T,
    flag: str,
    text: str,
    *,
    panel: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    metavar: str | None = None,
    repeats: bool = False,
    parse: Callable[[Any], Any] | None = None,
    takes_rest: bool = False,
    is_secret: bool = False,
    short: str | None = None,
) -> _T:
    """A dataclass field that is an option too. Its environment variable follows from the flag."""
    env = None if takes_rest else ENVIRONMENT_PREFIX + _name(flag).replace("-", "_").upper()
    declaration = Declaration(
        flag, text, panel, env, minimum, maximum, choices, metavar, repeats, parse, takes_rest, is_secret, short
    )
    return field(default=default, repr=not is_secret, metadata={"option": declaration})


def _name(flag: str) -> str:
    return flag.partition("/")[0].removeprefix("--")


def parted(text: str) -> tuple[str, ...]:
    """The values of an option that takes several apart by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def declarations(settings: type[Any]) -> dict[str, Declaration]:
    """The options of a settings class by field name, in the order of their declaration."""
    return {item.name: item.metadata["option"] for item in fields(settings) if "option" in item.metadata}


def given(settings: "Settings") -> dict[str, Any]:
    """The options that are not their defaults, by field name."""
    defaults = {one.name: one.default for one in fields(settings)}
    values = {name: getattr(settings, name) for name in declarations(type(settings))}
    return {name: value for name, value in values.items() if defaults[name] is MISSING or value != defaults[name]}


def checked(settings: type[Any], name: str, value: Any) -> Any:
    """A value as one field of a settings class would hold it. Raises UsageError, ArgumentTypeError."""
    return _checked(declarations(settings).get(name), name, _kinds(settings)[name], value)


def _checked(declared: Declaration | None, name: str, kinds: tuple[Any, ...], value: Any) -> Any:
    found = _of_kind(name, kinds, declared.parse(value) if declared and declared.parse else value)
    if declared:
        _check(declared, found)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Settings:
    """The base: checks types, choices and bounds, whoever fills it. Raises UsageError, ArgumentTypeError."""

    def __post_init__(self) -> None:
        declared = declarations(type(self))
        for name, kinds in _kinds(type(self)).items():
            object.__setattr__(self, name, _checked(declared.get(name), name, kinds, getattr(self, name)))


def _kinds(settings: type[Any]) -> dict[str, tuple[Any, ...]]:
    """The types that each field may have."""
    return {
        name: get_args(kind) if NoneType in get_args(kind) else (kind,)
        for name, kind in get_type_hints(settings).items()
    }


def _of_kind(name: str, kinds: tuple[Any, ...], value: Any) -> Any:
    """The value, if it is of a type that the field may have: a program may pass anything. Raises ArgumentTypeError.

    A path may be text, a whole number may stand for a float.
    """
    kind, is_bool = kinds[0], isinstance(value, bool)
    if value is None and NoneType in kinds:
        return value
    if kind == tuple[str, ...] and isinstance(value, tuple | list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if kind is Path and isinstance(value, str | Path):
        return Path(os.path.expanduser(value))  # noqa: PTH111 - a Path raises another error for ~nobody
    kind = get_origin(kind) or kind
    is_one = isinstance(kind, type) and isinstance(value, kind) and is_bool is (kind is bool)
    if is_one or (kind is float and isinstance(value, int) and not is_bool):
        return value
    wanted = "a list of texts" if kind == tuple[str, ...] else kind.__name__
    raise ArgumentTypeError(f"{name} is {type(value).__name__}, not {wanted}")


def _check(declared: Declaration, value: Any) -> None:
    if value is None:
        return
    if declared.choices and value not in declared.choices:
        raise UsageError(f"{declared.flag} is {value!r}; it takes {', '.join(declared.choices)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{declared.flag} is {value}; it takes a number.")
    if declared.minimum is not None and value < declared.minimum:
        raise UsageError(f"{declared.flag} is {value}; it must be at least {declared.minimum:g}.")
    if declared.maximum is not None and value > declared.maximum:
        raise UsageError(f"{declared.flag} is {value}; it must be at most {declared.maximum:g}.")
