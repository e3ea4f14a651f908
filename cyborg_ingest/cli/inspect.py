"""`cyborg-ingest inspect`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import SOURCES, settings_of, takes
from cyborg_ingest.cli.printed import print_json
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.output.streams import is_terminal, say
from cyborg_ingest.settings.options import InspectSettings, ProgressSettings

if TYPE_CHECKING:
    from cyborg_ingest.output.pictures import Canvas

app = part_of_program("inspect")


@app.command("inspect", cls=Command)
@takes(InspectSettings, ProgressSettings)
def inspect_sources(*, sources: SOURCES, **arguments: Any) -> ExitCode:
    """Say what files are like and what is wrong with them, without an index; exit code 1 where something is."""
    from cyborg_ingest.check.inspecting import inspect as look  # noqa: PLC0415 - `--help` needs none of this
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415
    from cyborg_ingest.output.portrait import portrait  # noqa: PLC0415

    settings = settings_of(InspectSettings, {**arguments, "sources": tuple(sources)})
    shown = settings_of(ProgressSettings, arguments)
    with make_display(shown.progress, verbose=True, quiet=shown.quiet) as display:
        found = look(settings, display)
    if settings.json:
        print_json(found.to_dict())
    else:
        say(*portrait(found, _canvas()))
    return ExitCode.REJECTED if found.findings else ExitCode.OK


def _canvas() -> Canvas:
    """What standard output can show: pictures are for a terminal alone."""
    from cyborg_ingest.output.pictures import Canvas  # noqa: PLC0415 - `--help` needs none of this

    is_unicode = "utf" in (sys.stdout.encoding or "ascii").lower()
    return Canvas(shutil.get_terminal_size().columns if is_terminal(sys.stdout) else 0, is_unicode)
