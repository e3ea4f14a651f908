"""`cyborg-ingest head`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import INDEX, SHORT, settings_of, takes
from cyborg_ingest.cli.printed import print_rows, say_fact
from cyborg_ingest.settings.options import TargetSettings

ROWS = Annotated[int, typer.Option("--rows", "-n", metavar="N", min=1, help="How many rows.")]

app = part_of_program("head")


@app.command(cls=Command)
@takes(TargetSettings)
def head(*, index: INDEX, rows: ROWS = 10, short: SHORT = False, **arguments: Any) -> int:
    """Print some rows of an index, as JSON lines that `upsert` reads again. No order is promised."""
    from cyborg_ingest.targets import fetching  # noqa: PLC0415 - `--help` needs none of this

    return print_rows(fetching.head(settings_of(TargetSettings, arguments), index, rows, say_fact), short=short)
