"""Where every error ends: in one or two lines and an exit code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer

from cyborg_ingest.cli.printed import print_failure
from cyborg_ingest.errors import ExitCode, IngestError, StoppedError
from cyborg_ingest.output import voice
from cyborg_ingest.settings import environment

if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(
    function: Callable[..., int | None],
    arguments: dict[str, Any],
    *,
    has_display: bool,
    refuses_empty: bool = True,
    log: Callable[[], Any] | None = None,
) -> int:
    """Call a command; every error ends here, in one or two lines and an exit code.

    `has_display`: the command says itself which variables change nothing. `refuses_empty`: one that is empty ends it.
    `log` gives its log file.
    """
    from cyborg_ingest.signals import listening  # noqa: PLC0415
    from cyborg_ingest.stop import Stop  # noqa: PLC0415 - `--help` needs none of this

    def called() -> int | None:
        if log is not None:
            voice.log_to(*log())
        if refuses_empty:
            environment.refuse_empty(os.environ)
        for text in () if has_display else environment.misspelled(os.environ):
            voice.tell("note", text)
        with listening(Stop(drain_seconds=0)):
            return function(**arguments)

    as_json = bool(arguments.get("json") or arguments.get("json_output"))
    try:
        return told(called, is_verbose=bool(arguments.get("verbose")), as_json=as_json)
    finally:
        voice.log_to(None)


def told(call: Callable[[], int | None], *, is_verbose: bool, as_json: bool) -> int:
    """Call it, and say what it ended with, if that is an error. Returns its exit code.

    `as_json`: what asked for a result as JSON gets one in any case; of an error with a report it has it already.
    """
    try:
        return call() or ExitCode.OK
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - `_said` says it
        code, words = _said(error, is_verbose=is_verbose)
        if as_json and getattr(error, "report", None) is None:
            print_failure(code, words)
        return code


def _said(error: BaseException, *, is_verbose: bool) -> tuple[ExitCode, str]:
    """Say what ended a command; the exit code of it, and what it is in a word or two."""
    if isinstance(error, StoppedError):
        voice.tell("stopped", str(error).removeprefix("stopped "), exit_code=int(code_of(error)))
        return code_of(error), str(error)
    if isinstance(error, IngestError):
        voice.tell("error", str(error), exit_code=int(code_of(error)))
        if is_verbose:
            voice.tell_traceback()
        return code_of(error), str(error)
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        voice.tell_lines("stopped", "stopped", level=voice.Level.ERROR)
        return code_of(error), "stopped"
    voice.tell_traceback()  # a bug: said so, with all that helps to fix it
    asked = "This is a bug in cyborg-ingest. Please report it with the lines above."
    voice.tell_lines("error", asked, level=voice.Level.ERROR, exit_code=int(code_of(error)))
    return code_of(error), str(error) or type(error).__name__


def code_of(error: BaseException) -> ExitCode:
    """The exit code of a command that this ends."""
    if isinstance(error, IngestError):
        return error.exit_code
    return ExitCode.INTERRUPTED if isinstance(error, typer.Abort | KeyboardInterrupt) else ExitCode.BUG
