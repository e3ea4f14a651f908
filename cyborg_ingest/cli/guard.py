"""Where every error ends: in one or two lines and an exit code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer

from cyborg_ingest.errors import ExitCode, IngestError
from cyborg_ingest.output.streams import say, say_traceback
from cyborg_ingest.settings import environment

if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(function: Callable[..., ExitCode | None], arguments: dict[str, Any], *, has_display: bool) -> ExitCode:
    """Call a command; every error ends here, in one or two lines and an exit code.

    `has_display`: the command says itself what is wrong with the environment.
    """
    from cyborg_ingest.signals import listening  # noqa: PLC0415
    from cyborg_ingest.stop import Stop  # noqa: PLC0415 - `--help` needs none of this

    def called() -> ExitCode | None:
        environment.refuse_empty(os.environ)
        for text in () if has_display else environment.misspelled(os.environ):
            say(f"note      {text}", err=True)
        with listening(Stop(drain_seconds=0)):
            return function(**arguments)

    return told(called, is_verbose=bool(arguments.get("verbose")))


def told(call: Callable[[], ExitCode | None], *, is_verbose: bool) -> ExitCode:
    """Call it, and say what it ended with, if that is an error. Returns its exit code."""
    try:
        return ExitCode(call() or 0)
    except IngestError as error:
        say(f"error     {error}", err=True)
        if is_verbose:
            say_traceback()
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        say("stopped", err=True)
        return ExitCode.INTERRUPTED
    except typer.Exit:
        raise
    except Exception:  # noqa: BLE001 - a bug: said so, with all that helps to mend it
        say_traceback()
        say("This is a bug in cyborg-ingest. Please report it with the lines above.", err=True)
        return ExitCode.BUG
