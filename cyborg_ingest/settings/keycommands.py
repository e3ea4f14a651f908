"""Keys that a command prints: `pass`, `vault`, `gcloud secrets` and their kin know them, and no file has to."""

from __future__ import annotations

import shlex

from cyborg_ingest.errors import KeyFileError, UsageError, printable
from cyborg_ingest.settings.hidden import Hidden, without_locals
from cyborg_ingest.smallfiles import LONGEST_SILENCE, read_opened

_LARGEST = 65_536

_printed: dict[str, Hidden[bytes]] = {}
"""What commands have printed in this process: a person is asked for a password once."""


@without_locals
def printed_by(command: str, option: str) -> bytes:
    """What a command prints, run once and without a shell. Raises UsageError, KeyFileError, which never show it."""
    if command not in _printed:
        _printed[command] = Hidden(_run(words_of(command, option), option))
    return _printed[command].reveal()


def words_of(command: str, option: str) -> list[str]:
    """The words of a command line that an option has, as a shell takes it apart. Raises UsageError."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{option}: a shell would not take it: {error}.") from None
    if not words:
        raise UsageError(f"{option} is empty.")
    return words


@without_locals
def _run(words: list[str], option: str) -> bytes:
    """What it says beside, on standard error, the user reads as it is said: it may ask for a password."""
    import subprocess  # noqa: PLC0415 - `--help` does not need it

    program = printable(words[0])
    try:
        process = subprocess.Popen(  # noqa: S603 - what the user asks for, and no shell
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        raise KeyFileError(f"{option}: {program}: {getattr(error, 'strerror', None) or error}.") from None
    with process:
        try:
            printed = read_opened(process.stdout.fileno(), _LARGEST) if process.stdout else b""
            code = process.wait(LONGEST_SILENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            why = getattr(error, "strerror", None) or "it does not end"
            raise KeyFileError(f"{option}: what {program} prints cannot be read: {why}.") from None
        finally:
            process.kill()  # nothing, where it has ended
    if code:
        raise KeyFileError(f"{option}: {program} ended with {code}.")
    return printed
