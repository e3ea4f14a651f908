"""`cyborg-ingest report`: how a load went, as a page to look at."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.jobs import state_of
from cyborg_ingest.cli.options import takes
from cyborg_ingest.output import voice
from cyborg_ingest.settings.options import KeptStateSettings

if TYPE_CHECKING:
    from cyborg_ingest.state.records import Record

app = part_of_program("report")

_RUN = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Its id, as far as it is unique; a job, for its last run; or a run's folder (default: the last run).",
    ),
]
_FORM = Annotated[
    Literal["md", "html"] | None,
    typer.Option("--format", help="Markdown, or a page for a browser (default: md, or by the name of the file)."),
]
_FILE = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write (default: standard output).")
]


@app.command("report", cls=Command)
@takes(KeptStateSettings)
def report_run(
    ctx: typer.Context, run: _RUN = None, *, page_format: _FORM = None, page_file: _FILE = None, **arguments: Any
) -> None:
    """Show how a load went, as one page: rows, throughput, latency, files, rejected rows, settings."""
    from cyborg_ingest.output import retelling  # noqa: PLC0415 - `--help` needs none of this
    from cyborg_ingest.output.summary import markdown  # noqa: PLC0415
    from cyborg_ingest.plan.written import file_output, whole  # noqa: PLC0415

    is_html = (page_format or _form_of(page_file)) == "html"
    if is_html:
        from cyborg_ingest.output.html import check_there, html  # noqa: PLC0415

        check_there()
    output = None if page_file is None else file_output(f"--output {page_file}", page_file)
    page = retelling.of_record(_found(run, state_of(ctx, arguments)))
    text = html(page) if is_html else markdown(page)
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with whole(output) as write:
        write(text)
    voice.tell("written", str(output.path))


def _form_of(file: Path | None) -> str:
    return "html" if file is not None and file.suffix.lower() in {".html", ".htm"} else "md"


def _found(word: str | None, directory: Path) -> Record:
    from cyborg_ingest.state import records  # noqa: PLC0415

    if word is None:
        last = records.last_of_all(directory)
        voice.tell("run", f"{last.run.id}, the last one")
        return last
    path = Path(word)
    is_path = os.sep in word or path.exists()
    return records.at(path) if is_path else records.find(word, directory)
