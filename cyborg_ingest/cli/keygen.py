"""`cyborg-ingest keygen`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.guard import guarded
from cyborg_ingest.output.streams import say, shown

FILE = Annotated[Path, typer.Argument(metavar="FILE", help="The new file, in a directory that is there.")]

app = part_of_program("keygen")


@app.command(cls=Command)
def keygen(file: FILE) -> None:
    """Make a key for an index, in a new file that its owner alone can read."""
    code = guarded(_made, {"file": file}, has_display=False)
    if code:
        raise typer.Exit(code)


def _made(file: Path) -> None:
    from cyborg_ingest.settings.keys import make_key_file  # noqa: PLC0415 - `--help` needs none of this

    path = file.expanduser().absolute()
    make_key_file(path)
    say(f"{shown(str(path))}: a new key. Back it up: without it an index that it opens cannot be read.")
