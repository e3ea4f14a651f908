"""`cyborg-ingest get`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import INDEX, SHORT, settings_of, takes
from cyborg_ingest.cli.printed import print_rows, say_fact
from cyborg_ingest.errors import ExitCode, UsageError
from cyborg_ingest.output import voice
from cyborg_ingest.settings.options import TargetSettings

IDS = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of rows; behind -- where one begins with -.")]
IDS_FROM = Annotated[
    Path | None,
    typer.Option("--ids-from", metavar="FILE", help="File with more ids, one a line; - is standard input."),
]

app = part_of_program("get")


@app.command(cls=Command)
@takes(TargetSettings)
def get(ids: IDS = None, *, index: INDEX, ids_from: IDS_FROM = None, short: SHORT = False, **arguments: Any) -> int:
    """Print rows of an index by their ids, as JSON lines that `upsert` reads again; exit code 1 where one is missing.

    Each row is printed once, in the order asked for.
    """
    from cyborg_ingest.targets import fetching  # noqa: PLC0415 - `--help` needs none of this

    asked = [*(ids or []), *(fetching.ids_in(ids_from) if ids_from else [])]
    if not asked:
        raise UsageError("No id. Name some, or a file with one a line: --ids-from FILE.")
    missing: list[str] = []
    rows = fetching.get(settings_of(TargetSettings, arguments), index, asked, say_fact, missing)
    code = print_rows(rows, short=short)
    if missing:
        voice.tell("note", fetching.missing_rows(missing, index))
    return code or (ExitCode.REJECTED if missing else ExitCode.OK)
