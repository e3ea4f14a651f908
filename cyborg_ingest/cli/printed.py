"""What commands print: a result as JSON, notes, and the command that does the same again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cyborg_ingest.settings import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.errors import ExitCode
    from cyborg_ingest.facts import Event
    from cyborg_ingest.model import StoredRow
    from cyborg_ingest.settings.declaring import Settings


def command_line(*command: str, of: Iterable[Settings]) -> list[str]:
    """The command line that does the same again, from any directory."""
    return ["cyborg-ingest", *command, *spelled.words(*of)]


def print_json(value: Any, *, is_document: bool = False) -> None:
    """A result, on standard output; no key is in it.

    It is one line, since programs that run others take the last one; moved in where people see it, as a document is.
    """
    import json  # noqa: PLC0415 - `--help` needs none of this

    from cyborg_ingest.settings.scrubbing import KNOWN  # noqa: PLC0415

    indent = 2 if is_document or sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(KNOWN.scrubbed(value), indent=indent) + "\n")
    sys.stdout.flush()


def print_rows(rows: Iterable[StoredRow], *, short: bool) -> ExitCode:
    """Rows of an index, one a line, until nobody reads them. FAILED where some are lost, which is told at the end."""
    from cyborg_ingest.errors import ExitCode  # noqa: PLC0415
    from cyborg_ingest.output.rowlines import line_of  # noqa: PLC0415
    from cyborg_ingest.output.streams import say_data, why_lost  # noqa: PLC0415 - `--help` needs none of this

    for row in rows:
        if not say_data(line_of(row, short=short)):
            break
    return ExitCode.OK if why_lost(sys.stdout) is None else ExitCode.FAILED


def print_failure(code: ExitCode, words: str) -> None:
    """What ended a command before it had a result, as JSON."""
    from cyborg_ingest.loading.report import failure  # noqa: PLC0415 - `--help` needs none of this

    print_json(failure(code, words))


def at_terminal() -> bool:
    """Whether somebody watches, who can be asked."""
    from cyborg_ingest.output.streams import is_terminal  # noqa: PLC0415 - `--help` needs none of this

    return is_terminal(sys.stderr)


def say_fact(event: Event) -> None:
    """What commands without a display of their own have to say: notes, and each failure that is waited out."""
    from cyborg_ingest.facts import Noted, Retrying  # noqa: PLC0415
    from cyborg_ingest.output import voice, worded  # noqa: PLC0415 - `--help` needs none of this

    said = worded.said(event) if isinstance(event, Noted | Retrying) else None
    if said is not None:
        voice.say(said)
