"""`cyborg-ingest key`: path, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import NAME, settings_of, takes
from cyborg_ingest.output.streams import say, say_data, shown
from cyborg_ingest.settings.options import TargetSettings

app = part_of_program("key")

TO = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="A new file for it, or - for standard output, whatever that is."),
]


@app.command("path", cls=Command)
@takes(TargetSettings)
def key_path(name: NAME, **arguments: Any) -> None:
    """Print the path of the file that the key of an index is in, as for a back-up. The target is not asked."""
    from cyborg_ingest.targets.exporting import key_file_of  # noqa: PLC0415 - `--help` needs none of this

    say(str(key_file_of(settings_of(TargetSettings, arguments), name)))


@app.command("export", cls=Command)
@takes(TargetSettings)
def export_key(name: NAME, to: TO = None, **arguments: Any) -> None:
    """Write the key of an index to a new file of yours, or show it on a terminal: 64 hex digits.

    The target is not asked.
    """
    from cyborg_ingest.errors import UsageError  # noqa: PLC0415
    from cyborg_ingest.settings.keys import export_to  # noqa: PLC0415
    from cyborg_ingest.targets.exporting import key_of  # noqa: PLC0415 - `--help` needs none of this

    if to is None and not sys.stdout.isatty():
        raise UsageError("A key is written where others may read it only if that is asked for: --to FILE, or --to -.")
    key = key_of(settings_of(TargetSettings, arguments), name)
    if to is None or str(to) == "-":
        say_data(key.reveal().hex())
        return
    path = to.expanduser().absolute()
    export_to(path, key.reveal())
    say(f"{shown(str(path))}: the key of index {name!r}. Whoever has it, and the index, can read its rows.")
