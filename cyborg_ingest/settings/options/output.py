"""Options that say what is shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyborg_ingest.errors import ExitCode, UsageError
from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels
from cyborg_ingest.settings.quantities import byte_count, bytes_of

PROGRESS = ("auto", "rich", "plain", "json", "none")
LOG_FORMATS = ("auto", "text", "json")

_BESIDE = {"text": ("rich", "json"), "json": ("rich",)}
"""Formats of the log -> what `--progress` cannot be with it."""


def _free_code(value: Any) -> Any:
    """An exit code that says nothing else."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and value in set(ExitCode) - {ExitCode.OK}:
        raise UsageError(f"--nothing-new-exit is {value}, which says something else; take one that is free, like 99.")
    return value


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressSettings(Settings):
    """How progress is shown, and all else that is said on the way."""

    progress: str = option(
        "auto",
        "--progress",
        "auto is rich on a terminal, else plain: a line every 5 seconds. json: one object a line, on stderr.",
        panel=panels.OUTPUT,
        choices=PROGRESS,
    )
    quiet: bool = option(
        False,
        "--quiet",
        "Say only how it ended, and what went wrong.",
        panel=panels.OUTPUT,
        short="-q",
    )
    log_format: str = option(
        "auto",
        "--log-format",
        "How lines on stderr look. auto: for people. text: each with its time (UTC) and level. json: all that is said "
        "is one object a line, errors too.",
        panel=panels.OUTPUT,
        choices=LOG_FORMATS,
    )
    log_file: Path | None = option(
        None,
        "--log-file",
        "Append what is said on stderr, but progress, to this file too, with times; as objects with --log-format json.",
        panel=panels.OUTPUT,
        metavar="FILE",
    )
    log_file_bytes: str = option(
        "10M",
        "--log-file-bytes",
        "Begin a new log file before this one has more bytes, as in 500K or 10M.",
        panel=panels.OUTPUT,
        metavar="BYTES",
        parse=byte_count("--log-file-bytes"),
    )
    log_file_keep: int = option(
        5,
        "--log-file-keep",
        "How many older log files are kept (FILE.1 is the newest); 0: the file only grows.",
        panel=panels.OUTPUT,
        minimum=0,
        maximum=1000,
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quiet and self.progress not in ("auto", "none"):
            raise UsageError(f"--quiet says nothing of progress, and --progress {self.progress} asks for it: give one.")
        if self.progress in _BESIDE.get(self.log_format, ()):
            raise UsageError(
                f"--progress {self.progress} is not a line of a log. With --log-format {self.log_format} it is "
                "--progress plain, which says every 5 seconds how far it is, or none."
            )

    @property
    def log(self) -> tuple[Path | None, int, int]:
        """The log file, how many bytes it may have, and how many older ones are kept."""
        return self.log_file, bytes_of(self.log_file_bytes), self.log_file_keep


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputSettings(ProgressSettings):
    """What is shown of a load."""

    verbose: bool = option(
        False,
        "--verbose",
        "Also show each retry, and the traceback of an error.",
        panel=panels.OUTPUT,
        short="-v",
    )
    json: bool = option(False, "--json", "Print the report as JSON on stdout.", panel=panels.OUTPUT)
    nothing_new_exit: int = option(
        0,
        "--nothing-new-exit",
        "Exit code where there was nothing to send, for schedulers that then skip what follows (Airflow: 99).",
        panel=panels.OUTPUT,
        minimum=0,
        maximum=255,
        metavar="N",
        parse=_free_code,
    )
