"""`cyborg-ingest inspect`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import SOURCES, settings_of, takes
from cyborg_ingest.cli.printed import print_json
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.output import voice
from cyborg_ingest.output.streams import is_terminal, say
from cyborg_ingest.settings.options import InspectSettings, ProgressSettings, panels

if TYPE_CHECKING:
    from cyborg_ingest.check.inspection import Inspection
    from cyborg_ingest.output.pictures import Canvas
    from cyborg_ingest.plan.written import Output

app = part_of_program("inspect")

_PAGE = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="Also write a page for a browser to this file, with pictures.",
        rich_help_panel=panels.OUTPUT,
    ),
]  # fmt: skip


@app.command("inspect", cls=Command)
@takes(InspectSettings, ProgressSettings)
def inspect_sources(*, sources: SOURCES, page_file: _PAGE = None, **arguments: Any) -> ExitCode:
    """Say what files are like and what is wrong with them, without an index; exit code 1 where something is."""
    from cyborg_ingest.check.inspecting import inspect as look  # noqa: PLC0415 - `--help` needs none of this
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415
    from cyborg_ingest.output.portrait import portrait  # noqa: PLC0415

    settings = settings_of(InspectSettings, {**arguments, "sources": tuple(sources)})
    shown = settings_of(ProgressSettings, arguments)
    output = None if page_file is None else _page_output(page_file, settings)
    with make_display(shown.progress, verbose=True, quiet=shown.quiet) as display:
        found = look(settings, display)
    if settings.json:
        print_json(found.to_dict())
    else:
        say(*portrait(found, _canvas()))
    code = ExitCode.REJECTED if found.findings else ExitCode.OK
    if output is not None:
        _write(output, found, code)
    return code


def _page_output(file: Path, settings: InspectSettings) -> Output:
    """Where the page goes, if it can be made and written. Raises UsageError before anything is read."""
    from cyborg_ingest.output.html import check_there  # noqa: PLC0415
    from cyborg_ingest.plan.written import file_output, refuse_to_be_read  # noqa: PLC0415

    check_there("or leave out --report")
    output = file_output(f"--report {file}", file)
    refuse_to_be_read(output, settings)
    return output


def _write(output: Output, found: Inspection, code: ExitCode) -> None:
    from cyborg_ingest.output.html import html  # noqa: PLC0415
    from cyborg_ingest.output.inspected import of_inspection  # noqa: PLC0415
    from cyborg_ingest.plan.written import whole  # noqa: PLC0415

    with whole(output) as write:
        write(html(of_inspection(found, int(code))))
    voice.tell("written", str(output.path))


def _canvas() -> Canvas:
    """What standard output can show: pictures are for a terminal alone."""
    from cyborg_ingest.output.pictures import Canvas  # noqa: PLC0415 - `--help` needs none of this

    is_unicode = "utf" in (sys.stdout.encoding or "ascii").lower()
    return Canvas(shutil.get_terminal_size().columns if is_terminal(sys.stdout) else 0, is_unicode)
