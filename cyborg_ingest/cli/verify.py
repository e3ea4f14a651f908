"""`cyborg-ingest verify`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import INDEX, SOURCES, settings_of, takes
from cyborg_ingest.cli.printed import print_json
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.output.streams import say
from cyborg_ingest.settings.options import ProgressSettings, VerifySettings

app = part_of_program("verify")


@app.command(cls=Command)
@takes(VerifySettings, ProgressSettings)
def verify(
    *,
    sources: SOURCES,
    index: INDEX,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    **arguments: Any,
) -> ExitCode:
    """Compare an index with the files it was loaded from; exit code 5 where a row differs."""
    from cyborg_ingest.check.verifier import verify as compare  # noqa: PLC0415
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415 - `--help` needs none of this

    settings = settings_of(VerifySettings, {**arguments, "sources": tuple(sources), "index": index})
    shown = settings_of(ProgressSettings, arguments)
    with make_display(shown.progress, verbose=True, quiet=shown.quiet) as display:
        result = compare(settings, display)
    if json_output:
        print_json(result)
    else:
        say(result["text"])
        for one in result.get("examples", ()):
            say(f"{one['file']}, row {one['row']}, id {one['id']!r}: {', '.join(one['differs'])}")
    return ExitCode.DIFFERENT if result["differences"] else ExitCode.OK
