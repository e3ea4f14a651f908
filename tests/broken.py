"""A wrapper of a real thing of which one method fails, or answers something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Broken:
    """All is the real thing's, but for one attribute."""

    def __init__(self, real: Any, name: str, instead: Callable[..., Any]) -> None:
        self._real, self._name, self._instead = real, name, instead

    def __getattr__(self, name: str) -> Any:
        if name != self._name:
            return getattr(self._real, name)
        return self._instead if callable(getattr(self._real, name)) else self._instead()


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_arguments: Any, **_more: Any) -> Any:
        raise error

    return fail
