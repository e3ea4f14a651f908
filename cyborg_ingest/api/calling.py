"""How a public function is called: names that are wrong are told with the nearest, secrets hidden, errors in Python."""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cyborg_ingest.settings.hidden import hidden
from cyborg_ingest.settings.keywords import in_python, speaking_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cyborg_ingest.loading.report import RunReport

_P = ParamSpec("_P")
_R = TypeVar("_R")

SECRETS = ("api_key", "index_key")


def public(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Of a function whose keywords are options. A misspelled one is a TypeError that names the nearest."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*arguments: _P.args, **named: _P.kwargs) -> _R:
        for name in SECRETS:
            if name in named:
                named[name] = hidden(named[name])
        wrong = _fault(function.__name__, signature, arguments, named)
        if wrong:
            raise TypeError(wrong)
        with speaking_python(), _reporting_python():
            return function(*arguments, **named)

    return called


def _fault(name: str, signature: inspect.Signature, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments, in words."""
    for one in named:
        if one not in signature.parameters:
            near = difflib.get_close_matches(one, signature.parameters, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"help(cyborg_ingest.{name}) shows all of them"
            return f"{name}() got an unexpected keyword argument {one!r}; {hint}"
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        return f"{name}() {error}"
    return None


@contextlib.contextmanager
def _reporting_python() -> Iterator[None]:
    """The report of whatever ends a load says it as a caller in Python reads it."""
    try:
        yield
    except BaseException as error:
        report = getattr(error, "report", None)
        if report is not None:
            error.report = in_words_of_python(report)  # type: ignore[attr-defined]
        raise


def in_words_of_python(report: RunReport) -> RunReport:
    """The report with keywords in place of flags."""
    return replace(
        report,
        error=None if report.error is None else in_python(report.error),
        notes=[in_python(one) for one in report.notes],
        not_loaded={name: in_python(why) for name, why in report.not_loaded.items()},
        findings=[{name: _spoken(value) for name, value in one.items()} for one in report.findings],
    )


def _spoken(value: Any) -> Any:
    return in_python(value) if isinstance(value, str) else value
