"""What is said of a wrong command line."""

from __future__ import annotations

import os
from typing import cast

import typer

from cyborg_ingest.errors import IngestError

UsageFault = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])
"""What the parser raises at a wrong command line; where its class lives depends on Typer's release."""


def told(error: Exception) -> str:
    """What is said of a wrong command line, or of a wrong configuration file."""
    return (_lost_variable() or error.format_message()) if isinstance(error, UsageFault) else str(error)


def _lost_variable() -> str | None:
    """What is said of an empty variable: the parser takes it for an absent one, and misses the option."""
    from cyborg_ingest.settings import environment  # noqa: PLC0415 - `--help` does not need it

    try:
        environment.refuse_empty(os.environ)
    except IngestError as error:
        return str(error)
    return None
