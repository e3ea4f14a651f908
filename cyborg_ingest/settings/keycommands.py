"""Keys that a command prints: `pass`, `vault`, `gcloud secrets` and their kin know them, and no file has to."""

from __future__ import annotations

import shlex
import subprocess

from cyborg_ingest.errors import KeyFileError, UsageError, printable
from cyborg_ingest.settings.hidden import Hidden, without_locals
from cyborg_ingest.smallfiles import LONGEST_SILENCE

_LARGEST = 65_536
_SHOWN = 200

_printed: dict[str, Hidden[bytes]] = {}
"""What commands have printed in this process: a person is asked for a password once."""


@without_locals
def printed_by(command: str, option: str) -> bytes:
    """What a command prints, run once and without a shell. Raises UsageError, KeyFileError, which never show it."""
    if command not in _printed:
        _printed[command] = Hidden(_run(_words(command, option), option))
    return _printed[command].reveal()


def _words(command: str, option: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{option}: a shell would not take it: {error}.") from None
    if not words:
        raise UsageError(f"{option} is empty.")
    return words


@without_locals
def _run(words: list[str], option: str) -> bytes:
    program = printable(words[0])
    try:
        done = subprocess.run(  # noqa: S603 - what the user asks for, and no shell
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_SILENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise KeyFileError(f"{option}: {program} did not end within {LONGEST_SILENCE:.0f} s.") from None
    except (OSError, ValueError) as error:
        words_of_it = getattr(error, "strerror", None) or "it cannot be run"
        raise KeyFileError(f"{option}: {program}: {words_of_it}.") from None
    if done.returncode:
        said = printable(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])[:_SHOWN]
        raise KeyFileError(f"{option}: {program} ended with {done.returncode}{f': {said}' if said else ''}.")
    if len(done.stdout) > _LARGEST:
        raise KeyFileError(f"{option}: {program} printed more than {_LARGEST:,} bytes.")
    return done.stdout
