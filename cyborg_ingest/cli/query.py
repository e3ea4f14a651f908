"""`cyborg-ingest query`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import INDEX, SHORT, settings_of, takes
from cyborg_ingest.cli.printed import print_rows, say_fact
from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings.options import TargetSettings

VECTOR_FILE = Annotated[
    Path | None,
    typer.Option(
        "--vector-file",
        metavar="FILE",
        help="File with the vector: .npy, a list of numbers as JSON, or a row as `get` prints it; - is standard input.",
    ),
]
LIKE = Annotated[
    str | None, typer.Option("--like", metavar="ID", help="Take the vector of this row, which is left out itself.")
]
TOP_K = Annotated[int, typer.Option("--top-k", "-k", metavar="N", min=1, max=999_999, help="How many rows, at most.")]

app = part_of_program("query")


@app.command(cls=Command)
@takes(TargetSettings)
def query(
    *,
    index: INDEX,
    vector_file: VECTOR_FILE = None,
    like: LIKE = None,
    top_k: TOP_K = 10,
    short: SHORT = False,
    **arguments: Any,
) -> int:
    """Print the rows of an index that are nearest to a vector, the nearest first, as JSON lines.

    Each has its distance in "_query", which `upsert` leaves out, and says so.
    """
    from cyborg_ingest.targets import fetching  # noqa: PLC0415 - `--help` needs none of this

    if (vector_file is None) == (like is None):
        raise UsageError("A query needs one vector: give either --vector-file FILE or --like ID.")
    settings = settings_of(TargetSettings, arguments)
    if like is not None:
        found = fetching.like(settings, index, like, top_k, say_fact)
    else:
        found = fetching.query(settings, index, fetching.vector_in(Path(vector_file or "")), top_k, say_fact)
    return print_rows(found, short=short)
