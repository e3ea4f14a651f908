"""Secrets that what looks at variables does not see: a traceback with locals, a debugger's list, a pickle, a `repr`.

pytest, rich, cgitb and services that gather errors print the local variables of each frame that an error passed. So no
frame of ours that an error can pass holds a secret as text or bytes: it is `Hidden` until the call that needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
_P = ParamSpec("_P")

SHOWN = "***"


class _Kept:
    """What is not shown, copied or pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return SHOWN

    def __copy__(self) -> _Kept:
        return self

    def __deepcopy__(self, _memo: Any) -> _Kept:
        return self

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a secret is not pickled: pass on where it comes from (a variable, a file)")


class Hidden(_Kept, Generic[_T]):
    """A secret; neither text nor bytes, since tools show parts of those whatever their `repr` is."""

    __slots__ = ("__value",)

    def __init__(self, value: _T) -> None:
        self.__value = value

    def reveal(self) -> _T:
        """The secret, for the call that needs it: in its arguments, never in a variable."""
        return self.__value


class HiddenMapping(_Kept, Mapping[str, str]):
    """Texts by name, some of which are secret: the environment, the fields of a request."""

    __slots__ = ("__values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.__values = values

    def __getitem__(self, name: str) -> str:
        return self.__values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.__values)

    def __len__(self) -> int:
        return len(self.__values)


def hidden(value: _T | Hidden[_T] | None) -> Hidden[_T] | None:
    """The value, hidden; None stays None. What takes a secret from outside begins with this."""
    return value if value is None or isinstance(value, Hidden) else Hidden(value)


def revealed(value: Hidden[_T] | None) -> _T | None:
    """What is hidden, or None; for an argument of a call."""
    return None if value is None else value.reveal()


def without_locals(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """For what reads a secret: an error comes out of it without the frames inside, which hold the secret."""

    @functools.wraps(function)
    def called(*arguments: _P.args, **named: _P.kwargs) -> _T:
        try:
            return function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - it is raised again
            del arguments, named
            error.__context__ = None
            raise error.with_traceback(None)  # noqa: B904 - it is the error itself

    return called
