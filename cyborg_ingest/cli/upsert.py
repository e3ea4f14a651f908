"""`cyborg-ingest upsert`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002 - the parser looks at the signature

from cyborg_ingest.cli import configured
from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import INDEX, SOURCES, log_of, settings_of, takes
from cyborg_ingest.cli.printed import command_line, print_json
from cyborg_ingest.output import voice
from cyborg_ingest.settings import environment, spelled
from cyborg_ingest.settings.options import LoadSettings, NotifySettings, OutputSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.facts import Event

app = part_of_program("upsert")


@app.command(cls=Command)
@takes(LoadSettings, OutputSettings, NotifySettings)
def upsert(ctx: typer.Context, *, sources: SOURCES, index: INDEX, **arguments: Any) -> int:
    """Load files into an index: new rows are inserted, rows of a known id are replaced whole."""
    command = ["upsert", *map(spelled.source, sources), "--index", index]
    notes = ctx.meta[configured.CONFIGURED].said()
    return load(tuple(sources), index, arguments, notes, lambda *groups: command_line(*command, of=groups))


def load(
    sources: tuple[str, ...],
    index: str,
    arguments: dict[str, Any],
    notes: list[str],
    again: Callable[..., list[str]],
    *,
    job: str | None = None,
) -> int:
    """Load, and show it: its exit code, or the one for nothing new.

    `again` gives the words of the command that does the same, from the settings. `job`: its name in the configuration
    file.
    """
    from cyborg_ingest.cli.hearing import heard  # noqa: PLC0415
    from cyborg_ingest.facts import Noted  # noqa: PLC0415
    from cyborg_ingest.loading.loader import run  # noqa: PLC0415
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415 - `--help` needs none of this

    arguments = {**arguments, "sources": sources, "index": index}
    output = settings_of(OutputSettings, arguments)
    voice.use(output.log_format)

    def emit(event: Event) -> None:
        others(event)
        display(event)

    with heard(arguments, job, index) as others:
        voice.log_to(*log_of(arguments))
        settings = settings_of(LoadSettings, arguments)
        try:
            with make_display(output.progress, verbose=output.verbose, quiet=output.quiet) as display:
                for text in (*environment.misspelled(os.environ), *notes):
                    display(Noted(text))
                report = run(settings, emit, command=again(settings, output, others.settings))
        finally:  # whatever ended it, a bug included
            if output.json and others.report is not None:
                print_json(others.report.to_dict())
    return output.nothing_new_exit if report.nothing_new else report.exit_code
