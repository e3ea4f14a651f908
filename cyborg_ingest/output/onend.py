"""The command that is run when a load has ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import printable
from cyborg_ingest.settings.environment import for_others
from cyborg_ingest.settings.keycommands import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 60.0
"""Seconds until it is ended."""

_STDERR = 2


def run_on_end(command: str, result: dict[str, Any], report: Path | None) -> str | None:
    """Run it, and wait for it; what went wrong, in words. What it prints is talk: our standard output has the result.

    `report`: where the result is kept; where it is not, it is as long as the command runs.
    """
    words = words_of(command, "--on-end")
    told = {"EXIT_CODE": str(result["exit_code"]), "STATUS": str(result["status"])}
    with contextlib.ExitStack() as stack:
        try:
            told["REPORT"] = str(report or stack.enter_context(_kept(result)))
            why = None
        except OSError as error:  # there is no place for one
            why = f"got no file of the report: {error.strerror or error}"
        why = _run(words, for_others(os.environ, told)) or why
    return None if why is None else f"--on-end: {printable(words[0])} {why}."


@contextlib.contextmanager
def _kept(result: dict[str, Any]) -> Iterator[Path]:
    """A file with the result, which its owner alone can read. Raises OSError where there is no place for one."""
    with tempfile.TemporaryDirectory(prefix="cyborg-ingest-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "report.json"
        path.write_text(json.dumps(result, indent=2), "utf-8")
        yield path


def _run(words: list[str], environ: dict[str, str]) -> str | None:
    """Why it failed, if it did. It has a group of its own, so that it ends with all that it has started."""
    try:
        process = subprocess.Popen(  # noqa: S603 - what the user asks for, and no shell
            words, stdin=subprocess.DEVNULL, stdout=_STDERR, stderr=_STDERR, env=environ, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return f"cannot be run: {getattr(error, 'strerror', None) or error}"
    try:
        code = process.wait(LONGEST)
    except BaseException as error:
        with contextlib.suppress(OSError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return f"did not end within {LONGEST:.0f} s, and was ended"
        raise
    return None if code == 0 else f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
