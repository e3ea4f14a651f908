"""Options that say what is shown."""

from dataclasses import dataclass

from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels

PROGRESS = ("auto", "rich", "plain", "json", "none")


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressSettings(Settings):
    """How progress is shown."""

    progress: str = option(
        "auto",
        "--progress",
        "auto is rich on a terminal, else plain: a line every 5 seconds. json: one object a line, on stderr.",
        panel=panels.OUTPUT,
        choices=PROGRESS,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputSettings(ProgressSettings):
    """What is shown of a load."""

    verbose: bool = option(
        False, "--verbose", "Also show each retry, and the traceback of an error.", panel=panels.OUTPUT
    )
    json: bool = option(False, "--json", "Print the report as JSON on stdout.", panel=panels.OUTPUT)
